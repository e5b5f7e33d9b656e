//! A message of the bot after it was posted: edits, replies in its thread, its deletion, and the
//! meaning of each answer.

use std::time::Duration;

use chatops_core::id::ChannelId;
use chatops_core::notification::PostResult;
use chatops_core::ports::{ChatClient as _, PostTarget};
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::text::{self, Audience, SlackMessage};
use serde_json::{Value, json};

use crate::bot::{TOKEN, bot_client, bot_target, listen_as_slack, usual_token};
use crate::support::{
    SHORT_TIMEOUTS, any_message, assert_no_call, closed_port, error_response, not_sent,
    raw_response, rejected, sandbox, serve_once,
};

const TS: &str = "1503435956.000247";

/// What is done with the message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Edit,
    Reply { broadcast: bool },
    Delete,
}

const CALLS: [Call; 3] = [Call::Edit, Call::Reply { broadcast: true }, Call::Delete];

/// What changes a message that stands.
const CHANGES: [Call; 2] = [Call::Edit, Call::Delete];

fn card() -> PostedMessage {
    PostedMessage {
        channel: ChannelId::parse("C0001").unwrap(),
        ts: MessageTs::parse(TS).unwrap(),
    }
}

/// Whose response URL's keys would be in the body, if they were not taken out.
fn message() -> SlackMessage {
    SlackMessage {
        audience: Audience::Channel,
        ..any_message()
    }
}

async fn result_at(origin: &str, times: &str, call: Call) -> PostResult {
    let tokens = usual_token();
    let client = bot_client(origin, times, &tokens);
    let parent = card();
    match call {
        Call::Edit => client.post(&PostTarget::Edit(parent), &message()).await,
        Call::Reply { broadcast } => {
            let thread = PostTarget::Thread { parent, broadcast };
            client.post(&thread, &message()).await
        }
        Call::Delete => client.delete(&parent).await,
    }
}

/// The result of a call that gets this answer, and the request, which was sent once.
async fn exchange(call: Call, answer: &str) -> (PostResult, String) {
    let (listener, origin) = listen_as_slack().await;
    let result = result_at(&origin, "", call);
    let exchange = tokio::join!(result, serve_once(&listener, answer));
    assert_no_call(listener);
    exchange
}

async fn result(call: Call, status: &str, headers: &str, body: &str) -> PostResult {
    exchange(call, &raw_response(status, headers, body)).await.0
}

async fn result_of_error(call: Call, error: &str) -> PostResult {
    exchange(call, &error_response(error)).await.0
}

fn body_of(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn done() -> String {
    let body = json!({"ok": true, "channel": "C0001", "ts": TS});
    raw_response("200 OK", "", &body.to_string())
}

#[tokio::test]
async fn each_call_sends_what_slack_takes_and_no_more() {
    let of_message = message().to_json();
    let content = |also: Value| {
        let mut body = json!({
            "channel": "C0001", "text": of_message["text"], "blocks": of_message["blocks"],
            "unfurl_links": false, "unfurl_media": false,
        });
        let fields = body.as_object_mut().unwrap();
        fields.extend(also.as_object().unwrap().clone());
        body
    };
    let reply = |broadcast: bool| content(json!({"thread_ts": TS, "reply_broadcast": broadcast}));
    for (call, method, body) in [
        (Call::Edit, "chat.update", content(json!({"ts": TS}))),
        (
            Call::Reply { broadcast: false },
            "chat.postMessage",
            reply(false),
        ),
        (
            Call::Reply { broadcast: true },
            "chat.postMessage",
            reply(true),
        ),
        (
            Call::Delete,
            "chat.delete",
            json!({"channel": "C0001", "ts": TS}),
        ),
    ] {
        let (result, request) = exchange(call, &done()).await;
        assert_eq!(result, PostResult::Delivered(Some(card())), "{call:?}");
        let start = format!("POST /api/{method} HTTP/1.1\r\n");
        assert!(request.starts_with(&start), "{request}");
        let head = request.to_ascii_lowercase();
        assert!(head.contains("\r\nauthorization: bearer xoxb-"), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/json; charset=utf-8\r\n"),
            "{head}"
        );
        assert_eq!(body_of(&request), body, "{call:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_has_slacks_word() {
    let of_edits = "message_not_found cant_update_message edit_window_closed is_inactive block_mismatch \
                    streaming_state_conflict no_dual_broadcast_content_update";
    let of_replies = "restricted_action restricted_action_thread_only_channel is_archived \
                      restricted_action_non_threadable_channel message_not_found";
    let of_deletions = "cant_delete_message compliance_exports_prevent_deletion";
    let of_all = "channel_not_found not_in_channel invalid_blocks invalid_blocks_format msg_too_long \
                  msg_blocks_too_long no_text no_permission missing_scope invalid_arguments \
                  ekm_access_denied team_not_found a_word_of_next_year";
    for (calls, words) in [
        (&[Call::Edit][..], of_edits),
        (&[Call::Reply { broadcast: true }], of_replies),
        (&[Call::Delete], of_deletions),
        (&CALLS, of_all),
    ] {
        for &call in calls {
            for word in words.split_whitespace() {
                assert_eq!(
                    result_of_error(call, word).await,
                    rejected(word),
                    "{call:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_gone_needs_no_deletion() {
    let gone = result_of_error(Call::Delete, "message_not_found").await;
    assert_eq!(gone, PostResult::Delivered(None));
    let word = "message_not_found_yet";
    assert_eq!(result_of_error(Call::Delete, word).await, rejected(word));
}

#[tokio::test]
async fn a_token_that_slack_rejects_may_be_an_old_one() {
    for call in CALLS {
        for word in
            "invalid_auth token_revoked token_expired account_inactive not_authed".split(' ')
        {
            let reason = word.to_owned();
            let result = result_of_error(call, word).await;
            assert_eq!(result, PostResult::Unauthorized { reason }, "{call:?}");
        }
    }
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_later() {
    let words = "ratelimited rate_limited service_unavailable team_added_to_org org_login_required \
                 request_timeout accesslimited external_channel_migrating";
    let after = Some(Duration::from_secs(7));
    for call in CALLS {
        for word in words.split_whitespace() {
            let body = json!({"ok": false, "error": word}).to_string();
            let result = result(call, "200 OK", "retry-after: 7\r\n", &body).await;
            assert_eq!(result, PostResult::Later { after }, "{call:?} {word}");
        }
        let result = result(call, "429 Too Many Requests", "retry-after: 7\r\n", "").await;
        assert_eq!(result, PostResult::Later { after }, "{call:?}");
    }
}

#[tokio::test]
async fn an_error_of_slacks_own_leaves_the_outcome_unknown() {
    for call in CALLS {
        for word in "internal_error fatal_error update_failed".split(' ') {
            assert_eq!(
                result_of_error(call, word).await,
                PostResult::Unknown,
                "{call:?} {word}"
            );
        }
        for status in [
            "500 Internal Server Error",
            "503 Service Unavailable",
            "408 Request Timeout",
        ] {
            for body in [
                "",
                r#"{"ok":false,"error":"message_not_found"}"#,
                r#"{"ok":true}"#,
            ] {
                let result = result(call, status, "", body).await;
                assert_eq!(result, PostResult::Unknown, "{call:?} {status} {body}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_the_outcome_unknown() {
    let half = done().replace('}', "");
    let long = raw_response(
        "200 OK",
        "",
        &format!("{{\"ok\":true{}}}", " ".repeat(65 * 1024)),
    );
    for call in CALLS {
        for answer in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.6\r\n", &half, &long] {
            let (result, _) = exchange(call, answer).await;
            assert_eq!(result, PostResult::Unknown, "{call:?} {answer:.40}");
        }
        for body in [
            "",
            "ok",
            "<html>",
            "[]",
            r#"{"ok":"true"}"#,
            r#"{"error":"message_not_found"}"#,
        ] {
            let result = result(call, "200 OK", "", body).await;
            assert_eq!(result, PostResult::Unknown, "{call:?} {body}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_the_outcome_unknown() {
    for call in CALLS {
        let (listener, origin) = listen_as_slack().await;
        let hangs = async {
            let (stream, _) = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        };
        let result = tokio::select! {
            result = result_at(&origin, SHORT_TIMEOUTS, call) => result,
            () = hangs => panic!("it does not end"),
        };
        assert_eq!(result, PostResult::Unknown, "{call:?}");
        assert_no_call(listener);
    }
}

#[tokio::test]
async fn a_place_that_is_no_place_is_not_told() {
    for ts in [
        json!(1_503_435_956.000_247_f64),
        Value::Null,
        json!("now"),
        json!(["1.2"]),
    ] {
        let body = json!({"ok": true, "channel": "C0001", "ts": ts}).to_string();
        for call in CALLS {
            let result = result(call, "200 OK", "", &body).await;
            assert_eq!(result, PostResult::Delivered(None), "{call:?} {ts}");
        }
    }
}

#[tokio::test]
async fn a_redirect_gets_neither_the_token_nor_the_message() {
    let (elsewhere, there) = listen_as_slack().await;
    let location = format!("location: {there}/api/chat.update\r\n");
    for call in CHANGES {
        for status in ["302 Found", "307 Temporary Redirect"] {
            let result = result(call, status, &location, "").await;
            assert_eq!(result, rejected(status), "{call:?}");
        }
    }
    assert_no_call(elsewhere);
}

#[tokio::test]
async fn what_never_left_this_machine_was_not_sent() {
    let (_socket, origin) = closed_port();
    for call in CALLS {
        let result = result_at(&origin, "", call).await;
        assert_eq!(result, not_sent("Slack could not be reached"), "{call:?}");
    }
}

#[tokio::test]
async fn a_pause_that_slack_asks_for_holds_for_every_call() {
    let (listener, origin) = listen_as_slack().await;
    let tokens = usual_token();
    let client = bot_client(&origin, "", &tokens);
    let limited = raw_response("429 Too Many Requests", "retry-after: 30\r\n", "");
    let (edit, message) = (PostTarget::Edit(card()), message());
    let edited = client.post(&edit, &message);
    let (result, _) = tokio::join!(edited, serve_once(&listener, &limited));
    assert_eq!(result.as_str(), "later");
    let card = card();
    for result in [
        client.delete(&card).await,
        client.post(&edit, &message).await,
    ] {
        let PostResult::NotSent { after, .. } = result else {
            panic!("{result:?}");
        };
        assert!(after.unwrap() > Duration::from_secs(20));
    }
    assert_no_call(listener);
}

#[tokio::test]
async fn slack_shows_the_card_as_it_was_edited_last() {
    let sandbox = sandbox().await;
    {
        let mut model = sandbox.slack().lock();
        model.install_bot(TOKEN);
        model.invite_bot("C0001");
    }
    let tokens = usual_token();
    let client = bot_client(sandbox.slack_url(), "", &tokens);
    let PostResult::Delivered(Some(card)) = client.post(&bot_target(), &message()).await else {
        panic!("it says where it is");
    };
    let edit = PostTarget::Edit(card.clone());
    let edited = client.post(&edit, &text::no_response_url()).await;
    assert_eq!(edited, PostResult::Delivered(Some(card.clone())));
    let (parent, broadcast) = (card.clone(), true);
    let thread = PostTarget::Thread { parent, broadcast };
    assert_eq!(client.post(&thread, &message()).await.as_str(), "shown");
    {
        let model = sandbox.slack().lock();
        let [shown, reply] = model.messages() else {
            panic!("one card and one reply");
        };
        assert_eq!((shown.ever_shown().len(), shown.stands()), (2, true));
        assert_eq!(reply.thread_ts.as_deref(), Some(card.ts.as_str()));
        assert!(reply.is_broadcast);
    }
    let deleted = PostResult::Delivered(Some(card.clone()));
    for expected in [deleted, PostResult::Delivered(None)] {
        assert_eq!(client.delete(&card).await, expected);
    }
    let gone = client.post(&edit, &message()).await;
    assert_eq!(gone, rejected("message_not_found"));
}
