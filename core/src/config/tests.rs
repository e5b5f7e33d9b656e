//! What a file means, and the errors of one that cannot be used.

use std::time::Duration;

use insta::assert_snapshot;

use super::*;

mod triggers;
mod workflows;

use crate::deploy::DeployRequest;
use crate::fixtures::{branch, job, project, request};
use crate::policy;

const EXAMPLE: &str = include_str!("../../../config/chatops.toml");

/// A valid file; the tests replace parts of it.
const GOOD: &str = r#"version = 1
default_project = "web"

[slack]
command = "/ship"
teams = ["T012ABCDEF"]
response_url_origins = ["https://hooks.slack.com", "http://127.0.0.1:8080"]

[circleci]
api = "https://ci.example.com"
app = "https://ci.example.com:8443"

[timeouts]
request_ttl = "5m"
trigger_window = "20s"

[channels]
deploys = "C012ABCDEF"

[users]
ada = "U012ABCDEF"
team = ["U034GHIJKL", "W056MNOPQR"]

[projects.web]
slug = "github/acme/web"

[projects.web.jobs.deploy]
trigger = "pipeline"
job_parameter = "what"
deploy_id_parameter = "chatops_id"
parameters = { notify = true, region = "eu", count = 3 }
environment = "production"
exclusive = false
branches = ["main", "release/*"]
channels = ["deploys", "G012ABCDEF"]
users = ["ada", "team", "U034GHIJKL"]

[projects.api]
slug = "circleci/Ab1/Cd2"

[projects.api.jobs.test]
job_parameter = false
deploy_id_parameter = false
branches = ["*"]
channels = ["*"]
users = ["*"]
trigger = "pipeline-run"
"#;

/// The error of the valid file with one part replaced.
fn error_after(part: &str, by: &str) -> String {
    assert_eq!(GOOD.matches(part).count(), 1, "{part}");
    error_of(&GOOD.replace(part, by))
}

fn error_of(text: &str) -> String {
    Config::parse(text, "chatops.toml").unwrap_err().to_string()
}

fn written<T: ToString + PartialEq>(list: &AllowList<T>) -> Vec<String> {
    list.listed().iter().map(ToString::to_string).collect()
}

#[test]
fn an_id_belongs_to_a_workspace() {
    let two = "teams = [\"T012ABCDEF\", \"T034GHIJKL\"]";
    let two = GOOD.replace("teams = [\"T012ABCDEF\"]", two);
    assert_snapshot!(error_of(&two), @"chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF");
    let qualified = two
        .replace("\"C012ABCDEF\"", "\"T034GHIJKL/C012ABCDEF\"")
        .replace("\"G012ABCDEF\"", "\"T012ABCDEF/G012ABCDEF\"")
        .replace("\"U012ABCDEF\"", "\"T034GHIJKL/U012ABCDEF\"")
        .replace("\"U034GHIJKL\"", "\"T012ABCDEF/U034GHIJKL\"")
        .replace("\"W056MNOPQR\"", "\"T034GHIJKL/W056MNOPQR\"");
    let config = Config::parse(&qualified, "chatops.toml").unwrap();
    let deploy = &config.projects[&project("web")].jobs[&job("deploy")];
    assert_eq!(
        written(&deploy.channels),
        ["T034GHIJKL/C012ABCDEF", "T012ABCDEF/G012ABCDEF"]
    );
    assert_eq!(
        written(&deploy.users),
        [
            "T034GHIJKL/U012ABCDEF",
            "T012ABCDEF/U034GHIJKL",
            "T034GHIJKL/W056MNOPQR"
        ]
    );
    // The same file in one workspace, where either form is read, and in none or all, where neither
    // can be meant.
    let teams = |teams| error_of(&GOOD.replace("[\"T012ABCDEF\"]", teams));
    assert_snapshot!(teams("[]"), @"chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF");
    assert_snapshot!(teams("[\"*\"]"), @"chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF");
    let both = GOOD.replace("\"G012ABCDEF\"", "\"T012ABCDEF/G012ABCDEF\"");
    let both = Config::parse(&both, "chatops.toml").unwrap();
    let both = &both.projects[&project("web")].jobs[&job("deploy")];
    let good = Config::parse(GOOD, "chatops.toml").unwrap();
    let good = &good.projects[&project("web")].jobs[&job("deploy")];
    assert_eq!(both.channels, good.channels);
    let wrong =
        |id: &str| error_of(&GOOD.replace("ada = \"U012ABCDEF\"", &format!("ada = {id:?}")));
    assert_snapshot!(wrong("T012ABCDEF/C012ABCDEF"), @r#"chatops.toml:21:7: 'T012ABCDEF/C012ABCDEF' is not a user id; Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF"#);
    assert_snapshot!(wrong("U012ABCDEF/T012ABCDEF"), @r#"chatops.toml:21:7: 'U012ABCDEF/T012ABCDEF' is not a user id; Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF"#);
}

#[test]
fn a_full_file_means_what_it_says() {
    let config = Config::parse(GOOD, "chatops.toml").unwrap();
    assert_eq!(config.slack.command, "/ship");
    let teams = ["T012ABCDEF"].map(|id| TeamId::parse(id).unwrap());
    assert_eq!(config.slack.teams, AllowList::Listed(teams.to_vec()));
    let origins = ["https://hooks.slack.com/", "http://127.0.0.1:8080/"];
    let read = config.slack.response_url_origins.iter().map(Url::as_str);
    assert!(read.eq(origins));
    assert_eq!(config.circleci.api.as_str(), "https://ci.example.com/");
    let expected = Timeouts {
        request_ttl: Duration::from_mins(5),
        trigger_window: Duration::from_secs(20),
        ..Timeouts::default()
    };
    assert_eq!(config.timeouts, expected);
    assert_eq!(config.default_project, Some(project("web")));

    let web = &config.projects[&project("web")];
    assert_eq!(web.slug.vcs, "gh");
    assert_eq!(web.slug.web_path(), "github/acme/web");
    let url = "https://ci.example.com:8443/pipelines/github/acme/web/7";
    assert_eq!(config.circleci.pipeline_url(&web.slug, 7).as_str(), url);
    let deploy = &web.jobs[&job("deploy")];
    let TriggerConfig {
        call,
        config_branch,
        job_parameter,
        deploy_id_parameter,
        parameters,
    } = &deploy.trigger;
    assert_eq!((call, config_branch), (&TriggerCall::Pipeline, &None));
    assert_eq!(job_parameter.as_deref(), Some("what"));
    assert_eq!(deploy_id_parameter.as_deref(), Some("chatops_id"));
    let sent = serde_json::to_string(parameters).unwrap();
    assert_eq!(sent, r#"{"count":3,"notify":true,"region":"eu"}"#);
    assert_eq!(deploy.environment, "production");
    assert!(!deploy.exclusive);
    let branches: Vec<_> = deploy.branches.iter().map(ToString::to_string).collect();
    assert_eq!(branches, ["main", "release/*"]);
    assert_eq!(
        written(&deploy.channels),
        ["T012ABCDEF/C012ABCDEF", "T012ABCDEF/G012ABCDEF"]
    );
    let users = ["U012ABCDEF", "U034GHIJKL", "W056MNOPQR"].map(|id| format!("T012ABCDEF/{id}"));
    assert_eq!(written(&deploy.users), users);

    let test = &config.projects[&project("api")].jobs[&job("test")];
    let TriggerConfig {
        call,
        job_parameter,
        deploy_id_parameter,
        ..
    } = &test.trigger;
    let definition = None;
    assert_eq!(call, &TriggerCall::PipelineRun { definition });
    assert_eq!((job_parameter, deploy_id_parameter), (&None, &None));
    assert_eq!((test.environment.as_str(), test.exclusive), ("test", true));
    assert_eq!(test.channels, AllowList::Any);
    assert_eq!(test.users, AllowList::Any);
}

#[test]
fn the_smallest_file_allows_nothing() {
    let config = Config::parse("version = 1\n[slack]\nteams = []", "chatops.toml").unwrap();
    assert_eq!(config.slack.teams, AllowList::Listed(vec![]));
    assert_eq!(config.slack.command, "/chatops");
    assert_eq!(config.circleci.api.as_str(), "https://circleci.com/");
    assert_eq!(config.circleci.app.as_str(), "https://app.circleci.com/");
    assert_eq!(config.timeouts, Timeouts::default());
    assert!(config.projects.is_empty());
}

#[test]
fn the_revision_is_the_texts() {
    let one = Config::parse(GOOD, "a.toml").unwrap().revision;
    assert_eq!(one, Config::parse(GOOD, "b.toml").unwrap().revision);
    let other = format!("{GOOD}# a comment\n");
    assert_ne!(one, Config::parse(&other, "a.toml").unwrap().revision);
    assert_eq!(one.len(), 12);
}

#[test]
fn unknown_keys_are_errors_at_every_level() {
    assert_snapshot!(error_after("default_project =", "default ="), @"chatops.toml:2:1: unknown field `default`, expected one of `version`, `default_project`, `slack`, `circleci`, `timeouts`, `channels`, `users`, `projects`");
    assert_snapshot!(error_after("command =", "comand ="), @"chatops.toml:5:1: unknown field `comand`, expected one of `command`, `teams`, `response_url_origins`, `api`, `actions_per_minute`");
    assert_snapshot!(error_after("api =", "url ="), @"chatops.toml:10:1: unknown field `url`, expected `api` or `app`");
    assert_snapshot!(error_after("request_ttl =", "stale ="), @"chatops.toml:14:1: unknown field `stale`, expected one of `request_ttl`, `connect_timeout`, `request_timeout`, `trigger_window`, `lookup_timeout`, `lookup_give_up`, `workflow_start_timeout`, `empty_pipeline_timeout`, `settle_time`, `rerun_timeout`, `poll_interval_min`, `poll_interval_max`, `poll_interval_webhook`, `poll_interval_old`, `retry_backoff`, `follow_timeout`, `retry_window`, `lock_ttl`, `trouble_after`, `response_url_ttl`, `delivery_lease`, `previous_secret_ttl`, `sweep_interval`");
    assert_snapshot!(error_after("slug = \"github/acme/web\"", "slug = \"gh/acme/web\"\nrepo = 1"), @"chatops.toml:26:1: unknown field `repo`, expected one of `slug`, `aliases`, `read`, `jobs`");
    assert_snapshot!(error_after("environment =", "enviroment ="), @"chatops.toml:32:1: unknown field `enviroment`, expected one of `aliases`, `trigger`, `definition`, `config_branch`, `workflow`, `must_run`, `job_parameter`, `deploy_id_parameter`, `parameters`, `environment`, `exclusive`, `branches`, `channels`, `users`");
    assert_snapshot!(error_after("[channels]", "[chanels]"), @"chatops.toml:17:2: unknown field `chanels`, expected one of `version`, `default_project`, `slack`, `circleci`, `timeouts`, `channels`, `users`, `projects`");
    assert_snapshot!(error_after("trigger = \"pipeline\"", "trigger = \"rocket\""), @"chatops.toml:28:11: unknown variant `rocket`, expected one of `pipeline`, `pipeline-run`, `job`");
}

#[test]
fn an_old_key_names_the_new_one() {
    let origins = "response_url_origins = [";
    assert_snapshot!(error_after("[users]", "[people]"), @"chatops.toml:20:2: unknown field `people`: it is called `users` now");
    assert_snapshot!(error_after("users = [\"ada\"", "people = [\"ada\""), @"chatops.toml:36:1: unknown field `people`: it is called `users` now");
    assert_snapshot!(error_after("[timeouts]", "[times]"), @"chatops.toml:13:2: unknown field `times`: it is called `timeouts` now");
    assert_snapshot!(error_after(origins, "reply_origins = ["), @"chatops.toml:7:1: unknown field `reply_origins`: it is called `response_url_origins` now");
    for (old, new) in &super::file::RENAMED_KEYS[3..] {
        let error = error_after("request_ttl = \"5m\"", &format!("{old} = \"5m\""));
        let expected = format!("unknown field `{old}`: it is called `{new}` now");
        assert_eq!(error, format!("chatops.toml:14:1: {expected}"));
    }
    // Elsewhere the same word is just unknown.
    assert!(error_after("api = ", "grace = ").contains("expected `api` or `app`"));
}

#[test]
fn what_is_there_twice_is_an_error() {
    assert_snapshot!(error_after("[slack]\n", "[slack]\ncommand = \"/x\"\n"), @"chatops.toml:6:1: duplicate key");
    assert_snapshot!(error_after("[projects.api]", "[projects.web]"), @"chatops.toml:38:11: duplicate key");
    assert_snapshot!(error_after("\"main\", ", "\"main\", \"main\", "), @"chatops.toml:34:21: 'main' is listed twice");
    assert_snapshot!(error_after("\"deploys\", ", "\"deploys\", \"deploys\", "), @"chatops.toml:35:24: 'deploys' is listed twice");
    assert_snapshot!(error_after("\"U034GHIJKL\", \"W", "\"W056MNOPQR\", \"W"), @"chatops.toml:22:23: 'W056MNOPQR' is listed twice");
    assert_snapshot!(error_after("[\"T012ABCDEF\"]", "[\"E012ABCDEF\", \"E012ABCDEF\"]"), @"chatops.toml:6:24: 'E012ABCDEF' is listed twice");
}

#[test]
fn names_patterns_and_ids_are_checked_where_they_stand() {
    assert_snapshot!(error_after("release/*", "release/[12]"), @"chatops.toml:34:21: a branch pattern may hold only letters, digits, `.` `_` `/` `-` and `*`");
    assert_snapshot!(error_after("\"release/*\"", "\"\""), @"chatops.toml:34:21: a branch pattern may not be empty");
    assert_snapshot!(error_after("release/*", "a..b"), @"chatops.toml:34:21: no branch name can fit this: names have no empty parts, no `..` and no leading `-`");
    assert_snapshot!(error_after("[\"deploys\"", "[\"deploy\""), @"chatops.toml:35:13: 'deploy' is neither a channel id nor a name from [channels]");
    assert_snapshot!(error_after("[\"ada\"", "[\"bob\""), @"chatops.toml:36:10: 'bob' is neither a user id nor a name from [users]");
    assert_snapshot!(error_after("\"T012ABCDEF\"", "\"acme\""), @"chatops.toml:6:10: 'acme' is not a workspace id; Slack's look like T012ABCDEF");
    assert_snapshot!(error_after("deploys = \"C012ABCDEF\"", "deploys = \"#deploys\""), @"chatops.toml:18:11: '#deploys' is not a channel id; Slack shows it at the foot of a channel's details, like C012ABCDEF");
    assert_snapshot!(error_after("ada = \"U012ABCDEF\"", "ada = \"@ada\""), @r#"chatops.toml:21:7: '@ada' is not a user id; Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF"#);
    assert_snapshot!(error_after("\"W056MNOPQR\"", "\"ada\""), @r#"chatops.toml:22:23: 'ada' is not a user id; Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF"#);
    assert_snapshot!(error_after("ada = \"U012ABCDEF\"", "ada = 7"), @"chatops.toml:21:7: invalid type: integer `7`, expected a string or a list of strings");
    assert_snapshot!(error_of(&GOOD.replace("projects.api", "projects.\"a b\"")), @"chatops.toml:38:11: project name: a space is not accepted: only letters, digits and `.` `_` `-` are");
    assert_snapshot!(error_after("[projects.web.jobs.deploy]", "[projects.web.jobs.\"-x\"]"), @"chatops.toml:27:20: job name: it may not start with `-` or `.`");
    assert_snapshot!(error_after("\"production\"", "\"pro duction\""), @"chatops.toml:32:15: environment: a space is not accepted: only letters, digits and `.` `_` `-` are");
    assert_snapshot!(error_after("default_project = \"web\"", "default_project = \"wep\""), @"chatops.toml:2:19: there is no [projects.wep] to be the default");
    assert_snapshot!(error_after("[\"deploys\", ", "[\"*\", "), @r#"chatops.toml:35:13: "*" already allows every channel; let it stand alone"#);
    assert_snapshot!(error_after("\"/ship\"", "\"ship it\""), @"chatops.toml:5:11: a slash command starts with `/`, has no spaces and at most 32 characters");
}

/// The good file with aliases: of its two projects, and of two jobs of one.
fn aliased(web: &str, api: &str, deploy: &str, test: &str) -> String {
    let job = "[projects.api.jobs.test]";
    GOOD.replace(
        "[projects.web]\n",
        &format!("[projects.web]\naliases = {web}\n"),
    )
    .replace(
        "[projects.api]\n",
        &format!("[projects.api]\naliases = {api}\n"),
    )
    .replace(
        job,
        &format!("[projects.api.jobs.deploy]\naliases = {deploy}\ntrigger = 'pipeline-run'\n{job}\naliases = {test}"),
    )
}

#[test]
fn an_alias_is_another_name_of_the_same_thing() {
    let text = aliased("['site', 'w']", "['deploy']", "['ship', 'site']", "['t']");
    let config = Config::parse(&text, "chatops.toml").unwrap();
    let found = |name| Some(config.project(&project(name))?.0.as_str());
    for (typed, meant) in [
        ("web", "web"),
        ("site", "web"),
        ("w", "web"),
        ("deploy", "api"),
    ] {
        assert_eq!(found(typed), Some(meant), "{typed}");
    }
    assert_eq!((found("ship"), found("SITE")), (None, Some("web")));
    let found = |of, name| Some(config.projects[&project(of)].job(&job(name))?.0.as_str());
    for (typed, meant) in [("ship", "deploy"), ("site", "deploy"), ("t", "test")] {
        assert_eq!(found("api", typed), Some(meant), "{typed}");
    }
    // An alias of one project's job is nothing in another.
    assert_eq!(found("web", "ship"), None);
    assert_eq!(found("web", "deploy"), Some("deploy"));
    // Without aliases there are none.
    let plain = Config::parse(GOOD, "chatops.toml").unwrap();
    assert!(plain.project_aliases.is_empty());
    assert!(plain.projects.values().all(|p| p.job_aliases.is_empty()));
}

#[test]
fn an_alias_is_one_things_only() {
    let none = "[]";
    let projects = |web, api| error_of(&aliased(web, api, none, none));
    assert_snapshot!(projects("['site', 'site']", none), @"chatops.toml:25:20: 'site' is listed twice");
    assert_snapshot!(projects("['site']", "['x', 'site']"), @"chatops.toml:40:17: 'site' is an alias of 'web' already");
    assert_snapshot!(projects("['web']", none), @"chatops.toml:25:12: 'web' is a name already; an alias has to be another");
    assert_snapshot!(projects("['api']", none), @"chatops.toml:25:12: 'api' is a name already; an alias has to be another");
    assert_snapshot!(projects("['a b']", none), @"chatops.toml:25:12: alias: a space is not accepted: only letters, digits and `.` `_` `-` are");
    assert_snapshot!(projects("['']", none), @"chatops.toml:25:12: alias: it is empty");
    assert_snapshot!(projects("'site'", none), @r#"chatops.toml:25:11: invalid type: string "site", expected a sequence"#);
    assert_snapshot!(projects("[7]", none), @"chatops.toml:25:12: invalid type: integer `7`, expected a string");
    let jobs = |deploy, test| error_of(&aliased(none, none, deploy, test));
    assert_snapshot!(jobs("['d', 'e', 'd']", none), @"chatops.toml:44:22: 'd' is listed twice");
    assert_snapshot!(jobs("['x']", "['x']"), @"chatops.toml:47:12: 'x' is an alias of 'deploy' already");
    assert_snapshot!(jobs(none, "['test']"), @"chatops.toml:47:12: 'test' is a name already; an alias has to be another");
    assert_snapshot!(jobs(none, "['deploy']"), @"chatops.toml:47:12: 'deploy' is a name already; an alias has to be another");
    assert_snapshot!(jobs(none, "['a/b']"), @"chatops.toml:47:12: alias: `/` is not accepted: only letters, digits and `.` `_` `-` are");
    // The default project goes by its name.
    let default = aliased("['site']", none, none, none).replace("\"web\"", "\"site\"");
    assert_snapshot!(error_of(&default), @"chatops.toml:2:19: there is no [projects.site] to be the default");
}

#[test]
fn users_are_found_by_their_names_in_any_case() {
    let text = GOOD.replace("ada = ", "Ada = \"U034GHIJKL\"\nada = ");
    let config = Config::parse(&text, "chatops.toml").unwrap();
    let ids = |name: &str| {
        config.users[name]
            .iter()
            .map(|user| user.id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("ada"), ["U012ABCDEF", "U034GHIJKL"]);
    assert_eq!(ids("team"), ["U034GHIJKL", "W056MNOPQR"]);
    // Rights go by the name as it is written.
    let deploy = &config.projects[&project("web")].jobs[&job("deploy")];
    assert_eq!(deploy.users.listed()[0].id.as_str(), "U012ABCDEF");
}

#[test]
fn slugs_and_addresses_are_checked() {
    assert_snapshot!(error_after("slug = \"github/acme/web\"\n", ""), @"chatops.toml:24:1: missing field `slug`");
    assert_snapshot!(error_after("github/acme/web", "acme/web"), @"chatops.toml:25:8: 'acme/web' is not a project slug such as gh/acme/web, bb/acme/web or circleci/<org id>/<project id>");
    assert_snapshot!(error_after("github/acme/web", "gh/acme/../web"), @"chatops.toml:25:8: 'gh/acme/../web' is not a project slug such as gh/acme/web, bb/acme/web or circleci/<org id>/<project id>");
    assert_snapshot!(error_after("http://127.0.0.1:8080", "http://hooks.slack.com"), @"chatops.toml:7:52: plain http is for loopback addresses only; use https");
    assert_snapshot!(error_after("https://ci.example.com\"", "https://ci.example.com/api\""), @"chatops.toml:10:7: 'https://ci.example.com/api' is not an origin such as https://example.com");
    assert_snapshot!(error_after("https://ci.example.com\"", "https://me:pw@ci.example.com\""), @"chatops.toml:10:7: an address here holds no user or password");
    assert_snapshot!(error_after("https://ci.example.com\"", "ftp://ci.example.com\""), @"chatops.toml:10:7: 'ftp://ci.example.com' is not an origin such as https://example.com");
    assert_snapshot!(error_after("https://ci.example.com\"", "ci.example.com\""), @"chatops.toml:10:7: 'ci.example.com' is not an origin such as https://example.com");
}

#[test]
fn times_are_checked_one_by_one_and_against_each_other() {
    assert_snapshot!(error_after("\"5m\"", "\"5 parsecs\""), @r#"chatops.toml:14:15: invalid value: string "5 parsecs", expected a duration such as "90s", "10m" or "24h""#);
    assert_snapshot!(error_after("\"5m\"", "300"), @r#"chatops.toml:14:15: invalid type: integer `300`, expected a duration such as "90s", "10m" or "24h""#);
    assert_snapshot!(error_after("\"5m\"", "\"0s\""), @"chatops.toml:14:15: request_ttl must be longer than zero");
    assert_snapshot!(error_after("\"5m\"", "\"91days\""), @"chatops.toml:14:15: request_ttl must be at most 90 days");
    assert_snapshot!(error_after("\"20s\"", "\"10s\""), @"chatops.toml:15:18: trigger_window (10s) must be longer than request_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "request_timeout = \"15s\""), @"chatops.toml:15:19: trigger_window (15s) must be longer than request_timeout (15s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "connect_timeout = \"10s\""), @"chatops.toml:15:19: request_timeout (10s) must be longer than connect_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "delivery_lease = \"10s\""), @"chatops.toml:15:18: delivery_lease (10s) must be longer than request_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "lookup_timeout = \"16m\""), @"chatops.toml:15:18: lookup_give_up (15m) must be at least as long as lookup_timeout (16m)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "response_url_ttl = \"31m\""), @"chatops.toml:15:20: response_url_ttl must be at most 30m: then Slack closes the response URL");
}

#[test]
fn parameters_are_what_circleci_takes() {
    assert_snapshot!(error_after("\"what\"", "\"chatops_id\""), @"chatops.toml:30:23: job_parameter and deploy_id_parameter name the same parameter");
    assert_snapshot!(error_after("job_parameter = false\ndeploy_id_parameter = false", "job_parameter = \"deploy_id\""), @"chatops.toml:42:17: job_parameter and deploy_id_parameter name the same parameter");
    assert_snapshot!(error_after("\"what\"", "\"wh at\""), @"chatops.toml:29:17: a parameter's name holds letters, digits, `_` and `-`, at most 128");
    assert_snapshot!(error_after("\"what\"", "true"), @"chatops.toml:29:17: give the parameter's name, or false for none");
    assert_snapshot!(error_after("\"what\"", "7"), @"chatops.toml:29:17: invalid type: integer `7`, expected a parameter's name, or false for none");
    assert_snapshot!(error_after("count = 3", "chatops_id = 3"), @"chatops.toml:31:46: parameter: it carries the job's name or the deploy's id already");
    assert_snapshot!(error_after("count = 3", "count = 3.5"), @"chatops.toml:31:46: parameter: CircleCI takes a string, a whole number, true or false");
    assert_snapshot!(error_after("count = 3", "count = [3]"), @"chatops.toml:31:46: parameter: CircleCI takes a string, a whole number, true or false");
    assert_snapshot!(error_after("count = 3", "count = 2020-01-01"), @"chatops.toml:31:46: parameter: CircleCI takes a string, a whole number, true or false");
    assert_snapshot!(error_after("\"eu\"", &format!("\"{}\"", "x".repeat(513))), @"chatops.toml:31:31: parameter: CircleCI takes values of at most 512 characters");
    let many: Vec<_> = (0..99).map(|i| format!("p{i} = 1")).collect();
    assert_snapshot!(error_after("count = 3", &many.join(", ")), @"chatops.toml:31:909: parameter: CircleCI takes at most 100 of them");
}

#[test]
fn what_is_not_this_format_at_all() {
    assert_snapshot!(error_after("version = 1", "version = 2"), @"chatops.toml:1:11: this program reads version = 1");
    assert_snapshot!(error_after("version = 1\n", ""), @"chatops.toml:1:1: missing field `version`");
    assert_snapshot!(error_after("version = 1", "version = \"1\""), @r#"chatops.toml:1:11: invalid type: string "1", expected u32"#);
    assert_snapshot!(error_after("teams = [\"T012ABCDEF\"]\n", ""), @"chatops.toml:4:1: missing field `teams`");
    assert_snapshot!(error_of("version = 1\n"), @"chatops.toml:1:1: missing field `slack`");
    assert_snapshot!(error_of("{\"version\": 1}"), @"chatops.toml:1:1: invalid key-value pair, expected key");
    assert_snapshot!(error_of("version = 1\nteams = [\n"), @"chatops.toml:2:10: unclosed array, expected `]`");
    assert_snapshot!(error_of(""), @"chatops.toml:1:1: missing field `version`");
    assert_snapshot!(error_of("\u{feff}# ä ö\nversion = 1\nx = 'ä'; y"), @"chatops.toml:3:8: unexpected key or value, expected newline, `#`");
}

#[test]
fn the_example_is_right_and_does_what_it_says() {
    let config = Config::parse(EXAMPLE, "config/chatops.toml").unwrap();
    let may = |job_name: &str, branch_name: &str| {
        let (branch, job) = (branch(branch_name), job(job_name));
        let ask = DeployRequest {
            branch,
            job,
            ..request()
        };
        policy::authorize_deploy(&config, &ask).is_ok()
    };
    assert!(may("deploy", "main") && may("deploy", "release/1.2"));
    assert!(!may("deploy", "feature/x"));
    assert!(may("test", "feature/x"));
    // All three ways to start a job are explained, and the two that are shown are used.
    let calls = config.projects.values().flat_map(|p| p.jobs.values());
    let calls: Vec<_> = calls.map(|job| job.trigger.call.clone()).collect();
    let definition = Some(uuid::uuid!("2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10"));
    let run = TriggerCall::PipelineRun { definition };
    let usual = TriggerCall::PipelineRun { definition: None };
    assert_eq!(calls, [run, usual.clone(), usual]);
    for word in ["\"pipeline\"", "\"pipeline-run\"", "\"job\""] {
        assert!(EXAMPLE.contains(&format!("\n#   {word} ")), "{word}");
    }
}

#[test]
fn the_example_shows_every_key_and_the_real_defaults() {
    // A key that is commented out is its default: written out, it changes nothing.
    let is_key = |line: &&str| {
        let key = line.split_once(" = ").map(|(key, _)| key);
        key.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let line = |line: &'static str| line.strip_prefix("# ").filter(is_key).unwrap_or(line);
    let spelled_out = EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n");
    let shown = Config::parse(&spelled_out, "chatops.toml").unwrap();
    let bare = Config::parse(EXAMPLE, "chatops.toml").unwrap();
    let without_revision = |mut config: Config| {
        config.revision.clear();
        format!("{config:#?}")
    };
    assert_eq!(without_revision(shown), without_revision(bare));

    // Every key that an unknown one could have been stands in the example, commented out or not.
    let levels = [
        ("default_project =", "x ="),
        ("command =", "x ="),
        ("api =", "x ="),
        ("request_ttl =", "x ="),
        ("slug = \"github", "x = \"github"),
        ("environment =", "x ="),
    ];
    let mut count = 0;
    for (part, by) in levels {
        let error = error_after(part, by);
        let (_, keys) = error.split_once("expected").unwrap();
        for key in keys.split('`').skip(1).step_by(2) {
            let tables = [format!("[{key}"), format!(".{key}]"), format!(".{key}.")];
            let table = tables.iter().any(|table| EXAMPLE.contains(table));
            let value = spelled_out.contains(&format!("\n{key} = "));
            assert!(table || value, "{key}");
            count += 1;
        }
    }
    assert_eq!(count, 8 + 5 + 2 + 23 + 4 + 14);
    // Some keys have the same name in two tables.
    assert_eq!(EXAMPLE.matches("\n# api = ").count(), 2);
    assert_eq!(EXAMPLE.matches("\n# aliases = []\n").count(), 2);
}
