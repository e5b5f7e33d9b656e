//! The bot: what it posts by the Web API, and the meaning of each answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chatops_core::id::{ChannelId, UserId};
use chatops_core::notification::PostResult;
use chatops_core::ports::{
    ChatClient as _, PortErrorKind, PostTarget, SecretError, SecretName, SecretReader,
    SecretVersions,
};
use chatops_core::text::{Audience, SlackMessage};
use chatops_slack::SlackClient;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    SHORT_TIMEOUTS, any_message, assert_no_call, closed_port, config, error_response,
    exchange_once, not_sent, ok_response, raw_response, rejected,
};

pub(crate) const TOKEN: &str = "xoxb-canary-of-the-bot";

/// The bot's token: what is cached, and what a refresh finds.
#[derive(Debug)]
pub(crate) struct FakeTokens {
    cached: Mutex<Option<String>>,
    stored: Option<String>,
    pub(crate) refreshes: AtomicUsize,
}

impl FakeTokens {
    pub(crate) fn new(cached: Option<&str>, stored: Option<&str>) -> Self {
        Self {
            cached: Mutex::new(cached.map(str::to_owned)),
            stored: stored.map(str::to_owned),
            refreshes: AtomicUsize::new(0),
        }
    }
}

fn unavailable() -> SecretError {
    SecretError::new(PortErrorKind::Unavailable, "the store is down")
}

pub(crate) fn usual_token() -> FakeTokens {
    FakeTokens::new(Some(TOKEN), None)
}

impl SecretReader for &FakeTokens {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        assert_eq!(name, SecretName::SlackBot);
        let cached = self.cached.lock().unwrap().clone();
        Ok(SecretVersions {
            current: SecretString::from(cached.ok_or_else(unavailable)?),
            previous: None,
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        assert_eq!(name, SecretName::SlackBot);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        let stored = self.stored.clone().ok_or_else(unavailable)?;
        *self.cached.lock().unwrap() = Some(stored);
        Ok(())
    }
}

pub(crate) fn bot_client<'a>(
    origin: &str,
    times: &str,
    tokens: &'a FakeTokens,
) -> SlackClient<&'a FakeTokens> {
    let config = config(origin, times);
    SlackClient::new(&config.slack, &config.timeouts, tokens).unwrap()
}

pub(crate) fn bot_target() -> PostTarget {
    PostTarget::Conversation {
        channel: ChannelId::parse("C0001").unwrap(),
        user: UserId::parse("U0001").unwrap(),
    }
}

pub(crate) async fn listen_as_slack() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// The result of a raw answer to `post`, and the request that was sent once.
async fn post_answered(text: &str, post: &SlackMessage) -> (PostResult, String) {
    let (listener, origin) = listen_as_slack().await;
    let tokens = usual_token();
    let client = bot_client(&origin, "", &tokens);
    let exchange = exchange_once(&listener, &client, &bot_target(), post, text).await;
    assert_no_call(listener);
    assert_eq!(tokens.refreshes.load(Ordering::Relaxed), 0);
    exchange
}

async fn post_result(status: &str, headers: &str, body: &str) -> PostResult {
    let answer = raw_response(status, headers, body);
    post_answered(&answer, &any_message()).await.0
}

async fn result_of_error(error: &str) -> PostResult {
    let body = json!({ "ok": false, "error": error }).to_string();
    post_result("200 OK", "", &body).await
}

#[tokio::test]
async fn a_post_for_the_requester_is_ephemeral_and_any_other_is_a_message() {
    for (audience, method, user) in [
        (Audience::Channel, "chat.postMessage", Value::Null),
        (Audience::Requester, "chat.postEphemeral", json!("U0001")),
    ] {
        let post = SlackMessage {
            audience,
            ..any_message()
        };
        let (result, request) = post_answered(&ok_response(), &post).await;
        assert_eq!(result, PostResult::Delivered(None));
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let start = format!("POST /api/{method} HTTP/1.1\r\n");
        assert!(head.starts_with(&start), "{head}");
        let lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
        for line in [
            format!("authorization: bearer {TOKEN}"),
            "content-type: application/json; charset=utf-8".to_owned(),
        ] {
            assert!(lines.contains(&line), "{head}");
        }
        // The token is in one header only.
        assert_eq!(request.matches(TOKEN).count(), 1);
        let body: Value = serde_json::from_str(body).unwrap();
        let expected = post.to_json();
        assert_eq!(body["channel"], "C0001");
        assert_eq!(body["user"], user);
        for key in ["text", "blocks"] {
            assert_eq!(body[key], expected[key]);
        }
        for key in ["unfurl_links", "unfurl_media"] {
            assert_eq!(body[key], false);
        }
        // Only response URLs have this key.
        assert_eq!(body["response_type"], Value::Null);
    }
}

#[tokio::test]
async fn only_slacks_own_ok_is_a_success() {
    for body in [
        r#"{"ok":true}"#,
        r#"{"ok":true,"warning":"missing_charset"}"#,
        r#"{"ok":true,"channel":"C0001","ts":1503435956.000247}"#,
        r#"{"ok":true,"channel":null,"ts":"1503435956.000247"}"#,
    ] {
        let result = post_result("200 OK", "", body).await;
        assert_eq!(result, PostResult::Delivered(None), "{body}");
    }
    let body = r#"{"ok":true,"channel":"C0001","ts":"1503435956.000247","message":{"text":"x"}}"#;
    let PostResult::Delivered(Some(posted)) = post_result("200 OK", "", body).await else {
        panic!("it says where it is");
    };
    assert_eq!(
        (posted.channel.as_str(), posted.ts.as_str()),
        ("C0001", "1503435956.000247")
    );
    // The Web API answers in JSON with `ok`; anything else is not its answer.
    for body in [
        "",
        "ok",
        "<html>You are being logged in</html>",
        "{}",
        "[]",
        "null",
        r#"{"ok":"true"}"#,
        r#"{"ok":1}"#,
        r#"{"error":"not_in_channel"}"#,
        r#"{"ok":true"#,
        "\u{e9}",
    ] {
        let result = post_result("200 OK", "", body).await;
        assert_eq!(result, PostResult::Unknown, "{body}");
    }
    let result = post_result("204 No Content", "", "").await;
    assert_eq!(result, PostResult::Unknown);
}

#[tokio::test]
async fn a_rejection_is_final_and_has_slacks_message() {
    let of_channel = "channel_not_found not_in_channel is_archived user_not_in_channel";
    let others = "restricted_action missing_scope invalid_blocks msg_too_long a_word_of_next_year";
    for word in of_channel.split(' ').chain(others.split(' ')) {
        assert_eq!(result_of_error(word).await, rejected(word));
    }
    for odd in [r#"{"ok":false}"#, r#"{"ok":false,"error":{"code":7}}"#] {
        assert_eq!(post_result("200 OK", "", odd).await, rejected("200 OK"));
    }
    let page = post_result("404 Not Found", "", "no such method").await;
    assert_eq!(page, rejected("404 Not Found no such method"));
    let PostResult::Refused { reason } = result_of_error(&"\u{e9}".repeat(30_000)).await else {
        panic!("not refused")
    };
    assert_eq!(reason.chars().count(), 100);
}

#[tokio::test]
async fn a_rejected_token_may_be_an_old_one() {
    for word in "invalid_auth token_revoked token_expired account_inactive not_authed".split(' ') {
        let body = json!({ "ok": false, "error": word }).to_string();
        for status in ["200 OK", "401 Unauthorized"] {
            let reason = word.to_owned();
            let result = post_result(status, "", &body).await;
            assert_eq!(result, PostResult::Unauthorized { reason });
        }
    }
    // Exactly Slack's errors, not similar ones.
    let similar = "token_revoked_at";
    assert_eq!(result_of_error(similar).await, rejected(similar));
}

#[tokio::test]
async fn too_many_posts_may_work_later() {
    let wait = "retry-after: 30\r\n";
    let after = Some(Duration::from_secs(30));
    for word in ["ratelimited", "rate_limited"] {
        let body = json!({ "ok": false, "error": word }).to_string();
        for status in ["200 OK", "429 Too Many Requests"] {
            for (header, after) in [(wait, after), ("", None)] {
                let result = post_result(status, header, &body).await;
                assert_eq!(result, PostResult::Later { after });
            }
        }
    }
    let result = post_result("429 Too Many Requests", wait, "").await;
    assert_eq!(result, PostResult::Later { after });
    let result = post_result("429 Too Many Requests", "retry-after: soon\r\n", "").await;
    assert_eq!(result, PostResult::Later { after: None });
}

#[tokio::test]
async fn an_internal_error_of_slack_leaves_the_outcome_unknown() {
    for word in ["internal_error", "fatal_error"] {
        assert_eq!(result_of_error(word).await, PostResult::Unknown);
    }
    for status in [
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "408 Request Timeout",
    ] {
        let error = r#"{"ok":false,"error":"not_in_channel"}"#;
        for body in ["", error, r#"{"ok":true}"#] {
            let result = post_result(status, "", body).await;
            assert_eq!(result, PostResult::Unknown, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_the_outcome_unknown() {
    let half = raw_response("200 OK", "", r#"{"ok":true}"#).replace("true}", "");
    for text in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.6\r\n", &half] {
        let (result, _) = post_answered(text, &any_message()).await;
        assert_eq!(result, PostResult::Unknown, "{text}");
    }
    let long = r#"{"ok":false,"error":"not_in_channel"}"#.to_owned() + &" ".repeat(65 * 1024);
    assert_eq!(post_result("200 OK", "", &long).await, PostResult::Unknown);
    // The request is read and never answered.
    let (listener, origin) = listen_as_slack().await;
    let tokens = usual_token();
    let client = bot_client(&origin, SHORT_TIMEOUTS, &tokens);
    let (to, post) = (bot_target(), any_message());
    let hangs = async {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    let result = tokio::select! {
        result = client.post(&to, &post) => result,
        () = hangs => panic!("it does not end"),
    };
    assert_eq!(result, PostResult::Unknown);
    assert_no_call(listener);
}

#[tokio::test]
async fn what_never_left_this_machine_was_not_sent() {
    let (_socket, origin) = closed_port();
    let post = async |origin: &str, tokens| {
        let client = bot_client(origin, "", &tokens);
        client.post(&bot_target(), &any_message()).await
    };
    let result = post(&origin, usual_token()).await;
    assert_eq!(result, not_sent("Slack could not be reached"));
    // Without a token Slack is not called.
    let (listener, origin) = listen_as_slack().await;
    let result = post(&origin, FakeTokens::new(None, None)).await;
    let reason = "the secret cannot be read: the store is down";
    assert_eq!(result, not_sent(reason));
    // Nor with one that no header can have.
    let tokens = FakeTokens::new(Some("xoxb-\n-canary"), None);
    assert_eq!(post(&origin, tokens).await.as_str(), "not sent");
    assert_no_call(listener);
}

#[tokio::test]
async fn a_redirect_does_not_get_the_token() {
    let (elsewhere, there) = listen_as_slack().await;
    for status in [
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {there}/api/chat.postMessage\r\n");
        assert_eq!(post_result(status, &location, "").await, rejected(status));
    }
    assert_no_call(elsewhere);
}

#[tokio::test]
async fn a_new_token_is_used_from_the_next_post_on() {
    let (listener, origin) = listen_as_slack().await;
    let tokens = FakeTokens::new(Some("xoxb-old"), Some(TOKEN));
    let client = bot_client(&origin, "", &tokens);
    let (to, post) = (bot_target(), any_message());
    let revoked = error_response("token_revoked");
    let (result, request) = exchange_once(&listener, &client, &to, &post, &revoked).await;
    assert_eq!(result.as_str(), "unauthorized");
    assert!(request.contains("Bearer xoxb-old\r\n"), "{request}");
    client.renew_token().await;
    assert_eq!(tokens.refreshes.load(Ordering::Relaxed), 1);
    let (result, request) = exchange_once(&listener, &client, &to, &post, &ok_response()).await;
    assert_eq!(result, PostResult::Delivered(None));
    let line = format!("Bearer {TOKEN}\r\n");
    assert!(request.contains(&line), "{request}");
    // A failed refresh changes nothing.
    let tokens = usual_token();
    bot_client(&origin, "", &tokens).renew_token().await;
    assert!((&tokens).get(SecretName::SlackBot).await.is_ok());
}

/// Otherwise messages would take another way for good.
#[tokio::test]
async fn whether_there_is_a_bot_is_not_known_while_the_store_is_down() {
    let (_listener, origin) = listen_as_slack().await;
    let down = FakeTokens::new(None, None);
    assert!(bot_client(&origin, "", &down).has_bot().await.is_err());
    let there = usual_token();
    assert!(bot_client(&origin, "", &there).has_bot().await.unwrap());
}
