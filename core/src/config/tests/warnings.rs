//! What is said of valid files: what nobody, anybody or nothing can do.

use insta::assert_snapshot;

use super::*;

/// One project with one job, after `before`, with these lines for the job.
fn file(before: &str, lines: &str) -> String {
    format!(
        r#"version = 1
[slack]
teams = ["T012ABCDEF"]
{before}
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
{lines}
"#
    )
}

fn warnings_of(text: &str) -> String {
    let checked = Config::check(text, "chatops.toml").unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn warnings(before: &str, lines: &str) -> String {
    warnings_of(&file(before, lines))
}

const CLOSED: &str = "branches = ['main']\nchannels = ['C012']\nusers = ['U012']";

#[test]
fn a_file_that_means_what_it_says_has_none() {
    assert_eq!(warnings("", CLOSED), "");
}

#[test]
fn nobody_nowhere_and_nothing_are_said() {
    assert_snapshot!(warnings("", ""), @"
    chatops.toml:7:20: nobody may run deploy: `users` is missing
    chatops.toml:7:20: nowhere can deploy be run from: `channels` is missing
    chatops.toml:7:20: deploy runs on nothing: `branches` is missing, and there are no `tags`
    ");
    assert_snapshot!(warnings("", "branches = []\nusers = []\nchannels = []"), @"
    chatops.toml:8:12: deploy runs on nothing: `branches` is empty, and there are no `tags`
    chatops.toml:9:9: nobody may run deploy: `users` is empty
    chatops.toml:10:12: nowhere can deploy be run from: `channels` is empty
    ");
    assert_snapshot!(warnings_of("version = 1\n[slack]\nteams = []"), @"
    chatops.toml:1:1: there is no project, so nothing can be deployed: add [projects.NAME]
    chatops.toml:3:9: nobody: no workspace is listed, so every command is refused; add the id of yours
    ");
    assert_snapshot!(warnings_of("version = 1\n[slack]\nteams = ['T012']\n[projects.web]\nslug = 'gh/acme/web'"), @"chatops.toml:4:11: nothing can be deployed: it has no jobs; add [projects.web.jobs.NAME]");
    assert_snapshot!(warnings("", "branches = ['main']\nchannels = ['T0090/C0090', 'C0010']\nusers = ['T034/U012']"), @"
    chatops.toml:9:13: nobody: T0090 is not in slack.teams, so its commands are refused
    chatops.toml:10:10: nobody: T034 is not in slack.teams, so its commands are refused
    ");
    assert_snapshot!(warnings("[users]\nnobody = []", CLOSED), @"chatops.toml:5:1: nobody is in the group 'nobody'");
}

#[test]
fn anybody_and_everything_are_said() {
    assert_snapshot!(warnings("", "branches = ['main']\nchannels = ['*']\nusers = ['*']"), @"chatops.toml:10:9: anybody of the workspaces in slack.teams may run deploy, guests too: list users or groups where that is not meant");
    assert_snapshot!(warnings("", &CLOSED.replace("'main'", "'**'")), @"chatops.toml:8:13: every branch is allowed: whoever can push one decides what runs");
    assert_snapshot!(warnings_of(&file("", CLOSED).replace("slug =", "read = ['*']\nslug =")), @"chatops.toml:6:8: anybody of the workspaces in slack.teams may read its deploys, guests too");
    let any = file(
        "",
        "branches = ['main']\nchannels = ['T0010/C0010']\nusers = ['T0010/U0010']",
    );
    assert_snapshot!(warnings_of(&any.replace("\"T012ABCDEF\"", "\"*\"")), @"chatops.toml:3:9: anybody: commands from every workspace are accepted that has the app; list the ids of yours");
}

#[test]
fn patterns_that_fit_nothing_or_only_what_another_fits_are_said() {
    let branches = |list: &str| warnings("", &CLOSED.replace("['main']", list));
    assert_snapshot!(branches("['main.lock', 'a.', '*.lock']"), @"
    chatops.toml:8:13: no branch can be called so: no part of it may end with `.lock`
    chatops.toml:8:26: no branch can be called so: no part of it may end with `.`
    chatops.toml:8:32: no branch can be called so: no part of it may end with `.lock`
    ");
    assert_snapshot!(branches("['release/*', 'release/1', 'main']"), @"chatops.toml:8:26: 'release/*' allows this already");
    assert_snapshot!(branches("['main', '*']"), @"
    chatops.toml:8:13: '*' allows this already
    chatops.toml:8:21: every branch is allowed: whoever can push one decides what runs
    ");
    assert_eq!(branches("['release/*', 'release/v*', 'main']"), "");
}

#[test]
fn what_is_there_for_nothing_is_said() {
    assert_snapshot!(warnings("[channels]\nops = 'C0010'\n[users]\nada = 'U0010'\nteam = ['ada', 'U0020']", CLOSED), @"
    chatops.toml:5:1: no rule uses the channel 'ops': nothing can be started from it
    chatops.toml:8:1: no rule uses the group 'team'
    ");
    let twice = CLOSED.replace("'U012'", "'ada', 'team', 'U0020', 'U0030'");
    assert_snapshot!(warnings("[users]\nada = 'U0010'\nlovelace = 'U0010'\nteam = ['ada', 'U0020']", &twice), @"
    chatops.toml:13:10: 'ada' is listed twice: 'team' has it already
    chatops.toml:13:25: 'U0020' is listed twice: 'team' has it already
    ");
    let names = CLOSED
        .replace("'U012'", "'ada', 'lovelace'")
        .replace("'C012'", "'ops', 'C0010'");
    assert_snapshot!(warnings("[channels]\nops = 'C0010'\n[users]\nada = 'U0010'\nlovelace = 'U0010'", &names), @"
    chatops.toml:13:20: 'C0010' is listed twice: 'ops' has it already
    chatops.toml:14:17: 'lovelace' is listed twice: 'ada' has it already
    ");
}

#[test]
fn names_that_differ_in_case_only_are_said() {
    let two = format!(
        "{CLOSED}\nenvironment = 'production'\naliases = ['Test']\n[projects.web.jobs.test]\n{CLOSED}\nenvironment = 'Production'\n[projects.Web]\nslug = 'gh/acme/api'\n[projects.Web.jobs.x]\n{CLOSED}"
    );
    assert_snapshot!(warnings("", &two), @"
    chatops.toml:5:11: 'web' of web and 'Web' of Web differ in case only: typed otherwise, it is no project
    chatops.toml:12:12: 'Test' of deploy and 'test' of test differ in case only: typed otherwise, it is no job
    chatops.toml:17:15: 'Production' and 'production' are two environments, each with a lock of its own
    ");
}
