//! CircleCI's answers, whatever is in them, tried by a fuzzer; see `core/src/fuzz.rs`.

use bolero::check;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{PipelineDetails, TriggerOutcome};
use chatops_http::{JsonResponse, MAX_MESSAGE_CHARS, MAX_NAME_CHARS};
use futures::FutureExt;
use serde::de::DeserializeOwned;

use crate::build_status::{build_status, is_retried, retried_as, warn_of_unknown_end};
use crate::response::{error_for_status, trigger_outcome};
use crate::wire::{self, Item, V1Build, V2Job, V2Page, V2Pipeline, V2PipelineDetails, V2Workflow};

/// An answer whose status is the first byte's and whose body is the rest.
fn answer(status: u8, body: &[u8]) -> JsonResponse {
    const STATUSES: [u16; 12] = [200, 201, 202, 400, 401, 403, 404, 408, 422, 429, 500, 503];
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let mut response = http::Response::new(body.to_vec());
    *response.status_mut() = status.try_into().unwrap();
    wait_for(JsonResponse::read(response.into()))
}

/// The result of what never waits: the answers are in memory.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn is_at_most(text: &str, limit: usize) -> bool {
    // One more for the mark of what was cut.
    text.chars().count() <= limit + 1
}

/// Only a success that names what was created says that something was, and only an answer that is certain
/// to come before any start says that nothing was.
#[test]
fn triggers() {
    check!(name = "triggers").for_each(|input: &[u8]| {
        let Some((&first, body)) = input.split_first() else {
            return;
        };
        let response = answer(first, body);
        let status = response.status;
        let created = |seen: &V2Pipeline| {
            let (id, number) = seen.key()?;
            Some(CiPipeline {
                kind: CiRunKind::Pipeline,
                id: PipelineId(id),
                number,
                url: "https://app.circleci.com/".parse().ok()?,
            })
        };
        let outcome = wait_for(trigger_outcome(response, created, V2Pipeline::message));
        match outcome {
            TriggerOutcome::Created(_) => assert!(status.is_success()),
            TriggerOutcome::Unknown { .. } => {
                assert!(status.is_success() || status.is_server_error() || status == 408);
            }
            TriggerOutcome::Refused { message, .. } => {
                assert!(status == 200 || status.is_client_error());
                assert!(is_at_most(&message, MAX_MESSAGE_CHARS));
            }
            _ => assert!(status.is_client_error()),
        }
    });
}

/// The body as this form, if it is one.
fn read<T: DeserializeOwned + Send + 'static>(body: &[u8]) -> Option<T> {
    let response = error_for_status(answer(0, body)).ok()?;
    wait_for(response.parse()).ok()
}

/// What is read has no text that is longer than what a record holds, and lists lose nothing but nulls.
#[test]
fn pipelines() {
    check!(name = "pipelines").for_each(|body: &[u8]| {
        if let Some(page) = read::<V2Page<V2Workflow>>(body) {
            let there = |item: &&Item<_>| !matches!(item, Item::Null);
            let count = page.items.iter().filter(there).count();
            let workflows = wire::workflows(page.items);
            assert_eq!(workflows.len(), count);
            for workflow in workflows {
                assert!(is_at_most(&workflow.name, MAX_NAME_CHARS));
                assert!(is_at_most(&workflow.id, MAX_NAME_CHARS));
            }
        }
        if let Some(page) = read::<V2Page<V2Job>>(body) {
            for job in wire::jobs(page.items) {
                assert!(is_at_most(&job.name, MAX_NAME_CHARS));
            }
        }
        if let Some(seen) = read::<V2PipelineDetails>(body) {
            let details = PipelineDetails::from(seen);
            let said = details.errors.iter().map(|error| &error.message);
            assert!(
                said.into_iter()
                    .all(|said| is_at_most(said, MAX_MESSAGE_CHARS))
            );
        }
    });
}

/// A build of API v1.1.
#[test]
fn builds() {
    check!(name = "builds").for_each(|body: &[u8]| {
        let Some(build) = read::<Item<V1Build>>(body).and_then(Item::known) else {
            return;
        };
        let number = build.number().unwrap_or_default();
        // A build that was retried is not the end of its chain.
        if let Some(next) = retried_as(&build, number) {
            assert!(is_retried(&build) && next > number);
        }
        build_status(&build);
        warn_of_unknown_end(&build, number);
        let texts = [build.revision(), build.subject(), build.job_name()];
        for text in texts.into_iter().flatten() {
            assert!(is_at_most(&text, MAX_MESSAGE_CHARS));
        }
    });
}
