//! What a person does to CircleCI on the page: it goes away, loses an answer, says no, is late, or
//! ends its next run in another way.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Page;
use super::requests::{Refusal, json_answer, read};
use crate::circleci::{CiCall, RunScript};
use crate::fault::HttpFault;
use crate::server::now;

/// How much later the workflows come that come late.
const LATE: Duration = Duration::from_secs(20);

/// How long the runs take.
const RUN_TIME: Duration = Duration::from_secs(10);

/// The jobs of the runs.
const JOBS: [&str; 3] = ["build", "test", "deploy"];

/// The call that starts a run.
const TRIGGER: CiCall = CiCall::Run;

/// A change of CircleCI.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Unreachable(bool),
    LoseAnswer(bool),
    Refuse(bool),
    StartLate(bool),
    NextRun(NextRun),
    Approve { workflow: Uuid, request: Uuid },
}

/// How the next run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
enum NextRun {
    AsUsual,
    Succeeds,
    Fails,
    WaitsForApproval,
    Endless,
}

impl NextRun {
    fn script(self) -> Option<RunScript> {
        match self {
            Self::AsUsual => None,
            Self::Succeeds => Some(RunScript::staged(&JOBS, RUN_TIME, "success")),
            Self::Fails => Some(RunScript::staged(&JOBS, RUN_TIME, "failed")),
            Self::WaitsForApproval => {
                let held_at = RUN_TIME / 5;
                // Nobody waits so long: whoever approves it leaves out the rest.
                let unattended = Duration::from_hours(24);
                let end = unattended + RUN_TIME / 2;
                Some(RunScript::held(held_at, unattended, end, "success"))
            }
            Self::Endless => Some(RunScript::endless()),
        }
    }
}

fn refusal() -> HttpFault {
    HttpFault::Reject {
        status: 403,
        retry_after_s: None,
        message: "Permission denied".to_owned(),
    }
}

/// Answers `POST /page/circleci`.
pub(super) async fn change(
    State(page): State<Arc<Page>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let circleci = &page.circleci;
    let set_fault = |is_on: bool, fault| circleci.replace_faults(TRIGGER, is_on.then_some(fault));
    match read(&body)? {
        Change::Unreachable(is_on) => {
            let server = &page.circleci_server;
            let done = if is_on {
                server.take_offline().await
            } else {
                server.bring_online().await
            };
            let taken = |_| (StatusCode::INTERNAL_SERVER_ERROR, "its address is taken");
            done.map_err(taken)?;
        }
        Change::LoseAnswer(is_on) => set_fault(is_on, HttpFault::AnswerLost),
        Change::Refuse(is_on) => set_fault(is_on, refusal()),
        Change::StartLate(is_on) => {
            let by = if is_on { LATE } else { Duration::ZERO };
            circleci.lock().delay_workflows(by);
        }
        Change::NextRun(next) => circleci.lock().replace_next(next.script()),
        Change::Approve { workflow, request } => {
            let approved = circleci.lock().approve_job(now(), workflow, request);
            approved.map_err(|_| (StatusCode::CONFLICT, "it does not wait for an approval"))?;
        }
    }
    Ok(json_answer(&switches(&page).await))
}

/// What is set, as the page shows it.
pub(super) async fn switches(page: &Page) -> Value {
    let fault = page.circleci.next_fault(TRIGGER);
    let is_online = page.circleci_server.is_online().await;
    let model = page.circleci.lock_for_read();
    let next = <NextRun as strum::VariantArray>::VARIANTS;
    let next = next
        .iter()
        .find(|next| next.script().as_ref() == model.next_run());
    json!({
        "unreachable": !is_online,
        "lose_answer": fault == Some(HttpFault::AnswerLost),
        "refuse": fault == Some(refusal()),
        "start_late": !model.workflow_delay().is_zero(),
        "next_run": next.unwrap_or(&NextRun::AsUsual),
    })
}
