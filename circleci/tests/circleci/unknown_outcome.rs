//! Triggers whose answer is lost, late or broken, and those that are never sent.

use std::net::TcpListener as Unserved;
use std::time::Duration;

use chatops_core::ports::{CiClient, PortErrorKind, SecretError, TriggerOutcome};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::CiCall;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::raw_server::{
    RawServer, assert_discloses_nothing, assert_unknown, raw_response, trigger_outcome,
};
use crate::support::{
    FakeToken, ago, assert_one_post, calls, client, client_with, created_count, fail_next,
    hasty_client, lookup_since, missing_pipeline, not_now, rejected, rejection, sandbox, slug,
    trigger_request, trigger_with_fault, unknown,
};

#[tokio::test]
async fn a_servers_error_leaves_the_outcome_unknown() {
    for status in [408, 500, 502, 503, 504, 520, 599] {
        assert_unknown(&trigger_with_fault(rejection(status, None), 0).await);
        assert_unknown(&trigger_with_fault(HttpFault::ErrorAfter { status }, 1).await);
    }
    // A pause does not change that.
    assert_unknown(&trigger_with_fault(rejection(503, Some(5)), 0).await);
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_the_outcome_unknown() {
    for fault in [
        HttpFault::AnswerLost,
        HttpFault::HalfBody,
        HttpFault::Garbage,
    ] {
        assert_unknown(&trigger_with_fault(fault, 1).await);
    }
    // Closed at once, within the status line, and within the head.
    for text in ["", "HTTP/1.1 20", "HTTP/1.1 201 Created\r\ncontent-"] {
        assert_unknown(&trigger_outcome(text.to_owned()).await);
    }
    assert_unknown(&trigger_outcome("SSH-2.0-OpenSSH_9.6\r\n".to_owned()).await);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let sandbox = sandbox().await;
    let hang = HttpFault::Hang {
        duration: Duration::from_hours(1),
    };
    fail_next(&sandbox, CiCall::Trigger, hang);
    let client = hasty_client(sandbox.circleci_url());
    let outcome = client.trigger(&trigger_request()).await;
    assert_eq!(outcome, unknown("timed out"));
    assert_one_post(&sandbox);
    assert_eq!(created_count(&sandbox), 0);
}

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    // Bound and not listening, so that no other process gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let outcome = client(&url).trigger(&trigger_request()).await;
    let TriggerOutcome::NotNow {
        error,
        retry_after: None,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(error.starts_with("could not connect: "), "{error}");
    assert_discloses_nothing(error);
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = client(&format!("https://{}", listener.local_addr().unwrap()));
    let request = trigger_request();
    let (outcome, hello) = tokio::join!(client.trigger(&request), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    let is_unsent = matches!(outcome, TriggerOutcome::NotNow { .. });
    assert!(is_unsent, "{outcome:?}");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("location: http://{}/x", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let text = raw_response(&format!("{status} Elsewhere"), &[&location], "");
        let outcome = trigger_outcome(text.clone()).await;
        assert_eq!(outcome, rejected(status, "an answer without a message"));
        // Nor by a read, which would send the token there.
        let raw = RawServer::new(vec![text]).await;
        let outcome = client(&raw.url).look_up(&lookup_since(ago(0))).await;
        let error = outcome.unwrap_err();
        let start = format!("HTTP {status}: ");
        assert!(error.message.starts_with(&start), "{error}");
    }
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_token_that_no_header_can_have_is_never_sent() {
    let sandbox = sandbox().await;
    for token in ["a-token\n", "a\r\nx: y", "a\0b", "a\u{7f}b"] {
        let client = client_with(sandbox.circleci_url(), "", FakeToken(Ok(token)));
        let outcome = client.trigger(&trigger_request()).await;
        let message = "the CircleCI token has characters that no header can have";
        assert_eq!(outcome, not_now(message, None));
        let outcome = client.cancel(&slug(), &missing_pipeline(), "x").await;
        let error = outcome.unwrap_err();
        assert_eq!((&*error.message, error.unauthorized), (message, false));
    }
    assert_eq!(calls(&sandbox), []);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let sandbox = sandbox().await;
    let error = SecretError::new(PortErrorKind::Unavailable, "the store is down");
    let client = client_with(sandbox.circleci_url(), "", FakeToken(Err(error)));
    let outcome = client.trigger(&trigger_request()).await;
    let message = "the secret cannot be read: the store is down";
    assert_eq!(outcome, not_now(message, None));
    assert_eq!(calls(&sandbox), []);
}
