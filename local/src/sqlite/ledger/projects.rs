//! What is known of projects, in the file.

use chatops_core::config::ProjectSlug;
use chatops_core::ports::{ProjectFacts, ProjectNote, ProjectStore};
use rusqlite::Connection;

use super::super::failure::{FileResult, LedgerResult};
use super::super::threads::WriteTx;
use super::Sqlite;

impl ProjectStore for Sqlite {
    async fn read_project(&self, slug: &ProjectSlug) -> LedgerResult<ProjectFacts> {
        let slug = slug.to_string();
        self.read(move |db| select_facts(db, &slug)).await
    }

    async fn note_project(&self, slug: &ProjectSlug, note: ProjectNote) -> LedgerResult<()> {
        let slug = slug.to_string();
        let write = move |tx: &WriteTx<'_>| -> FileResult<()> {
            let facts = select_facts(tx.db, &slug)?.with(note);
            let sql = "INSERT INTO project (slug, body) VALUES (?1, ?2) \
                       ON CONFLICT (slug) DO UPDATE SET body = excluded.body";
            super::execute(tx.db, sql, [&slug, &super::to_json(&facts)?])?;
            Ok(())
        };
        self.write(write).await
    }
}

fn select_facts(db: &Connection, slug: &str) -> FileResult<ProjectFacts> {
    let sql = "SELECT body FROM project WHERE slug = ?1";
    let body: Option<String> = super::select_one(db, sql, [slug])?;
    match body {
        Some(body) => super::from_json(&format!("the project {slug}"), &body),
        None => Ok(ProjectFacts::default()),
    }
}
