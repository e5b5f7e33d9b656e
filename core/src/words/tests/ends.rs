//! While it runs, and every end with its reasons.

use insta::assert_snapshot;

use super::*;
use crate::fixtures::pipeline;

#[test]
fn while_it_runs() {
    assert_snapshot!(read(&progress(&head_in(State::Running))), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let retry = Head {
        retry_of: Some(another()),
        ..head_in(State::Running)
    };
    assert_snapshot!(read(&progress(&retry)), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7` · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn while_it_waits_for_an_approval() {
    assert_snapshot!(read(&hold(&head_in(State::Running))), @"
    (to all)
    :raised_hand: *Waiting for approval:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    A workflow is on hold at CircleCI: approve it there, or cancel the deploy here.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let retry = Head {
        retry_of: Some(another()),
        ..head_in(State::Running)
    };
    assert_snapshot!(hold(&retry).headline, @":raised_hand: *Waiting for approval:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7` · <@U012ABCDEF>");
}

#[test]
fn what_ran() {
    assert_snapshot!(read(&ended(State::Succeeded, workflows(&[("build", "success")]))), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::Failed, workflows(&[("build", "failed"), ("lint", "error")]))), @"
    (to all)
    :x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` failed, `lint` error
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let many: Vec<_> = (0..12).map(|_| ("w", "failed")).collect();
    assert_snapshot!(ended(State::Failed, workflows(&many)).details[0], @"`w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, … and 2 more");
    assert_snapshot!(read(&ended(State::LostTrack, Reason::TrackedTooLong)), @"
    (to all)
    :grey_question: *Lost track:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    It was followed for as long as it may be (rule `times.track_for`); CircleCI knows the rest.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_ran_nothing() {
    assert_snapshot!(read(&ended(State::NothingRan, Reason::NoWorkflow)), @"
    (to all)
    :ghost: *Nothing ran:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI made a pipeline without a workflow. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::NothingRan, workflows(&[("build", "not_run")]))), @"
    (to all)
    :ghost: *Nothing ran:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` not run
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let messages = ["Job 'x' is `missing`", "b", "c"].map(str::to_owned).into();
    assert_snapshot!(read(&ended(State::CiErrored, Reason::ConfigErrors { messages })), @"
    (to all)
    :warning: *Config error:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI says: `Job 'x' is 'missing'`
    CircleCI says: `b`
    … and 1 more.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::CiErrored, Reason::ConfigErrors { messages: vec![] })), @"
    (to all)
    :warning: *Config error:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI could not make a workflow of the project's configuration, and did not say why.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_was_canceled() {
    let before = |by| read(&ended(State::Canceled, Reason::CanceledBefore { by }));
    assert_snapshot!(before(By::Person(user())), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by the one who asked.
    ");
    assert_snapshot!(before(By::Person(other())), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by <@U034GHIJKL>.
    ");
    assert_snapshot!(before(By::Operator("root <!here>".into())), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by operator root &lt;!here&gt;.
    ");
    let end = |state, status| {
        let head = head_ended(state, workflows(&[("build", status)]));
        read(&last(&wished_by(head, other()), false, &config()))
    };
    assert_snapshot!(end(State::Canceled, "canceled"), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` canceled
    Canceled at CircleCI, as wished by <@U034GHIJKL>.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(end(State::Succeeded, "success"), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Too late to be canceled, as wished by <@U034GHIJKL>.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(end(State::Failed, "failed"), @"
    (to all)
    :x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` failed
    It was to be canceled, as wished by <@U034GHIJKL>.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let alone = head_ended(State::Canceled, workflows(&[("build", "canceled")]));
    assert_snapshot!(last(&wished_by(alone.clone(), user()), false, &config()).details[1], @"Canceled at CircleCI, as wished by the one who asked.");
    assert_snapshot!(read(&last(&alone, false, &config())), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` canceled
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_was_not_started() {
    assert_snapshot!(read(&last(&trigger_refused(), false, &config())), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch that does not exist, or an undeclared parameter.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    let no = |status, message: &str| {
        let message = message.to_owned();
        let reason = Reason::TriggerRefused { status, message };
        let post = ended(State::TriggerFailed, reason);
        post.details
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(no(404, "Project not found"), @"
    CircleCI said no (404): `Project not found`
    The usual causes: the project's slug in `chatops.toml`, a token that may not see the project, or a parameter that the project does not declare.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(no(401, "Invalid token provided."), @"
    CircleCI said no (401): `Invalid token provided.`
    The CircleCI token is not valid, or no longer: an operator has to renew it.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(no(403, ""), @"
    CircleCI said no (403).
    Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    let gave_up = |attempts, last: &str| {
        let last = last.to_owned();
        let reason = Reason::TriggerGaveUp { attempts, last };
        read(&ended(State::TriggerFailed, reason))
    };
    assert_snapshot!(gave_up(1, "429 Too Many Requests"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Tried 1 time until the command was too old; the last time it met: `429 Too Many Requests`
    Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(gave_up(12, "the connection was refused"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Tried 12 times until the command was too old; the last time it met: `the connection was refused`
    Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
}

#[test]
fn when_nobody_knows() {
    assert_snapshot!(read(&last(&unproven(vec![]), false, &config())), @"
    (to all)
    :grey_question: *Unresolved:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Whether CircleCI started it could not be learned: `503 Service Unavailable`
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
    let candidates = vec![pipeline(7), pipeline(8)];
    assert_snapshot!(read(&last(&unproven(candidates), false, &config())), @"
    (to all)
    :grey_question: *Unresolved:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Whether CircleCI started it could not be learned: `503 Service Unavailable`
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>, <https://app.circleci.com/pipelines/github/acme/web/8|pipeline 8>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
}

#[test]
fn a_retry_and_a_copy_say_that_they_are_one() {
    let head = Head {
        retry_of: Some(another()),
        ..head_ended(State::Succeeded, workflows(&[("build", "success")]))
    };
    assert_snapshot!(read(&last(&head, true, &config())), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7` · after 3 min 12 s · _said again, in case the first copy was lost_ · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn the_headline_carries_everything_and_mentions_the_asker_once_at_the_end() {
    for state in State::ALL.into_iter().filter(|s| s.is_terminal()) {
        let post = last(&head_in(state), true, &config());
        let headline = post.headline.to_string();
        for part in ["`deploy`", "`main`", "`web`", id().short(8).as_str(), "*"] {
            assert!(headline.contains(part), "{headline}");
        }
        assert!(headline.ends_with(" · <@U012ABCDEF>"), "{headline}");
        assert_eq!(headline.matches("<@").count(), 1);
        assert!(is_last(&headline), "{headline}");
    }
}

#[test]
fn only_an_end_is_the_last_word() {
    let config = config();
    let page = crate::ports::Page::default();
    let mut others = vec![
        accepted(&head_in(State::Requested).ask, &id().short(8)),
        progress(&head_in(State::Running)),
        help(None, &user(), &channel(), &config),
        not_accepted(),
        failed(&page, &config),
        open_now(&page, &config),
        cancel_noted(&head_in(State::Running), &By::Person(user())),
    ];
    for state in State::ALL {
        let status = status(&head_in(state), &config);
        assert_eq!(is_last(&status.headline.to_string()), state.is_terminal());
        for why in [
            crate::decide::Retryable::Ran,
            crate::decide::Retryable::Open,
        ] {
            others.push(not_retried(&head_in(state), why, &config));
        }
    }
    for post in others {
        assert!(!is_last(&post.headline.to_string()), "{}", post.headline);
    }
    assert!(!is_last("Succeeded"));
}
