//! What people have to know at once, and the ends of runs that were not what they seemed.

use insta::assert_snapshot;

use super::*;
use crate::deploy::{NOT_THERE, Notice};
use crate::ports::{PipelineError, PipelineErrorKind};

fn shown(state: DeployState, notice: Notice) -> String {
    let notice = Some(notice);
    let record = DeployRecord {
        notice,
        ..record_in(state)
    };
    let message = deploy_notice(&record, &config());
    check_ready_commands(&message, &config());
    rendered(&message)
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(name, status): &(&str, &str)| ((*name).to_owned(), (*status).to_owned());
    all.iter().map(pair).collect()
}

/// Named workflows or jobs, with CircleCI's status.
type Named<'a> = &'a [(&'a str, &'a str)];

fn decided(decided_by: Named<'_>, beside: Named<'_>, jobs: Named<'_>) -> EndReason {
    EndReason::Workflows {
        decided_by: pairs(decided_by),
        beside: pairs(beside),
        jobs: pairs(jobs),
    }
}

/// What a final status says below its headline.
fn details(state: DeployState, reason: EndReason) -> String {
    let details = final_message(state, reason).details;
    let lines: Vec<_> = details.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn trouble_before_and_during_a_run() {
    let error = "429 Too Many Requests".to_owned();
    assert_snapshot!(shown(DeployState::Requested, Notice::TriggerDelayed { error }), @"
    (to all)
    :hourglass_flowing_sand: *Waiting for CircleCI:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    CircleCI could not be reached: `429 Too Many Requests`
    It is tried again until 2027-01-15 08:10 UTC; its target stays locked until then.
    ");
    let error = "401 Invalid token <!channel>".to_owned();
    assert_snapshot!(shown(DeployState::Running, Notice::Unreadable { error }), @"
    (to all)
    :warning: *I cannot read CircleCI:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    The last answer: `401 Invalid token &lt;!channel&gt;`
    The run may go on; I keep asking, and its target stays locked.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(shown(DeployState::Triggered, Notice::NothingStarted), @"
    (to all)
    :hourglass_flowing_sand: *Nothing has started yet:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    CircleCI lists no workflow of the pipeline yet. The usual causes: trouble at CircleCI, a `when` condition that is not met, or a branch filter.
    To cancel it: `/chatops cancel f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let workflow = "deploy".to_owned();
    assert_snapshot!(shown(DeployState::Running, Notice::MayRerun { workflow }), @"
    (to all)
    :hourglass_flowing_sand: *Failed, may be rerun:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Workflow `deploy` failed, and CircleCI may rerun it by itself; I wait for that.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_comes_after_the_end() {
    let workflows = pairs(&[("deploy", "running"), ("smoke", "on_hold")]);
    assert_snapshot!(shown(DeployState::NothingRan, Notice::AfterEnd { workflows }), @"
    (to all)
    :warning: *Seen after its end:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    CircleCI shows now: `deploy` running, `smoke` on hold
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let by = ActedBy::User(crate::fixtures::qualify(other()).into());
    assert_snapshot!(shown(DeployState::LostTrack, Notice::Unlocked { by }), @"
    (to all)
    :unlock: *Unlocked:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    The lock of its target was freed by U034GHIJKL.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let by = ActedBy::User(crate::fixtures::qualified_user().into());
    assert_snapshot!(shown(DeployState::Unresolved, Notice::Unlocked { by }), @"
    (to all)
    :unlock: *Unlocked:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    The lock of its target was freed by the requester.
    ");
}

#[test]
fn a_deploy_without_a_notice_says_where_it_stands() {
    let message = deploy_notice(&record_in(DeployState::Running), &config());
    assert_snapshot!(rendered(&message), @"
    (to all)
    :information_source: `deploy` on `main` → *web/production* · `f643ce10` · ana
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn which_workflow_did_not_run() {
    let missing = |wanted: &[&str], listed: Named<'_>| {
        let reason = EndReason::WorkflowMissing {
            wanted: wanted.iter().map(|name| (*name).to_owned()).collect(),
            listed: pairs(listed),
        };
        details(DeployState::NothingRan, reason)
    };
    assert_snapshot!(missing(&["deploy"], &[("lint", "success")]), @"
    The workflow `deploy` did not run; CircleCI lists `lint` success.
    The usual causes: a `when` condition that is not met, a branch filter, or another name: then set `workflow =` of this job in `chatops.toml`.
    ");
    assert_snapshot!(missing(&["a", "b"], &[("lint", "not_run"), ("setup", "success")]), @"
    None of the workflows `a`, `b` ran; CircleCI lists `lint` not run, `setup` success.
    The usual causes: a `when` condition that is not met, a branch filter, or another name: then set `workflow =` of this job in `chatops.toml`.
    ");
    assert_snapshot!(missing(&[], &[("setup", "success")]), @"
    No workflow ran; CircleCI lists `setup` success.
    The usual causes: a `when` condition that is not met, a branch filter, or another name: then set `workflow =` of this job in `chatops.toml`.
    ");
}

#[test]
fn jobs_and_workflows_beside_are_named() {
    use DeployState::{Failed, Succeeded};
    let green: Named<'_> = &[("deploy", "success")];
    let announce: Named<'_> = &[("announce", "not-run")];
    assert_snapshot!(details(Succeeded, decided(green, &[("lint", "failed")], announce)), @"Job `announce` not run");
    assert_snapshot!(details(Failed, decided(green, &[], &[("ship", "not-run")])), @"
    Job `ship` not run
    To deploy it again: `/chatops main deploy`
    ");
    assert_snapshot!(details(Failed, decided(green, &[], &[("ship", NOT_THERE)])), @"
    Job `ship` not there
    To deploy it again: `/chatops main deploy`
    ");
    let failed: Named<'_> = &[("deploy", "failed")];
    let jobs: Named<'_> = &[("ship", "failed"), ("smoke", "canceled")];
    assert_snapshot!(details(Failed, decided(failed, &[("lint", "success")], jobs)), @"
    Workflow `deploy` failed
    Jobs `ship` failed, `smoke` canceled
    Beside it: `lint` success
    To deploy it again: `/chatops main deploy`
    ");
    let some: Named<'_> = &[("smoke", NOT_THERE), ("deploy", "success")];
    assert_snapshot!(details(Failed, decided(some, &[], &[])), @"
    Workflows `smoke` not there, `deploy` success
    To deploy it again: `/chatops main deploy`
    ");
    // A8
    assert_snapshot!(details(Failed, decided(&[("deploy", "unauthorized")], &[], &[])), @"
    Workflow `deploy` unauthorized
    The usual cause: the token's user is not in the group of a restricted context.
    To deploy it again: `/chatops main deploy`
    ");
}

#[test]
fn what_a_record_does_not_keep_is_not_counted() {
    let many = vec![("w", "failed"); 12];
    let shown = details(DeployState::Failed, decided(&many, &[], &[]));
    assert!(shown.contains(", … and more\n"), "{shown}");
}

#[test]
fn canceled_before_any_workflow() {
    let by = ActedBy::User(crate::fixtures::qualify(other()).into());
    let reason = EndReason::CanceledBeforeWorkflow { by };
    assert_snapshot!(rendered(&final_message(DeployState::Canceled, reason)), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Canceled before any job had started, by U034GHIJKL.
    A workflow that still appears at CircleCI is canceled there.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn each_type_of_error_has_its_heading() {
    // A7
    use PipelineErrorKind::*;
    let kinds = [
        Config,
        ConfigFetch,
        InvalidTriggerSetup,
        TriggerRule,
        Timeout,
        Permission,
        Plan,
        Other,
    ];
    let lines = kinds.map(|kind| {
        let message = "no".to_owned();
        let errors = vec![PipelineError { kind, message }];
        let reason = EndReason::PipelineErrors { errors };
        let message = final_message(DeployState::CiError, reason);
        let headline = message.headline.to_string();
        let (heading, _) = headline.split_once(":*").unwrap();
        let details: Vec<_> = message.details.iter().map(ToString::to_string).collect();
        format!("{heading}:* {}", details.join(" / "))
    });
    assert_snapshot!(lines.join("\n"), @"
    :x: *Config error:* CircleCI says: `no`
    :x: *Config not fetched:* CircleCI says: `no`
    :x: *Trigger error:* CircleCI says: `no`
    :x: *Trigger error:* CircleCI says: `no`
    :x: *Timeout at CircleCI:* CircleCI says: `no`
    :x: *No permission at CircleCI:* CircleCI says: `no` / The usual cause: the token's user may not build this project.
    :x: *Stopped by the plan:* CircleCI says: `no` / The usual cause: the plan's credits are spent.
    :x: *Error at CircleCI:* CircleCI says: `no`
    ");
}
