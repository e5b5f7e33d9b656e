//! From the rows of the other tables to the deploys that they name: so a row too many, or one that names
//! another deploy, is found.

use chatops_core::audit::finding::Finding;
use chatops_core::audit::links;
use chatops_core::deploy::Target;
use rusqlite::{Connection, Row, params};
use strum::VariantArray;

use super::super::failure::FileResult;
use super::super::ledger::from_json;
use super::super::read_only::lossy_text;

/// A table whose rows name deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub enum LinkTable {
    /// The deploy with a short id.
    ShortId,
    /// The deploy that claimed a pipeline.
    Pipeline,
    /// The deploy that holds a target.
    Lock,
    /// The last deploy of a chain of retries.
    RetryChain,
    /// What became of an action.
    Action,
    /// The notification record of a deploy.
    Notification,
    /// The releases of a target.
    Releases,
    /// What is left of a deploy that was pruned.
    Pruned,
}

/// What was found in some rows of a table.
#[derive(Debug, Clone, Default)]
pub struct RowsPage {
    /// The key of the last one; `None` if there were none.
    pub last: Option<String>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
}

impl LinkTable {
    /// All of them.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    fn sql(self) -> &'static str {
        macro_rules! page {
            ($columns:literal, $table:literal, $key:literal) => {
                concat!(
                    "SELECT ",
                    $key,
                    ", ",
                    $columns,
                    " FROM ",
                    $table,
                    " WHERE ",
                    $key,
                    " > ?1 ORDER BY ",
                    $key,
                    " LIMIT ?2"
                )
            };
        }
        match self {
            Self::ShortId => page!("deploy", "short_id", "id"),
            Self::Pipeline => page!("deploy", "pipeline", "id"),
            Self::Lock => page!("deploy, since, until", "lock", "target"),
            Self::RetryChain => page!("last", "retry_chain", "root"),
            Self::Action => page!("body", "action", "id"),
            Self::Notification => page!("version", "notification", "deploy"),
            Self::Releases => page!("body", "release_history", "target"),
            Self::Pruned => page!("last_hash, events, export", "pruned", "deploy"),
        }
    }
}

pub(super) fn examine_rows(
    db: &Connection,
    table: LinkTable,
    after: &str,
    limit: usize,
) -> FileResult<RowsPage> {
    let mut page = RowsPage::default();
    let mut query = db.prepare_cached(table.sql())?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![after, limit])?;
    while let Some(row) = rows.next()? {
        let key = lossy_text(row, 0)?;
        examine_row(db, table, &key, row, &mut page.findings)?;
        page.last = Some(key);
    }
    Ok(page)
}

fn examine_row(
    db: &Connection,
    table: LinkTable,
    key: &str,
    row: &Row<'_>,
    findings: &mut Vec<Finding>,
) -> FileResult<()> {
    let value = || lossy_text(row, 1);
    match table {
        LinkTable::ShortId => {
            let owner = super::record_of(db, &value()?)?;
            findings.extend(links::check_short_id(key, &value()?, owner.as_ref()));
        }
        LinkTable::Pipeline => {
            let owner = super::record_of(db, &value()?)?;
            findings.extend(links::check_claim(key, &value()?, owner.as_ref()));
        }
        LinkTable::RetryChain => {
            let owner = super::record_of(db, &value()?)?;
            findings.extend(links::check_chain(key, &value()?, owner.as_ref()));
        }
        LinkTable::Lock => {
            let target = Target(key.to_owned());
            let Some(lock) = super::read_lock(row, 1)? else {
                let row = format!("the lock of {target}");
                findings.push(Finding::about(row, "names no deploy"));
                return Ok(());
            };
            let owner = super::replayed_of(db, &lock.deploy.to_string())?;
            findings.extend(links::check_held(&target, &lock, owner.as_ref()));
        }
        LinkTable::Action => match links::made_by_action(key, &value()?) {
            Ok(Some(deploy)) => {
                let owner = super::replayed_of(db, &deploy.to_string())?;
                findings.extend(links::check_action(key, &value()?, owner.as_ref()));
            }
            Ok(None) => {}
            Err(finding) => findings.push(*finding),
        },
        LinkTable::Notification => {
            if super::record_of(db, key)?.is_none() {
                let what = "has a notification record and is not on record";
                findings.push(Finding::about(key, what));
            }
        }
        LinkTable::Releases => {
            let target = Target(key.to_owned());
            let Ok(history) = from_json("", &value()?) else {
                let row = format!("the releases of {target}");
                findings.push(Finding::about(row, "cannot be read"));
                return Ok(());
            };
            let replayed = |id| super::replayed_of(db, &chatops_core::id::DeployId::to_string(&id));
            findings.extend(links::check_releases(&target, &history, replayed)?);
        }
        LinkTable::Pruned => {
            let hash = value()?;
            let export = lossy_text(row, 3)?;
            let is_hash = |text: &str| chatops_core::audit::EventHash::parse(text).is_some();
            if !is_hash(&hash) || !is_hash(&export) {
                findings.push(Finding::about(key, "has a mark that no pruning left"));
            }
        }
    }
    Ok(())
}
