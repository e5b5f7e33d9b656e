//! Connections that bring nothing: they keep nobody out, they end, and the log has counts of them.

use std::io::ErrorKind;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_sandbox::http;
use chatops_testkit::Patience;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ServeWorld, ServerProcess, WAIT_TIMEOUT, assert_says, limited};

/// What somebody sends who has no request, or not all of it.
const BEGINNINGS: [&str; 3] = [
    "",
    "POST /slack/commands HTTP/1.1\r\nHost: ",
    "POST /slack/commands HTTP/1.1\r\nHost: here\r\nContent-Length: 99\r\n\r\nteam",
];

async fn connect(server: &ServerProcess, beginning: &str) -> TcpStream {
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(beginning.as_bytes()).await.unwrap();
    connection
}

/// Reads until the server has closed the connection.
async fn wait_closed(mut connection: TcpStream) {
    let mut read = Vec::new();
    let closed = connection.read_to_end(&mut read);
    match tokio::time::timeout(WAIT_TIMEOUT, closed).await.unwrap() {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let world = ServeWorld::new().await;
    let server = ServerProcess::start(limited(&world.command(), "-n 64")).await;
    let mut idle = Vec::new();
    for beginning in BEGINNINGS.iter().cycle().take(51) {
        idle.push(connect(&server, beginning).await);
    }
    // More than there is room for, and neither a command nor its final status waits for them.
    world.deploy(&server, "main test", Succeeded).await;
    server.wait_health(200, "ok").await;
    // Nor do they stay.
    for connection in idle {
        wait_closed(connection).await;
    }
    let ended = server.stop().await;
    let log = ended.stdout.join("\n");
    assert_says(&log, "there were too many connections");
    assert_says(&log, "no request came in time");
    assert_says(&log, "the body did not come in time");
    assert!(!log.contains("could not be accepted"), "{log}");
}

/// One byte at a time, and never the last one.
#[tokio::test]
async fn a_request_that_drips_is_not_waited_for() {
    let (_world, server) = ServeWorld::start().await;
    let mut connection = connect(&server, "GET /healthz HTTP/1.1\r\nx: ").await;
    let mut patience = Patience::new("the connection's end");
    while connection.write_all(b"x").await.is_ok() {
        patience.pause(0).await;
    }
    server.process.wait_line("no request came in time").await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_descriptors_goes_on_when_it_has_some() {
    let world = ServeWorld::new().await;
    // Too few for the data file and a handful of connections.
    let server = ServerProcess::start(limited(&world.command(), "-n 22")).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(connect(&server, "").await);
    }
    let line = "connections could not be accepted";
    assert_says(&server.process.wait_line(line).await, "Too many open files");
    drop(idle);
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
}

/// The number in a field of a log line.
fn field(line: &str, name: &str) -> Option<usize> {
    let (_, value) = line.split_once(&format!(" {name}="))?;
    value.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn refused_requests_are_counted_and_not_repeated() {
    const REQUESTS: usize = 1_000;
    let (_world, server) = ServeWorld::start().await;
    for _ in 0..REQUESTS {
        let request = ::http::Request::post(&server.url).body("a=b".to_owned());
        let reply = http::send_request(request.unwrap(), WAIT_TIMEOUT).await;
        assert_eq!(reply.unwrap().status.as_u16(), 401);
    }
    let nothing = server.url.replace("/slack/commands", "/nothing");
    let request = ::http::Request::get(&nothing).body(String::new()).unwrap();
    let reply = http::send_request(request, WAIT_TIMEOUT).await.unwrap();
    assert_eq!(reply.status.as_u16(), 404);
    let ended = server.stop().await;
    let lines = ended.stdout.iter();
    let lines: Vec<_> = lines
        .filter(|line| line.contains("not verified to be Slack's"))
        .collect();
    // A line a minute, and the rest at the end: none is forgotten.
    assert!(lines.len() < 10, "{lines:#?}");
    let counted: usize = lines
        .iter()
        .map(|line| field(line, "requests").unwrap_or(1))
        .sum();
    assert_eq!(counted, REQUESTS, "{lines:#?}");
    assert_says(
        &ended.stdout.join("\n"),
        "no such address or method count=1",
    );
}

/// A connection carries one request, and its sender is told so.
#[tokio::test]
async fn a_connection_ends_with_its_answer() {
    let (_world, server) = ServeWorld::start().await;
    let request = "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n";
    let mut connection = connect(&server, request).await;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_says(&answer.to_ascii_lowercase(), "\r\nconnection: close\r\n");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    // Load balancers ask for the head alone.
    let request = "HEAD /healthz HTTP/1.1\r\nHost: here\r\n\r\n";
    let mut connection = connect(&server, request).await;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    server.stop().await;
}
