//! Outgoing webhooks: their content and signature.

use serde_json::{Value, json};
use uuid::Uuid;

use super::project::{derived_uuid, long_slug, org_and_repo};
use super::view::{JobView, format_time};
use super::{ApiError, ApiResult, CircleCiModel};
use crate::circleci::JobKind;
use crate::http::hmac_hex;
use crate::server::Time;

/// The header with the signatures, `name=value` and separated by commas.
pub const SIGNATURE_HEADER: &str = "circleci-signature";

/// The header with the kind of event.
pub const EVENT_HEADER: &str = "circleci-event-type";

/// An event before it is signed.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundEvent {
    /// Such as `workflow-completed`.
    pub kind: String,
    /// The body.
    pub body: Value,
}

/// An event as it is sent. A changed header or body makes it a forgery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvent {
    /// Such as `workflow-completed`.
    pub kind: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON text.
    pub body: String,
}

/// The `v1` signature of a body: 64 lower-case hexadecimal digits.
pub fn sign_webhook(secret: &str, body: &str) -> String {
    hmac_hex(secret, body)
}

impl OutboundEvent {
    /// The event of the button that tests a webhook.
    pub fn ping(now: Time) -> Self {
        Self::new("ping", now, "ping")
    }

    /// An event of a kind that does not exist yet.
    pub fn unknown_kind(now: Time, kind: &str) -> Self {
        Self::new(kind, now, kind)
    }

    fn new(kind: &str, now: Time, subject: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            body: json!({
                "id": derived_uuid(&format!("event {kind} {subject}")),
                "type": kind,
                "happened_at": format_time(now),
                "webhook": {"id": derived_uuid("webhook"), "name": "deploys"},
            }),
        }
    }

    /// The request, signed if there is a secret.
    pub fn signed(&self, secret: Option<&str>) -> SignedEvent {
        let body = self.body.to_string();
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "CircleCI-Webhook/1.0".to_owned()),
            (EVENT_HEADER, self.kind.clone()),
        ];
        if let Some(secret) = secret {
            let signature = format!("v1={}", sign_webhook(secret, &body));
            headers.push((SIGNATURE_HEADER, signature));
        }
        SignedEvent {
            kind: self.kind.clone(),
            headers,
            body,
        }
    }
}

impl SignedEvent {
    /// Replaces the value of a header, or adds the signature where there was none.
    pub fn set_header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers
            .retain(|header| !header.0.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
    }
}

impl CircleCiModel {
    /// The event of a workflow that ended with this status.
    pub fn workflow_completed(
        &self,
        workflow: Uuid,
        at: Time,
        status: &str,
    ) -> ApiResult<OutboundEvent> {
        let mut event = self.workflow_event("workflow-completed", workflow, at)?;
        event.body["workflow"]["status"] = status.into();
        Ok(event)
    }

    /// The event of the workflow's first job that is no approval, as one that ended with this
    /// status.
    pub fn job_completed(
        &self,
        workflow: Uuid,
        at: Time,
        status: &str,
    ) -> ApiResult<OutboundEvent> {
        let (pipeline, run) = self.workflow_run(workflow)?;
        let page = pipeline.jobs(run, at.max(run.starts_at()));
        let is_build = |job: &&JobView| job.kind == JobKind::Build;
        let job = page.items.iter().find(is_build);
        let job = job.ok_or_else(|| ApiError::new(404, "Job not found"))?;
        let (number, started_at) = (run.job_number(pipeline.number, 0), job.started_at);
        let job = json!({
            "id": job.id,
            "name": job.name,
            "number": job.job_number.unwrap_or(number),
            "started_at": format_time(started_at.unwrap_or_else(|| run.starts_at())),
            "stopped_at": format_time(at),
            "status": status,
        });
        self.job_event(workflow, at, job)
    }

    /// The events of the workflow's jobs that end by `end`, in their order, as of `at`.
    pub(in super::super) fn jobs_completed(
        &self,
        workflow: Uuid,
        end: Time,
        at: Time,
    ) -> Vec<OutboundEvent> {
        let Ok((pipeline, run)) = self.workflow_run(workflow) else {
            return Vec::new();
        };
        let jobs = pipeline.jobs(run, end).items.into_iter();
        let reported = jobs.filter(|job| {
            job.kind == JobKind::Build
                && matches!(
                    job.status.as_str(),
                    "success" | "failed" | "canceled" | "unauthorized"
                )
        });
        let event = |job: JobView| {
            let stopped_at = job.stopped_at.unwrap_or(at).min(at);
            let started_at = job.started_at.unwrap_or(stopped_at);
            let body = json!({
                "id": job.id,
                "name": job.name,
                "number": job.job_number,
                "started_at": format_time(started_at),
                "stopped_at": format_time(stopped_at),
                "status": job.status,
            });
            self.job_event(workflow, at, body).ok()
        };
        reported.filter_map(event).collect()
    }

    fn job_event(&self, workflow: Uuid, at: Time, job: Value) -> ApiResult<OutboundEvent> {
        let mut event = self.workflow_event("job-completed", workflow, at)?;
        let name = format!("event job-completed {}", job["id"]);
        event.body["id"] = json!(derived_uuid(&name));
        event.body["job"] = job;
        Ok(event)
    }

    fn workflow_event(&self, kind: &str, workflow: Uuid, at: Time) -> ApiResult<OutboundEvent> {
        let (pipeline, run) = self.workflow_run(workflow)?;
        let slug = long_slug(&pipeline.slug);
        let (org, repo) = org_and_repo(&slug);
        let mut event = OutboundEvent::new(kind, at, &workflow.to_string());
        let url = format!(
            "https://app.circleci.com/pipelines/{slug}/{}/workflows/{workflow}",
            pipeline.number
        );
        let project = derived_uuid(&pipeline.slug);
        event.body["project"] = json!({"id": project, "name": repo, "slug": slug});
        event.body["organization"] = json!({"id": derived_uuid(org), "name": org});
        event.body["pipeline"] = json!({
            "id": pipeline.id,
            "number": pipeline.number,
            "created_at": format_time(pipeline.created_at),
            "trigger": {"type": "api"},
        });
        let facts = &mut event.body["pipeline"];
        if let Some(mut vcs) = pipeline.vcs() {
            vcs.provider_name.make_ascii_lowercase();
            facts["vcs"] = json!(vcs);
        } else {
            facts["trigger_parameters"] = json!(pipeline.trigger_parameters());
        }
        event.body["workflow"] = json!({
            "id": workflow,
            "name": run.name(),
            "created_at": format_time(run.starts_at()),
            "stopped_at": format_time(at),
            "url": url,
        });
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn the_signature_is_circlecis() {
        // The examples in CircleCI's documentation.
        let signature = "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a";
        assert_eq!(sign_webhook("secret", "hello world"), signature);
        let signature = "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00";
        assert_eq!(sign_webhook("another-secret", "lalala"), signature);
    }

    #[test]
    fn an_event_without_a_secret_is_not_signed() {
        let event = OutboundEvent::ping(DateTime::UNIX_EPOCH);
        let mut plain = event.signed(None);
        let is_signature = |header: &(&str, _)| header.0 == SIGNATURE_HEADER;
        assert!(!plain.headers.iter().any(is_signature));
        plain.set_header(SIGNATURE_HEADER, "v1=00");
        assert_eq!(plain.headers.last().unwrap().1, "v1=00");
        let signed = event.signed(Some("secret"));
        let expected = format!("v1={}", sign_webhook("secret", &signed.body));
        assert_eq!(signed.headers.last().unwrap().1, expected);
    }
}
