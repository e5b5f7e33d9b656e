//! The stream of the page: first everything, then what changes. Whoever connects again gets everything
//! again, so nothing is missed in between.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::requests::Refusal;
use super::switches::switches;
use super::{Page, view};
use crate::journal::JournalSubscription;

/// The time of CircleCI's scripts passes without an event, so what it shows is read again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// After this the browser connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Answers `GET /page/events?person=<id>`.
pub(super) async fn follow(
    State(page): State<Arc<Page>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let person = query
        .get("person")
        .or(page.workspace.people.first().map(|(_, id)| id));
    let known = person.filter(|person| page.workspace.person_name(person).is_some());
    let unknown = (StatusCode::BAD_REQUEST, "there is no such person here");
    let follower = Follower {
        person: known.ok_or(unknown)?.clone(),
        seen: page.journal.subscribe(),
        page,
        sent: None,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = Event::default().data(follower.next().await.to_string());
        let event = event.retry(RECONNECT_AFTER);
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new())
        .into_response())
}

/// One reader of the stream.
struct Follower {
    page: Arc<Page>,
    person: String,
    seen: JournalSubscription,
    /// What the reader has; `None` before the first event.
    sent: Option<Sent>,
}

/// What the page shows.
#[derive(PartialEq)]
struct Sent {
    messages: BTreeMap<String, Value>,
    pipelines: Value,
    switches: Value,
}

impl Follower {
    /// The next event.
    async fn next(&mut self) -> Value {
        loop {
            let now = Sent {
                messages: view::messages(&self.page, &self.person),
                pipelines: view::pipelines(&self.page),
                switches: switches(&self.page).await,
            };
            match self.sent.replace(now) {
                None => return self.everything(),
                Some(before) if self.sent.as_ref() != Some(&before) => {
                    return self.changes(&before);
                }
                // Whether there was an event or only time passed: it is read again.
                Some(_) => drop(timeout(LOOK_AGAIN, self.seen.next()).await),
            }
        }
    }

    fn everything(&self) -> Value {
        let nothing = Sent {
            messages: BTreeMap::new(),
            pipelines: Value::Null,
            switches: Value::Null,
        };
        let mut event = self.changes(&nothing);
        event["workspace"] = view::workspace(&self.page);
        event["person"] = json!(self.person);
        event
    }

    fn changes(&self, before: &Sent) -> Value {
        let Some(now) = &self.sent else {
            return json!({});
        };
        let is_new = |(key, view): &(&String, &Value)| before.messages.get(*key) != Some(*view);
        let new: Vec<_> = now
            .messages
            .iter()
            .filter(is_new)
            .map(|(_, view)| view)
            .collect();
        let is_gone = |key: &&String| !now.messages.contains_key(*key);
        let gone: Vec<_> = before.messages.keys().filter(is_gone).collect();
        let mut event = json!({"messages": new, "gone": gone});
        if now.pipelines != before.pipelines {
            event["pipelines"] = now.pipelines.clone();
        }
        if now.switches != before.switches {
            event["switches"] = now.switches.clone();
        }
        event
    }
}
