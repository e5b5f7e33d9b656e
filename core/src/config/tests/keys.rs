//! Files that are not this format: unknown, renamed, missing and repeated keys. What a known key may hold
//! is checked in `values`.

use insta::assert_snapshot;

use super::*;

#[test]
fn unknown_keys_are_errors_at_every_level() {
    assert_snapshot!(error_after("default_project =", "default ="), @"chatops.toml:2:1: unknown field `default`, expected one of `version`, `default_project`, `slack`, `circleci`, `timeouts`, `channels`, `users`, `projects`");
    assert_snapshot!(error_after("command =", "comand ="), @"chatops.toml:5:1: unknown field `comand`, expected one of `command`, `teams`, `response_url_origins`, `api`, `interactivity`, `live`, `actions_per_minute`");
    assert_snapshot!(error_after("api =", "url ="), @"chatops.toml:10:1: unknown field `url`, expected `api` or `app`");
    assert_snapshot!(error_after("request_ttl =", "stale ="), @"chatops.toml:14:1: unknown field `stale`, expected one of `request_ttl`, `connect_timeout`, `request_timeout`, `trigger_window`, `lookup_timeout`, `lookup_give_up`, `workflow_start_timeout`, `empty_pipeline_timeout`, `settle_time`, `rerun_timeout`, `poll_interval_min`, `poll_interval_max`, `poll_interval_webhook`, `poll_interval_old`, `progress_interval`, `retry_backoff`, `follow_timeout`, `retry_window`, `lock_ttl`, `trouble_after`, `response_url_ttl`, `delivery_lease`, `previous_secret_ttl`, `sweep_interval`");
    assert_snapshot!(error_after("slug = \"github/acme/web\"", "slug = \"gh/acme/web\"\nrepo = 1"), @"chatops.toml:26:1: unknown field `repo`, expected one of `slug`, `repository`, `aliases`, `read`, `announce`, `jobs`");
    assert_snapshot!(error_after("environment =", "enviroment ="), @"chatops.toml:32:1: unknown field `enviroment`, expected one of `aliases`, `trigger`, `definition`, `config_branch`, `workflow`, `must_run`, `job_parameter`, `deploy_id_parameter`, `parameters`, `environment`, `exclusive`, `branches`, `tags`, `channels`, `users`, `announce`");
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
    for (old, new) in &super::super::file::RENAMED_KEYS[3..] {
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
