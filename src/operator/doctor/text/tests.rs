//! The doctor's texts.

use chatops_core::config::Config;
use chatops_core::id::ChannelId;
use chatops_core::ports::SecretName;
use chrono::DateTime;

use super::*;
use crate::operator::doctor::parameters::DeclaredParameters;
use crate::operator::doctor::{workflows, write_check};

fn check_lines(checks: impl IntoIterator<Item = Check>) -> String {
    let mut text = Vec::new();
    for check in checks {
        write_check(&check, &mut text).unwrap();
    }
    let text = String::from_utf8(text).unwrap();
    anstream::adapter::strip_str(&text).to_string()
}

fn project_name() -> ProjectName {
    ProjectName::parse("web").unwrap()
}

fn job_name() -> JobName {
    JobName::parse("deploy").unwrap()
}

fn newest_config() -> NewestConfig {
    NewestConfig {
        branch: "main".into(),
        number: 42,
        declared: DeclaredParameters {
            parameters: vec!["job".into()],
            version: Some("2.1".into()),
            is_setup: false,
        },
        continued: None,
        workflows: workflows::parse("workflows: {deploy: {jobs: [build, ship]}, test: {}}")
            .unwrap(),
    }
}

#[test]
fn checks_of_this_machine() {
    let path = Path::new("chatops.db");
    let unfit = BadSecret::Invalid {
        from: "CIRCLECI_TOKEN".into(),
        description: "a CircleCI personal API token",
        reason: "empty",
    };
    let examined = |value, needed| ExaminedSecret {
        secret: SecretName::CircleCiToken,
        variable: "CIRCLECI_TOKEN",
        description: "a CircleCI personal API token",
        is_required: needed,
        open_mode: None,
        value,
    };
    assert_eq!(secret_state(&examined(Ok(None), false)), None);
    let secrets = [
        examined(Ok(None), true),
        examined(Ok(Some("canary".into())), true),
        examined(Err(unfit), true),
        examined(Err(BadSecret::BothSet("CIRCLECI_TOKEN")), true),
    ];
    let secrets = secrets.iter().filter_map(secret_state);
    let token = ExaminedSecret {
        secret: SecretName::SlackVerification,
        variable: "SLACK_VERIFICATION_TOKEN",
        description: "the verification token of a legacy slash command",
        is_required: false,
        open_mode: None,
        value: Ok(Some("canary".into())),
    };
    let open = ExaminedSecret {
        open_mode: Some(0o644),
        ..examined(Ok(Some("canary".into())), true)
    };
    insta::assert_snapshot!(check_lines(secret_state(&open)), @"
    warn  secret CIRCLECI_TOKEN: it is set, and its file is open to others (mode 0644)
          fix: let only its owner and the group of the service read it: chmod 640
    ");
    insta::assert_snapshot!(check_lines(secret_state(&token)), @"
    warn  secret SLACK_VERIFICATION_TOKEN: it is set: whoever knows it can send unsigned commands in anybody's name
          fix: give the command to a Slack app with a signing secret, and remove the token
    ");
    insta::assert_snapshot!(check_lines(secrets), @"
    FAIL  secret CIRCLECI_TOKEN: it is not set
          fix: put a CircleCI personal API token into CIRCLECI_TOKEN, or the path of a file that holds it into CIRCLECI_TOKEN_FILE
    ok    secret CIRCLECI_TOKEN: it is set
    FAIL  secret CIRCLECI_TOKEN: CIRCLECI_TOKEN does not hold a CircleCI personal API token: it is empty
          fix: put a CircleCI personal API token there
    FAIL  secret CIRCLECI_TOKEN: CIRCLECI_TOKEN and CIRCLECI_TOKEN_FILE are both set: keep one
          fix: keep one of CIRCLECI_TOKEN and CIRCLECI_TOKEN_FILE
    ");
    insta::assert_snapshot!(check_lines([
        config_state(Path::new("chatops.toml"), "0123456789ab", 1, 2),
        config_state(Path::new("chatops.toml"), "0123456789ab", 2, 0),
        config_invalid(&Config::parse("versoin = 1\nx = 1", "chatops.toml").unwrap_err()),
        config_missing(Path::new("chatops.toml")),
    ]), @"
    ok    configuration: chatops.toml, revision 0123456789ab: 1 project, 2 jobs
    warn  configuration: chatops.toml, revision 0123456789ab: no job
          fix: add a [projects.<name>.jobs.<name>] table: without one, nobody can deploy
    FAIL  configuration: chatops.toml:1:1: the file has no key `versoin`: did you mean `version`? (and 2 mistakes more)
          fix: correct the file: `chatops config check` shows every mistake with its line
    FAIL  configuration: there is no file chatops.toml
          fix: create it: `chatops config init chatops.toml`; or name another file with --config
    ");
    insta::assert_snapshot!(check_lines([
        data_integrity(path, &[]),
        data_integrity(path, &["row 3 missing".into()]),
        data_missing(path),
        directory_unwritable(Path::new("/nowhere")),
        data_unusable("chatops.db is not a data file of chatops; name another one"),
        data_unusable("it broke"),
        data_read_only(path),
        disk_space(1 << 33, false),
        disk_space(1 << 20, true),
    ]), @"
    ok    data file: chatops.db, sound and writable
    FAIL  data file: chatops.db is damaged: row 3 missing
          fix: stop `chatops serve` and restore the file from a backup
    warn  data file: there is no file chatops.db yet
          fix: start `chatops serve`, which creates it, or name the right file with --data
    FAIL  data file: there is no file, and /nowhere cannot be written
          fix: create the directory, writable for the user that `chatops serve` runs as, or name another file with --data
    FAIL  data file: chatops.db is not a data file of chatops
          fix: name another one
    FAIL  data file: it broke
          fix: restore it from a backup, or name another file with --data
    FAIL  data file: chatops.db, or its directory, cannot be written
          fix: make both writable for the user of `chatops serve`, or run this as that user
    ok    disk: 8192 MiB free
    warn  disk: 1 MiB free
          fix: free some space: on a full disk no command is accepted
    ");
}

#[test]
fn checks_of_both_hosts() {
    let origin = Url::parse("https://circleci.com").unwrap();
    insta::assert_snapshot!(check_lines([
        host_reachable("CircleCI", &origin, 404),
        host_reachable("CircleCI", &origin, 502),
        host_unreachable("CircleCI", &origin, "no answer in time"),
        clock_offset("Slack", TimeDelta::zero()),
        clock_offset("Slack", TimeDelta::seconds(-61)),
        clock_offset("Slack", TimeDelta::seconds(301)),
        token_ok("ada", "Ada L."),
        token_rejected("401 You must log in first."),
        token_unknown("503"),
        bot_ok("deploys", "Acme"),
        bot_rejected("invalid_auth"),
        bot_unknown("500"),
    ]), @"
    ok    CircleCI's address: https://circleci.com answers
    warn  CircleCI's address: https://circleci.com answers with a server error (502)
          fix: check again later; CircleCI's status page shows outages
    FAIL  CircleCI's address: https://circleci.com cannot be reached: no answer in time
          fix: check the network, DNS and firewall of this machine, and the address in the configuration
    ok    clock against Slack's: the same
    warn  clock against Slack's: this machine is 61 s ahead
          fix: set this machine's clock, best by NTP: a command that is more than 5 minutes off is rejected
    FAIL  clock against Slack's: this machine is 301 s behind
          fix: set this machine's clock, best by NTP: a command that is more than 5 minutes off is rejected
    ok    CircleCI token: it is ada's (Ada L.)
    FAIL  CircleCI token: CircleCI rejects it (401 You must log in first.)
          fix: create a personal API token in CircleCI (User Settings, Personal API Tokens) and put it into CIRCLECI_TOKEN; a project token does not work
    warn  CircleCI token: its owner is not known (503)
          fix: check again later; if it stays so, create a new personal API token in CircleCI
    ok    Slack bot: deploys in Acme
    FAIL  Slack bot: Slack rejects its token (invalid_auth)
          fix: copy the installed app's Bot User OAuth Token into SLACK_BOT_TOKEN, or unset it
    warn  Slack bot: its state is not known (500)
          fix: check again later
    ");
}

#[test]
fn checks_of_a_project() {
    let (name, job, newest) = (project_name(), job_name(), newest_config());
    let at = (&name, &job);
    let id = Uuid::from_u128(7);
    let ids = ["one".to_owned(), "two".to_owned()];
    insta::assert_snapshot!(check_lines([
        project_ok(&name, "gh/acme/web", "web", "acme"),
        project_missing(&name, "gh/acme/web", "404 Project not found"),
        project_unknown(&name, "gh/acme/web", "429"),
        definition_ok(&name, id, ""),
        default_definition(&name, &[]),
        default_definition(&name, &ids[..1]),
        default_definition(&name, &ids),
        definition_missing(&name, id, &ids),
        definition_missing(&name, id, &[]),
        definitions_unknown(&name, "404 Not found"),
    ]), @r#"
    ok    project web: gh/acme/web is web of acme
    FAIL  project web: the token cannot see gh/acme/web (404 Project not found)
          fix: correct the slug in [projects.web], or give the token's owner access to the project and set it up in CircleCI
    warn  project web: could not find out whether gh/acme/web exists (429)
          fix: check again later
    ok    pipeline definition of web: 00000000-0000-0000-0000-000000000007 exists
    FAIL  pipeline definition of web: the project has none, so nothing can be triggered
          fix: create one in CircleCI's Project Settings, Pipelines
    ok    pipeline definition of web: the project's only one is used
    warn  pipeline definition of web: none is named; CircleCI uses one of 2
          fix: write definition = "…" in the job: one or two
    FAIL  pipeline definition of web: there is no 00000000-0000-0000-0000-000000000007
          fix: name one of the existing: one, two
    FAIL  pipeline definition of web: there is no 00000000-0000-0000-0000-000000000007
          fix: create one in CircleCI's Project Settings, Pipelines
    warn  pipeline definition of web: could not find out whether it exists (404 Not found)
          fix: compare it with CircleCI's Project Settings, Pipelines
    "#);
    insta::assert_snapshot!(check_lines([
        parameters_none(at),
        parameters_declared(at, &["job", "deploy_id"], &newest),
        parameters_undeclared(at, &["deploy_id"], &newest),
        parameters_unknown(at, &["job", "deploy_id"], &"there is no pipeline on main yet"),
        job_parameters(at),
        job_of_new_config(at, &newest),
        job_unknown(at, "there is no pipeline on main yet"),
    ]), @r#"
    ok    parameters of web/deploy: it has none
    ok    parameters of web/deploy: job, deploy_id declared in pipeline 42 on main
    warn  parameters of web/deploy: deploy_id not declared in pipeline 42 on main
          fix: declare deploy_id below the top-level `parameters:` of .circleci/config.yml, on every branch and tag that is deployed
    warn  parameters of web/deploy: could not find out whether job, deploy_id are declared: there is no pipeline on main yet
          fix: declare job, deploy_id below the top-level `parameters:` of .circleci/config.yml, on every branch and tag that is deployed
    ok    parameters of web/deploy: build parameters need no declaration
    warn  parameters of web/deploy: the configuration in pipeline 42 on main has version 2.1, and trigger = "job" works with version 2 only
          fix: set trigger = "pipeline" and select the job by a pipeline parameter
    warn  parameters of web/deploy: could not find out the version of the configuration: there is no pipeline on main yet
          fix: check that .circleci/config.yml has version: 2; trigger = "job" needs it
    "#);
}

#[test]
fn checks_of_workflows() {
    let (name, job, newest) = (project_name(), job_name(), newest_config());
    let at = (&name, &job);
    let names = ["deploy".to_owned()];
    let must_run = ["ship".to_owned()];
    let there = &newest.workflows["deploy"].names;
    insta::assert_snapshot!(check_lines([
        every_workflow(at),
        workflow_ok(at, &names, &[], &newest),
        workflow_ok(at, &names, &must_run, &newest),
        workflow_missing(at, &["release"], &newest),
        must_run_missing(at, &["deploy-prod"], there.iter(), &newest),
        workflow_unknown(at, &names, &"there is no pipeline on main yet"),
        dynamic_ok(&name, &newest),
        dynamic_undeclared(&name, &["deploy_id", "job"], &newest),
        autocancel_off(&name),
        autocancel_on(&name, "main"),
        autocancel_unknown(&name, "main", "404 Not found"),
    ]), @r#"
    ok    workflow of web/deploy: all of the pipeline decide
    ok    workflow of web/deploy: deploy found in pipeline 42 on main
    ok    workflow of web/deploy: deploy, with ship found in pipeline 42 on main
    warn  workflow of web/deploy: there is no release in pipeline 42 on main; the workflows are deploy, test
          fix: write workflow = "…" in the job, with the name of the workflow that deploys
    warn  workflow of web/deploy: it has no job deploy-prod in pipeline 42 on main; its jobs are build, ship
          fix: correct must_run in the job: without success of these jobs every deploy has FAILED
    warn  workflow of web/deploy: could not find out whether there is deploy: there is no pipeline on main yet
          fix: check that a workflow of .circleci/config.yml has that name
    ok    dynamic configuration of web: setup: true in pipeline 42 on main, and what follows declares every parameter; the setup must not pass them on
    warn  dynamic configuration of web: deploy_id, job not declared in what follows the setup configuration, in pipeline 42 on main
          fix: declare it there, too, with the same default: CircleCI passes it on by itself, and rejects it otherwise ("Unexpected argument(s)")
    ok    auto-cancel of web: it is off
    warn  auto-cancel of web: it is on: on a branch other than main, a push or another deploy cancels a running one
          fix: switch it off in CircleCI's Project Settings, Advanced, or deploy the default branch only
    warn  auto-cancel of web: could not find out whether it is on (404 Not found); it concerns branches other than main
          fix: switch it off in CircleCI's Project Settings, Advanced, or deploy the default branch only
    "#);
}

#[test]
fn the_last_line_sums_up() {
    insta::assert_snapshot!(summary(9, 0, 0), @"9 checks: all ok.");
    insta::assert_snapshot!(summary(9, 2, 0), @"9 checks: 2 to review.");
    insta::assert_snapshot!(summary(9, 0, 1), @"9 checks: 1 to fix.");
    insta::assert_snapshot!(summary(9, 2, 1), @"9 checks: 1 to fix, 2 to review.");
}

#[test]
fn announcements_need_a_bot_that_may_post() {
    let feeds = ["C0ONE".to_owned(), "C0TWO".to_owned()];
    let with = |scopes: &[&str]| {
        let scopes: Vec<_> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        announcements(&feeds, &scopes)
    };
    let checks = [
        announcements_without_bot(&feeds),
        with(&["commands"]),
        with(&["commands", "chat:write"]),
        with(&["chat:write", "chat:write.public"]),
    ];
    insta::assert_snapshot!(check_lines(checks), @"
    warn  announcements: C0ONE, C0TWO, and there is no bot token: nothing is posted there
          fix: set SLACK_BOT_TOKEN to the token of a bot that is in these channels, or remove `announce`
    FAIL  announcements: C0ONE, C0TWO; the bot may not post
          fix: add the bot scope `chat:write` and install the app again
    ok    announcements: C0ONE, C0TWO; the bot has to be in each of them (`/invite` it there)
    ok    announcements: C0ONE, C0TWO; the bot has to be in those that are private
    ");
}

#[test]
fn cards_need_a_bot_and_say_what_was_not_checked() {
    let one = || vec!["C0ONE".to_owned()];
    let channel = ChannelId::parse("C0ONE").unwrap();
    let last = ("e4a384e3", DateTime::UNIX_EPOCH);
    let posted = CardPlaces {
        posted: one(),
        has_record: true,
        ..CardPlaces::default()
    };
    let both = CardPlaces {
        unknown: vec!["C0TWO".to_owned()],
        is_anywhere: true,
        posted: one(),
        has_record: true,
    };
    let first = CardPlaces {
        unknown: one(),
        ..CardPlaces::default()
    };
    assert_eq!(card_channels(&CardPlaces::default(), None), None);
    let channels = [posted, both, first].map(|places| card_channels(&places, Some("deploys")));
    let checks = [
        cards_without_bot(),
        bot_outside(&channel, "not_in_channel", last, None),
        scopes(&["chat:write".to_owned()]),
    ];
    let checks = channels.into_iter().flatten().chain(checks);
    insta::assert_snapshot!(check_lines(checks), @r#"
    ok    live cards: the bot has posted in C0ONE in the last week
    ok    live cards: the bot has posted in C0ONE in the last week; not checked: C0TWO, any other channel (`channels = "*"`), of which nothing is on record in the last week; only a post or the scope channels:read would tell, so type `/invite @deploys` where the bot is not
    ok    live cards: not checked: C0ONE, since there is no record yet; only a post or the scope channels:read would tell, so type `/invite @deploys` where the bot is not
    FAIL  live cards: `live = true`, and there is no bot token: `chatops serve` does not start
          fix: put the app's Bot User OAuth Token into SLACK_BOT_TOKEN and invite the bot where people deploy (`/invite @<the app's name>`), or set `live = false`
    warn  bot in C0ONE: Slack did not take the message about e4a384e3 there on 1970-01-01 at 00:00 UTC (not_in_channel); what has changed since is not known
          fix: type `/invite @<the app's name>` there, or correct the channel in the configuration if there is no C0ONE
    FAIL  Slack scopes: the token lacks commands
          fix: add commands below Bot Token Scopes of the app's page, OAuth & Permissions, and install the app again
    "#);
}
