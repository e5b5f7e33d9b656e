//! What a person does on the page: types a command, presses a button, chooses from a menu.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Page, view};
use crate::slack::{ButtonPress, TypedCommand, blocks};

/// Why nothing was done.
pub(super) type Refusal = (StatusCode, &'static str);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandForm {
    person: String,
    channel: String,
    text: String,
}

/// Types a command; the answer says how the app acknowledged it.
pub(super) async fn type_command(
    State(page): State<Arc<Page>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let form: CommandForm = read(&body)?;
    let (user_name, channel_name) = names(&page, &form.person, &form.channel)?;
    let typed = TypedCommand {
        user_id: form.person,
        user_name,
        channel_id: form.channel,
        channel_name,
        text: form.text,
    };
    let (_, ack) = page.app.type_command(typed).ok_or(NO_APP)?;
    let ack = arrived(ack).await?;
    // A failure is no message: Slack tells it the person alone, and keeps nothing.
    let is_failed = ack.status != Some(200);
    let error = is_failed.then_some(ack.shown);
    Ok(json_answer(&json!({"status": ack.status, "error": error})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PressForm {
    person: String,
    channel: String,
    /// The message's timestamp.
    ts: String,
    action_id: String,
    /// What was chosen, in a menu.
    value: Option<String>,
    /// What stands in the fields, by block and element.
    fields: BTreeMap<String, BTreeMap<String, String>>,
}

/// Presses a button that the person sees, or chooses from such a menu; the answer says how the app
/// acknowledged it.
pub(super) async fn press(State(page): State<Arc<Page>>, body: Bytes) -> Result<Response, Refusal> {
    let form: PressForm = read(&body)?;
    let press = {
        let slack = page.slack.lock();
        let message = slack.message_at(&form.channel, &form.ts);
        let message = message.filter(|message| view::sees(&form.person, message));
        let shown = message.and_then(|message| message.blocks.clone());
        shown.ok_or((StatusCode::NOT_FOUND, "the message is gone"))
    };
    let press = build_press(&page, form, press?)?;
    let status = page.app.press(&press).ok_or(NO_APP)?;
    let status = arrived(status).await?;
    Ok(json_answer(&json!({ "status": status })))
}

fn build_press(page: &Page, form: PressForm, blocks: Value) -> Result<ButtonPress, Refusal> {
    let (user_name, _) = names(page, &form.person, &form.channel)?;
    let element = blocks::element(&blocks, &form.action_id);
    let element = element.ok_or((StatusCode::NOT_FOUND, "the message has no such button"))?;
    let value = match element["type"].as_str() {
        Some("button") => element["value"].as_str().map(str::to_owned),
        _ => form.value,
    };
    let entered = |block: &str, field: &str| {
        let text = form.fields.get(block)?.get(field)?;
        Some(text.as_str())
    };
    Ok(ButtonPress {
        user_id: form.person.clone(),
        user_name,
        channel_id: form.channel.clone(),
        message_ts: Some(form.ts.clone()),
        action_id: form.action_id.clone(),
        state: blocks::filled_state(&blocks, entered),
        blocks,
        value,
    })
}

const NO_APP: Refusal = (StatusCode::SERVICE_UNAVAILABLE, "no app is installed yet");

/// The names of a person and a channel of the workspace.
fn names(page: &Page, person: &str, channel: &str) -> Result<(String, String), Refusal> {
    let person = page.workspace.person_name(person);
    let channel = page.workspace.channel_name(channel);
    match (person, channel) {
        (Some(person), Some(channel)) => Ok((person.to_owned(), channel.to_owned())),
        (None, _) => Err((StatusCode::BAD_REQUEST, "there is no such person here")),
        (_, None) => Err((StatusCode::BAD_REQUEST, "there is no such channel here")),
    }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| (StatusCode::BAD_REQUEST, "it cannot be read"))
}

async fn arrived<T>(sent: oneshot::Receiver<T>) -> Result<T, Refusal> {
    let lost = |_| (StatusCode::SERVICE_UNAVAILABLE, "it was not sent");
    sent.await.map_err(lost)
}

pub(super) fn json_answer(body: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
