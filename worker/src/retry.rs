//! Trying again: an order out of the dead-letter queue, or somebody's wish. Either makes a new
//! deploy whose id is derived from the old one's, so that no retry is started twice.

use chatops_core::decide::{self, Cause, Retryable};
use chatops_core::deploy::{Ask, Head};
use chatops_core::id::{DeployId, RequestId};
use chatops_core::message::WishMessage;
use chatops_core::ports::{Ci, Clock, Conflict, Queue, Secrets, Store};
use chatops_core::words;
use tracing::{info, warn};

use crate::{HandlerError, TRIES, Turn, Worker, about};

/// More links than any chain of retries has; a longer one is a defect that must not hang.
const LINKS: usize = 1_000;

/// Where a chain of retries leads.
enum Chain {
    /// To a deploy that this very wish has made.
    Done(DeployId),
    /// To its end.
    End(Box<Head>),
}

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Carries out an order: it derives only from the deploy it names.
    pub(crate) async fn order(&self, turn: &Turn, old: DeployId) -> Result<(), HandlerError> {
        about(old);
        for _ in 0..TRIES {
            let Some(head) = self.store.head(old).await? else {
                warn!(deploy.id = %old, "an order for a deploy that is not on record");
                return Ok(());
            };
            if let Some(new) = head.retried_by {
                return self.advance(turn, new).await;
            }
            let why = decide::retryable(&head, Cause::Order, self.here(turn, 0));
            if why != Retryable::Yes {
                warn!(deploy.id = %old, state = %head.state, ?why, "an order that is not carried out");
                return Ok(());
            }
            if let Some(new) = self.derive(turn, &head, Cause::Order).await? {
                return self.advance(turn, new).await;
            }
        }
        Err(HandlerError::Contradiction(Conflict::Version))
    }

    /// Fulfils somebody's wish: from the end of the chain, if that end can be tried again.
    pub(crate) async fn retry(
        &self,
        turn: &Turn,
        wish: &WishMessage,
        named: Head,
    ) -> Result<(), HandlerError> {
        for _ in 0..TRIES {
            let end = match self.follow(wish.id, named.clone()).await? {
                Chain::Done(new) => return self.advance(turn, new).await,
                Chain::End(end) => end,
            };
            let cause = Cause::Wish(wish);
            let why = decide::retryable(&end, cause, self.here(turn, 0));
            if why != Retryable::Yes {
                info!(deploy.id = %end.id, state = %end.state, ?why, "not tried again");
                let post = words::not_retried(&end, why, &self.config);
                return self.answer_wish(wish, post).await;
            }
            if let Some(new) = self.derive(turn, &end, cause).await? {
                return self.advance(turn, new).await;
            }
        }
        Err(HandlerError::Contradiction(Conflict::Version))
    }

    /// Follows the chain from `head` on.
    async fn follow(&self, wish: RequestId, head: Head) -> Result<Chain, HandlerError> {
        let Some(mut head) = self.store.head(head.id).await? else {
            return Ok(Chain::End(Box::new(head)));
        };
        for _ in 0..LINKS {
            if head.wished_by == Some(wish) {
                return Ok(Chain::Done(head.id));
            }
            let next = match head.retried_by {
                Some(next) => self.store.head(next).await?,
                None => None,
            };
            match next {
                Some(next) => head = next,
                None => break,
            }
        }
        Ok(Chain::End(Box::new(head)))
    }

    /// Writes the retry of `old`; `None` if `old` has moved on or somebody else was first.
    async fn derive(
        &self,
        turn: &Turn,
        old: &Head,
        cause: Cause<'_>,
    ) -> Result<Option<DeployId>, HandlerError> {
        let first = self.first_ask(old).await?;
        let here = self.here(turn, 0);
        let written = self
            .create(|digits| decide::open_retry(old, &first, cause, digits, here))
            .await?;
        let new = DeployId::of_retry(old.id);
        if written {
            info!(deploy.id = %new, retry_of = %old.id, "retry requested");
        }
        Ok(written.then_some(new))
    }

    /// What the first deploy of the chain asked for.
    async fn first_ask(&self, head: &Head) -> Result<Ask, HandlerError> {
        let mut first = head.ask.clone();
        let mut before = head.retry_of;
        for _ in 0..LINKS {
            let Some(older) = before else { break };
            let Some(older) = self.store.head(older).await? else {
                break;
            };
            first = older.ask;
            before = older.retry_of;
        }
        Ok(first)
    }
}
