//! Files that are not this format: unknown, renamed, missing and repeated keys. What a known key may hold
//! is checked in `values`.

use insta::assert_snapshot;

use super::*;

#[test]
fn unknown_keys_are_errors_at_every_level() {
    assert_snapshot!(error_after("default_project =", "default ="), @"chatops.toml:2:1: the file has no key `default`: did you mean `default_project`?");
    assert_snapshot!(error_after("command =", "comand ="), @"chatops.toml:5:1: [slack] has no key `comand`: did you mean `command`?");
    assert_snapshot!(error_after("api =", "url ="), @"chatops.toml:10:1: [circleci] has no key `url`: its keys are `api`, `app`");
    assert_snapshot!(error_after("request_ttl =", "stale ="), @"chatops.toml:14:1: [timeouts] has no key `stale`: docs/configuration.md lists its keys");
    assert_snapshot!(error_after("slug = \"github/acme/web\"", "slug = \"gh/acme/web\"\nrepo = 1"), @r#"
    chatops.toml:26:1: [projects.web] has no key `repo`: did you mean `repository`?
    chatops.toml:26:8: `repository` takes a text in quotes, not a number: write "1"
    "#);
    assert_snapshot!(error_after("environment =", "enviroment ="), @"chatops.toml:32:1: [projects.web.jobs.deploy] has no key `enviroment`: did you mean `environment`?");
    assert_snapshot!(error_after("[channels]", "[chanels]"), @"chatops.toml:17:2: there is no [chanels]: did you mean [channels]?");
    assert_snapshot!(error_after("trigger = \"pipeline\"", "trigger = \"rocket\""), @r#"chatops.toml:28:11: `trigger` takes "pipeline-run", "pipeline" or "job", not "rocket""#);
}

#[test]
fn an_old_key_names_the_new_one() {
    let origins = "response_url_origins = [";
    assert_snapshot!(error_after("[users]", "[people]"), @"chatops.toml:20:2: `people` is called `users` now");
    assert_snapshot!(error_after("users = [\"ada\"", "people = [\"ada\""), @"chatops.toml:36:1: `people` is called `users` now");
    assert_snapshot!(error_after("[timeouts]", "[times]"), @"chatops.toml:13:2: `times` is called `timeouts` now");
    assert_snapshot!(error_after(origins, "reply_origins = ["), @"chatops.toml:7:1: `reply_origins` is called `response_url_origins` now");
    for (old, new) in &super::super::shape::RENAMED_KEYS[3..] {
        let error = error_after("request_ttl = \"5m\"", &format!("{old} = \"5m\""));
        let expected = format!("`{old}` is called `{new}` now");
        assert_eq!(error, format!("chatops.toml:14:1: {expected}"));
    }
    // Elsewhere the same word is just unknown.
    assert!(error_after("api = ", "grace = ").ends_with("its keys are `api`, `app`"));
}

#[test]
fn a_list_that_is_not_closed_is_said_once() {
    let open =
        "version = 1\n[slack]\nteams = [\"T012ABCDEF\"\n[users]\nada = \"U012ABCDEF\"\nx = [1]\n";
    assert_snapshot!(error_of(open), @"chatops.toml:4:1: this is not TOML: the list above is not closed with `]`, or a comma is missing in it");
    assert_snapshot!(error_of("version = 1\n[slack]\nteams = [\n  \"T012ABCDEF\"\n  \"T034ABCDEF\"\n]\nx = y\n"), @"
    chatops.toml:5:3: this is not TOML: the list above is not closed with `]`, or a comma is missing in it
    chatops.toml:7:5: this is not TOML: string values must be quoted; a text stands in quotes, only true, false and numbers do not
    ");
    assert_snapshot!(error_of("version = 1\n[slack]\nteams = [T012ABCDEF]\ncommand = \"/ship\nlive = yes\n"), @r#"
    chatops.toml:3:10: this is not TOML: invalid boolean; a text stands in quotes: "…"
    chatops.toml:4:17: this is not TOML: invalid basic string; a text ends with the quote it began with
    chatops.toml:5:8: this is not TOML: string values must be quoted; a text stands in quotes, only true, false and numbers do not
    "#);
}

#[test]
fn what_is_there_twice_is_an_error() {
    assert_snapshot!(error_after("[slack]\n", "[slack]\ncommand = \"/x\"\n"), @"chatops.toml:6:1: this is there twice already: keep one of them");
    assert_snapshot!(error_after("[projects.api]", "[projects.web]"), @"chatops.toml:38:11: this is there twice already: keep one of them");
    assert_snapshot!(error_after("\"main\", ", "\"main\", \"main\", "), @"chatops.toml:34:21: 'main' is listed twice");
    assert_snapshot!(error_after("\"deploys\", ", "\"deploys\", \"deploys\", "), @"chatops.toml:35:24: 'deploys' is listed twice");
    assert_snapshot!(error_after("\"U034GHIJKL\", \"W", "\"W056MNOPQR\", \"W"), @"chatops.toml:22:23: 'W056MNOPQR' is listed twice");
    assert_snapshot!(error_after("[\"T012ABCDEF\"]", "[\"E012ABCDEF\", \"E012ABCDEF\"]"), @"chatops.toml:6:24: 'E012ABCDEF' is listed twice");
}

#[test]
fn what_is_not_this_format_at_all() {
    assert_snapshot!(error_after("version = 1", "version = 2"), @"chatops.toml:1:11: this program reads version = 1, not 2");
    assert_snapshot!(error_after("version = 1\n", ""), @"chatops.toml:1:1: `version` is missing: write version = 1 at the top of the file");
    assert_snapshot!(error_after("version = 1", "version = \"1\""), @"chatops.toml:1:11: this program reads version = 1, not a text in quotes");
    assert_snapshot!(error_after("teams = [\"T012ABCDEF\"]\n", ""), @r#"chatops.toml:4:1: [slack] needs `teams`: write teams = ["T012ABCDEF"]"#);
    assert_snapshot!(error_of("version = 1\n"), @r#"chatops.toml:1:1: a table [slack] with teams = ["T012ABCDEF"] is missing"#);
    assert_snapshot!(error_of("{\"version\": 1}"), @"chatops.toml:1:1: this is not TOML: invalid key-value pair; write key = value, one to a line: this format is TOML");
    assert_snapshot!(error_of("version = 1\nteams = [\n"), @"chatops.toml:2:10: this is not TOML: unclosed array; a list ends with `]`");
    assert_snapshot!(error_of(""), @r#"
    chatops.toml:1:1: `version` is missing: write version = 1 at the top of the file
    chatops.toml:1:1: a table [slack] with teams = ["T012ABCDEF"] is missing
    "#);
    assert_snapshot!(error_of("\u{feff}# ä ö\nversion = 1\nx = 'ä'; y"), @"chatops.toml:3:8: this is not TOML: unexpected key or value; each key has a line of its own");
}

#[test]
fn a_path_is_written_as_in_the_file() {
    let path = ["projects", "web-1_x", "a b", ""];
    let written = crate::config::places::written_path(&path);
    assert_eq!(written, r#"projects.web-1_x."a b"."""#);
}

#[test]
fn one_comma_and_one_version_are_enough() {
    assert_snapshot!(error_of("version = 1\n[slack]\nteams = [\"T012ABCDEF\",,]\n"), @"chatops.toml:3:23: this is not TOML: extra comma in array; one comma is enough");
    assert_snapshot!(error_of("version = \"1\"\n"), @r#"
    chatops.toml:1:1: a table [slack] with teams = ["T012ABCDEF"] is missing
    chatops.toml:1:11: this program reads version = 1, not a text in quotes
    "#);
    let mistakes = super::planted::mistakes_of("version = \"1\"\n");
    assert!(
        mistakes
            .iter()
            .any(|one| one.suggestion.as_deref() == Some("1"))
    );
}

/// Another file than a configuration, say a log.
#[test]
fn of_a_file_that_is_all_mistakes_the_first_are_said() {
    let log = "one\n".repeat(50_000);
    let error = Config::parse(&log, "chatops.log").unwrap_err();
    assert_eq!((error.mistakes.len(), error.more), (100, 49_900));
    let said = error.to_string();
    assert!(said.starts_with("chatops.log has 50000 mistakes\n"));
    assert!(said.ends_with("\n\n… and 49900 more"));
    let tables: String = (0..3_000).fold(String::new(), |text, n| text + &format!("[t{n}]\n"));
    let error = Config::parse(&tables, "chatops.toml").unwrap_err();
    assert_eq!(error.mistakes.len() + error.more, 3_002);
}
