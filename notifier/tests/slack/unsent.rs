//! What never leaves this machine, and what is never called.

use std::net::TcpListener as Unserved;

use chatops_core::ports::Chat as _;
use chatops_core::reply::Posted;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::support::{
    PATH, answer, answered, client, nobody_called, post, refused, sandbox, stored,
};

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    // Bound and not listening, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    let posted = client(&origin)
        .post(&stored(&format!("{origin}{PATH}")), &post())
        .await;
    assert_eq!(
        posted,
        Posted::NotSent {
            why: "Slack could not be reached".to_owned()
        }
    );
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let client = client(&origin);
    let (address, post) = (stored(&format!("{origin}{PATH}")), post());
    let (posted, hello) = tokio::join!(client.post(&address, &post), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert_eq!(posted.word(), "not sent");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn what_is_not_slacks_is_never_called() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let there = elsewhere.local_addr().unwrap();
    let sandbox = sandbox().await;
    let client = client(sandbox.slack_url());
    let slack = sandbox.slack_url().trim_start_matches("http://");
    for address in [
        format!("http://{there}{PATH}"),
        format!("https://{there}{PATH}"),
        format!("http://{slack}@{there}{PATH}"),
        format!("http://{there}\\@{slack}{PATH}"),
        format!("http://{there}#@{slack}{PATH}"),
        // Slack's own origin, but not where commands are answered.
        format!("http://{slack}/services/T1/2/x"),
        format!("http://{slack}/commands/../services/x"),
        format!("https://{slack}{PATH}"),
        format!("http://localhost:{}{PATH}", there.port()),
        "not an address".to_owned(),
        String::new(),
    ] {
        let posted = client.post(&stored(&address), &post()).await;
        assert_eq!(posted, refused("the address is not Slack's"), "{address}");
    }
    nobody_called(&elsewhere);
    assert!(sandbox.journal().entries().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let location = format!(
        "location: http://{}{PATH}\r\n",
        elsewhere.local_addr().unwrap()
    );
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let (posted, _) = answered(&answer(status, &location, "")).await;
        assert_eq!(posted, refused(status));
    }
    nobody_called(&elsewhere);
}
