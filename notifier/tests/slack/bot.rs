//! The bot: what it posts by the Web API, and what each answer means.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chatops_core::id::{ChannelId, UserId};
use chatops_core::ports::{Chat as _, SecretName, Secrets, SecretsError, To, Versions};
use chatops_core::reply::Posted;
use chatops_core::words::{Audience, Post};
use chatops_notifier::SlackClient;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::support::{SHORT, answer, config, exchange, is_left_alone, post, refused, serve};

pub(crate) const TOKEN: &str = "xoxb-canary-of-the-bot";

/// The bot's token: what is cached, and what reading it afresh finds.
#[derive(Debug)]
pub(crate) struct Tokens {
    cached: Mutex<Option<String>>,
    stored: Option<String>,
    pub(crate) refreshes: AtomicUsize,
}

impl Tokens {
    pub(crate) fn new(cached: Option<&str>, stored: Option<&str>) -> Self {
        Self {
            cached: Mutex::new(cached.map(str::to_owned)),
            stored: stored.map(str::to_owned),
            refreshes: AtomicUsize::new(0),
        }
    }
}

impl Secrets for &Tokens {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        assert_eq!(name, SecretName::SlackBot);
        let cached = self.cached.lock().unwrap().clone();
        let current = cached.ok_or_else(|| SecretsError("the store is down".to_owned()))?;
        Ok(Versions {
            current: SecretString::from(current),
            previous: None,
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        assert_eq!(name, SecretName::SlackBot);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        let stored = self.stored.clone();
        let stored = stored.ok_or_else(|| SecretsError("the store is down".to_owned()))?;
        *self.cached.lock().unwrap() = Some(stored);
        Ok(())
    }
}

pub(crate) fn bot<'a>(origin: &str, times: &str, tokens: &'a Tokens) -> SlackClient<&'a Tokens> {
    let config = config(origin, times);
    SlackClient::new(&config.slack, &config.times, tokens).unwrap()
}

pub(crate) fn conversation() -> To {
    To::Conversation {
        channel: ChannelId::parse("C0001").unwrap(),
        user: UserId::parse("U0001").unwrap(),
    }
}

pub(crate) async fn slack() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// What the bot makes of a raw answer to `post`, and the request that it sent, once.
async fn asks(text: &str, post: &Post) -> (Posted, String) {
    let (listener, origin) = slack().await;
    let tokens = Tokens::new(Some(TOKEN), None);
    let client = bot(&origin, "", &tokens);
    let asked = exchange(&listener, &client, &conversation(), post, text).await;
    is_left_alone(listener);
    assert_eq!(tokens.refreshes.load(Ordering::Relaxed), 0);
    asked
}

async fn outcome(status: &str, headers: &str, body: &str) -> Posted {
    asks(&answer(status, headers, body), &post()).await.0
}

async fn said(error: &str) -> Posted {
    let body = json!({ "ok": false, "error": error }).to_string();
    outcome("200 OK", "", &body).await
}

/// A post of each audience.
fn posts() -> [Post; 2] {
    [Audience::Channel, Audience::Asker].map(|audience| Post { audience, ..post() })
}

#[tokio::test]
async fn a_post_for_all_is_a_message_and_one_for_the_asker_is_shown_to_nobody_else() {
    let [all, asker] = posts();
    for (post, method, user) in [
        (all, "chat.postMessage", Value::Null),
        (asker, "chat.postEphemeral", json!("U0001")),
    ] {
        let (posted, request) = asks(&answer("200 OK", "", r#"{"ok":true}"#), &post).await;
        assert_eq!(posted, Posted::Shown);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("POST /api/{method} HTTP/1.1\r\n")),
            "{head}"
        );
        let lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
        for line in [
            format!("authorization: bearer {TOKEN}"),
            "content-type: application/json; charset=utf-8".to_owned(),
        ] {
            assert!(lines.contains(&line), "{head}");
        }
        // The token stands in the one header, and nowhere else.
        assert_eq!(request.matches(TOKEN).count(), 1);
        let body: Value = serde_json::from_str(body).unwrap();
        let as_ever = post.to_json();
        assert_eq!(body["channel"], "C0001");
        assert_eq!(body["user"], user);
        for key in ["text", "blocks"] {
            assert_eq!(body[key], as_ever[key]);
        }
        for key in ["unfurl_links", "unfurl_media"] {
            assert_eq!(body[key], false);
        }
        // A word of reply addresses.
        assert_eq!(body["response_type"], Value::Null);
    }
}

#[tokio::test]
async fn only_slacks_own_yes_is_one() {
    for body in [
        r#"{"ok":true}"#,
        r#"{"ok":true,"channel":"C0001","ts":"1503435956.000247","message":{"text":"x"}}"#,
        r#"{"ok":true,"warning":"missing_charset"}"#,
    ] {
        assert_eq!(outcome("200 OK", "", body).await, Posted::Shown, "{body}");
    }
    // The Web API answers in JSON and says `ok`; whatever else comes is somebody else's page.
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
        assert_eq!(outcome("200 OK", "", body).await, Posted::Unknown, "{body}");
    }
    assert_eq!(outcome("204 No Content", "", "").await, Posted::Unknown);
}

#[tokio::test]
async fn a_refusal_is_final_and_has_slacks_words() {
    for word in [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "missing_scope",
        "user_not_in_channel",
        "invalid_blocks",
        "msg_too_long",
        "a_word_of_next_year",
    ] {
        assert_eq!(said(word).await, refused(word));
    }
    assert_eq!(
        outcome("200 OK", "", r#"{"ok":false}"#).await,
        refused("200 OK")
    );
    let odd = r#"{"ok":false,"error":{"code":7}}"#;
    assert_eq!(outcome("200 OK", "", odd).await, refused("200 OK"));
    let page = outcome("404 Not Found", "", "no such method").await;
    assert_eq!(page, refused("404 Not Found no such method"));
    let Posted::Refused { why } = said(&"\u{e9}".repeat(30_000)).await else {
        panic!("not refused")
    };
    assert_eq!(why.chars().count(), 100);
}

#[tokio::test]
async fn a_refused_token_may_be_an_old_one() {
    for word in [
        "invalid_auth",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "not_authed",
    ] {
        let why = word.to_owned();
        assert_eq!(said(word).await, Posted::Unauthorized { why: why.clone() });
        let body = json!({ "ok": false, "error": word }).to_string();
        let posted = outcome("401 Unauthorized", "", &body).await;
        assert_eq!(posted, Posted::Unauthorized { why });
    }
    // Slack's words as they are, not something like them.
    assert_eq!(said("token_revoked_at").await, refused("token_revoked_at"));
}

#[tokio::test]
async fn too_many_posts_may_work_later() {
    let wait = "retry-after: 30\r\n";
    let after = Some(Duration::from_secs(30));
    for word in ["ratelimited", "rate_limited"] {
        let body = json!({ "ok": false, "error": word }).to_string();
        for status in ["200 OK", "429 Too Many Requests"] {
            assert_eq!(outcome(status, wait, &body).await, Posted::Later { after });
            let posted = outcome(status, "", &body).await;
            assert_eq!(posted, Posted::Later { after: None });
        }
    }
    let posted = outcome("429 Too Many Requests", wait, "").await;
    assert_eq!(posted, Posted::Later { after });
    let posted = outcome("429 Too Many Requests", "retry-after: soon\r\n", "").await;
    assert_eq!(posted, Posted::Later { after: None });
}

#[tokio::test]
async fn slacks_own_trouble_leaves_everything_open() {
    for word in ["internal_error", "fatal_error"] {
        assert_eq!(said(word).await, Posted::Unknown);
    }
    for status in [
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "408 Request Timeout",
    ] {
        for body in [
            "",
            r#"{"ok":false,"error":"not_in_channel"}"#,
            r#"{"ok":true}"#,
        ] {
            let posted = outcome(status, "", body).await;
            assert_eq!(posted, Posted::Unknown, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_everything_open() {
    let half = answer("200 OK", "", r#"{"ok":true}"#).replace("true}", "");
    for text in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.6\r\n", &half] {
        assert_eq!(asks(text, &post()).await.0, Posted::Unknown, "{text}");
    }
    let long = format!(
        "{}{}",
        r#"{"ok":false,"error":"not_in_channel"}"#,
        " ".repeat(65 * 1024)
    );
    assert_eq!(outcome("200 OK", "", &long).await, Posted::Unknown);
    // It is read, and never answered.
    let (listener, origin) = slack().await;
    let tokens = Tokens::new(Some(TOKEN), None);
    let client = bot(&origin, SHORT, &tokens);
    let (to, post) = (conversation(), post());
    let hangs = async {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    let posted = tokio::select! {
        posted = client.post(&to, &post) => posted,
        () = hangs => panic!("it does not end"),
    };
    assert_eq!(posted, Posted::Unknown);
    is_left_alone(listener);
}

#[tokio::test]
async fn what_never_left_this_machine_was_not_sent() {
    // Bound and not listening, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    let tokens = Tokens::new(Some(TOKEN), None);
    let posted = bot(&origin, "", &tokens)
        .post(&conversation(), &post())
        .await;
    let why = "Slack could not be reached".to_owned();
    assert_eq!(posted, Posted::NotSent { why });
    // Without a token nobody is called.
    let (listener, origin) = slack().await;
    let tokens = Tokens::new(None, None);
    let posted = bot(&origin, "", &tokens)
        .post(&conversation(), &post())
        .await;
    let why = "the secret cannot be read: the store is down".to_owned();
    assert_eq!(posted, Posted::NotSent { why });
    // Nor with one that no header can hold.
    let tokens = Tokens::new(Some("xoxb-\n-canary"), None);
    let posted = bot(&origin, "", &tokens)
        .post(&conversation(), &post())
        .await;
    assert_eq!(posted.word(), "not sent");
    is_left_alone(listener);
}

#[tokio::test]
async fn a_redirect_does_not_get_the_token() {
    let (elsewhere, there) = slack().await;
    for status in [
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {there}/api/chat.postMessage\r\n");
        assert_eq!(outcome(status, &location, "").await, refused(status));
    }
    is_left_alone(elsewhere);
}

#[tokio::test]
async fn a_new_token_is_used_from_the_next_post_on() {
    let (listener, origin) = slack().await;
    let tokens = Tokens::new(Some("xoxb-old"), Some(TOKEN));
    let client = bot(&origin, "", &tokens);
    let (to, post) = (conversation(), post());
    let revoked = answer("200 OK", "", r#"{"ok":false,"error":"token_revoked"}"#);
    let (posted, request) = exchange(&listener, &client, &to, &post, &revoked).await;
    assert_eq!(posted.word(), "unauthorized");
    assert!(request.contains("Bearer xoxb-old\r\n"), "{request}");
    client.renew_token().await;
    assert_eq!(tokens.refreshes.load(Ordering::Relaxed), 1);
    let yes = answer("200 OK", "", r#"{"ok":true}"#);
    let (posted, request) = tokio::join!(client.post(&to, &post), serve(&listener, &yes));
    assert_eq!(posted, Posted::Shown);
    assert!(
        request.contains(&format!("Bearer {TOKEN}\r\n")),
        "{request}"
    );
    // One that cannot be read changes nothing.
    let tokens = Tokens::new(Some(TOKEN), None);
    bot(&origin, "", &tokens).renew_token().await;
    assert!((&tokens).get(SecretName::SlackBot).await.is_ok());
}
