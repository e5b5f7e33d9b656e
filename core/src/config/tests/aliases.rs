//! Aliases of projects and jobs: what they mean, and which are refused.

use insta::assert_snapshot;

use super::*;

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
    assert_snapshot!(projects("'site'", none), @r#"chatops.toml:25:11: `aliases` takes a list of texts, not a text in quotes: write ["site"]"#);
    assert_snapshot!(projects("[7]", none), @r#"chatops.toml:25:12: `aliases` lists texts in quotes, and this is a number: write "7""#);
    let jobs = |deploy, test| error_of(&aliased(none, none, deploy, test));
    assert_snapshot!(jobs("['d', 'e', 'd']", none), @"chatops.toml:44:22: 'd' is listed twice");
    assert_snapshot!(jobs("['x']", "['x']"), @"chatops.toml:47:12: 'x' is an alias of 'deploy' already");
    assert_snapshot!(jobs(none, "['test']"), @"chatops.toml:47:12: 'test' is a name already; an alias has to be another");
    assert_snapshot!(jobs(none, "['deploy']"), @"chatops.toml:47:12: 'deploy' is a name already; an alias has to be another");
    assert_snapshot!(jobs(none, "['a/b']"), @"chatops.toml:47:12: alias: `/` is not accepted: only letters, digits and `.` `_` `-` are");
    // The default project goes by its name.
    let default = aliased("['site']", none, none, none).replace("\"web\"", "\"site\"");
    assert_snapshot!(error_of(&default), @r#"chatops.toml:2:19: there is no [projects.site] to be the default: it is an alias; write "web""#);
}
