//! What a valid file means, and that file, of which every room below replaces parts. Errors are in the
//! rooms, except those of ids whose workspace is not known.

mod aliases;
mod example;
mod keys;
mod planted;
mod targets;
mod triggers;
mod values;
mod warnings;
mod workflows;

use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::fixtures::{job, project};

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

/// The errors of the valid file with one part replaced, each in a line.
fn error_after(part: &str, by: &str) -> String {
    assert_eq!(GOOD.matches(part).count(), 1, "{part}");
    error_of(&GOOD.replace(part, by))
}

fn error_of(text: &str) -> String {
    let mistakes = Config::parse(text, "chatops.toml").unwrap_err().mistakes;
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    mistakes.join("\n")
}

fn written<T: ToString + PartialEq>(list: &AllowList<T>) -> Vec<String> {
    list.listed().iter().map(ToString::to_string).collect()
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
        settable: _,
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
fn an_id_belongs_to_a_workspace() {
    let two = "teams = [\"T012ABCDEF\", \"T034GHIJKL\"]";
    let two = GOOD.replace("teams = [\"T012ABCDEF\"]", two);
    assert_snapshot!(error_of(&two), @"
    chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF
    chatops.toml:21:7: 'U012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U012ABCDEF
    chatops.toml:22:9: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    chatops.toml:22:23: 'W056MNOPQR' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/W056MNOPQR
    chatops.toml:35:24: 'G012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/G012ABCDEF
    chatops.toml:36:25: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    ");
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
    assert_snapshot!(teams("[]"), @"
    chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF
    chatops.toml:21:7: 'U012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U012ABCDEF
    chatops.toml:22:9: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    chatops.toml:22:23: 'W056MNOPQR' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/W056MNOPQR
    chatops.toml:35:24: 'G012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/G012ABCDEF
    chatops.toml:36:25: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    ");
    assert_snapshot!(teams("[\"*\"]"), @"
    chatops.toml:18:11: 'C012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/C012ABCDEF
    chatops.toml:21:7: 'U012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U012ABCDEF
    chatops.toml:22:9: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    chatops.toml:22:23: 'W056MNOPQR' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/W056MNOPQR
    chatops.toml:35:24: 'G012ABCDEF' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/G012ABCDEF
    chatops.toml:36:25: 'U034GHIJKL' belongs to one workspace, and slack.teams does not list exactly one: write both, like T012ABCDEF/U034GHIJKL
    ");
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
