//! Which workflow decides, which jobs must run, and where the configuration is read.

use insta::assert_snapshot;

use super::triggers::{error_of, parsed_job};
use super::*;

const SLUG: &str = "gh/acme/web";

fn names(lines: &str) -> Vec<String> {
    parsed_job(SLUG, lines).workflow.names().to_vec()
}

#[test]
fn the_jobs_own_name_is_the_default() {
    for lines in ["", "trigger = 'pipeline'", "trigger = 'pipeline-run'"] {
        let job = parsed_job(SLUG, lines);
        assert_eq!(job.workflow.names(), ["deploy"], "{lines}");
        assert!(job.workflow.selects("deploy") && !job.workflow.selects("Deploy"));
        assert_eq!(job.must_run, Vec::<String>::new());
    }
}

#[test]
fn one_several_or_all_of_them_can_be_named() {
    assert_eq!(names("workflow = 'Build and ship'"), ["Build and ship"]);
    assert_eq!(names("workflow = ['a', 'b']"), ["a", "b"]);
    let all = parsed_job(SLUG, "workflow = '*'").workflow;
    assert_eq!(all, WorkflowSelector::ALL);
    assert!(all.selects("anything") && all.names().is_empty());
    let jobs = parsed_job(SLUG, "must_run = ['deploy-prod', 'smoke']").must_run;
    assert_eq!(jobs, ["deploy-prod", "smoke"]);
}

#[test]
fn a_build_decides_alone() {
    let job = parsed_job(SLUG, "trigger = 'job'");
    assert_eq!(job.workflow, WorkflowSelector::ALL);
    let error = |lines| error_of(SLUG, &format!("trigger = 'job'\n{lines}"));
    assert_snapshot!(error("workflow = 'deploy'"), @r#"chatops.toml:11:12: trigger = "job" starts one build, outside workflows; take this out"#);
    assert_snapshot!(error("must_run = ['deploy']"), @r#"chatops.toml:11:13: trigger = "job" starts one build, outside workflows; take this out"#);
}

#[test]
fn names_that_can_be_no_workflow_are_refused() {
    let error = |lines: &str| error_of(SLUG, lines);
    assert_snapshot!(error("workflow = ''"), @r#"chatops.toml:10:12: a name in CircleCI's configuration has 1 to 200 characters; "*" stands alone"#);
    assert_snapshot!(error("workflow = []"), @r#"chatops.toml:10:12: name a workflow, or "*" for all of them"#);
    assert_snapshot!(error("workflow = ['a', '*']"), @r#"chatops.toml:10:18: a name in CircleCI's configuration has 1 to 200 characters; "*" stands alone"#);
    assert_snapshot!(error("workflow = ['a', 'a']"), @"chatops.toml:10:18: 'a' is listed twice");
    assert_snapshot!(error("workflow = true"), @r#"chatops.toml:10:12: `workflow` takes a text in quotes, or a list of them, not true: write something like "deploy""#);
    assert_snapshot!(error("must_run = ['*']"), @r#"chatops.toml:10:13: a name in CircleCI's configuration has 1 to 200 characters; "*" stands alone"#);
    assert_snapshot!(error("must_run = 'deploy'"), @r#"chatops.toml:10:12: `must_run` takes a list of texts, not a text in quotes: write ["deploy"]"#);
    let long = |length| format!("workflow = '{}'", "\u{e4}".repeat(length));
    assert_eq!(names(&long(200))[0].chars().count(), 200);
    assert_snapshot!(error(&long(201)), @r#"chatops.toml:10:12: a name in CircleCI's configuration has 1 to 200 characters; "*" stands alone"#);
}

#[test]
fn the_configuration_can_be_of_another_branch() {
    let branch = parsed_job(SLUG, "config_branch = 'main'")
        .trigger
        .config_branch;
    assert_eq!(branch.unwrap().as_str(), "main");
    let error = |lines: &str| error_of(SLUG, lines);
    assert_snapshot!(error("trigger = 'pipeline'\nconfig_branch = 'main'"), @r#"chatops.toml:11:17: only trigger = "pipeline-run" takes a config_branch"#);
    assert_snapshot!(error("trigger = 'job'\nconfig_branch = 'main'"), @r#"chatops.toml:11:17: only trigger = "pipeline-run" takes a config_branch"#);
    assert_snapshot!(error("config_branch = 'a..b'"), @"chatops.toml:10:17: config_branch: it may not contain `..`");
    assert_snapshot!(error("config_branch = ''"), @"chatops.toml:10:17: config_branch: it is empty");
}

#[test]
fn a_stored_selector_reads_back() {
    let named = WorkflowSelector::Named(vec!["a".into(), "*".into()]);
    for selector in [named, WorkflowSelector::ALL] {
        let stored = serde_json::to_string(&selector).unwrap();
        let read: WorkflowSelector = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, selector, "{stored}");
    }
    let all = serde_json::to_string(&WorkflowSelector::ALL).unwrap();
    assert_eq!(all, "\"*\"");
}

#[test]
fn the_default_of_each_wait_is_as_designed() {
    let times = Timeouts::default();
    let minutes = |minutes| Duration::from_mins(minutes);
    assert_eq!(times.workflow_start_timeout, minutes(3));
    assert_eq!(times.empty_pipeline_timeout, minutes(120));
    assert_eq!(times.settle_time, minutes(2));
    assert_eq!(times.rerun_timeout, minutes(5));
    assert_eq!(times.follow_timeout, minutes(24 * 60));
    assert_eq!(times.lock_ttl, minutes(15));
    assert_eq!(times.trouble_after, Duration::from_secs(30));
    assert_eq!(times.poll_interval_webhook, minutes(5));
    assert_eq!(times.poll_interval_old, minutes(60));
}

#[test]
fn a_pause_that_looks_like_a_wrong_clock_is_refused() {
    for key in [
        "poll_interval_min",
        "poll_interval_max",
        "poll_interval_webhook",
        "poll_interval_old",
        "retry_backoff",
        "trigger_window",
    ] {
        let with = |time: &str| {
            let line = format!("{key} = \"{time}\"");
            GOOD.replace("trigger_window = \"20s\"", &line)
        };
        assert!(Config::parse(&with("1h"), "chatops.toml").is_ok(), "{key}");
        let column = key.len() + 4;
        let expected = format!("chatops.toml:15:{column}: {key} must be at most one hour");
        assert_eq!(super::error_of(&with("61m")), expected);
    }
}
