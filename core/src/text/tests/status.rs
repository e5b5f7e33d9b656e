//! The state of one deploy.

use insta::assert_snapshot;

use super::*;
use crate::fixtures::{id, pipeline, start};
use crate::notification::{NotificationKind, Undelivered};
use crate::ports::DeployPage;
use crate::rejection::Rejection;

fn status_rows(record: &DeployRecord) -> String {
    let message = deploy_status(record, None, &config());
    assert_eq!(message.audience, Audience::Requester);
    check_ready_commands(&message, &config());
    rendered(&message)
}

#[test]
fn status_in_progress() {
    assert_snapshot!(status_rows(&record_in(DeployState::Requested)), @"
    (to the requester)
    :hourglass_flowing_sand: *Queued:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC
    Nothing has been sent to CircleCI yet.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(status_rows(&record_in(DeployState::Triggering)), @"
    (to the requester)
    :hourglass_flowing_sand: *Triggering:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC
    It is being sent to CircleCI.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(status_rows(&record_in(DeployState::Triggered)), @"
    (to the requester)
    :hourglass_flowing_sand: *Waiting for a workflow:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    CircleCI has the pipeline; no workflow of it has been seen yet.
    To cancel it: `/chatops cancel f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let mut running = record_in(DeployState::Running);
    if let Some(run) = &mut running.run {
        run.revision = Some("0123456789abcdef0123456789abcdef01234567".into());
    }
    assert_snapshot!(status_rows(&running), @"
    (to the requester)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    Commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456>
    To cancel it: `/chatops cancel f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn status_with_errors() {
    let waits = DeployRecord {
        last_error: Some("429 Too Many Requests".into()),
        attempts: 2,
        due_at: Some(at(40)),
        ..record_in(DeployState::Requested)
    };
    assert_snapshot!(status_rows(&waits), @"
    (to the requester)
    :hourglass_flowing_sand: *Queued:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC
    Tried 2 times; last error: `429 Too Many Requests` · next try 2027-01-15 08:00 UTC · no try after 2027-01-15 08:10 UTC
    To cancel it: `/chatops cancel f643ce10`
    ");
    let mut unknown = record_in(DeployState::Triggering);
    if let Some(intent) = &mut unknown.trigger_intent {
        intent.unknown_because = Some("503 Service Unavailable".into());
    }
    assert_snapshot!(status_rows(&unknown), @"
    (to the requester)
    :hourglass_flowing_sand: *Triggering:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC
    CircleCI's answer was lost (`503 Service Unavailable`). The pipeline is being looked up there; nothing is sent twice.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(status_rows(&with_cancel_request(record_in(DeployState::Running), other())), @"
    (to the requester)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    Cancel sent by U034GHIJKL, 2027-01-15 08:01 UTC.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(status_rows(&with_cancel_request(record_in(DeployState::Running), user())), @"
    (to the requester)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    Cancel sent by the requester, 2027-01-15 08:01 UTC.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn ended() {
    let failed = head_ended(DeployState::Failed, workflows(&[("build", "failed")]));
    assert_snapshot!(status_rows(&failed), @"
    (to the requester)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    Workflow `build` failed
    To deploy it again: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(status_rows(&trigger_rejected()), @"
    (to the requester)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch or tag that does not exist, or an undeclared parameter.
    ");
    assert_snapshot!(status_rows(&outcome_unknown(vec![pipeline(7)])), @"
    (to the requester)
    :warning: *Unresolved:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    Could not find out whether CircleCI started it: `503 Service Unavailable`
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
    let expired = EndReason::Rejected(Rejection::Expired {
        requested_at: start(),
    });
    assert_snapshot!(status_rows(&head_ended(DeployState::Rejected, expired)), @"
    (to the requester)
    :no_entry: *Expired:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    The requester was notified:
    It was requested 2027-01-15 08:00 UTC, too long ago to start now (rule `timeouts.request_ttl`).
    If it is still needed, type `/chatops main deploy` again.
    ");
}

#[test]
fn in_a_chain_of_retries() {
    let retried = DeployRecord {
        retried_by: Some(another()),
        ..trigger_rejected()
    };
    assert_snapshot!(status_rows(&retried), @"
    (to the requester)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Requested 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch or tag that does not exist, or an undeclared parameter.
    Retried as `706068c7`: `/chatops status 706068c7`
    ");
    let retry = DeployRecord {
        retry_of: Some(another()),
        ..record_in(DeployState::Triggering)
    };
    assert_snapshot!(status_rows(&retry), @"
    (to the requester)
    :hourglass_flowing_sand: *Triggering:* `deploy` on `main` → *web/production* · `f643ce10`, retry of `706068c7` · ana
    Requested 2027-01-15 08:00 UTC
    It is being sent to CircleCI.
    To cancel it: `/chatops cancel f643ce10`
    ");
}

#[test]
fn status_of_what_slack_was_not_told() {
    let undelivered = Undelivered {
        deploy: id(),
        kind: NotificationKind::Final,
        reason: "expired_url; the bot: <!channel> `x`".to_owned(),
        at: start(),
        told_later: false,
        channels: vec![],
    };
    let record = record_in(DeployState::Succeeded);
    let message = deploy_status(&record, Some(&undelivered), &config());
    assert_snapshot!(rendered(&message), @"
    (to the requester)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC · ended 2027-01-15 08:00 UTC
    :warning: *Not told in Slack:* how it ended: `expired_url; the bot: &lt;!channel&gt; 'x'`, 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let made_up_for = Undelivered {
        told_later: true,
        ..undelivered.clone()
    };
    let message = deploy_status(&record, Some(&made_up_for), &config());
    assert_eq!(message, deploy_status(&record, None, &config()));
    let announced = Undelivered {
        channels: ["C0ONE", "C0TWO"]
            .map(|id| ChannelId::parse(id).unwrap())
            .into(),
        reason: "not_in_channel".to_owned(),
        ..undelivered.clone()
    };
    let message = deploy_status(&record, Some(&announced), &config());
    let line = message.details[0].to_string();
    assert!(
        line.contains("how it ended in <#C0ONE>, <#C0TWO>: `not_in_channel`"),
        "{line}"
    );
    let empty = DeployPage {
        deploys: vec![],
        more: None,
    };
    let lines = untold_deploys(&[(undelivered, record)], &config());
    let failed = awaiting_retry(&empty, &config()).details(lines);
    check_ready_commands(&failed, &config());
    assert_snapshot!(rendered(&failed), @"
    (to the requester)
    *Nothing waits for a retry.*
    What started and then failed: `/chatops history status:failed`
    :warning: *Not told in Slack:*
    • `deploy` on `main` → *web/production* · how it ended: `expired_url; the bot: &lt;!channel&gt; 'x'`, 2027-01-15 08:00 UTC · `/chatops status f643ce10`
    ");
    assert_eq!(untold_deploys(&[], &config()), []);
}
