//! Answers to wishes.

use insta::assert_snapshot;

use super::*;
use crate::decide::Retryable;
use crate::fixtures::{job, pipeline, project};
use crate::id::DeployRef;
use crate::policy::Refusal;

#[test]
fn no_such_deploy() {
    let deploy = DeployRef::parse("1a2b3c4d").unwrap();
    assert_snapshot!(read(&unknown_deploy(&deploy, &config())), @"
    (to the asker)
    :speech_balloon: *Not known:* there is no deploy `1a2b3c4d`.
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
}

#[test]
fn not_tried_again() {
    let no = |head: &Head, why| {
        let post = not_retried(head, why, &config());
        assert_eq!(post.audience, Audience::Asker);
        check_ready(&post, &config());
        read(&post)
    };
    assert_snapshot!(no(&head_in(State::Running), Retryable::Open), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It has not ended: *Running*. See `/chatops status f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let failed = head_ended(State::Failed, workflows(&[("build", "failed")]));
    assert_snapshot!(no(&failed, Retryable::Ran), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It reached CircleCI and ended there: *Failed*.
    As a new deploy: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let by = By::Person(other());
    let canceled = head_ended(State::Canceled, Reason::CanceledBefore { by });
    assert_snapshot!(no(&canceled, Retryable::Ran), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It was canceled, so nothing waits for a retry.
    As a new deploy: `/chatops main deploy`
    ");
    assert_snapshot!(no(&unproven(vec![pipeline(7)]), Retryable::NeedsConfirm), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    assert_snapshot!(no(&unproven(vec![]), Retryable::NeedsConfirm), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    Whether CircleCI started it is not known, and it must not run twice.
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm`
    ");
    let retry = Head {
        retry_of: Some(another()),
        ..trigger_refused()
    };
    assert_snapshot!(no(&retry, Retryable::TooOld), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7`
    It ended more than 24 hours ago, 2027-01-15 08:03 UTC.
    As a new deploy: `/chatops main deploy`
    ");
    let retried = Head {
        retried_by: Some(another()),
        ..trigger_refused()
    };
    assert_snapshot!(no(&retried, Retryable::Retried), @"
    (to the asker)
    :no_entry: *Not retried:* `deploy` on `main` of `web` · `f643ce10`
    It is being tried again already, as `706068c7`. See `/chatops status 706068c7`
    ");
}

#[test]
fn canceling() {
    let noted = |state| read(&cancel_noted(&head_in(state), &By::Person(other())));
    assert_snapshot!(noted(State::Requested), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    Nothing was sent to CircleCI yet, so it ends at once.
    ");
    assert_snapshot!(noted(State::Armed), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is told once CircleCI says so.
    ");
    assert_snapshot!(noted(State::Running), @"
    (to all)
    :octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · <@U034GHIJKL>
    CircleCI is asked to cancel it; how it ends is told once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let operator = By::Operator("root".into());
    assert_snapshot!(cancel_noted(&head_in(State::Triggered), &operator).headline, @":octagonal_sign: *Canceling:* `deploy` on `main` of `web` · `f643ce10` · operator root");
}

#[test]
fn not_canceled() {
    let wish = |by| CancelWish {
        by: By::Person(by),
        at: at(60),
    };
    let running = head_in(State::Running);
    assert_snapshot!(read(&already_wished(&running, &wish(other()))), @"
    (to the asker)
    :octagonal_sign: *Canceling already:* `deploy` on `main` of `web` · `f643ce10`
    Wished by <@U034GHIJKL>, 2027-01-15 08:01 UTC. CircleCI is asked to cancel it; how it ends is told once CircleCI says so.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&already_wished(&head_in(State::Armed), &wish(user()))), @"
    (to the asker)
    :octagonal_sign: *Canceling already:* `deploy` on `main` of `web` · `f643ce10`
    Wished by the one who asked, 2027-01-15 08:01 UTC. It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how it ends is told once CircleCI says so.
    ");
    let done = head_ended(State::Succeeded, workflows(&[("build", "success")]));
    assert_snapshot!(read(&ended_before(&done)), @"
    (to the asker)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    It has ended: there is nothing to cancel.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let refusal = Refusal::Person {
        project: project("web"),
        job: job("deploy"),
        user: other(),
    };
    assert_snapshot!(read(&cancel_denied(&running, &refusal)), @"
    (to the asker)
    :no_entry: *Not canceled:* `deploy` on `main` of `web` · `f643ce10`
    It can be canceled by the one who asked, <@U012ABCDEF>, and by whoever may run that job from where they are.
    You may not run this job (rule `projects.web.jobs.deploy.people`).
    An operator can add `U034GHIJKL` to its `people` in `chatops.toml`.
    ");
}
