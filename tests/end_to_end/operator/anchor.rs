//! The log of a server is an anchor: what it says was recorded is on record, or `audit verify` names it.

use super::{operate, success, two_deploys};
use crate::support::{ServeWorld, assert_says};

#[tokio::test]
async fn the_log_of_a_server_finds_a_deploy_that_was_removed() {
    for format in ["text", "json"] {
        let world = ServeWorld::new().await;
        let server = world.serve_with(&["--log", format]).await;
        let (good, _) = two_deploys(&world, &server).await;
        let log = world.data().with_extension("log");
        std::fs::write(&log, server.stop().await.stdout.join("\n")).unwrap();
        let log = log.to_str().unwrap();
        let verify = ["audit", "verify", "--anchor", log];
        let said = success(&world, &verify).await;
        let events = world.open_data();
        let count = "SELECT count(*) FROM event";
        let count: i64 = events.query_row(count, [], |row| row.get(0)).unwrap();
        assert_says(
            &said,
            &format!("{count} events in the log read: everything agrees."),
        );

        let id = good.id.to_string();
        let removed = format!(
            "PRAGMA foreign_keys = off; DROP TRIGGER event_is_not_removed;
             DELETE FROM event WHERE deploy = '{id}'; DELETE FROM deploy WHERE id = '{id}'"
        );
        events.execute_batch(&removed).unwrap();
        let ended = operate(&world, &[&verify[..], &["--json", "--all"]].concat()).await;
        assert_eq!(ended.code, Some(1));
        let found = super::json(&ended.stdout[0]);
        let first = found["first"].as_array().unwrap().iter();
        let logged = first.filter(|one| {
            one["deploy"] == id && one["reason"] == "is in the log and not on record"
        });
        assert_eq!(logged.count() as u64, good.events, "{format}: {found}");
    }
}
