//! History, in progress, and waiting for a retry.

use insta::assert_snapshot;

use super::*;
use crate::command::{HistoryFilter, Query};
use crate::fixtures::{branch, job, project};
use crate::ports::{DeployPage, PageEnd};

fn page(deploys: Vec<DeployRecord>) -> DeployPage {
    DeployPage {
        deploys,
        more: None,
    }
}

fn more(full: bool) -> PageEnd {
    PageEnd {
        before: another().short_id(8),
        read_back_to: at(-86_400),
        full,
    }
}

fn filter(text: &str) -> HistoryFilter {
    match command::parse(&format!("history {text}")) {
        Ok(ChatCommand::Query(Query::History(filter))) => filter,
        other => panic!("{other:?}"),
    }
}

fn a_few() -> Vec<DeployRecord> {
    let mut long = record_in(DeployState::Running);
    long.request.git_ref = branch("feature/a-very-long-name-of-a-branch/login-2");
    let mut there = trigger_rejected();
    there.request.project = Some(project("api"));
    there.request.job = job("e2e");
    let done = head_ended(DeployState::Succeeded, workflows(&[("build", "success")]));
    vec![long, there, done, record_in(DeployState::Rejected)]
}

#[test]
fn history_in_full() {
    let config = config();
    let all = HistoryFilter::default();
    assert_snapshot!(rendered(&deploy_history(&all, &page(a_few()), &config)), @"
    (to the requester)
    *History* · 4 deploys
    :arrow_forward: *Running* deploy on feature/a-ve…nch/login-2 → web/production · ana · 2027-01-15 08:00 UTC · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10>
    :x: *Trigger failed* e2e on main → api/production · ana · 2027-01-15 08:00 UTC · `f643ce10`
    :white_check_mark: deploy on main → web/production · ana · 2027-01-15 08:00 UTC · 3 min 12 s · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10>
    :no_entry: *Not allowed* deploy on main → web/production · ana · 2027-01-15 08:00 UTC · `f643ce10`
    One of them in full: `/chatops status f643ce10`
    ");
    let mut first = page(a_few());
    first.more = Some(more(true));
    let failed = filter("user:me status:failed before:1a2b3c4d");
    let message = deploy_history(&failed, &first, &config);
    check_ready_commands(&message, &config);
    assert_snapshot!(message.headline, @"*History* · 4 deploys · `user:me status:failed before:1a2b3c4d`");
    assert_snapshot!(message.details[0], @"One of them in full: `/chatops status f643ce10`");
    first.deploys.truncate(1);
    first.more = Some(more(false));
    let message = deploy_history(&filter("job:deploy"), &first, &config);
    check_ready_commands(&message, &config);
    assert_snapshot!(message.headline, @"*History* · 1 deploy · `job:deploy`");
    assert_snapshot!(rendered(&slack_message::reply(message.details[0].clone())), @"
    (to the requester)
    One of them in full: `/chatops status f643ce10`
    ");
}

#[test]
fn history_that_is_empty() {
    let config = config();
    let empty = page(vec![]);
    assert_snapshot!(rendered(&deploy_history(&HistoryFilter::default(), &empty, &config)), @"
    (to the requester)
    *History* · nothing found
    Nothing was deployed yet. What you can type: `/chatops help`
    ");
    assert_snapshot!(rendered(&deploy_history(&filter("branch:mian"), &empty, &config)), @"
    (to the requester)
    *History* · nothing found · `branch:mian`
    Try fewer filters, or all of it: `/chatops history`
    ");
    let unfinished = DeployPage {
        more: Some(more(false)),
        ..empty
    };
    assert_snapshot!(rendered(&deploy_history(&filter("branch:mian"), &unfinished, &config)), @"
    (to the requester)
    *History* · nothing found · `branch:mian`
    Searched back to 2027-01-14 08:00 UTC. To continue: `/chatops history branch:mian before:706068c7`
    ");
}

#[test]
fn what_is_in_progress() {
    let config = config();
    let waits = DeployRecord {
        last_error: Some("429 Too Many Requests".into()),
        ..record_in(DeployState::Requested)
    };
    let mut unknown = record_in(DeployState::Triggering);
    if let Some(intent) = &mut unknown.trigger_intent {
        intent.unknown_because = Some("503 Service Unavailable".into());
    }
    let mut open = page(vec![
        with_cancel_request(record_in(DeployState::Running), other()),
        record_in(DeployState::Triggered),
        unknown,
        waits,
    ]);
    assert_snapshot!(rendered(&in_progress(&open, &config)), @"
    (to the requester)
    *In progress* · 4 deploys
    :arrow_forward: *Running* deploy on main → web/production · ana · since 2027-01-15 08:00 UTC · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10> · to be canceled
    :hourglass_flowing_sand: *Waiting for a workflow* deploy on main → web/production · ana · since 2027-01-15 08:00 UTC · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10>
    :hourglass_flowing_sand: *Triggering* deploy on main → web/production · ana · since 2027-01-15 08:00 UTC · `f643ce10` · being looked up
    :hourglass_flowing_sand: *Queued* deploy on main → web/production · ana · since 2027-01-15 08:00 UTC · `f643ce10` · to be tried again
    To cancel one: `/chatops cancel f643ce10`
    ");
    open.more = Some(more(true));
    let message = in_progress(&open, &config);
    check_ready_commands(&message, &config);
    assert_snapshot!(message.details[1], @"Older ones: `/chatops history status:in-progress before:706068c7`");
    assert_snapshot!(rendered(&in_progress(&page(vec![]), &config)), @"
    (to the requester)
    *Nothing is running.*
    What was deployed: `/chatops history`
    ");
    let unfinished = DeployPage {
        more: Some(more(false)),
        ..page(vec![])
    };
    assert_snapshot!(rendered(&in_progress(&unfinished, &config)), @"
    (to the requester)
    *In progress* · none found
    Searched back to 2027-01-14 08:00 UTC. To continue: `/chatops history status:in-progress before:706068c7`
    ");
}

#[test]
fn what_waits_for_a_retry() {
    let config = config();
    let gave_up = EndReason::TriggerGivenUp {
        attempts: 12,
        last_error: "429 Too Many Requests".into(),
    };
    let once = EndReason::TriggerGivenUp {
        attempts: 1,
        last_error: String::new(),
    };
    let mut waits = page(vec![
        trigger_rejected(),
        head_ended(DeployState::TriggerFailed, gave_up),
        head_ended(DeployState::TriggerFailed, once),
        outcome_unknown(vec![]),
        record_in(DeployState::TriggerFailed),
    ]);
    waits.more = Some(more(true));
    let message = awaiting_retry(&waits, &config);
    check_ready_commands(&message, &config);
    assert_snapshot!(rendered(&message), @"
    (to the requester)
    *Waiting for a retry* · 5 deploys
    :x: *Trigger failed* deploy on main → web/production · ana · 2027-01-15 08:00 UTC
    › `/chatops retry f643ce10` · CircleCI said no (400)
    :x: *Trigger failed* deploy on main → web/production · ana · 2027-01-15 08:00 UTC
    › `/chatops retry f643ce10` · given up after 12 tries
    :x: *Trigger failed* deploy on main → web/production · ana · 2027-01-15 08:00 UTC
    › `/chatops retry f643ce10` · given up after 1 try
    :warning: *Unresolved* deploy on main → web/production · ana · 2027-01-15 08:00 UTC
    › `/chatops retry f643ce10 confirm` · CircleCI's answer was lost: look there first
    :x: *Trigger failed* deploy on main → web/production · ana · 2027-01-15 08:00 UTC
    › `/chatops retry f643ce10` · it did not start
    24 hours after its end a deploy can no longer be retried: type it again.
    Older ones: `/chatops failed before:706068c7`
    ");
    assert_snapshot!(rendered(&awaiting_retry(&page(vec![]), &config)), @"
    (to the requester)
    *Nothing waits for a retry.*
    What started and then failed: `/chatops history status:failed`
    ");
    let unfinished = DeployPage {
        more: Some(more(false)),
        ..page(vec![])
    };
    assert_snapshot!(rendered(&awaiting_retry(&unfinished, &config)), @"
    (to the requester)
    *Waiting for a retry* · none found
    Searched back to 2027-01-14 08:00 UTC. To continue: `/chatops failed before:706068c7`
    ");
}

#[test]
fn a_row_says_what_was_shipped() {
    let page = page(vec![crate::fixtures::shipping(record_in(
        DeployState::Succeeded,
    ))]);
    let rows = deploy_history(&HistoryFilter::default(), &page, &config()).rows;
    assert_snapshot!(rows[0], @":white_check_mark: deploy on main → web/production · 0123456 · ana · <!date^1800000000^{date_short_pretty} {time}|2027-01-15 08:00 UTC> · less than a second · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10>");
    let running = crate::fixtures::shipping(record_in(DeployState::Running));
    let page = DeployPage {
        deploys: vec![running],
        more: None,
    };
    assert_snapshot!(in_progress(&page, &config()).rows[0], @":arrow_forward: *Running* deploy on main → web/production · 0123456 · ana · since <!date^1800000000^{date_short_pretty} {time} ({ago})|2027-01-15 08:00 UTC>, usually 4 min · <https://app.circleci.com/pipelines/github/acme/web/7|f643ce10>");
}
