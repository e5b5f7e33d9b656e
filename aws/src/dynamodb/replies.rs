//! The reply items in the table, as the notifier uses them.

use aws_sdk_dynamodb::types::TransactWriteItem;
use chatops_core::deploy::Head;
use chatops_core::id::DeployId;
use chatops_core::ports::{CommitError, Conflict, Replies, Store, StoreError};
use chatops_core::reply::Reply;

use super::transaction::{self, Failed};
use super::{DynamoDb, commit, item};

impl Replies for DynamoDb {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.head(id).await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        let item = self.read(item::reply_key(id)).await?;
        item.as_ref().map(item::record).transpose()
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let Some(before) = reply.version.checked_sub(1) else {
            return Err(Conflict::Version.into());
        };
        let put = commit::over(&self.table, item::reply_item(&reply)?, before).build();
        let put = put.map_err(|error| StoreError(error.to_string()))?;
        let write = TransactWriteItem::builder().put(put).build();
        match transaction::send(&self.client, vec![write]).await {
            Ok(()) => Ok(()),
            Err(Failed::Condition { .. }) => Err(Conflict::Version.into()),
            Err(Failed::Store(error)) => Err(error.into()),
        }
    }
}
