//! The model: response URLs, invalid bodies, and who sees a message.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn issued() -> (SlackModel, String) {
    let mut model = SlackModel::default();
    let path = model.issue_response_url(at(0), "U1", "C1");
    (model, path)
}

fn post(model: &mut SlackModel, minutes: i64, path: &str, body: &str) -> (u16, String) {
    let answer = model.post_to_url(at(minutes), path, body.as_bytes());
    (answer.status, answer.body)
}

const TEXT: &str = r#"{"text":"hello"}"#;

#[test]
fn a_response_url_takes_five_messages() {
    let (mut model, path) = issued();
    for _ in 0..5 {
        assert_eq!(post(&mut model, 1, &path, TEXT), (200, "ok".to_owned()));
    }
    let error = r#"{"ok":false,"error":"used_url"}"#.to_owned();
    assert_eq!(post(&mut model, 1, &path, TEXT), (404, error));
    let uses: Vec<u32> = model.messages().iter().map(|m| m.nth_use).collect();
    assert_eq!(uses, [1, 2, 3, 4, 5]);
    assert_eq!(model.attempts().len(), 6);
    assert_eq!(model.attempts()[5].nth_use, 6);
}

#[test]
fn a_rejected_attempt_counts_as_a_use() {
    let (mut model, path) = issued();
    for _ in 0..5 {
        assert_eq!(post(&mut model, 0, &path, "{}").0, 400);
    }
    assert_eq!(post(&mut model, 0, &path, TEXT).0, 404);
    assert!(model.messages().is_empty());
}

#[test]
fn a_response_url_expires_after_thirty_minutes() {
    let (mut model, path) = issued();
    assert_eq!(post(&mut model, 30, &path, TEXT).0, 200);
    let expired = r#"{"ok":false,"error":"expired_url"}"#.to_owned();
    assert_eq!(post(&mut model, 31, &path, TEXT), (404, expired));
}

#[test]
fn an_unknown_response_url_is_no_service() {
    let (mut model, path) = issued();
    let unknown = (404, "no_service".to_owned());
    let forged = format!("{path}x");
    assert_eq!(post(&mut model, 0, &forged, TEXT), unknown);
    assert_eq!(model.attempts()[0].nth_use, 0);
}

#[test]
fn response_urls_and_trigger_ids_are_unique() {
    let (mut model, first) = issued();
    let second = model.issue_response_url(at(0), "U1", "C1");
    assert!(first.starts_with("/commands/T0001/"));
    assert_ne!(first, second);
    assert_ne!(model.next_trigger_id(), model.next_trigger_id());
}

#[test]
fn an_invalid_body_has_an_error_code() {
    let header = r#"{"text":"x","blocks":[{"type":"header"}]}"#;
    for (body, error) in [
        ("not json", "invalid_payload"),
        ("[]", "invalid_payload"),
        (r#"{"text":1}"#, "invalid_payload"),
        (r#"{"text":""}"#, "no_text"),
        (r#"{"blocks":[]}"#, "no_text"),
        (header, "invalid_blocks"),
    ] {
        let (mut model, path) = issued();
        assert_eq!(post(&mut model, 0, &path, body), (400, error.to_owned()));
    }
}

#[test]
fn a_message_is_private_unless_it_is_in_channel() {
    let (mut model, path) = issued();
    post(&mut model, 0, &path, TEXT);
    let public = r#"{"text":"hello","response_type":"in_channel"}"#;
    post(&mut model, 0, &path, public);
    let messages = model.messages().iter();
    let seen_by: Vec<_> = messages.map(|m| m.visible_to.as_deref()).collect();
    assert_eq!(seen_by, [Some("U1"), None]);
    assert_eq!(model.messages()[0].channel, "C1");
}

#[test]
fn the_immediate_answer_is_a_message_unless_it_is_empty() {
    let (mut model, path) = issued();
    assert_eq!(model.receive_ack(at(0), &path, b"", true), Ok(None));
    let echo = br#"{"response_type":"in_channel"}"#;
    assert_eq!(model.receive_ack(at(0), &path, echo, true), Ok(None));
    assert!(model.receive_ack(at(0), &path, b"{", true).is_err());
    let plain = model.receive_ack(at(0), &path, b"{", false).unwrap();
    assert_eq!(plain.unwrap().text, "{");
    let blocks = json!({"text": "t", "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": "shown"}}
    ]});
    let body = blocks.to_string();
    let message = model.receive_ack(at(0), &path, body.as_bytes(), true);
    let message = message.unwrap().unwrap();
    assert_eq!((message.nth_use, &*message.shown_text()), (0, "shown"));
    assert_eq!(post(&mut model, 0, &path, TEXT).0, 200);
    assert_eq!(model.messages()[2].nth_use, 1);
}

/// A model whose bot is in C1 and C2.
fn with_bot() -> SlackModel {
    let mut model = SlackModel::default();
    model.install_bot("t");
    model.invite_bot("C1");
    model.invite_bot("C2");
    model
}

fn call(model: &mut SlackModel, minutes: i64, method: BotMethod, body: &Value) -> Value {
    let body = body.to_string();
    let answer = model.call_bot(at(minutes), method, Some("t"), body.as_bytes());
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).unwrap()
}

/// The timestamp of a message that the bot posts.
fn posted(model: &mut SlackModel, body: &Value) -> String {
    let answer = call(model, 0, BotMethod::PostMessage, body);
    assert_eq!(answer["ok"], true, "{answer}");
    answer["ts"].as_str().unwrap().to_owned()
}

fn section(text: &str) -> Value {
    json!([{"type": "section", "text": {"type": "mrkdwn", "text": text}}])
}

fn shown_in<'a>(model: &'a SlackModel, channel: &'a str) -> Vec<String> {
    model
        .standing(channel)
        .map(ShownMessage::shown_text)
        .collect()
}

#[test]
fn a_message_keeps_what_it_showed() {
    let mut model = with_bot();
    let ts = posted(
        &mut model,
        &json!({"channel": "C1", "text": "t", "blocks": section("one")}),
    );
    let edit = |text: &str, blocks: Value| json!({"channel": "C1", "ts": ts, "text": text, "blocks": blocks});
    let answer = call(&mut model, 1, BotMethod::Update, &edit("t", section("two")));
    assert_eq!(
        (&answer["ok"], &answer["channel"]),
        (&json!(true), &json!("C1"))
    );
    assert_eq!(answer["ts"], ts.as_str());
    // A text without blocks removes the blocks.
    call(
        &mut model,
        2,
        BotMethod::Update,
        &edit("three", Value::Null),
    );
    let message = model.message_at("C1", &ts).unwrap();
    assert_eq!(message.ever_shown(), ["one", "two", "three"]);
    assert_eq!(message.blocks, None);
    let times: Vec<_> = message.earlier.iter().map(|version| version.at).collect();
    assert_eq!(
        (times, message.edited_at),
        (vec![at(0), at(1)], Some(at(2)))
    );
    assert_eq!(shown_in(&model, "C1"), ["three"]);
    let answer = call(
        &mut model,
        3,
        BotMethod::Delete,
        &json!({"channel": "C1", "ts": ts}),
    );
    assert_eq!(answer, json!({"ok": true, "channel": "C1", "ts": ts}));
    assert_eq!(shown_in(&model, "C1"), [""; 0]);
    assert_eq!(model.messages()[0].deleted_at, Some(at(3)));
}

#[test]
fn a_reply_is_in_a_thread_and_perhaps_in_the_channel() {
    let mut model = with_bot();
    let parent = posted(&mut model, &json!({"channel": "C1", "text": "card"}));
    let reply = |broadcast: bool| json!({"channel": "C1", "text": "end", "thread_ts": parent, "reply_broadcast": broadcast});
    let quiet = posted(&mut model, &reply(false));
    let loud = posted(&mut model, &reply(true));
    let not_in_a_thread = json!({"channel": "C1", "text": "x", "reply_broadcast": true});
    let alone = posted(&mut model, &not_in_a_thread);
    for (ts, thread, broadcast) in [
        (&quiet, Some(&*parent), false),
        (&loud, Some(&*parent), true),
        (&alone, None, false),
        (&parent, None, false),
    ] {
        let message = model.message_at("C1", ts).unwrap();
        let seen = (message.thread_ts.as_deref(), message.is_broadcast);
        assert_eq!(seen, (thread, broadcast));
    }
}

#[test]
fn only_a_standing_message_of_the_bot_can_be_changed() {
    let mut model = with_bot();
    let path = model.issue_response_url(at(0), "U1", "C1");
    let public = r#"{"text":"by URL","response_type":"in_channel"}"#;
    post(&mut model, 0, &path, public);
    let by_url = model.messages()[0].ts.clone();
    let private = json!({"channel": "C1", "user": "U1", "text": "private"});
    let private = call(&mut model, 0, BotMethod::PostEphemeral, &private);
    let private = private["message_ts"].as_str().unwrap().to_owned();
    let own = posted(&mut model, &json!({"channel": "C1", "text": "own"}));
    let gone = posted(&mut model, &json!({"channel": "C1", "text": "gone"}));
    assert!(model.delete_message(at(1), "C1", &gone));
    assert!(!model.delete_message(at(1), "C1", &gone));
    let left = posted(&mut model, &json!({"channel": "C2", "text": "left"}));
    model.remove_bot("C2");
    let long = "x".repeat(4_001);
    for (channel, ts, text, edited, deleted) in [
        (
            "C1",
            &*by_url,
            "x",
            "cant_update_message",
            "cant_delete_message",
        ),
        (
            "C1",
            &private,
            "x",
            "cant_update_message",
            "cant_delete_message",
        ),
        ("C1", &gone, "x", "message_not_found", "message_not_found"),
        (
            "C1",
            "1.000001",
            "x",
            "message_not_found",
            "message_not_found",
        ),
        ("C2", &left, "x", "not_in_channel", "not_in_channel"),
        ("C3", &own, "x", "channel_not_found", "channel_not_found"),
        ("C1", &own, "", "no_text", ""),
        ("C1", &own, &long, "msg_too_long", ""),
    ] {
        let body = json!({"channel": channel, "ts": ts, "text": text});
        let answer = call(&mut model, 2, BotMethod::Update, &body);
        assert_eq!(answer, json!({"ok": false, "error": edited}), "{body}");
        if !deleted.is_empty() {
            let answer = call(&mut model, 2, BotMethod::Delete, &body);
            assert_eq!(answer, json!({"ok": false, "error": deleted}), "{body}");
        }
    }
    let bad =
        json!({"channel": "C1", "ts": own, "text": "t", "blocks": section(&"x".repeat(3_001))});
    let answer = call(&mut model, 2, BotMethod::Update, &bad);
    assert_eq!(answer["error"], "invalid_blocks");
    let answer = call(
        &mut model,
        2,
        BotMethod::Update,
        &json!({"channel": "C1", "text": "x"}),
    );
    assert_eq!(answer["error"], "invalid_arguments");
    assert_eq!(model.message_at("C1", &own).unwrap().ever_shown(), ["own"]);
    assert_eq!(
        model.message_at("C2", &left).unwrap().ever_shown(),
        ["left"]
    );
}

#[test]
fn a_late_edit_wins_over_a_newer_one() {
    let mut model = with_bot();
    let ts = posted(&mut model, &json!({"channel": "C1", "text": "one"}));
    let edit = |text: &str| json!({"channel": "C1", "ts": ts, "text": text});
    let hold = |model: &mut SlackModel, after, text: &str| {
        let body = edit(text).to_string();
        model.hold_bot_call(at(0), after, BotMethod::Update, Some("t"), body.as_bytes());
    };
    hold(&mut model, Some(TimeDelta::minutes(5)), "five");
    hold(&mut model, Some(TimeDelta::minutes(2)), "two");
    hold(&mut model, None, "told");
    call(&mut model, 1, BotMethod::Update, &edit("newer"));
    assert!(model.carry_out_due(at(1)).is_empty());
    assert_eq!(shown_in(&model, "C1"), ["newer"]);
    assert_eq!(model.carry_out_due(at(5)).len(), 2);
    assert_eq!(shown_in(&model, "C1"), ["five"]);
    assert_eq!(model.late_count(), 1);
    model.carry_out_late(at(6));
    let message = model.message_at("C1", &ts).unwrap();
    assert_eq!(
        message.ever_shown(),
        ["one", "newer", "two", "five", "told"]
    );
    // Of a message that is gone by then nothing comes.
    hold(&mut model, None, "too late");
    model.delete_message(at(7), "C1", &ts);
    let done = model.carry_out_late(at(8));
    assert!(done[0].response.body.contains("message_not_found"));
}

#[test]
fn an_answer_to_a_press_can_take_the_place_of_its_message() {
    let (mut model, path) = issued();
    post(&mut model, 0, &path, r#"{"text":"the form"}"#);
    let ts = model.messages()[0].ts.clone();
    let url = model.issue_action_url(at(1), "U1", "C1", &ts);
    let plan = r#"{"text":"the plan","replace_original":true}"#;
    assert_eq!(post(&mut model, 1, &url, plan).0, 200);
    post(
        &mut model,
        1,
        &url,
        r#"{"text":"beside","replace_original":false}"#,
    );
    assert_eq!(shown_in(&model, "C1"), ["the plan", "beside"]);
    let [replaced, _] = model.messages() else {
        panic!("{:?}", model.messages());
    };
    // It stays one person's.
    assert_eq!(replaced.visible_to.as_deref(), Some("U1"));
    assert_eq!(replaced.ever_shown(), ["the form", "the plan"]);
    // A command has no message to replace.
    post(&mut model, 2, &path, plan);
    assert_eq!(shown_in(&model, "C1").len(), 3);
}
