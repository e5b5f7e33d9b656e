//! How one deploy stands.

use insta::assert_snapshot;

use super::*;
use crate::fixtures::{pipeline, start};
use crate::policy::Refusal;

fn stands(head: &Head) -> String {
    let post = status(head, &config());
    assert_eq!(post.audience, Audience::Asker);
    check_ready(&post, &config());
    read(&post)
}

#[test]
fn open() {
    assert_snapshot!(stands(&head_in(State::Requested)), @"
    (to the asker)
    :inbox_tray: *Queued:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC
    Nothing has been sent to CircleCI yet.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(stands(&head_in(State::Armed)), @"
    (to the asker)
    :outbox_tray: *Triggering:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC
    It is being sent to CircleCI.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(stands(&head_in(State::Triggered)), @"
    (to the asker)
    :hourglass_flowing_sand: *Waiting for a workflow:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    CircleCI has the pipeline; no workflow of it has been seen yet.
    To cancel it: `/chatops cancel f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let mut running = head_in(State::Running);
    if let Some(run) = &mut running.run {
        run.revision = Some("0123456789abcdef0123456789abcdef01234567".into());
    }
    assert_snapshot!(stands(&running), @"
    (to the asker)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC · commit `0123456789ab`
    To cancel it: `/chatops cancel f643ce10`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn open_with_trouble() {
    let waits = Head {
        last_obstacle: Some("429 Too Many Requests".into()),
        attempts: 2,
        due_at: Some(at(40)),
        ..head_in(State::Requested)
    };
    assert_snapshot!(stands(&waits), @"
    (to the asker)
    :inbox_tray: *Queued:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC
    Tried 2 times; the last time it met: `429 Too Many Requests` · next try 2027-01-15 08:00 UTC · no try after 2027-01-15 08:10 UTC
    To cancel it: `/chatops cancel f643ce10`
    ");
    let mut doubted = head_in(State::Armed);
    if let Some(armed) = &mut doubted.armed {
        armed.doubt = Some("503 Service Unavailable".into());
    }
    assert_snapshot!(stands(&doubted), @"
    (to the asker)
    :outbox_tray: *Triggering:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC
    CircleCI's answer was lost (`503 Service Unavailable`). It is being looked for there; nothing is sent twice.
    To cancel it: `/chatops cancel f643ce10`
    ");
    assert_snapshot!(stands(&wished_by(head_in(State::Running), other())), @"
    (to the asker)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    To be canceled, as wished by <@U034GHIJKL>, 2027-01-15 08:01 UTC.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(stands(&wished_by(head_in(State::Running), user())), @"
    (to the asker)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC
    To be canceled, as wished by the one who asked, 2027-01-15 08:01 UTC.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn ended() {
    let failed = head_ended(State::Failed, workflows(&[("build", "failed")]));
    assert_snapshot!(stands(&failed), @"
    (to the asker)
    :x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    `build` failed
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(stands(&trigger_refused()), @"
    (to the asker)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch that does not exist, or an undeclared parameter.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(stands(&unproven(vec![pipeline(7)])), @"
    (to the asker)
    :grey_question: *Unresolved:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    Whether CircleCI started it could not be learned: `503 Service Unavailable`
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
    let refused = Reason::Refused(Refusal::Stale { asked_at: start() });
    assert_snapshot!(stands(&head_ended(State::Refused, refused)), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    The asker was told:
    It was asked too long ago to be started now: 2027-01-15 08:00 UTC (rule `times.stale_after`).
    If it is still wanted, type `/chatops main deploy` again.
    ");
}

#[test]
fn in_a_chain_of_retries() {
    let retried = Head {
        retried_by: Some(another()),
        ..trigger_refused()
    };
    assert_snapshot!(stands(&retried), @"
    (to the asker)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC · ended 2027-01-15 08:03 UTC
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch that does not exist, or an undeclared parameter.
    Tried again as `706068c7`: `/chatops status 706068c7`
    ");
    let retry = Head {
        retry_of: Some(another()),
        ..head_in(State::Armed)
    };
    assert_snapshot!(stands(&retry), @"
    (to the asker)
    :outbox_tray: *Triggering:* `deploy` on `main` of `web` · `f643ce10`, retry of `706068c7` · <@U012ABCDEF>
    Asked 2027-01-15 08:00 UTC
    It is being sent to CircleCI.
    To cancel it: `/chatops cancel f643ce10`
    ");
}
