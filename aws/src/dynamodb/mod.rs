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
//! Nobody needs the right to delete. The worker needs `GetItem`, `BatchGetItem`, `PutItem` and `Query`
//! on the table and `Query` on its indexes; the notifier `GetItem` on keys that begin with `D#` and
//! `N#`, and `PutItem` on those that begin with `N#` (`dynamodb:LeadingKeys`). A transaction has no
//! right of its own: it needs those of its writes.
//!
//! # Indexes: which answers which question
//!
//! | index | partition key | sort key | question |
//! |---|---|---|---|
//! | `by-time` | `ledger` = 1 | `asked` | the newest deploys |
//! | `by-user` | `user` | `asked` | whose, by id |
//! | `by-user-name` | `user_name` | `asked` | whose, by name |
//! | `by-branch`, `by-job`, `by-project` | of that name | `asked` | what |
//! | `by-state` | `state` | `asked` | how they stand; a word for several states asks several keys |
//! | `awaits-retry` | `awaits` = 1 | `asked` | what failed to start and nobody has tried again |
//! | `due` | `timer` = 1 | `due_at` | what the sweeper looks at: deploys and reply items |
//!
//! `asked` is the moment and the deploy, which is the ledger's order. All but `due` hold the columns
//! that a filter can ask about, so that of a combination only one index is walked, and only deploys
//! that are shown are read. The last two are sparse: what does not wait is not in them.
//!
//! They are attributes of the record rather than pointer items of their own. A pointer costs two
//! write units in the first transaction, and two more whenever the state that it carries changes; an
//! index entry costs one, and none while what it holds stays the same. Nearly every version of a
//! deploy only moves its timer: that writes the record and one index.
//!
//! # What a deploy costs
//!
//! In write units, by DynamoDB's rules and with a record of up to 2 KB: 18 to put it on record (record
//! 4, event 2, short id 2, reply item 2, seven index entries and the timer's), then 4 for the record, 2 for each event,
//! lock or claim, and 2 for the timer's index with every version, and 8 more with each of its four
//! changes of state (six indexes hold it, one is sorted by it). A deploy that is looked at twenty
//! times takes some 200 write units.
//!
//! # Hot partitions
//!
//! `by-time`, `awaits-retry` and `due` have one partition each, and `by-job` or `by-state` nearly so:
//! most deploys share their job and how they ended. A partition of an index takes 1,000 write units
//! a second, and a throttled index throttles the table. The hottest is `due`, with two units for
//! every version: at 25 versions a deploy that is 20 deploys a second, which no team types. Splitting `by-time` by month would
//! not move that limit as long as `by-job` cannot be split by the same month, and would make a quiet
//! ledger's list walk through empty months; so it is not split.

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
