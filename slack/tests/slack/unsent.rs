//! What is not sent, and where nothing is sent.

use std::net::TcpListener as Unserved;

use chatops_core::ports::ChatClient as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::support::{
    PATH, any_message, assert_no_connection, client, closed_port, not_sent, post_answered,
    raw_response, rejected, sandbox, stored_target,
};

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    let (_socket, origin) = closed_port();
    let target = stored_target(&format!("{origin}{PATH}"));
    let result = client(&origin).post(&target, &any_message()).await;
    assert_eq!(result, not_sent("Slack could not be reached"));
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let client = client(&origin);
    let (address, post) = (stored_target(&format!("{origin}{PATH}")), any_message());
    let (result, hello) = tokio::join!(client.post(&address, &post), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert_eq!(result.as_str(), "not sent");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn only_slack_is_called() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let there = elsewhere.local_addr().unwrap();
    let sandbox = sandbox().await;
    let client = client(sandbox.slack_url());
    let reason = "the response URL is not Slack's";
    let slack = sandbox.slack_url().trim_start_matches("http://");
    for address in [
        format!("http://{there}{PATH}"),
        format!("https://{there}{PATH}"),
        format!("http://{slack}@{there}{PATH}"),
        format!("http://{there}\\@{slack}{PATH}"),
        format!("http://{there}#@{slack}{PATH}"),
        // Slack's own origin, but not a response URL's path.
        format!("http://{slack}/services/T1/2/x"),
        format!("http://{slack}/commands/../services/x"),
        format!("https://{slack}{PATH}"),
        format!("http://localhost:{}{PATH}", there.port()),
        "not an address".to_owned(),
        String::new(),
    ] {
        let result = client.post(&stored_target(&address), &any_message()).await;
        assert_eq!(result, rejected(reason), "{address}");
    }
    assert_no_connection(&elsewhere);
    assert!(sandbox.journal().entries().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let there = elsewhere.local_addr().unwrap();
    let location = format!("location: http://{there}{PATH}\r\n");
    let moved = ["301 Moved Permanently", "302 Found", "303 See Other"];
    let redirect = ["307 Temporary Redirect", "308 Permanent Redirect"];
    for status in moved.into_iter().chain(redirect) {
        let (result, _) = post_answered(&raw_response(status, &location, "")).await;
        assert_eq!(result, rejected(status));
    }
    assert_no_connection(&elsewhere);
}
