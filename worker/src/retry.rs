//! Retries: by a ticket from the dead-letter queue, or by an action. Either makes a new deploy whose
//! id is derived from the old one's, so that no retry is started twice.

use chatops_core::deploy::decide::{self, RetryCause, RetryDecision};
use chatops_core::deploy::handler::DeployRun;
use chatops_core::deploy::machine::IllegalTransition;
use chatops_core::deploy::{DeployRecord, DeployRequest};
use chatops_core::id::ShortId;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::message::ActionMessage;
use chatops_core::ports::{Commit, CommitError, Conflict, ReadDeploy, WorkerPorts};
use chatops_core::text;
use tracing::{info, warn};

use crate::{Invocation, MAX_TRIES, WorkError, Worker, tag_span};

/// More links than any chain of retries has; a longer one is a bug that must not hang.
const MAX_LINKS: usize = 1_000;

/// The end of a chain of retries.
enum ChainEnd {
    /// A deploy that this same action has made.
    AlreadyRetried(DeployId),
    /// The last deploy.
    Last(Box<DeployRecord>),
}

impl<P: WorkerPorts> Worker<P> {
    /// Carries out a retry ticket: it retries exactly the deploy that it names.
    pub(crate) async fn handle_ticket(
        &self,
        inv: &Invocation,
        old: DeployId,
    ) -> Result<(), WorkError> {
        tag_span(old);
        for _ in 0..MAX_TRIES {
            let Some(record) = self.ports.perform(ReadDeploy(old)).await? else {
                warn!(deploy.id = %old, "retry ticket ignored: the deploy is not on record");
                return Ok(());
            };
            if let Some(new) = record.retried_by {
                return self.drive(inv, DeployRun::wake_up(new)).await;
            }
            let why = decide::decide_retry(&record, RetryCause::Ticket, self.ctx(inv));
            if why != RetryDecision::Yes {
                warn!(deploy.id = %old, state = %record.state, ?why, "retry ticket ignored: the deploy cannot be retried");
                return Ok(());
            }
            if let Some(new) = self.create_retry(inv, &record, RetryCause::Ticket).await? {
                return self.drive(inv, DeployRun::wake_up(new)).await;
            }
        }
        Err(Conflict::StaleVersion.into())
    }

    /// Carries out a retry action: it retries the end of the chain, if that can be retried.
    pub(crate) async fn handle_retry(
        &self,
        inv: &Invocation,
        action: &ActionMessage,
        named: DeployRecord,
    ) -> Result<(), WorkError> {
        for _ in 0..MAX_TRIES {
            let end = match self.follow(action.id, named.clone()).await? {
                ChainEnd::AlreadyRetried(new) => {
                    return self.drive(inv, DeployRun::wake_up(new)).await;
                }
                ChainEnd::Last(end) => end,
            };
            let cause = RetryCause::Action(action);
            let why = decide::decide_retry(&end, cause, self.ctx(inv));
            if why != RetryDecision::Yes {
                info!(deploy.id = %end.id, state = %end.state, ?why, "not retried");
                let reply = text::not_retried(&end, why, &self.config);
                return self.reply_to_action(action, reply).await;
            }
            if let Some(new) = self.create_retry(inv, &end, cause).await? {
                return self.drive(inv, DeployRun::wake_up(new)).await;
            }
        }
        Err(Conflict::StaleVersion.into())
    }

    /// Follows the chain from `record` on.
    async fn follow(&self, action: RequestId, record: DeployRecord) -> Result<ChainEnd, WorkError> {
        let Some(mut record) = self.ports.perform(ReadDeploy(record.id)).await? else {
            return Ok(ChainEnd::Last(Box::new(record)));
        };
        for _ in 0..MAX_LINKS {
            if record.retry_request == Some(action) {
                return Ok(ChainEnd::AlreadyRetried(record.id));
            }
            let next = match record.retried_by {
                Some(next) => self.ports.perform(ReadDeploy(next)).await?,
                None => None,
            };
            match next {
                Some(next) => record = next,
                None => break,
            }
        }
        Ok(ChainEnd::Last(Box::new(record)))
    }

    /// Writes the retry of `old`; `None` if `old` has moved on or another run was first.
    async fn create_retry(
        &self,
        inv: &Invocation,
        old: &DeployRecord,
        cause: RetryCause<'_>,
    ) -> Result<Option<DeployId>, WorkError> {
        let first = self.first_request(old).await?;
        let ctx = self.ctx(inv);
        let commit = |digits| decide::open_retry(old, &first, cause, digits, ctx);
        let written = self.create_deploy(commit).await?;
        let new = DeployId::of_retry(old.id);
        if written {
            info!(deploy.id = %new, retry_of = %old.id, "retry requested");
        }
        Ok(written.then_some(new))
    }

    /// Writes a retry's first transaction; `false` if it exists already, or if the deploy that it
    /// retries has moved on.
    async fn create_deploy(
        &self,
        commit: impl Fn(usize) -> Result<Commit, IllegalTransition>,
    ) -> Result<bool, WorkError> {
        let mut written = self.commit(commit(ShortId::USUAL)?).await;
        if let Err(CommitError::Conflict(Conflict::ShortId)) = written {
            written = self.commit(commit(ShortId::LONGER)?).await;
        }
        match written {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(Conflict::StaleVersion)) => Ok(false),
            Err(CommitError::Conflict(other)) => Err(other.into()),
            Err(CommitError::Ledger(error)) => Err(error.into()),
        }
    }

    /// The request of the chain's first deploy.
    async fn first_request(&self, record: &DeployRecord) -> Result<DeployRequest, WorkError> {
        let mut first = record.request.clone();
        let mut before = record.retry_of;
        for _ in 0..MAX_LINKS {
            let Some(older) = before else { break };
            let Some(older) = self.ports.perform(ReadDeploy(older)).await? else {
                break;
            };
            first = older.request;
            before = older.retry_of;
        }
        Ok(first)
    }
}
