//! The process is stopped while it works: what is under way is finished, and what was acknowledged is kept.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Succeeded, Unresolved};
use chatops_core::text::MessageKind::Accepted;
use chatops_sandbox::HttpFault;

use crate::support::{ServeWorld, ServerProcess, ack_kind, assert_says};

#[tokio::test]
async fn a_stop_loses_nothing_that_was_typed_just_before() {
    let (world, server) = ServeWorld::start().await;
    let ack = world.type_command(&server, "main test").await;
    let ended = server.stop().await;
    assert_eq!(ack_kind(&ack), Some(Accepted), "{}", ack.shown);
    let said = ended.stdout.join("\n");
    assert_says(&said, "stopping: finishing what is in flight");

    let server = world.serve().await;
    world.wait_final(Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().state, Succeeded);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_trigger_that_is_under_way() {
    let world = ServeWorld::new().await;
    let hang = HttpFault::Hang {
        duration: Duration::from_millis(500),
    };
    world.fail_next_trigger(hang);
    let server = world.serve().await;
    world.type_command(&server, "main test").await;
    world.wait_triggers(1).await;
    server.stop().await;
    // Before it ended, the process stored that it had no answer.
    let records = world.records();
    let audit = records.audit(records.only_record().id);
    assert_says(&audit, r#""kind":"outcome_unknown""#);

    let server = world.serve().await;
    world.wait_final(Unresolved).await;
    assert_eq!(
        world.trigger_count(),
        1,
        "an unknown outcome is not repeated"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_say_nothing() {
    let (_world, server) = ServeWorld::start().await;
    let mut silent = Vec::new();
    for part in ["", "POST /slack/commands HTTP/1.1\r\nHost: x\r\n"] {
        silent.push(send_partly(&server, part));
    }
    // This one has had its answer and keeps the connection.
    let mut kept = send_partly(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = [0; 15];
    std::io::Read::read_exact(&mut kept, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // A stop that waited for them would be given up, and end with an error.
    server.stop().await;
    drop(silent);
}

fn send_partly(server: &ServerProcess, text: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    stream
}
