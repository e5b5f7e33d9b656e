//! The doctor's texts.

use chatops_core::ports::SecretName;

use super::*;
use crate::operator::doctor::parameters::DeclaredParameters;
use crate::operator::doctor::write_check;

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
        },
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
        config_invalid("chatops.toml:3:1: unknown key"),
    ]), @"
    ok    configuration: chatops.toml, revision 0123456789ab: 1 project, 2 jobs
    warn  configuration: chatops.toml, revision 0123456789ab: no job
          fix: add a [projects.<name>.jobs.<name>] table: without one, nobody can deploy
    FAIL  configuration: chatops.toml:3:1: unknown key
          fix: correct it there (`chatops config check` says whether it is right), or name another file with --config
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
    ok    data file: chatops.db, whole and writable
    FAIL  data file: chatops.db is damaged: row 3 missing
          fix: stop `chatops serve` and restore the file from a backup
    warn  data file: there is none at chatops.db yet
          fix: start `chatops serve`, which makes it; or name the right one with --data
    FAIL  data file: there is none, and /nowhere cannot be written
          fix: make the directory, writable for the user that `chatops serve` runs as; or name another file with --data
    FAIL  data file: chatops.db is not a data file of chatops
          fix: name another one
    FAIL  data file: it broke
          fix: restore it from a backup, or name another one with --data
    FAIL  data file: chatops.db, or its directory, cannot be written
          fix: make both writable for the user that `chatops serve` runs as, or be that user
    ok    disk: 8192 MiB free
    warn  disk: 1 MiB free
          fix: make room: on a full disk nothing is accepted
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
    warn  CircleCI's address: https://circleci.com answers with trouble of its own (502)
          fix: wait and look again; CircleCI tells of outages on its status page
    FAIL  CircleCI's address: https://circleci.com cannot be reached: no answer in time
          fix: check the network, DNS and firewall of this machine, and the address in the configuration
    ok    clock against Slack's: the same
    warn  clock against Slack's: this machine is 61 s ahead
          fix: set this machine's clock, best by NTP: a command whose time is more than 5 minutes off is refused
    FAIL  clock against Slack's: this machine is 301 s behind
          fix: set this machine's clock, best by NTP: a command whose time is more than 5 minutes off is refused
    ok    CircleCI token: it is ada's (Ada L.)
    FAIL  CircleCI token: CircleCI does not take it (401 You must log in first.)
          fix: make a personal API token in CircleCI (User Settings, Personal API Tokens) and put it into CIRCLECI_TOKEN; a project token is not one
    warn  CircleCI token: whose it is cannot be known now (503)
          fix: look again later; if it stays so, make a new personal API token in CircleCI
    ok    Slack bot: deploys in Acme
    FAIL  Slack bot: Slack does not take its token (invalid_auth)
          fix: copy the Bot User OAuth Token of the installed app into SLACK_BOT_TOKEN, or take the variable out
    warn  Slack bot: cannot be known now (500)
          fix: look again later
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
    FAIL  project web: gh/acme/web is not there for this token (404 Project not found)
          fix: correct the slug in [projects.web], or let the token's owner see the project and set it up in CircleCI
    warn  project web: whether gh/acme/web is there cannot be known now (429)
          fix: look again later
    ok    pipeline definition of web: 00000000-0000-0000-0000-000000000007 is there
    FAIL  pipeline definition of web: the project has none, so nothing can be started
          fix: make one in CircleCI's Project Settings, Pipelines
    ok    pipeline definition of web: the project's only one is used
    warn  pipeline definition of web: none is named, and which of 2 is used cannot be known
          fix: write definition = "…" in the job: one or two
    FAIL  pipeline definition of web: there is no 00000000-0000-0000-0000-000000000007
          fix: write one of those there are: one, two
    FAIL  pipeline definition of web: there is no 00000000-0000-0000-0000-000000000007
          fix: make one in CircleCI's Project Settings, Pipelines
    warn  pipeline definition of web: whether it is there cannot be known (404 Not found)
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
    ok    parameters of web/deploy: job, deploy_id declared, judged by pipeline 42 on main
    warn  parameters of web/deploy: deploy_id not declared, judged by pipeline 42 on main
          fix: see that .circleci/config.yml declares deploy_id below a top-level `parameters:`, on every branch that is deployed
    warn  parameters of web/deploy: whether job, deploy_id are declared cannot be known: there is no pipeline on main yet
          fix: see that .circleci/config.yml declares job, deploy_id below a top-level `parameters:`, on every branch that is deployed
    ok    parameters of web/deploy: build parameters need no declaration
    warn  parameters of web/deploy: the configuration is of version 2.1, judged by pipeline 42 on main, and trigger = "job" starts jobs of version 2 only
          fix: write trigger = "pipeline" and start the job by a pipeline parameter
    warn  parameters of web/deploy: whether the configuration is of version 2 cannot be known: there is no pipeline on main yet
          fix: see that .circleci/config.yml says version: 2; trigger = "job" starts nothing else
    "#);
}

#[test]
fn the_last_line_sums_up() {
    insta::assert_snapshot!(summary(9, 0, 0), @"9 checks: all is well.");
    insta::assert_snapshot!(summary(9, 2, 0), @"9 checks: nothing is wrong, 2 worth a look.");
    insta::assert_snapshot!(summary(9, 0, 1), @"9 checks: 1 to put right.");
    insta::assert_snapshot!(summary(9, 2, 1), @"9 checks: 1 to put right, 2 worth a look.");
}
