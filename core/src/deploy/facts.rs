//! What is learned of a deploy beside what happens to it, and what of its record no event says.

use serde::{Deserialize, Serialize};

use super::{CiRun, DeployRecord, Hold, RunWatch};
use crate::Time;
use crate::release::TargetBefore;

/// What was learned of a run at CircleCI and of its target. Each event says it as it was known then; the
/// commit is a field of the event itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// When the pipeline was first seen `created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// The first line of the commit's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The target as the deploy found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<TargetBefore>,
    /// The approvals that it was seen waiting for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

impl RunFacts {
    /// What `record` knows; `None` if that is nothing.
    #[must_use]
    pub fn of(record: &DeployRecord) -> Option<Box<Self>> {
        let mut facts = Self {
            before: record.before.clone(),
            holds: record.holds.clone(),
            ..Self::default()
        };
        if let Some(run) = &record.run {
            // A new field of a run belongs here, unless the event of its trigger says it.
            let CiRun {
                pipeline: _,
                matched_by: _,
                triggered_at: _,
                revision: _,
                created_at,
                subject,
                author,
            } = run;
            facts.created_at = *created_at;
            facts.subject.clone_from(subject);
            facts.author.clone_from(author);
        }
        (facts != Self::default()).then(|| Box::new(facts))
    }

    /// Writes them into `record`, with the commit.
    pub(crate) fn write(self, revision: Option<String>, record: &mut DeployRecord) {
        let Self {
            created_at,
            subject,
            author,
            before,
            holds,
        } = self;
        if let Some(run) = &mut record.run {
            *run = CiRun {
                created_at,
                revision,
                subject,
                author,
                ..run.clone()
            };
        }
        record.before = before;
        record.holds = holds;
    }
}

impl DeployRecord {
    /// This record, made from the events alone, with the **working part** of `stored`: what the worker keeps
    /// between two events, and what nothing that is shown of the past relies on.
    ///
    /// A new field of the record has to be named here: either an event says it, or it belongs to the
    /// working part, with the reason.
    #[must_use]
    pub fn with_working_part(self, stored: &Self) -> Self {
        let Self {
            // Counts the writes, also those without an event.
            version,
            // When and how CircleCI was read, and when it is read next. What people were told of that is a
            // notice, and an end is an event.
            due_at,
            reads,
            // Shown only while it runs, and read anew with the next poll.
            jobs,
            // Whether the ticket was sent. That one is owed follows from the end.
            owes_ticket,
            // For how long it was watched.
            watch,
            id: _,
            short_id: _,
            state: _,
            events: _,
            last_hash: _,
            request: _,
            valid_until: _,
            locked_target: _,
            attempts: _,
            last_error: _,
            token_refused: _,
            trigger_intent: _,
            run: _,
            before: _,
            holds: _,
            notice: _,
            end: _,
            cancel: _,
            retry_of: _,
            retry_request: _,
            operator: _,
            retried_by: _,
            retry_root: _,
            unresolved_before: _,
            dismissed_by: _,
        } = stored;
        let watch = match (self.watch, watch) {
            (Some(ours), Some(theirs)) => Some(RunWatch {
                waited: theirs.waited,
                ..ours
            }),
            // Once somebody has freed the lock, nothing is noted when the watch is over.
            (Some(_), None) if self.locked_target.is_none() => None,
            (ours, _) => ours,
        };
        Self {
            version: *version,
            due_at: *due_at,
            reads: reads.clone(),
            jobs: jobs.clone(),
            owes_ticket: self.owes_ticket && *owes_ticket,
            watch,
            ..self
        }
    }

    /// This record with what the events of a deploy do not say that began under an earlier version, taken
    /// from `stored`.
    #[must_use]
    pub(crate) fn with_earlier_part(self, stored: &Self, facts_are_known: bool) -> Self {
        let mut record = Self {
            short_id: stored.short_id.clone(),
            valid_until: stored.valid_until,
            retry_root: stored.retry_root,
            retry_request: stored.retry_request,
            unresolved_before: stored.unresolved_before,
            ..self
        };
        if !facts_are_known {
            let revision = record.revision().or(stored.revision()).map(str::to_owned);
            let facts = RunFacts::of(stored).unwrap_or_default();
            facts.write(revision, &mut record);
        }
        record
    }
}
