//! What only the file has: writes that share a commit, and wake-ups.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::ports::{Ledger, MessageQueue, QueueName};
use chatops_local::sqlite::Sqlite;
use chatops_testkit::memory::ManualClock;
use tokio::task::JoinSet;

use crate::fixtures::settings;
use crate::sqlite::{TempDataFile, send, take};
use chatops_testkit::suites::support::{StoreExt, at, block_on, body, first_commit, noted_commit};

const NOW: Duration = Duration::ZERO;

/// How long a writer waits for the file.
const PATIENT: Duration = Duration::from_secs(30);

async fn next_visible(sqlite: &Sqlite) -> Option<Time> {
    sqlite.next_visible(QueueName::Work).await.unwrap()
}

#[test]
fn many_sends_share_a_commit() {
    let data = TempDataFile::new();
    let sqlite = data.open_with(|settings| settings.busy_timeout = PATIENT);
    let before = sqlite.commit_count();
    let stranger = data.other_connection();
    block_on(async {
        // While the file is locked the sends pile up behind the first one.
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut sends = JoinSet::new();
        for n in 0..200 {
            let sqlite = sqlite.clone();
            sends.spawn(async move { send(&sqlite, &n.to_string()).await });
        }
        tokio::task::yield_now().await;
        stranger.execute_batch("COMMIT").unwrap();
        assert!(sends.join_all().await.iter().all(Result::is_ok));
        let commits = sqlite.commit_count() - before;
        let shared = (2..=10).contains(&commits);
        assert!(shared, "{commits} commits for 200 sends");
        assert_eq!(take(&sqlite, 1_000).await.len(), 200);
    });
}

#[test]
fn a_failed_write_undoes_only_itself() {
    let data = TempDataFile::new();
    let sqlite = data.open_with(|settings| settings.busy_timeout = PATIENT);
    let stranger = data.other_connection();
    block_on(async {
        let record = sqlite.begin(1).await;
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut writes = JoinSet::new();
        for n in 0..60_u32 {
            let (sqlite, record) = (sqlite.clone(), record.clone());
            writes.spawn(async move {
                match n % 3 {
                    0 => send(&sqlite, &n.to_string()).await.is_ok(),
                    1 => sqlite.commit(first_commit(n + 2)).await.is_ok(),
                    _ => sqlite.commit(noted_commit(&record, at(1))).await.is_ok(),
                }
            });
        }
        tokio::task::yield_now().await;
        stranger.execute_batch("COMMIT").unwrap();
        let good = writes.join_all().await.into_iter().filter(|ok| *ok).count();
        assert_eq!(good, 20 + 20 + 1);
        assert_eq!(sqlite.events(1).await.len(), 2);
        assert_eq!(take(&sqlite, 100).await.len(), 20);
        assert_eq!(sqlite.due(9, 100).await.len(), 21);
    });
}

#[test]
fn a_dropped_caller_does_no_harm() {
    let data = TempDataFile::new();
    let sqlite = data.open();
    block_on(async {
        let mut sends = JoinSet::new();
        for n in 0..50 {
            let sqlite = sqlite.clone();
            sends.spawn(async move { send(&sqlite, &n.to_string()).await });
        }
        tokio::task::yield_now().await;
        sends.abort_all();
        while sends.join_next().await.is_some() {}
        send(&sqlite, "last").await.unwrap();
        assert_eq!(next_visible(&sqlite).await, Some(at(0)));
    });
}

#[test]
fn a_send_wakes_its_queue_and_no_other() {
    let data = TempDataFile::new();
    let clock = ManualClock::new(at(0));
    let sqlite = Sqlite::open(&data.path(), settings(&clock)).unwrap();
    block_on(async {
        assert_eq!(next_visible(&sqlite).await, None);
        let mut woken = JoinSet::new();
        for queue in [QueueName::Work, QueueName::Notify] {
            let sqlite = sqlite.clone();
            woken.spawn(async move {
                sqlite.wait_for_wake_up(queue).await;
                queue
            });
        }
        send(&sqlite, "now").await.unwrap();
        assert_eq!(woken.join_next().await.unwrap().unwrap(), QueueName::Work);
        assert!(woken.try_join_next().is_none(), "the other queue sleeps on");
        assert_eq!(next_visible(&sqlite).await, Some(at(0)));
        take(&sqlite, 1).await;
        assert_eq!(next_visible(&sqlite).await, Some(at(60)));
        // A wake-up that nobody waited for is not lost. A delayed message gives one too, since a
        // sleeper needs the new moment.
        let delay = Duration::from_secs(10);
        let later = body("later");
        sqlite.send(QueueName::Work, &later, delay).await.unwrap();
        sqlite.wait_for_wake_up(QueueName::Work).await;
        assert_eq!(next_visible(&sqlite).await, Some(at(10)));
    });
}

/// However far ahead a wrong clock has hidden it, and whatever else is in the queue.
#[test]
fn what_a_wrong_clock_has_hidden_is_visible_now() {
    let data = TempDataFile::new();
    let clock = ManualClock::new(at(0));
    let sqlite = Sqlite::open(&data.path(), settings(&clock)).unwrap();
    block_on(async {
        clock.set(at(86_400));
        send(&sqlite, "hidden").await.unwrap();
        take(&sqlite, 1).await;
        clock.set(at(0));
        assert_eq!(next_visible(&sqlite).await, Some(at(0)));
        let (delay, later) = (Duration::from_secs(10), body("later"));
        sqlite.send(QueueName::Work, &later, delay).await.unwrap();
        assert_eq!(next_visible(&sqlite).await, Some(at(0)));
        assert_eq!(take(&sqlite, 9).await.len(), 1);
        assert_eq!(next_visible(&sqlite).await, Some(at(10)));
    });
}

#[test]
fn a_dead_letter_wakes_its_queue() {
    let data = TempDataFile::new();
    let sqlite = data.open_with(|settings| settings.max_receives = 1);
    let count = async |queue| sqlite.receive(queue, 1, NOW).await.unwrap().len();
    block_on(async {
        send(&sqlite, "poison").await.unwrap();
        assert_eq!(count(QueueName::Work).await, 1);
        assert_eq!(count(QueueName::Work).await, 0);
        sqlite.wait_for_wake_up(QueueName::WorkDlq).await;
        assert_eq!(count(QueueName::WorkDlq).await, 1);
    });
}
