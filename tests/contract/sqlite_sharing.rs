//! What only the file has: writes that share a commit, and wake-ups.

use std::time::Duration;

use chatops::sqlite::{Settings, Sqlite};
use chatops_core::ports::{Lane, Queue, Store};
use chatops_simulation::memory::ManualClock;
use tokio::task::JoinSet;

use crate::fixtures::settings;
use crate::sqlite::{Place, quick, send};
use crate::suites::support::{at, begun, block_on, body, first, id, noted};

const NOW: Duration = Duration::ZERO;
const HIDDEN: Duration = Duration::from_mins(1);

#[test]
fn many_sends_share_a_commit() {
    let place = Place::new();
    let patient = Settings {
        busy_timeout: Duration::from_secs(30),
        ..quick()
    };
    let sqlite = Sqlite::open(&place.path(), patient).unwrap();
    let before = sqlite.commits();
    let stranger = place.stranger();
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
        let commits = sqlite.commits() - before;
        assert!(
            (2..=10).contains(&commits),
            "{commits} commits for 200 sends"
        );
        let deliveries = sqlite.receive(Lane::Work, 1_000, HIDDEN).await.unwrap();
        assert_eq!(deliveries.len(), 200);
    });
}

#[test]
fn a_failed_write_undoes_only_itself() {
    let place = Place::new();
    let patient = Settings {
        busy_timeout: Duration::from_secs(30),
        ..quick()
    };
    let sqlite = Sqlite::open(&place.path(), patient).unwrap();
    let stranger = place.stranger();
    block_on(async {
        let head = begun(&sqlite, 1).await;
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut writes = JoinSet::new();
        for n in 0..60_u32 {
            let (sqlite, head) = (sqlite.clone(), head.clone());
            writes.spawn(async move {
                match n % 3 {
                    0 => send(&sqlite, &n.to_string()).await.is_ok(),
                    1 => sqlite.commit(first(n + 2)).await.is_ok(),
                    _ => sqlite.commit(noted(&head, at(1))).await.is_ok(),
                }
            });
        }
        tokio::task::yield_now().await;
        stranger.execute_batch("COMMIT").unwrap();
        let good = writes.join_all().await.into_iter().filter(|ok| *ok).count();
        assert_eq!(good, 20 + 20 + 1);
        assert_eq!(sqlite.events(id(1)).await.unwrap().len(), 2);
        assert_eq!(
            sqlite.receive(Lane::Work, 100, HIDDEN).await.unwrap().len(),
            20
        );
        assert_eq!(sqlite.due(at(9), 100).await.unwrap().len(), 21);
    });
}

#[test]
fn a_dropped_caller_does_no_harm() {
    let place = Place::new();
    let sqlite = place.open();
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
        assert_eq!(sqlite.next_visible(Lane::Work).await.unwrap(), Some(at(0)));
    });
}

#[test]
fn a_send_wakes_the_lane_and_no_other() {
    let place = Place::new();
    let clock = ManualClock::new(at(0));
    let sqlite = Sqlite::open(&place.path(), settings(&clock)).unwrap();
    block_on(async {
        assert_eq!(sqlite.next_visible(Lane::Work).await.unwrap(), None);
        let mut woken = JoinSet::new();
        for lane in [Lane::Work, Lane::Notice] {
            let sqlite = sqlite.clone();
            woken.spawn(async move {
                sqlite.wake(lane).await;
                lane
            });
        }
        send(&sqlite, "now").await.unwrap();
        assert_eq!(woken.join_next().await.unwrap().unwrap(), Lane::Work);
        assert!(woken.try_join_next().is_none(), "the other lane sleeps on");
        assert_eq!(sqlite.next_visible(Lane::Work).await.unwrap(), Some(at(0)));
        sqlite.receive(Lane::Work, 1, HIDDEN).await.unwrap();
        assert_eq!(sqlite.next_visible(Lane::Work).await.unwrap(), Some(at(60)));
        // A wake-up that nobody waited for is not lost, and a delayed message gives one too:
        // whoever sleeps has to learn of the new moment.
        let delay = Duration::from_secs(10);
        sqlite
            .send(Lane::Work, &body("later"), delay)
            .await
            .unwrap();
        sqlite.wake(Lane::Work).await;
        assert_eq!(sqlite.next_visible(Lane::Work).await.unwrap(), Some(at(10)));
    });
}

#[test]
fn a_burial_wakes_the_dead_lane() {
    let place = Place::new();
    let settings = Settings {
        max_receives: 1,
        ..quick()
    };
    let sqlite = Sqlite::open(&place.path(), settings).unwrap();
    block_on(async {
        send(&sqlite, "poison").await.unwrap();
        assert_eq!(sqlite.receive(Lane::Work, 1, NOW).await.unwrap().len(), 1);
        assert!(sqlite.receive(Lane::Work, 1, NOW).await.unwrap().is_empty());
        sqlite.wake(Lane::WorkDead).await;
        assert_eq!(
            sqlite.receive(Lane::WorkDead, 1, NOW).await.unwrap().len(),
            1
        );
    });
}
