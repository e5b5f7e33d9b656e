//! Replies to actions.

use insta::assert_snapshot;

use super::*;
use crate::command::DeployAction;
use crate::deploy::decide::{NewerSuccess, RetryDecision};
use crate::fixtures::{job, pipeline, project};
use crate::id::DeployRef;
use crate::rejection::Rejection;
use crate::target::TargetRef;

#[test]
fn no_such_deploy() {
    let deploy = DeployRef::parse("1a2b3c4d").unwrap();
    assert_snapshot!(rendered(&unknown_deploy(&deploy, &config())), @"
    (to the requester)
    *Not found:* there is no deploy `1a2b3c4d`.
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
}

#[test]
fn what_is_buried_is_said() {
    let deploy = DeployRef::parse("1a2b3c4d").unwrap();
    let cancel = action_buried(&DeployAction::Cancel { deploy }, &config());
    assert_snapshot!(rendered(&cancel), @"
    (to the requester)
    :warning: *Not carried out:* `/chatops cancel 1a2b3c4d` ran into an error.
    chatops failed over it, perhaps in the middle. Look at `/chatops status 1a2b3c4d`, then type it again if it is still needed.
    ");
    let target = TargetRef::parse("web/production").unwrap();
    let confirm = true;
    let unlock = action_buried(&DeployAction::Unlock { target, confirm }, &config());
    assert_snapshot!(rendered(&unlock), @"
    (to the requester)
    :warning: *Not carried out:* `/chatops unlock web/production` ran into an error.
    chatops failed over it, perhaps in the middle. Look at `/chatops status`, then type it again if it is still needed.
    ");
    assert_snapshot!(rendered(&query_buried()), @"
    (to the requester)
    :warning: *Not answered:* your command ran into an error of chatops.
    Nothing was changed. Type it again; if it fails again, tell an operator.
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
    assert_snapshot!(no(&record_in(DeployState::Running), &RetryDecision::InProgress), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    It has not ended: *Running*. See `/chatops status f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let failed = head_ended(DeployState::Failed, workflows(&[("build", "failed")]));
    assert_snapshot!(no(&failed, &RetryDecision::HasRun), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    It reached CircleCI and ended there: *Failed*.
    As a new deploy: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let by = ActedBy::User(crate::fixtures::qualify(other()).into());
    let before = EndReason::CanceledBeforeTrigger { by };
    let canceled = head_ended(DeployState::Canceled, before);
    assert_snapshot!(no(&canceled, &RetryDecision::HasRun), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    It was canceled, so nothing waits for a retry.
    As a new deploy: `/chatops main deploy`
    ");
    assert_snapshot!(no(&outcome_unknown(vec![pipeline(7)]), &RetryDecision::NeedsConfirm), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    assert_snapshot!(no(&outcome_unknown(vec![]), &RetryDecision::NeedsConfirm), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    let retry = DeployRecord {
        retry_of: Some(another()),
        ..trigger_rejected()
    };
    assert_snapshot!(no(&retry, &RetryDecision::TooOld), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`, retry of `706068c7`
    It ended more than 24 hours ago, 2027-01-15 08:03 UTC.
    As a new deploy: `/chatops main deploy`
    ");
    let retried = DeployRecord {
        retried_by: Some(another()),
        ..trigger_rejected()
    };
    assert_snapshot!(no(&retried, &RetryDecision::Retried), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    It is already being retried as `706068c7`. See `/chatops status 706068c7`
    ");
}

#[test]
fn what_is_refused_waits_as_before() {
    let no = |why| {
        let message = not_retried(&trigger_forbidden(), &why, &config());
        assert_eq!(message.audience, Audience::Requester);
        check_ready_commands(&message, &config());
        rendered(&message)
    };
    let denied = RetryDecision::NotAllowed {
        rejection: Rejection::User {
            project: crate::fixtures::project("web"),
            job: crate::fixtures::job("deploy"),
            user: other(),
        },
    };
    assert_snapshot!(no(denied), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    Nothing has changed: it still waits for a retry.
    ");
    let busy = RetryDecision::NotAllowed {
        rejection: Rejection::Busy {
            target: crate::fixtures::target(),
            holder: another(),
            short_id: another().short_id(8),
            user: other(),
            held_by: Some(Box::new(crate::rejection::TargetHolder {
                requester: crate::fixtures::qualify(other()).into(),
                git_ref: crate::fixtures::branch("release/2"),
                build: Some(crate::fixtures::pipeline(7).url),
            })),
            since: at(0),
            until: None,
            unlockable: false,
        },
    };
    assert_snapshot!(no(busy), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    `web/production` is taken: U034GHIJKL has been deploying `release/2` there since 2027-01-15 08:00 UTC, deploy `706068c7` (rule `exclusive`). <https://app.circleci.com/pipelines/github/acme/web/7|View build>
    Type it again when that one has ended, or cancel it: `/chatops cancel 706068c7`.
    Nothing has changed: it still waits for a retry.
    ");
    let newer = RetryDecision::Superseded(NewerSuccess {
        short_id: another().short_id(8),
        request: crate::fixtures::requested().request,
    });
    assert_snapshot!(no(newer), @"
    (to the requester)
    :no_entry: *Not retried:* `deploy` on `main` → *web/production* · `f643ce10`
    A newer deploy there has succeeded: `706068c7`, `deploy` on `main` → *web/production*, requested 2027-01-15 08:00 UTC.
    To put this one in its place: `/chatops retry f643ce10 confirm`
    ");
}

#[test]
fn dismissing() {
    let by = ActedBy::User(crate::fixtures::qualify(other()).into());
    let record = trigger_forbidden();
    assert_snapshot!(rendered(&dismissed(&record, &by, &config())), @"
    (to all)
    *Dismissed:* `deploy` on `main` → *web/production* · `f643ce10` · U034GHIJKL
    It no longer waits for a retry. To retry it all the same: `/chatops retry f643ce10`
    ");
    assert_snapshot!(rendered(&already_dismissed(&record, &by, &config())), @"
    (to the requester)
    *Dismissed already:* `deploy` on `main` → *web/production* · `f643ce10`
    Dismissed by U034GHIJKL.
    ");
    assert_snapshot!(rendered(&nothing_to_dismiss(&record_in(DeployState::Succeeded), &config())), @"
    (to the requester)
    *Nothing to dismiss:* `deploy` on `main` → *web/production* · `f643ce10`
    It does not wait for a retry; its state is *Succeeded*.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let rejection = Rejection::User {
        project: crate::fixtures::project("web"),
        job: crate::fixtures::job("deploy"),
        user: other(),
    };
    assert_snapshot!(rendered(&dismiss_denied(&record, &rejection, &config())), @"
    (to the requester)
    :no_entry: *Not dismissed:* `deploy` on `main` → *web/production* · `f643ce10`
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    ");
}

#[test]
fn too_many() {
    let action = DeployAction::Dismiss {
        deploy: DeployRef::Short(another().short_id(8)),
    };
    assert_snapshot!(rendered(&too_many_actions(&action, 20, at(60))), @"
    (to the requester)
    :no_entry: *Not done:* `dismiss 706068c7`
    You have requested more than 20 actions within a minute. Nothing was changed; try again at 2027-01-15 08:01 UTC.
    ");
}

#[test]
fn canceling() {
    let noted = |state| {
        let by = ActedBy::User(crate::fixtures::qualify(other()).into());
        rendered(&cancel_requested(&record_in(state), &by, &config()))
    };
    assert_snapshot!(noted(DeployState::Requested), @"
    (to all)
    :hourglass_flowing_sand: *Cancel requested:* `deploy` on `main` → *web/production* · `f643ce10` · by U034GHIJKL
    Nothing was sent to CircleCI yet, so it ends at once.
    ");
    assert_snapshot!(noted(DeployState::Triggering), @"
    (to all)
    :hourglass_flowing_sand: *Cancel requested:* `deploy` on `main` → *web/production* · `f643ce10` · by U034GHIJKL
    It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    ");
    assert_snapshot!(noted(DeployState::Running), @"
    (to all)
    :hourglass_flowing_sand: *Cancel requested:* `deploy` on `main` → *web/production* · `f643ce10` · by U034GHIJKL
    CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let operator = ActedBy::Operator {
        name: "root".into(),
    };
    assert_snapshot!(cancel_requested(&record_in(DeployState::Triggered), &operator, &config()).headline, @":hourglass_flowing_sand: *Cancel requested:* `deploy` on `main` → *web/production* · `f643ce10` · by operator root");
}

#[test]
fn not_canceled() {
    let cancel_request = |by| CancelRequest {
        by: ActedBy::User(crate::fixtures::qualify(by).into()),
        at: at(60),
    };
    let running = record_in(DeployState::Running);
    assert_snapshot!(rendered(&already_canceling(&running, &cancel_request(other()), &config())), @"
    (to the requester)
    *Cancel requested already:* `deploy` on `main` → *web/production* · `f643ce10`
    Cancel sent by U034GHIJKL, 2027-01-15 08:01 UTC. CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&already_canceling(&record_in(DeployState::Triggering), &cancel_request(user()), &config())), @"
    (to the requester)
    *Cancel requested already:* `deploy` on `main` → *web/production* · `f643ce10`
    Cancel sent by the requester, 2027-01-15 08:01 UTC. It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.
    ");
    let done = head_ended(DeployState::Succeeded, workflows(&[("build", "success")]));
    assert_snapshot!(rendered(&already_ended(&done, &config())), @"
    (to the requester)
    :no_entry: *Not canceled:* `deploy` on `main` → *web/production* · `f643ce10`
    It has ended, 2027-01-15 08:03 UTC: :white_check_mark: *Succeeded*.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let rejection = Rejection::User {
        project: project("web"),
        job: job("deploy"),
        user: other(),
    };
    assert_snapshot!(rendered(&cancel_denied(&running, &rejection, &config())), @"
    (to the requester)
    :no_entry: *Not canceled:* `deploy` on `main` → *web/production* · `f643ce10`
    It can be canceled by the requester, ana, and by anyone who may run that job from their channel.
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    ");
}
