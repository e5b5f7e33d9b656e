//! The ledger and the notification records in one DynamoDB table.
//!
//! # Items
//!
//! | partition key | sort key | what |
//! |---|---|---|
//! | `D#<deploy>` | `RECORD` | the deploy's record; in every index |
//! | `D#<deploy>` | `E#<n>` | an audit event, written once |
//! | `N#<deploy>` | `-` | the notification record, in an attribute of its own; a partition of its own, which bounds rights |
//! | `V#<deploy>` | `-` | what could not be delivered about a deploy; no secret is in it |
//! | `LOCK#<target>` | `-` | the deploy that holds a target; none if the item is only a key |
//! | `T#<target>` | `-` | the release history of a target |
//! | `P#<pipeline>` | `-` | the deploy that a pipeline belongs to |
//! | `S#<short id>` | `-` | the deploy with that short id |
//! | `R#<deploy>` | `-` | the last deploy of the chain of retries that begins with that one |
//! | `A#<request id>` | `-` | what became of an action, written once |
//! | `U#<workspace>/<user>` | `-` | how many actions a user has requested |
//! | `C#<project slug>` | `-` | that a project's webhooks arrive, and that CircleCI asked for a pause |
//!
//! Every write is one `TransactWriteItems` with a request token. Decisions read consistently and by
//! key; indexes, which lag behind by a moment, only find.
//!
//! # Rights
//!
//! No right to delete is needed. The worker needs `GetItem`, `BatchGetItem` and `PutItem` on the
//! table and `Query` on its indexes; the notifier `GetItem` on keys that begin with `D#` and
//! `N#`, and `PutItem` on those that begin with `N#` and `V#` (`dynamodb:LeadingKeys`). A transaction has no
//! right of its own: it needs those of its writes. An operator reads keys that begin with `D#`, `S#`,
//! `P#`, `R#`, `A#`, `T#`, `V#` and `LOCK#`, and scans for audits every attribute but the one of notification
//! records that holds a response URL (`dynamodb:Attributes`).
//!
//! `ARCHITECTURE.md` says which index answers which query, why they are attributes of the record, and
//! what a deploy costs.

mod actions;
mod audit;
mod commit_plan;
mod item;
mod ledger;
mod listing;
mod notifications;
mod projects;
pub mod table;
mod transaction;

use std::fmt;

use aws_sdk_dynamodb::Client;
use chatops_core::ports::LedgerError;

use self::item::TableItem;
pub use self::item::WARM_UP_KEY;
use crate::client::WARM_UP_TIMEOUT;
use crate::failed;

/// The ledger in a table. Clones share the client.
#[derive(Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// The ledger in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { client, table }
    }

    /// Opens the connection before it is needed. Whether that works does not matter.
    pub async fn warm(&self) {
        let key = item::warm_key();
        let _ = tokio::time::timeout(WARM_UP_TIMEOUT, self.read_item(key)).await;
    }

    /// An item as it is now.
    async fn read_item(&self, key: TableItem) -> Result<Option<TableItem>, LedgerError> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(key)).consistent_read(true);
        let answer = request.send().await.map_err(failed("dynamodb:GetItem"))?;
        Ok(answer.item)
    }
}
