//! What somebody wishes of a deploy on record: found by its id, fulfilled or answered why not.

use chatops_core::command::Wish;
use chatops_core::decide::{self, Cancel};
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::{WishMessage, Wisher};
use chatops_core::policy;
use chatops_core::ports::{Ci, Clock, Conflict, Queue, Secrets, Store};
use chatops_core::words::{self, Post};
use tracing::{info, warn};

use crate::advance::Run;
use crate::{HandlerError, TRIES, Turn, Worker};

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Deals with a wish. The same wish twice is fulfilled once.
    pub(crate) async fn wish(
        &self,
        turn: &Turn,
        message: &WishMessage,
    ) -> Result<(), HandlerError> {
        if let Wisher::Person(asker) = &message.from
            && policy::listens(&self.config, &asker.team).is_err()
        {
            warn!(team = %asker.team, "a wish from a workspace that is not listened to");
            return Ok(());
        }
        let deploy = message.wish.deploy();
        let Some(head) = self.find(deploy).await? else {
            let post = words::unknown_deploy(deploy, &self.config);
            return self.answer_wish(message, post).await;
        };
        match &message.wish {
            Wish::Retry { .. } => self.retry(turn, message, head).await,
            Wish::Cancel { .. } => self.cancel(turn, message, head.id).await,
        }
    }

    async fn cancel(
        &self,
        turn: &Turn,
        message: &WishMessage,
        id: DeployId,
    ) -> Result<(), HandlerError> {
        let mut run = Run::default();
        for _ in 0..TRIES {
            let Some(head) = self.store.head(id).await? else {
                return Ok(());
            };
            let post = match decide::cancel(&head, message, self.here(turn, 0))? {
                Cancel::Write(commit) => match self.write(*commit, &mut run).await? {
                    Ok(()) => {
                        info!(deploy.id = %id, state = %head.state, "a cancel is wished");
                        let post = words::cancel_noted(&head, &message.from.by());
                        self.answer_wish(message, post).await?;
                        return self.advance(turn, id).await;
                    }
                    Err(Conflict::Version) => continue,
                    Err(other) => return Err(HandlerError::Contradiction(other)),
                },
                Cancel::Ended => words::ended_before(&head),
                Cancel::Wished(earlier) => words::already_wished(&head, &earlier),
                Cancel::Denied(refusal) => words::cancel_denied(&head, &refusal),
            };
            return self.answer_wish(message, post).await;
        }
        Err(HandlerError::Contradiction(Conflict::Version))
    }

    /// The deploy that somebody names.
    pub(crate) async fn find(&self, deploy: &DeployRef) -> Result<Option<Head>, HandlerError> {
        let id = match deploy {
            DeployRef::Full(id) => Some(*id),
            DeployRef::Short(short) => self.store.by_short(short).await?,
        };
        match id {
            Some(id) => Ok(self.store.head(id).await?),
            None => Ok(None),
        }
    }

    /// Answers the one who wishes, if they are in Slack; an operator reads the record.
    pub(crate) async fn answer_wish(
        &self,
        message: &WishMessage,
        post: Post,
    ) -> Result<(), HandlerError> {
        match &message.from {
            Wisher::Person(asker) => self.answer(asker, message.asked_at, post).await,
            Wisher::Operator { .. } => {
                let verb = message.wish.verb().word();
                info!(verb, deploy = %message.wish.deploy(), "an operator's wish was dealt with");
                Ok(())
            }
        }
    }
}
