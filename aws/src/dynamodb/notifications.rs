//! The notification records in the table, as the notifier uses them.

use aws_sdk_dynamodb::types::TransactWriteItem;
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{CommitError, Conflict, LedgerError, NotificationStore, PortErrorKind};

use super::transaction::{self, TxError};
use super::{DynamoDb, commit_plan, item};

type Read<T> = Result<Option<T>, LedgerError>;

impl NotificationStore for DynamoDb {
    async fn read_notification(&self, id: DeployId) -> Read<NotificationRecord> {
        let item = self.read_item(item::notification_key(id)).await?;
        item.as_ref().map(item::parse_notification).transpose()
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let Some(before) = notification.version.checked_sub(1) else {
            return Err(Conflict::StaleVersion.into());
        };
        let item = item::notification_item(&notification)?;
        let put = commit_plan::put_over(&self.table, item, before).build();
        let mut puts = vec![put];
        if let Some(undelivered) = &notification.undelivered {
            let item = item::undelivered_item(undelivered)?;
            puts.push(commit_plan::new_put(&self.table, item).build());
        }
        let write = |put: Result<_, _>| {
            let put = put.map_err(|error| LedgerError::new(PortErrorKind::Defect, error))?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        let writes: Result<_, LedgerError> = puts.into_iter().map(write).collect();
        match transaction::send(&self.client, writes?).await {
            Ok(()) => Ok(()),
            Err(TxError::Condition { .. }) => Err(Conflict::StaleVersion.into()),
            Err(TxError::Store(error)) => Err(error.into()),
        }
    }
}
