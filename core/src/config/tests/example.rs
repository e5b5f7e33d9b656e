//! The example file of the repository: it is right, and it shows every key with its real default. No
//! other file is read here.

use super::*;
use crate::deploy::DeployRequest;
use crate::fixtures::{branch, request};
use crate::policy;

const EXAMPLE: &str = include_str!("../../../../config/chatops.toml");

#[test]
fn the_example_is_right_and_does_what_it_says() {
    let config = Config::parse(EXAMPLE, "config/chatops.toml").unwrap();
    let may = |job_name: &str, branch_name: &str| {
        let (branch, job) = (branch(branch_name), job(job_name));
        let ask = DeployRequest {
            git_ref: branch,
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

    // Every key stands in the example, commented out or not.
    let mut count = 0;
    let tables = shape::all_tables_of_file();
    for key in tables
        .iter()
        .flat_map(|table| table.keys)
        .map(|key| key.name)
    {
        let tables = [format!("[{key}"), format!(".{key}]"), format!(".{key}.")];
        let table = tables.iter().any(|table| EXAMPLE.contains(table));
        let value = EXAMPLE.contains(&format!("{key} = ")) || EXAMPLE.contains(&format!("`{key}`"));
        assert!(table || value, "{key}");
        count += 1;
    }
    assert_eq!(count, 8 + 7 + 2 + 24 + 6 + 16 + 4);
    // Some keys have the same name in two tables.
    assert_eq!(EXAMPLE.matches("\n# api = ").count(), 2);
    assert_eq!(EXAMPLE.matches("\n# aliases = []\n").count(), 2);
}

/// What an editor shows of a duration is what a file would say.
#[test]
fn the_defaults_of_durations_are_written_as_people_do() {
    let schema = crate::config::json_schema();
    let timeouts = &schema["properties"]["timeouts"]["properties"];
    let line = |(name, key): (&String, &serde_json::Value)| {
        let default = key["default"].as_str()?;
        Some(format!("{name} = {default}"))
    };
    let lines: Vec<String> = timeouts
        .as_object()
        .unwrap()
        .iter()
        .filter_map(line)
        .collect();
    assert_snapshot!(lines.join("\n"), @"
    connect_timeout = 2s
    delivery_lease = 30s
    empty_pipeline_timeout = 2h
    follow_timeout = 24h
    lock_ttl = 15m
    lookup_give_up = 15m
    lookup_timeout = 2m
    poll_interval_max = 1m
    poll_interval_min = 5s
    poll_interval_old = 1h
    poll_interval_webhook = 5m
    previous_secret_ttl = 24h
    progress_interval = 1m
    request_timeout = 10s
    request_ttl = 10m
    rerun_timeout = 5m
    response_url_ttl = 29m
    retry_backoff = 5s
    retry_window = 24h
    settle_time = 2m
    sweep_interval = 1m
    trigger_window = 15s
    trouble_after = 30s
    workflow_start_timeout = 3m
    ");
}
