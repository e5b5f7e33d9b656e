//! Every rejection, and what it says.

mod reference;
mod rules;

use super::*;
use crate::config::{Pattern, PatternKind};
use crate::fixtures::{action, branch, config, id, job, project, request, requester};
use crate::id::{DeployRef, TeamId, UserId};
use crate::message::Requester;

#[test]
fn what_is_not_listed_is_denied() {
    for key in ["branches", "channels", "users"] {
        let lists = ["branches", "channels", "users"]
            .map(|k| format!("{k} = {}\n", if k == key { "[]" } else { "[\"*\"]" }))
            .concat();
        let text = format!(
            "version = 1\n[slack]\nteams = [\"*\"]\n[projects.web]\nslug = \"gh/a/b\"\n\
             [projects.web.jobs.deploy]\n{lists}"
        );
        let empty = Config::parse(&text, "chatops.toml").unwrap();
        assert!(authorize_deploy(&empty, &request()).is_err(), "{key}");
        let missing = text.replace(&format!("{key} = []\n"), "");
        let missing = Config::parse(&missing, "chatops.toml").unwrap();
        assert!(authorize_deploy(&missing, &request()).is_err(), "{key}");
        let starred = text.replace("[]", "[\"*\"]");
        let starred = Config::parse(&starred, "chatops.toml").unwrap();
        assert!(authorize_deploy(&starred, &request()).is_ok(), "{key}");
    }
}

/// `U0001` and `C0001` exist in both workspaces, and mean others there.
const TWO_WORKSPACES: &str = r#"
version = 1
[slack]
teams = ["T0001", "T0002"]
[channels]
deploys = "T0001/C0001"
[users]
team = ["T0001/U0001", "T0002/U0002"]
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
branches = ["*"]
channels = ["deploys"]
users = ["team"]
[projects.api]
slug = "gh/acme/api"
read = ["team"]
[projects.all]
slug = "gh/acme/all"
read = ["*"]
[projects.closed]
slug = "gh/acme/closed"
[projects.closed.jobs.deploy]
branches = ["*"]
channels = ["*"]
users = []
"#;

#[test]
fn an_id_of_one_workspace_has_no_right_of_the_others() {
    let config = Config::parse(TWO_WORKSPACES, "chatops.toml").unwrap();
    let reads = |user: &str, channel: &str| {
        let user = QualifiedUser::parse(user).unwrap();
        let channel = QualifiedChannel::parse(channel).unwrap();
        let all = readable_projects(&config, &user, &channel).into_iter();
        all.map(|name| name.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(reads("T0001/U0001", "T0001/C0009"), "all api web");
    assert_eq!(reads("T0002/U0001", "T0002/C0001"), "all");
    assert_eq!(reads("T0002/U0002", "T0002/C0001"), "all api web");
    assert_eq!(reads("T0001/U0002", "T0001/C0009"), "all");
    // The channel opens its own project, and `*` as a job's channels opens nothing.
    assert_eq!(reads("T0001/U0009", "T0001/C0001"), "all web");
    assert_eq!(reads("T0003/U0001", "T0001/C0001"), "");

    let runs = |team: &str, user: &str, channel: &str| {
        let request = DeployRequest {
            team: TeamId::parse(team).unwrap(),
            user: UserId::parse(user).unwrap(),
            channel: ChannelId::parse(channel).unwrap(),
            ..request()
        };
        let target = Target("gh/acme/web/deploy".to_owned());
        let (user, channel) = (request.qualified_user(), request.qualified_channel());
        let frees = authorize_target(&config, &user, &channel, &target).is_ok();
        assert_eq!(frees, authorize_deploy(&config, &request).is_ok());
        frees
    };
    assert!(runs("T0001", "U0001", "C0001"));
    assert!(!runs("T0002", "U0001", "C0001"));
    assert!(!runs("T0002", "U0002", "C0001"));
    assert!(!runs("T0001", "U0002", "C0001"));
}

/// A reader may, an operator may, and everybody may cancel what they have asked for.
#[test]
fn who_may_act_on_a_deploy() {
    let config = config();
    let deploy = request();
    let of = |user: &str, channel: &str, team: &str| {
        ActionRequester::User(Requester {
            user: UserId::parse(user).unwrap(),
            channel: ChannelId::parse(channel).unwrap(),
            team: TeamId::parse(team).unwrap(),
            ..requester()
        })
    };
    let cancel = || DeployAction::Cancel {
        deploy: DeployRef::Full(id()),
    };
    let retry = || DeployAction::Retry {
        deploy: DeployRef::Full(id()),
        confirm: false,
        force: false,
    };
    let may = |by: ActionRequester, what| may_act_on(&config, &action(by, what), &deploy);
    // What a job of the project may be run from, anybody may read there.
    let reader = || of("U99", "C012ABCDEF", "T012ABCDEF");
    assert!(may(reader(), cancel()) && may(reader(), retry()));
    let operator = || ActionRequester::Operator {
        name: "root".to_owned(),
    };
    assert!(may(operator(), cancel()) && may(operator(), retry()));
    // A workspace that is not allowed reads nothing.
    let stranger = || of("U99", "C99", "T99");
    assert!(!may(stranger(), cancel()) && !may(stranger(), retry()));
    let deploy = DeployRequest {
        team: TeamId::parse("T99").unwrap(),
        ..request()
    };
    let may = |by: ActionRequester, what| may_act_on(&config, &action(by, what), &deploy);
    let own = || of("U012ABCDEF", "C99", "T99");
    assert!(may(own(), cancel()) && !may(own(), retry()));
    let namesake = of("U012ABCDEF", "C99", "T98");
    assert!(!may(namesake, cancel()));
}

#[test]
fn a_rejection_says_what_is_needed() {
    let config = config();
    let rejected = |change: &dyn Fn(&mut DeployRequest)| {
        let mut request = request();
        change(&mut request);
        authorize_deploy(&config, &request).unwrap_err()
    };
    let unknown = Rejection::UnknownJob {
        project: project("web"),
        job: job("none"),
        git_ref: branch("main"),
        usable: vec![job("deploy"), job("test")],
    };
    assert_eq!(rejected(&|ask| ask.job = job("none")), unknown);
    let other = rejected(&|ask| {
        ask.job = job("none");
        ask.user = UserId::parse("U99").unwrap();
    });
    let Rejection::UnknownJob { usable, .. } = other else {
        panic!("the job is not unknown");
    };
    assert_eq!(usable, [job("test")]);
    let channel = ChannelId::parse("C99").unwrap();
    let elsewhere = Rejection::Channel {
        project: project("web"),
        job: job("deploy"),
        channel: channel.clone(),
        allowed: vec![request().channel],
    };
    assert_eq!(rejected(&|ask| ask.channel = channel.clone()), elsewhere);
    let other = rejected(&|ask| ask.project = Some(project("api")));
    let known = vec![project("web")];
    let project = project("api");
    assert_eq!(other, Rejection::UnknownProject { project, known });
}

#[test]
fn every_rule_is_checked_and_the_first_rejection_decides() {
    let config = config();
    let nobody = DeployRequest {
        user: UserId::parse("U99").unwrap(),
        channel: ChannelId::parse("C99").unwrap(),
        git_ref: branch("feature"),
        ..request()
    };
    let PolicyReport { checks, found } = evaluate_rules(&config, &nobody);
    let said: Vec<_> = checks.iter().map(|c| (c.rule, c.verdict.is_ok())).collect();
    let expected = [
        (PolicyRule::Team, true),
        (PolicyRule::Project, true),
        (PolicyRule::Job, true),
        (PolicyRule::Channel, false),
        (PolicyRule::User, false),
        (PolicyRule::Branch, false),
    ];
    assert_eq!(said, expected);
    assert!(found.is_some());
    let decided = authorize_deploy(&config, &nobody).unwrap_err();
    assert_eq!(decided, *checks[3].verdict.as_ref().unwrap_err());
}

#[test]
fn the_target_is_the_projects_environment() {
    let config = config();
    let target = |name| {
        let job = job(name);
        let ask = DeployRequest { job, ..request() };
        let allowed = authorize_deploy(&config, &ask).unwrap();
        allowed.target().map(|target| target.0)
    };
    assert_eq!(target("deploy").as_deref(), Some("gh/acme/web/production"));
    assert_eq!(target("test"), None);
    let pattern = Pattern::parse("release/*", PatternKind::Branch).unwrap();
    assert!(pattern.matches("release/1"));
}
