//! The sweeper: whatever is due and was not reminded of gets a fresh hint.
//!
//! Hints are sent once and may be lost with the process that should have sent them; what is due
//! stands on record. Together they make every obligation met, and mostly at once.

use chatops_core::ports::{Ci, Clock, Due, Queue, Secrets, Store};

use crate::{HandlerError, Worker};

/// How much one sweep takes on.
const LIMIT: usize = 500;

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Sends a hint for everything that is due; returns for how many things.
    pub async fn sweep(&self) -> Result<usize, HandlerError> {
        let due = self.store.due(self.clock.now(), LIMIT).await?;
        for thing in &due {
            match *thing {
                Due::Deploy(id) => self.send_look(id, std::time::Duration::ZERO).await?,
                Due::Reply(id) => self.send_tell(id).await?,
            }
        }
        Ok(due.len())
    }
}
