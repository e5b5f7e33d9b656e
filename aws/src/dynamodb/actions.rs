//! What became of actions, and how many a user has requested, in the table.

use chatops_core::Time;
use chatops_core::id::{QualifiedUser, RequestId};
use chatops_core::ports::{ActionCount, ActionRecord, ActionStore, LedgerError};

use super::table::PK;
use super::{DynamoDb, item};
use crate::failed;

impl ActionStore for DynamoDb {
    async fn read_action(&self, id: RequestId) -> Result<Option<ActionRecord>, LedgerError> {
        let item = self.read_item(item::action_key(id)).await?;
        item.as_ref().map(item::parse_body).transpose()
    }

    async fn record_action(&self, action: ActionRecord) -> Result<(), LedgerError> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item::action_item(&action)?));
        let put = put.condition_expression("attribute_not_exists(#pk)");
        match put.expression_attribute_names("#pk", PK).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(known) if known.is_conditional_check_failed_exception() => Ok(()),
                _ => Err(failed("dynamodb:PutItem")(error).into()),
            },
        }
    }

    async fn count_action(
        &self,
        user: &QualifiedUser,
        now: Time,
    ) -> Result<ActionCount, LedgerError> {
        let before = self.read_item(item::action_count_key(user)).await?;
        let before = before.as_ref().map(item::parse_body).transpose()?;
        let count = ActionCount::next(before, now);
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item::action_count_item(user, &count)?));
        put.send().await.map_err(failed("dynamodb:PutItem"))?;
        Ok(count)
    }
}
