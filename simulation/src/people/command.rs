//! A command as somebody typed it, or an operator's.

use chatops_core::Time;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::{DeployId, RequestId};

use super::Person;

/// A command as somebody typed it, or an operator's.
#[derive(Debug, Clone)]
pub struct IssuedCommand {
    /// The deploy it would be, if it requests one.
    pub deploy: Option<DeployId>,
    /// What identifies its action.
    pub request: RequestId,
    /// The person in Slack; `None` for an operator.
    pub person: Option<Person>,
    /// The path of the response URL.
    pub response_path: String,
    /// What.
    pub text: String,
    /// When.
    pub typed_at: Time,
    /// Whether a button was pressed instead.
    pub is_press: bool,
}

impl IssuedCommand {
    /// Its first word.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// Whether it names a deploy.
    #[must_use]
    pub fn names(&self, record: &DeployRecord) -> bool {
        let mut words = self.text.split(' ');
        words.any(|word| word == record.short_id.as_str() || word == record.id.to_string())
    }

    /// Whether it has this word.
    #[must_use]
    pub fn says(&self, word: &str) -> bool {
        self.text.split(' ').any(|said| said == word)
    }

    /// Whether it is a query.
    #[must_use]
    pub fn is_query(&self) -> bool {
        matches!(
            self.verb(),
            "status" | "show" | "history" | "failed" | "plan"
        )
    }

    /// Whether somebody waits for a reply: to a query, or to an action. People of a workspace that is
    /// not allowed are answered by ingest alone.
    #[must_use]
    pub fn expects_reply(&self) -> bool {
        let action = matches!(self.verb(), "retry" | "cancel" | "unlock" | "dismiss");
        let is_known = self
            .person
            .is_some_and(|person| person.is_of_known_workspace());
        is_known && (action || self.is_query())
    }
}
