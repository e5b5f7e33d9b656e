//! The model: response URLs, invalid bodies, and who sees a message.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

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
