//! Replies to actions.

use insta::assert_snapshot;

use super::*;
use crate::deploy::decide::RetryDecision;
use crate::fixtures::{job, pipeline, project};
use crate::id::DeployRef;
use crate::policy::Rejection;

#[test]
fn no_such_deploy() {
    let deploy = DeployRef::parse("1a2b3c4d").unwrap();
    assert_snapshot!(rendered(&unknown_deploy(&deploy, &config())), @"
    (to the requester)
    :speech_balloon: *Not found:* there is no deploy `1a2b3c4d`.
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
}

#[test]
fn not_tried_again() {
    let no = |record: &DeployRecord, why| {
        let message = not_retried(record, why, &config());
        assert_eq!(message.audience, Audience::Requester);
        check_ready_commands(&message, &config());
        rendered(&message)
    };
    assert_snapshot!(no(&record_in(DeployState::Running), RetryDecision::InProgress), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It has not ended: *Running*. See `/chatops status f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let failed = head_ended(DeployState::Failed, workflows(&[("build", "failed")]));
    assert_snapshot!(no(&failed, RetryDecision::HasRun), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It reached CircleCI and ended there: *Failed*.
    As a new deploy: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let by = ActedBy::User(crate::fixtures::qualify(other()));
    let before = EndReason::CanceledBeforeTrigger { by };
    let canceled = head_ended(DeployState::Canceled, before);
    assert_snapshot!(no(&canceled, RetryDecision::HasRun), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It was canceled, so nothing waits for a retry.
    As a new deploy: `/chatops main deploy`
    ");
    assert_snapshot!(no(&outcome_unknown(vec![pipeline(7)]), RetryDecision::NeedsConfirm), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    assert_snapshot!(no(&outcome_unknown(vec![]), RetryDecision::NeedsConfirm), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    let retry = DeployRecord {
        retry_of: Some(another()),
        ..trigger_rejected()
    };
    assert_snapshot!(no(&retry, RetryDecision::TooOld), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7`
    It ended more than 24 hours ago, 2027-01-15 08:03 UTC.
    As a new deploy: `/chatops main deploy`
    ");
    let retried = DeployRecord {
        retried_by: Some(another()),
        ..trigger_rejected()
    };
    assert_snapshot!(no(&retried, RetryDecision::Retried), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It is already being retried as `706068c7`. See `/chatops status 706068c7`
    ");
}

#[test]
fn canceling() {
    let noted = |state| {
        let by = ActedBy::User(crate::fixtures::qualify(other()));
        rendered(&cancel_requested(&record_in(state), &by))
    };
    assert_snapshot!(noted(DeployState::Requested), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    Nothing was sent to CircleCI yet, so it ends at once.
    ");
    assert_snapshot!(noted(DeployState::Triggering), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    ");
    assert_snapshot!(noted(DeployState::Running), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let operator = ActedBy::Operator("root".into());
    assert_snapshot!(cancel_requested(&record_in(DeployState::Triggered), &operator).headline, @":octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · operator root");
}

#[test]
fn not_canceled() {
    let cancel_request = |by| CancelRequest {
        by: ActedBy::User(crate::fixtures::qualify(by)),
        at: at(60),
    };
    let running = record_in(DeployState::Running);
    assert_snapshot!(rendered(&already_canceling(&running, &cancel_request(other()))), @"
    (to the requester)
    :octagonal_sign: *Canceling already:* `deploy` on `main` of `web` · `f643ce10`
    Cancel sent by <@U034GHIJKL>, 2027-01-15 08:01 UTC. CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&already_canceling(&record_in(DeployState::Triggering), &cancel_request(user()))), @"
    (to the requester)
    :octagonal_sign: *Canceling already:* `deploy` on `main` of `web` · `f643ce10`
    Cancel sent by the requester, 2027-01-15 08:01 UTC. It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    ");
    let done = head_ended(DeployState::Succeeded, workflows(&[("build", "success")]));
    assert_snapshot!(rendered(&already_ended(&done)), @"
    (to the requester)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    It has ended: there is nothing to cancel.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let rejection = Rejection::User {
        project: project("web"),
        job: job("deploy"),
        user: other(),
    };
    assert_snapshot!(rendered(&cancel_denied(&running, &rejection)), @"
    (to the requester)
    :no_entry: *Not canceled:* `deploy` on `main` of `web` · `f643ce10`
    It can be canceled by the requester, <@U012ABCDEF>, and by anyone who may run that job from their channel.
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    ");
}
