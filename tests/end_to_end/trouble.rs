//! The data file is held up by another program while the server runs.

use std::time::Duration;

use chatops_sandbox::http;
use rusqlite::Connection;

use crate::support::World;

/// Slack gives up on an answer after this long.
const SLACKS_LIMIT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_locked_data_file_is_a_plain_no_and_then_over() {
    let world = World::new().await;
    let server = world.serve().await;
    let other = Connection::open(world.data()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (one, two, three) = tokio::join!(
        world.types(&server, "main deploy"),
        world.types(&server, "main e2e"),
        world.types(&server, "main test"),
    );
    for ack in [one, two, three] {
        assert_eq!(ack.status, Some(200), "{}", ack.shown);
        assert!(ack.latency < SLACKS_LIMIT, "{:?}", ack.latency);
        assert!(
            ack.shown.contains(
                "*Not accepted:* the command could not be queued. Nothing was started; try again \
                 in a minute."
            ),
            "{}",
            ack.shown
        );
        assert_eq!(ack.body.unwrap().response_type, "ephemeral");
    }
    // Who only reads is not held up.
    let health = server.url.replace("/slack/commands", "/healthz");
    let health = hyper_get(&health).await;
    assert_eq!((health.status.as_u16(), &*health.text()), (200, "ok\n"));
    assert!(world.records().messages.is_empty());

    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let ack = world.types(&server, "main deploy").await;
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    records.verify();
    // Of the three that were turned away nothing came later either.
    assert_eq!(records.only().ask.job.as_str(), "deploy");
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

async fn hyper_get(url: &str) -> http::Reply {
    let request = ::http::Request::get(url).body(String::new()).unwrap();
    http::send(request, SLACKS_LIMIT).await.unwrap()
}
