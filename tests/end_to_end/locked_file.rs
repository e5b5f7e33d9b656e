//! Another program locks the data file while the server runs.

use std::time::Duration;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::text::MessageKind::NotAccepted;
use rusqlite::Connection;

use crate::support::{ServeWorld, ack_kind, assert_says};

/// Slack gives up on an answer after this long.
const SLACKS_LIMIT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn while_the_data_file_is_locked_no_command_is_accepted() {
    let (world, server) = ServeWorld::start().await;
    let other = Connection::open(world.data()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (one, two, three) = tokio::join!(
        world.type_command(&server, "main deploy"),
        world.type_command(&server, "main e2e"),
        world.type_command(&server, "main test"),
    );
    let no = "the command could not be queued. Nothing was started; try again in a minute.";
    for ack in [one, two, three] {
        assert_eq!(ack.status, Some(200), "{}", ack.shown);
        assert!(ack.latency < SLACKS_LIMIT, "{:?}", ack.latency);
        assert_eq!(ack_kind(&ack), Some(NotAccepted), "{}", ack.shown);
        assert_says(&ack.shown, no);
        assert_eq!(ack.body.unwrap().response_type, "ephemeral");
    }
    // A command could not be kept, and that is what health means.
    server.wait_health(503, "the data file is locked").await;
    let line = "not healthy: no command is accepted";
    assert_says(&server.process.wait_line(line).await, "locked by another");
    assert!(world.records().messages.is_empty());

    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    server.wait_health(200, "ok").await;
    world.deploy(&server, "main deploy", Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    // None of the three that were not accepted came later.
    assert_eq!(records.only_record().request.job.as_str(), "deploy");
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}
