//! Triggers whose answer is lost, late, broken or never asked for.

use std::net::TcpListener as Unserved;
use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::ports::{Ci, Outcome, SecretsError};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::Call;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};
use uuid::Uuid;

use crate::raw::{Raw, answer, is_unknown, pipeline_json, trigger_answered};
use crate::support::{
    TOKEN, Token, ago, calls, client, client_with, created, hasty, order, posted_once, refuse, run,
    sandbox, search_since, slug, trigger_meets,
};

#[tokio::test]
async fn a_servers_error_leaves_everything_open() {
    for status in [408, 500, 502, 503, 504, 520, 599] {
        is_unknown(&trigger_meets(refuse(status, None), 0).await);
        is_unknown(&trigger_meets(Fault::ErrorAfter { status }, 1).await);
    }
    // A wait does not change that.
    is_unknown(&trigger_meets(refuse(503, Some(5)), 0).await);
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_everything_open() {
    for fault in [Fault::AnswerLost, Fault::HalfBody, Fault::Garbage] {
        is_unknown(&trigger_meets(fault, 1).await);
    }
    // Closed at once, within the status line, and within the head.
    for text in ["", "HTTP/1.1 20", "HTTP/1.1 201 Created\r\ncontent-"] {
        is_unknown(&trigger_answered(text.to_owned()).await);
    }
    is_unknown(&trigger_answered("SSH-2.0-OpenSSH_9.6\r\n".to_owned()).await);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_everything_open() {
    let sandbox = sandbox().await;
    let hang = Fault::Hang {
        for_: Duration::from_hours(1),
    };
    sandbox.circleci().fail_next(Call::Trigger, hang);
    let outcome = hasty(sandbox.circleci_url()).trigger(&order()).await;
    assert_eq!(
        outcome,
        Outcome::Unknown {
            doubt: "timed out".to_owned()
        }
    );
    posted_once(&sandbox);
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_one_mebibyte() {
    let padded = |status: &str, length: usize| {
        let pipeline = pipeline_json(7);
        let padding = " ".repeat(length - pipeline.len());
        answer(status, &[], &(pipeline + &padding))
    };
    let outcome = trigger_answered(padded("201 Created", 1024 * 1024)).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    let doubt = "the answer is larger than 1 MiB".to_owned();
    let outcome = trigger_answered(padded("201 Created", 1024 * 1024 + 1)).await;
    assert_eq!(
        outcome,
        Outcome::Unknown {
            doubt: doubt.clone()
        }
    );
    // Also if its length was never announced.
    let endless = padded("201 Created", 3 * 1024 * 1024).replace("content-length", "x-length");
    assert_eq!(
        trigger_answered(endless).await,
        Outcome::Unknown {
            doubt: doubt.clone()
        }
    );
    let outcome = trigger_answered(padded("404 Not Found", 1024 * 1024 + 1)).await;
    assert_eq!(
        outcome,
        Outcome::Refused {
            status: 404,
            message: doubt
        }
    );
}

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    // Bound and not listening, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let outcome = client(&url).trigger(&order()).await;
    let Outcome::NotNow {
        obstacle,
        after: None,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(obstacle.starts_with("could not connect: "), "{obstacle}");
    assert!(
        !obstacle.contains(TOKEN) && !obstacle.contains("http://"),
        "{obstacle}"
    );
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = client(&format!("https://{}", listener.local_addr().unwrap()));
    let order = order();
    let (outcome, hello) = tokio::join!(client.trigger(&order), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert!(matches!(outcome, Outcome::NotNow { .. }), "{outcome:?}");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("location: http://{}/x", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let text = answer(&format!("{status} Elsewhere"), &[&location], "");
        let outcome = trigger_answered(text.clone()).await;
        assert!(
            matches!(outcome, Outcome::Refused { status: s, .. } if s == status),
            "{outcome:?}"
        );
        // Nor by a read, which would take the token along.
        let raw = Raw::new(vec![text]).await;
        let error = client(&raw.url)
            .search(&search_since(ago(0)))
            .await
            .unwrap_err();
        assert!(
            error.message.starts_with(&format!("HTTP {status}: ")),
            "{error}"
        );
    }
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_never_sent() {
    let sandbox = sandbox().await;
    for token in ["a-token\n", "a\r\nx: y", "a\0b", "a\u{7f}b"] {
        let client = client_with(sandbox.circleci_url(), "", Token(Ok(token)));
        let outcome = client.trigger(&order()).await;
        let obstacle = "the CircleCI token is not one: it has characters no header takes";
        assert_eq!(
            outcome,
            Outcome::NotNow {
                obstacle: obstacle.to_owned(),
                after: None
            }
        );
        let error = client
            .cancel(&slug(), &run(PipelineId(Uuid::nil())), "x")
            .await
            .unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.unauthorized),
            (obstacle, false)
        );
    }
    assert_eq!(calls(&sandbox), []);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let sandbox = sandbox().await;
    let down = Token(Err(SecretsError("the store is down".to_owned())));
    let outcome = client_with(sandbox.circleci_url(), "", down)
        .trigger(&order())
        .await;
    let obstacle = "the secret cannot be read: the store is down".to_owned();
    assert_eq!(
        outcome,
        Outcome::NotNow {
            obstacle,
            after: None
        }
    );
    assert_eq!(calls(&sandbox), []);
}
