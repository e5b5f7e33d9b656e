//! What is known of projects, in the table.

use chatops_core::config::ProjectSlug;
use chatops_core::ports::{LedgerError, ProjectFacts, ProjectNote, ProjectStore};

use super::{DynamoDb, item};
use crate::failed;

impl ProjectStore for DynamoDb {
    async fn read_project(&self, slug: &ProjectSlug) -> Result<ProjectFacts, LedgerError> {
        let item = self.read_item(item::project_key(slug)).await?;
        let facts = item.as_ref().map(item::parse_body).transpose()?;
        Ok(facts.unwrap_or_default())
    }

    // Of two notes at once the later one may lose the other; that costs a call or two.
    async fn note_project(&self, slug: &ProjectSlug, note: ProjectNote) -> Result<(), LedgerError> {
        let facts = self.read_project(slug).await?.with(note);
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item::project_item(slug, &facts)?));
        put.send().await.map_err(failed("dynamodb:PutItem"))?;
        Ok(())
    }
}
