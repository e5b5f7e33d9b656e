//! The card in every state.

use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::deploy::{Hold, Notice};
use crate::fixtures::request;
use crate::release::{ReplacedRelease, TargetBefore};

fn live() -> Config {
    let mut config = config();
    config.slack.interactivity = true;
    config.slack.live = true;
    config
}

/// The card of a deploy whose commit and target are known.
fn shown(record: &DeployRecord) -> String {
    rendered(&card(record, false, &live()))
}

/// A deploy with all that CircleCI says of a commit.
fn known(state: DeployState) -> DeployRecord {
    let mut record = record_in(state);
    if let Some(run) = &mut record.run {
        run.revision = Some("abc1234def5678900000000000000000000000aa".to_owned());
        run.subject = Some("Fix the cart".to_owned());
        run.author = Some("Bo".to_owned());
        record.before = Some(TargetBefore {
            replaced: Some(ReplacedRelease {
                deploy: another(),
                short_id: another().short_id(8),
                revision: Some("9f8e7d6c5b4a39280000000000000000000000bb".to_owned()),
            }),
            usual: Some(Duration::from_secs(250)),
        });
    }
    record
}

#[test]
fn from_the_trigger_to_the_end() {
    let all = DeployState::ALL.into_iter().skip(1);
    let all = all.filter(|state| *state != DeployState::Rejected);
    let all: Vec<_> = all.map(|state| shown(&known(state))).collect();
    assert_snapshot!(all.join("\n\n"), @"
    (to all)
    :hourglass_flowing_sand: *Triggering:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Since* 2027-01-15 08:00 UTC
    It is being sent to CircleCI.
    [Cancel]

    (to all)
    :hourglass_flowing_sand: *Waiting for a workflow:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    CircleCI has the pipeline; no workflow of it has been seen yet.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    [Cancel]

    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    [Cancel]

    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7

    (to all)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    To deploy it again: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7

    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7

    (to all)
    :no_entry: *Nothing ran:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7

    (to all)
    :x: *Error at CircleCI:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7

    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    [Retry]
    [Dismiss]

    (to all)
    :warning: *Unresolved:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    [It did not start: retry]
    [Dismiss]

    (to all)
    :warning: *Lost track:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_people_have_to_know_comes_first() {
    let mut held = known(DeployState::Running);
    held.holds = vec![Hold {
        workflow: "w".to_owned(),
        job: Some("release".to_owned()),
        waits: true,
    }];
    assert_snapshot!(shown(&held), @"
    (to all)
    :raised_hand: *Waiting for approval:* `deploy` on `main` → *web/production* · `f643ce10` · job `release` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    It waits for an approval at CircleCI · job `release`.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    [Cancel]
    ");
    let mut unlocked = known(DeployState::Running);
    unlocked.notice = Some(Notice::Unlocked {
        by: ActedBy::Operator {
            name: "ada".to_owned(),
        },
    });
    assert_snapshot!(shown(&unlocked), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    :unlock: *Unlocked:* The lock of its target was freed by operator ada.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    [Cancel]
    ");
    let mut late = known(DeployState::Succeeded);
    late.notice = Some(Notice::AfterEnd {
        workflows: vec![("deploy".to_owned(), "failed".to_owned())],
    });
    assert_snapshot!(shown(&late), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Ended* 2027-01-15 08:00 UTC
    :warning: *Seen after its end:* CircleCI shows now: `deploy` failed
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn the_one_that_counts_says_so() {
    let message = card(&known(DeployState::Triggered), true, &live());
    assert!(message.mark.repeat);
    assert_snapshot!(rendered(&message), @"
    (to all)
    :hourglass_flowing_sand: *Waiting for a workflow:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    An earlier card of this deploy may stand above; this one counts.
    CircleCI has the pipeline; no workflow of it has been seen yet.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    [Cancel]
    ");
}

#[test]
fn what_was_done_about_it_stands_below() {
    let mut canceling = known(DeployState::Running);
    canceling.cancel = Some(CancelRequest {
        by: ActedBy::Operator {
            name: "ada".to_owned(),
        },
        at: at(40),
    });
    assert_snapshot!(shown(&canceling), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Commit* <https://github.com/acme/web/commit/abc1234def5678900000000000000000000000aa|abc1234> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39280000000000000000000000bb...abc1234def5678900000000000000000000000aa|9f8e7d6>
    Fix the cart · by Bo
    *Since* 2027-01-15 08:00 UTC · usually 4 min
    Cancel sent by operator ada, 2027-01-15 08:00 UTC.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let mut retried = known(DeployState::TriggerFailed);
    retried.retried_by = Some(another());
    assert_snapshot!(shown(&retried), @"
    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    Retried as `706068c7`: `/chatops status 706068c7`
    ");
    let mut dismissed = known(DeployState::TriggerFailed);
    dismissed.dismissed_by = Some(ActedBy::Operator {
        name: "ada".to_owned(),
    });
    assert_snapshot!(shown(&dismissed), @"
    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Ended* 2027-01-15 08:00 UTC
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    Dismissed by operator ada.
    ");
}

#[test]
fn who_reads_the_card_is_not_told_the_same_beside_it() {
    let request = request();
    let accepted = deploy_accepted(&request, id(), &live());
    assert_snapshot!(rendered(&accepted), @"
    (to the requester)
    :hourglass_flowing_sand: *Accepted:* `deploy` on `main` → *web/production* · `f643ce10` · ana · the card follows.
    ");
    let by = ActedBy::Operator {
        name: "ada".to_owned(),
    };
    let audience = |state| cancel_requested(&record_in(state), &by, &live()).audience;
    assert_eq!(audience(DeployState::Running), Audience::Requester);
    let rejected = final_status(&record_in(DeployState::Rejected), false, &live());
    assert_eq!(rejected.audience, Audience::Requester);
}

#[test]
fn an_attempt_after_others_looks_like_the_pause_before_it() {
    let mut waiting = known(DeployState::Requested);
    waiting.trigger_intent = known(DeployState::Triggering).trigger_intent;
    waiting.last_error = Some("503".to_owned());
    (waiting.attempts, waiting.due_at) = (3, Some(at(40)));
    let trying = DeployRecord {
        state: DeployState::Triggering,
        attempts: 4,
        due_at: Some(at(55)),
        ..waiting.clone()
    };
    assert_eq!(shown(&trying), shown(&waiting));
    assert_snapshot!(shown(&waiting), @"
    (to all)
    :hourglass_flowing_sand: *Queued:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    *Since* 2027-01-15 08:00 UTC
    Tried 3 times; last error: `503` · no try after 2027-01-15 08:10 UTC
    [Cancel]
    ");
}
