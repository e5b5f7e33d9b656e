//! Retry tickets: what waits in the dead-letter queue, and what left it.

use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::message::WorkMessage;
use chatops_core::ports::QueueName;
use chrono::TimeDelta;

use super::{Findings, FinishedRun};
use crate::violation::Invariant::{ExactTickets, TicketKept};

/// Refusals that no repetition can change.
const HOPELESS: [u16; 3] = [400, 404, 422];

impl FinishedRun<'_> {
    pub(super) fn check_tickets(&self, found: &mut Findings) {
        let mut tickets = vec![];
        for message in self.world.queue.messages(QueueName::WorkDlq) {
            if let Ok(WorkMessage::Retry { deploy }) = message.body.decode() {
                tickets.push(deploy);
            } else {
                let detail = format_args!("another message died");
                found.require(false, ExactTickets, detail);
            }
        }
        let failed = |record: &DeployRecord| record.state == DeployState::TriggerFailed;
        for id in &tickets {
            let failed = self.records.get(id).is_some_and(failed);
            let detail = format_args!("a retry ticket for {id}, whose trigger did not fail");
            found.require(failed, ExactTickets, detail);
        }
        let of_failed = self.records.values().filter(|record| failed(record));
        let is_current =
            |record: &&DeployRecord| !self.is_too_old(record) && !self.was_redriven_late(record);
        for record in of_failed.filter(is_current) {
            self.check_ticket(record, tickets.contains(&record.id), found);
        }
    }

    /// A ticket that nobody redrives in time can no longer be carried out, and the sweeper removes it.
    fn is_too_old(&self, record: &DeployRecord) -> bool {
        let window = self.world.config().timeouts.retry_window;
        let limit = record.end.as_ref().map(|end| end.at + window);
        limit.is_some_and(|limit| self.now() + self.world.tolerance > limit)
    }

    /// A ticket that is handled after more than a day is not carried out and does not come back;
    /// faults may delay for a while one that was redriven in time.
    fn was_redriven_late(&self, record: &DeployRecord) -> bool {
        let limit = record.end.as_ref().map(|end| end.at + TimeDelta::hours(20));
        let redriven = self.world.redriven.iter();
        let mut redriven = redriven.filter(|(_, id)| *id == record.id);
        redriven.any(|(at, _)| limit.is_some_and(|limit| *at > limit))
    }

    fn check_ticket(&self, record: &DeployRecord, waits: bool, found: &mut Findings) {
        let id = record.id;
        let retry = self.records.values().find(|one| one.retry_of == Some(id));
        if retry.is_some_and(|retry| retry.attempts > 0) {
            let detail = format_args!("a needless retry ticket for {id}");
            found.require(!waits, ExactTickets, detail);
            return;
        }
        let refusal = self.world.circleci.refusal_of(id);
        if refusal.is_some_and(|status| HOPELESS.contains(&status)) {
            let detail = format_args!("a hopeless retry ticket for {id}");
            found.require(!waits, ExactTickets, detail);
        } else if record.dismissed_by.is_some() {
            let detail = format_args!("a retry ticket for {id}, which was dismissed");
            found.require(!waits, ExactTickets, detail);
        } else if retry.is_some() {
            let detail = format_args!("{id} was not retried, and its ticket is gone");
            found.require(waits, TicketKept, detail);
        } else {
            let detail = format_args!("no retry ticket for {id}");
            found.require(waits, TicketKept, detail);
        }
    }
}
