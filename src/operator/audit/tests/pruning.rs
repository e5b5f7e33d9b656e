//! What `audit prune` would remove, and does.

use std::sync::Arc;

use chatops_core::Time;
use chatops_core::ports::{ActionStore, Ledger, NotificationStore};
use chatops_local::clock::WallClock;
use chatops_local::sqlite::prune::PrunableFile;
use chatops_local::sqlite::{Sqlite, SqliteSettings};
use chatops_simulation::crash_points::CrashPoints;
use chatops_simulation::crashes::DELIVERY_PLANS;
use chatops_simulation::scenario;
use chatops_simulation::world::World;
use chatops_testkit::memory::LedgerWrite;
use chrono::{DateTime, TimeDelta};

use super::super::export_file::index_sound;
use super::super::prune::prune_all;
use super::*;

/// Long after each scenario.
fn times() -> (Time, Time) {
    let now = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    (now - TimeDelta::days(30), now)
}

/// Writes what is on record after a scenario.
async fn write_history(path: &Path, name: &str) {
    let all = scenario::all();
    let scenario = all.iter().find(|scenario| scenario.name == name).unwrap();
    let mut world = World::new(&CrashPoints::crash_at(&[]), DELIVERY_PLANS[0]);
    world.ledger.keep_writes();
    (scenario.play)(&mut world);
    let db = Sqlite::open(path, SqliteSettings::new(Arc::new(WallClock))).unwrap();
    for write in world.ledger.kept_writes() {
        match write {
            LedgerWrite::Commit(commit) => db.commit(*commit).await.unwrap(),
            LedgerWrite::Notification(one) => db.save_notification(*one).await.unwrap(),
            LedgerWrite::Action(action) => db.record_action(*action).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_dry_run_counts_what_is_removed_then() {
    let place = Place::with(0).await;
    write_history(&place.data, "tried again by a person").await;
    // As if a later release had taken its place.
    place.edit("DELETE FROM release_history");
    let file = place.path("all.jsonl");
    place.run(&["export", "--output", &file]);
    let index = index_sound(Path::new(&file)).unwrap();
    let mut data = PrunableFile::open(&place.data).unwrap();
    for dry in [true, true, false] {
        let done = prune_all(&mut data, &index, times(), dry).unwrap();
        assert_eq!(done.removed, 2, "{done:?}");
        assert!(done.kept.is_empty(), "{done:?}");
    }
    let again = prune_all(&mut data, &index, times(), true).unwrap();
    assert_eq!(again.removed, 0);
}

#[tokio::test]
async fn nothing_is_pruned_without_an_answer_or_too_early() {
    let place = Place::with(5).await;
    let file = place.path("all.jsonl");
    place.run(&["export", "--output", &file]);
    let prune = |more: &[&str]| place.run(&[&["prune", "--exported", &file], more].concat());
    let (done, text) = prune(&["--before", "2999-01-01", "--yes"]);
    assert!(!done && text.contains("less than 30 days ago"), "{text}");
    let (done, text) = prune(&["--before", "2020-01-01", "--dry-run"]);
    assert!(done, "{text}");
    insta::assert_snapshot!(text, @"
    0 deploys would be removed
      kept 5 deploys: not over yet
    ");
    fs::write(&file, "{}\n").unwrap();
    let (done, text) = prune(&["--before", "2020-01-01", "--yes"]);
    assert!(!done && text.contains("is no export"), "{text}");
}
