//! Outgoing webhooks: what an event says and how it is signed.

use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::model::{Model, Refusal};
use super::project::{derived, long};

/// The header with the signatures, `name=value` and separated by commas.
pub const SIGNATURE_HEADER: &str = "circleci-signature";

/// The header with the kind of event.
pub const EVENT_HEADER: &str = "circleci-event-type";

/// An event before it is signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Such as `workflow-completed`.
    pub kind: String,
    /// The whole body.
    pub body: Value,
}

/// An event as it is sent: change a header or the body to send a forgery.
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
pub fn sign(secret: &str, body: &str) -> String {
    // HMAC takes a key of any length; the error exists only in the trait.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    let mut signature = String::new();
    for byte in mac.finalize().into_bytes() {
        for digit in [byte >> 4, byte & 0xf] {
            signature.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    signature
}

impl Event {
    /// What CircleCI sends when somebody presses the button that tries a webhook out.
    pub fn ping(now: DateTime<Utc>) -> Self {
        Self::of("ping", now, "ping")
    }

    /// An event of a kind that does not exist yet.
    pub fn unknown(now: DateTime<Utc>, kind: &str) -> Self {
        Self::of(kind, now, kind)
    }

    fn of(kind: &str, now: DateTime<Utc>, subject: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            body: json!({
                "id": derived(&format!("event {kind} {subject}")),
                "type": kind,
                "happened_at": time(now),
                "webhook": {"id": derived("webhook"), "name": "deploys"},
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
            headers.push((SIGNATURE_HEADER, format!("v1={}", sign(secret, &body))));
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
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers
            .retain(|header| !header.0.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
    }
}

impl Model {
    /// What CircleCI says when a workflow has ended with this status.
    pub fn workflow_completed(
        &self,
        workflow: Uuid,
        at: DateTime<Utc>,
        status: &str,
    ) -> Result<Event, Refusal> {
        let mut event = self.event("workflow-completed", workflow, at)?;
        event.body["workflow"]["status"] = status.into();
        Ok(event)
    }

    /// What CircleCI says when the workflow's one job has ended with this status.
    pub fn job_completed(
        &self,
        workflow: Uuid,
        at: DateTime<Utc>,
        status: &str,
    ) -> Result<Event, Refusal> {
        let mut event = self.event("job-completed", workflow, at)?;
        let (pipeline, run) = self.run(workflow)?;
        event.body["job"] = json!({
            "id": derived(&format!("job {workflow}")),
            "name": run.name(),
            "number": pipeline.number,
            "started_at": time(run.starts_at()),
            "stopped_at": time(at),
            "status": status,
        });
        Ok(event)
    }

    fn event(&self, kind: &str, workflow: Uuid, at: DateTime<Utc>) -> Result<Event, Refusal> {
        let (pipeline, run) = self.run(workflow)?;
        let slug = long(&pipeline.slug);
        let mut parts = slug.splitn(3, '/').skip(1);
        let (org, repo) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let mut event = Event::of(kind, at, &workflow.to_string());
        let url = format!(
            "https://app.circleci.com/pipelines/{slug}/{}/workflows/{workflow}",
            pipeline.number
        );
        event.body["project"] = json!({"id": derived(&pipeline.slug), "name": repo, "slug": slug});
        event.body["organization"] = json!({"id": derived(org), "name": org});
        event.body["pipeline"] = json!({
            "id": pipeline.id,
            "number": pipeline.number,
            "created_at": time(pipeline.created_at),
            "trigger": {"type": "api"},
            "vcs": {
                "provider_name": "github",
                "origin_repository_url": pipeline.repository(),
                "target_repository_url": pipeline.repository(),
                "branch": pipeline.branch,
                "revision": pipeline.revision(),
            },
        });
        event.body["workflow"] = json!({
            "id": workflow,
            "name": run.name(),
            "created_at": time(run.starts_at()),
            "stopped_at": time(at),
            "url": url,
        });
        Ok(event)
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_circlecis() {
        // The examples in CircleCI's documentation.
        for (secret, body, signature) in [
            (
                "secret",
                "hello world",
                "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a",
            ),
            (
                "another-secret",
                "lalala",
                "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00",
            ),
        ] {
            assert_eq!(sign(secret, body), signature);
        }
    }

    #[test]
    fn an_event_without_a_secret_is_not_signed() {
        let event = Event::ping(DateTime::UNIX_EPOCH);
        let mut plain = event.signed(None);
        assert!(
            plain
                .headers
                .iter()
                .all(|(name, _)| *name != SIGNATURE_HEADER)
        );
        plain.set(SIGNATURE_HEADER, "v1=00");
        assert_eq!(plain.headers.last().unwrap().1, "v1=00");
        let signed = event.signed(Some("secret"));
        let expected = format!("v1={}", sign("secret", &signed.body));
        assert_eq!(signed.headers.last().unwrap().1, expected);
    }
}
