//! The ledger and the reply items in one DynamoDB table.
//!
//! # Items
//!
//! | partition key | sort key | what |
//! |---|---|---|
//! | `D#<deploy>` | `HEAD` | the deploy as it stands; in every index below |
//! | `D#<deploy>` | `E#<n>` | an audit event, written once |
//! | `N#<deploy>` | `-` | the reply item; a partition of its own, so that the notifier's rights end there |
//! | `LOCK#<target>` | `-` | who holds a target; nobody, if there is nothing but the key |
//! | `P#<pipeline>` | `-` | whose a pipeline is |
//! | `S#<short id>` | `-` | the deploy people call so |
//!
//! Every write is one `TransactWriteItems` with a request token. What is decided on is read
//! consistently and by its key; indexes, which lag behind by a moment, only find.
//!
//! # Rights
//!
//! Nobody needs the right to delete. The worker needs `GetItem`, `BatchGetItem` and `PutItem` on the
//! table and `Query` on its indexes; the notifier `GetItem` on keys that begin with `D#` and
//! `N#`, and `PutItem` on those that begin with `N#` (`dynamodb:LeadingKeys`). A transaction has no
//! right of its own: it needs those of its writes.
//!
//! `ARCHITECTURE.md` says which index answers which question, why they are attributes of the record,
//! and what a deploy costs.

mod audit;
mod commit;
mod item;
mod listing;
mod replies;
mod store;
pub mod table;
mod transaction;

use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use chatops_core::ports::StoreError;

use self::item::Item;
use crate::client::WARM_UP;
use crate::failure::words;

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

    /// Opens the connection, while nobody waits for it yet; whether that works does not matter.
    pub async fn warm(&self) {
        let key = item::warm_key();
        let _ = tokio::time::timeout(WARM_UP, self.read(key)).await;
    }

    /// An item as it is now.
    async fn read(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(key)).consistent_read(true);
        let answer = request.send().await;
        answer
            .map(|GetItemOutput { item, .. }| item)
            .map_err(|error| StoreError(words(&error)))
    }
}
