//! History, what is open, and what waits for a retry.

use insta::assert_snapshot;

use super::*;
use crate::command::{HistoryFilter, Question};
use crate::fixtures::{branch, job, project};
use crate::ports::{More, Page};

fn page(deploys: Vec<Head>) -> Page {
    Page {
        deploys,
        more: None,
    }
}

fn more(full: bool) -> More {
    More {
        before: another().short(8),
        looked_back_to: at(-86_400),
        full,
    }
}

fn filter(text: &str) -> HistoryFilter {
    match command::parse(&format!("history {text}")) {
        Ok(Command::Ask(Question::History(filter))) => filter,
        other => panic!("{other:?}"),
    }
}

fn a_few() -> Vec<Head> {
    let mut long = head_in(State::Running);
    long.ask.branch = branch("feature/a-very-long-name-of-a-branch/login-2");
    let mut there = trigger_refused();
    there.ask.project = Some(project("api"));
    there.ask.job = job("e2e");
    let done = head_ended(State::Succeeded, workflows(&[("build", "success")]));
    vec![long, there, done, head_in(State::Refused)]
}

#[test]
fn history_in_full() {
    let config = config();
    let all = HistoryFilter::default();
    assert_snapshot!(read(&history(&all, &page(a_few()), &config)), @"
    (to the asker)
    :scroll: *History* · 4 deploys
    :arrow_forward: `f643ce10` `deploy` `feature/a-ve…nch/login-2` · *Running* · 2027-01-15 08:00 UTC · <@U012ABCDEF> · <https://app.circleci.com/pipelines/github/acme/web/7|build>
    :rotating_light: `f643ce10` `e2e   ` `main                    ` of `api` · *Not started* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    :white_check_mark: `f643ce10` `deploy` `main                    ` · *Succeeded* after 3 min 12 s · 2027-01-15 08:00 UTC · <@U012ABCDEF> · <https://app.circleci.com/pipelines/github/acme/web/7|build>
    :no_entry: `f643ce10` `deploy` `main                    ` · *Refused* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    One of them in full: `/chatops status f643ce10`
    ");
    let mut first = page(a_few());
    first.more = Some(more(true));
    let failed = filter("user:me status:failed before:1a2b3c4d");
    let post = history(&failed, &first, &config);
    check_ready(&post, &config);
    assert_snapshot!(post.headline, @":scroll: *History* · 4 deploys · `user:me status:failed before:1a2b3c4d`");
    assert_snapshot!(post.details[0], @"One of them in full: `/chatops status f643ce10`");
    first.deploys.truncate(1);
    first.more = Some(more(false));
    let post = history(&filter("job:deploy"), &first, &config);
    check_ready(&post, &config);
    assert_snapshot!(post.headline, @":scroll: *History* · 1 deploy · `job:deploy`");
    assert_snapshot!(read(&Post::new(Audience::Asker, post.details[0].clone())), @"
    (to the asker)
    One of them in full: `/chatops status f643ce10`
    ");
}

#[test]
fn history_that_is_empty() {
    let config = config();
    let empty = page(vec![]);
    assert_snapshot!(read(&history(&HistoryFilter::default(), &empty, &config)), @"
    (to the asker)
    :scroll: *History* · nothing found
    Nothing was deployed yet. What you can type: `/chatops help`
    ");
    assert_snapshot!(read(&history(&filter("branch:mian"), &empty, &config)), @"
    (to the asker)
    :scroll: *History* · nothing found · `branch:mian`
    Try fewer filters, or all of it: `/chatops history`
    ");
    let unfinished = Page {
        more: Some(more(false)),
        ..empty
    };
    assert_snapshot!(read(&history(&filter("branch:mian"), &unfinished, &config)), @"
    (to the asker)
    :scroll: *History* · nothing found · `branch:mian`
    Looked back to 2027-01-14 08:00 UTC and no further. To go on: `/chatops history branch:mian before:706068c7`
    ");
}

#[test]
fn what_is_open() {
    let config = config();
    let waits = Head {
        last_obstacle: Some("429 Too Many Requests".into()),
        ..head_in(State::Requested)
    };
    let mut doubted = head_in(State::Armed);
    if let Some(armed) = &mut doubted.armed {
        armed.doubt = Some("503 Service Unavailable".into());
    }
    let mut open = page(vec![
        wished_by(head_in(State::Running), other()),
        head_in(State::Triggered),
        doubted,
        waits,
    ]);
    assert_snapshot!(read(&open_now(&open, &config)), @"
    (to the asker)
    :hourglass_flowing_sand: *Open now* · 4 deploys
    :arrow_forward: `f643ce10` `deploy` `main` · *Running* · 2027-01-15 08:00 UTC · <@U012ABCDEF> · <https://app.circleci.com/pipelines/github/acme/web/7|build> · to be canceled
    :hourglass_flowing_sand: `f643ce10` `deploy` `main` · *Waiting for a workflow* · 2027-01-15 08:00 UTC · <@U012ABCDEF> · <https://app.circleci.com/pipelines/github/acme/web/7|build>
    :outbox_tray: `f643ce10` `deploy` `main` · *Triggering* · 2027-01-15 08:00 UTC · <@U012ABCDEF> · looked for at CircleCI
    :inbox_tray: `f643ce10` `deploy` `main` · *Queued* · 2027-01-15 08:00 UTC · <@U012ABCDEF> · to be tried again
    To cancel one: `/chatops cancel f643ce10`
    ");
    open.more = Some(more(true));
    let post = open_now(&open, &config);
    check_ready(&post, &config);
    assert_snapshot!(post.details[1], @"Older ones: `/chatops history status:open before:706068c7`");
    assert_snapshot!(read(&open_now(&page(vec![]), &config)), @"
    (to the asker)
    :white_check_mark: *Nothing is open now.*
    What was deployed: `/chatops history`
    ");
    let unfinished = Page {
        more: Some(more(false)),
        ..page(vec![])
    };
    assert_snapshot!(read(&open_now(&unfinished, &config)), @"
    (to the asker)
    :hourglass_flowing_sand: *Open now* · none found
    Looked back to 2027-01-14 08:00 UTC and no further. To go on: `/chatops history status:open before:706068c7`
    ");
}

#[test]
fn what_waits_for_a_retry() {
    let config = config();
    let gave_up = Reason::TriggerGaveUp {
        attempts: 12,
        last: "429 Too Many Requests".into(),
    };
    let once = Reason::TriggerGaveUp {
        attempts: 1,
        last: String::new(),
    };
    let mut waits = page(vec![
        trigger_refused(),
        head_ended(State::TriggerFailed, gave_up),
        head_ended(State::TriggerFailed, once),
        unproven(vec![]),
        head_in(State::TriggerFailed),
    ]);
    waits.more = Some(more(true));
    let post = failed(&waits, &config);
    check_ready(&post, &config);
    assert_snapshot!(read(&post), @"
    (to the asker)
    :rotating_light: *Waiting for a retry* · 5 deploys
    :rotating_light: `f643ce10` `deploy` `main` · *Not started* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    › `/chatops retry f643ce10` · CircleCI said no (400)
    :rotating_light: `f643ce10` `deploy` `main` · *Not started* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    › `/chatops retry f643ce10` · given up after 12 tries
    :rotating_light: `f643ce10` `deploy` `main` · *Not started* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    › `/chatops retry f643ce10` · given up after 1 try
    :grey_question: `f643ce10` `deploy` `main` · *Unresolved* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    › `/chatops retry f643ce10 confirm` · CircleCI's answer was lost: look there first
    :rotating_light: `f643ce10` `deploy` `main` · *Not started* · 2027-01-15 08:00 UTC · <@U012ABCDEF>
    › `/chatops retry f643ce10` · it did not start
    24 hours after its end nothing is retried: type such a deploy again.
    Older ones: `/chatops failed before:706068c7`
    ");
    assert_snapshot!(read(&failed(&page(vec![]), &config)), @"
    (to the asker)
    :white_check_mark: *Nothing waits:* what did not start was tried again.
    What started and then failed: `/chatops history status:failed`
    ");
    let unfinished = Page {
        more: Some(more(false)),
        ..page(vec![])
    };
    assert_snapshot!(read(&failed(&unfinished, &config)), @"
    (to the asker)
    :rotating_light: *Waiting for a retry* · none found
    Looked back to 2027-01-14 08:00 UTC and no further. To go on: `/chatops failed before:706068c7`
    ");
}

#[test]
fn the_names_are_as_wide_as_the_widest_and_at_most_24() {
    let rows = history(&HistoryFilter::default(), &page(a_few()), &config()).rows;
    let width = |row: &Line, n: usize| row.to_string().split('`').nth(n).unwrap().chars().count();
    for row in &rows {
        assert_eq!((width(row, 3), width(row, 5)), (6, 24), "{row}");
    }
}
