//! What the page shows, as JSON: the messages that one person sees, and CircleCI's newest pipelines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Page, Workspace};
use crate::circleci::{CircleCiModel, FakePipeline};
use crate::journal::JournalEvent;
use crate::server::{Time, now};
use crate::slack::ShownMessage;

/// So many pipelines are shown.
const PIPELINES: usize = 12;

/// Whether a person sees a message.
pub(super) fn sees(person: &str, message: &ShownMessage) -> bool {
    message.stands()
        && message
            .visible_to
            .as_deref()
            .is_none_or(|only| only == person)
}

/// The people, the channels and what can be typed.
pub(super) fn workspace(page: &Page) -> Value {
    let Workspace {
        people,
        channels,
        suggestions,
    } = &page.workspace;
    let named = |all: &[(String, String)]| -> Value {
        let all = all.iter().map(|(name, id)| json!({"name": name, "id": id}));
        all.collect()
    };
    json!({
        "people": named(people),
        "channels": named(channels),
        "suggestions": suggestions,
        "command": page.command,
    })
}

/// What a person sees in all channels, by a key that stays the same: the messages, and what they typed
/// themselves.
pub(super) fn messages(page: &Page, person: &str) -> BTreeMap<String, Value> {
    let typed = page.journal.collect(|n, entry| match &entry.event {
        JournalEvent::CommandTyped {
            user_id,
            channel_id,
            command,
            text,
            ..
        } if user_id == person => {
            let key = format!("typed-{n}");
            let line = format!("{command} {text}");
            let view = json!({
                "key": key, "at": entry.at.timestamp_micros(), "channel": channel_id,
                "typed": line.trim_end(),
            });
            Some((key, view))
        }
        _ => None,
    });
    let slack = page.slack.lock();
    let seen = slack
        .messages()
        .iter()
        .filter(|message| sees(person, message));
    let shown = seen.map(|message| (message.ts.clone(), message_view(message)));
    shown.chain(typed).collect()
}

fn message_view(message: &ShownMessage) -> Value {
    json!({
        "key": message.ts,
        "ts": message.ts,
        "at": message.at.timestamp_micros(),
        "channel": message.channel,
        "thread_ts": message.thread_ts,
        "broadcast": message.is_broadcast,
        "only_you": message.visible_to.is_some(),
        "text": message.text,
        "blocks": message.blocks,
        "edited_at": message.edited_at.map(|at| at.timestamp_micros()),
    })
}

/// CircleCI's newest pipelines, with their workflows and jobs.
pub(super) fn pipelines(page: &Page) -> Value {
    let (model, now) = (page.circleci.lock_for_read(), now());
    let newest = model.all_pipelines().iter().rev().take(PIPELINES);
    newest
        .map(|pipeline| pipeline_view(&model, now, pipeline))
        .collect()
}

fn pipeline_view(model: &CircleCiModel, now: Time, pipeline: &FakePipeline) -> Value {
    let view = model.get_pipeline(now, pipeline.id).ok();
    let state = view.as_ref().map(|view| view.state);
    let errors = view.and_then(|view| view.errors).unwrap_or_default();
    let errors: Vec<_> = errors.into_iter().map(|error| error.message).collect();
    let page = model.list_workflows(now, pipeline.id).ok();
    let workflows = page.map(|page| page.items).unwrap_or_default();
    let workflows = workflows.into_iter().map(|workflow| {
        let jobs = model.list_jobs(now, workflow.id).ok();
        let jobs = jobs.map(|page| page.items).unwrap_or_default();
        let jobs = jobs.into_iter().map(|job| {
            json!({
                "name": job.name, "status": job.status, "kind": job.kind,
                "request": job.approval_request_id,
            })
        });
        json!({
            "id": workflow.id, "name": workflow.name, "status": workflow.status,
            "jobs": jobs.collect::<Value>(),
        })
    });
    json!({
        "id": pipeline.id,
        "number": pipeline.number,
        "reference": if pipeline.tag.is_empty() { &pipeline.branch } else { &pipeline.tag },
        "revision": pipeline.revision.get(..7),
        "job": pipeline.parameters.get("job"),
        "at": pipeline.created_at.timestamp_micros(),
        "state": state,
        "errors": errors,
        "workflows": workflows.collect::<Value>(),
    })
}
