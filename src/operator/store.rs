//! The record that the commands read, and the queue they send actions to: in a data file, or in an
//! installation on AWS.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::audit::stored::{EventOnRecord, ExaminedPart, StoredChain};
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, DeployRef, ShortId};
use chatops_core::message::MessageBody;
use chatops_core::notification::{Card, Undelivered};
use chatops_core::ports::{
    DeployFilter, DeployPage, DeployReader, LedgerError, LedgerPosition, QueueName, TargetLock,
};

#[cfg(feature = "aws")]
use crate::aws::AwsInstallation;
use chatops_local::sqlite::attest::LinkTable;
use chatops_local::sqlite::read_only::{ReadOnlyDatabase, enqueue_message};
use futures::FutureExt;

/// How many chains are read at a time: a longer read would delay the file's checkpoints.
const CHAIN_BATCH: usize = 200;

/// How many rows of other tables are examined at a time.
const ROW_BATCH: usize = 1_000;

/// How long what could not be delivered is listed, and how much of it at most.
const UNDELIVERED_FOR: Duration = Duration::from_hours(7 * 24);
const MAX_UNDELIVERED: usize = 100;

/// Of how many deploys the cards are listed at most.
const MAX_CARDS: usize = 100;

/// How often a deploy is read that changes while it is read.
const MAX_TRIES: usize = 3;

/// The record, opened for reading.
pub(super) enum OperatorStore {
    File(Box<ReadOnlyDatabase>),
    #[cfg(feature = "aws")]
    Aws(Box<AwsInstallation>),
}

impl OperatorStore {
    pub(super) fn open_file(path: &Path) -> Result<Self> {
        Ok(Self::File(Box::new(ReadOnlyDatabase::open(path)?)))
    }

    /// The user id of the credentials, which SQS records of whoever sends to a queue; `None` of a file.
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unnecessary_wraps, reason = "only AWS can fail")
    )]
    pub(super) fn sender_user_id(&self) -> Result<Option<String>> {
        match self {
            Self::File(_) => Ok(None),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(Some(aws.caller_user_id()?)),
        }
    }

    /// Reads from either ledger through the one port.
    fn read<T>(&self, read: impl ReadDeploys<T>) -> Result<T> {
        match self {
            Self::File(database) => {
                let read = read.from(database.as_ref()).now_or_never();
                Ok(read.context("a read of the file was not done at once")??)
            }
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(aws.read(async |ledger| read.from(ledger).await)?),
        }
    }

    pub(super) fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>> {
        self.read(ById(id))
    }

    pub(super) fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>> {
        self.read(ByShortId(short))
    }

    /// The id that a new deploy will be shown by: its short id, unless that is taken.
    pub(super) fn shown_id(&self, id: DeployId) -> Result<String> {
        let usual = id.short_id(ShortId::USUAL);
        Ok(match self.find_by_short_id(&usual)? {
            Some(other) if other != id => id.to_string(),
            _ => usual.to_string(),
        })
    }

    /// The last deploy of the chain of retries that begins with `root`, if it was ever retried.
    pub(super) fn find_last_retry(&self, root: DeployId) -> Result<Option<DeployId>> {
        self.read(LastRetry(root))
    }

    /// The lock of a target; it may have expired.
    pub(super) fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>> {
        self.read(ByTarget(target))
    }

    /// What Slack could not be told last about a deploy.
    pub(super) fn read_undelivered(&self, id: DeployId) -> Result<Option<Undelivered>> {
        self.read(UndeliveredOf(id))
    }

    /// What Slack could not be told in the last week, the oldest first.
    pub(super) fn list_undelivered(&self, now: Time) -> Result<Vec<Undelivered>> {
        self.read(UndeliveredSince(now - UNDELIVERED_FOR))
    }

    /// The cards of the last week's deploys in a data file, the newest deploy first.
    pub(super) fn list_cards(&self, now: Time) -> Result<Vec<(DeployRecord, Card)>> {
        let database = match self {
            Self::File(database) => database,
            // The doctor knows neither configuration nor bot there.
            #[cfg(feature = "aws")]
            Self::Aws(_) => return Ok(Vec::new()),
        };
        let page = self.list_deploys(&DeployFilter::default(), None, MAX_CARDS)?;
        let since = now - UNDELIVERED_FOR;
        let recent = page.deploys.into_iter();
        let recent = recent.filter(|record| record.request.requested_at > since);
        let mut cards = Vec::new();
        for record in recent {
            let card = database.read_card(record.id)?;
            cards.extend(card.map(|card| (record, card)));
        }
        Ok(cards)
    }

    pub(super) fn find_deploy(&self, deploy: &DeployRef) -> Result<Option<DeployRecord>> {
        let id = match deploy {
            DeployRef::Full(id) => Some(*id),
            DeployRef::Short(short) => self.find_by_short_id(short)?,
        };
        id.map_or(Ok(None), |id| self.read_deploy(id))
    }

    /// At most `limit` deploys that match, newest first, all older than `before`.
    pub(super) fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage> {
        self.read(Page {
            filter,
            before,
            limit,
        })
    }

    /// A record and the audit that belongs to it.
    pub(super) fn read_with_audit(
        &self,
        id: DeployId,
    ) -> Result<Option<(DeployRecord, Vec<AuditEvent>)>> {
        self.read(WithAudit(id))
    }

    /// How many deploys there are, where that is known in advance.
    pub(super) fn count_deploys(&self) -> Result<Option<u64>> {
        match self {
            Self::File(database) => Ok(Some(database.count_deploys()?)),
            #[cfg(feature = "aws")]
            Self::Aws(_) => Ok(None),
        }
    }

    /// What it is called in a file that names a place in it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(database) => {
                let path = database.path();
                let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                full.display().to_string()
            }
            #[cfg(feature = "aws")]
            Self::Aws(aws) => aws.name(),
        }
    }

    /// Some deploys as stored, after the place that an earlier call gave; with the next place.
    pub(super) fn read_chains(
        &self,
        cursor: Option<&str>,
    ) -> Result<(Vec<StoredChain>, Option<String>)> {
        match self {
            Self::File(database) => {
                let chains = database.read_chains(cursor.unwrap_or_default(), CHAIN_BATCH)?;
                let last = chains.last().map(|chain| chain.deploy.clone());
                Ok((chains, last))
            }
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(aws.read_chains(cursor)?),
        }
    }

    /// Examines a part of what is on record, after the place that an earlier call gave.
    pub(super) fn examine(&self, cursor: Option<&str>) -> Result<ExaminedPart> {
        match self {
            Self::File(database) => Ok(examine_file(database, cursor)?),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(aws.examine(cursor)?),
        }
    }

    /// What is on record of events that a log names.
    pub(super) fn logged_events(&self, keys: &[(DeployId, u64)]) -> Result<Vec<EventOnRecord>> {
        match self {
            Self::File(database) => Ok(database.logged_events(keys)?),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(aws.logged_events(keys)?),
        }
    }

    /// Puts an action into the operators' queue.
    pub(super) fn send_message(&self, body: &MessageBody, now: Time) -> Result<()> {
        match self {
            Self::File(file) => {
                let queue = QueueName::Operators;
                Ok(enqueue_message(file.path(), queue, body, now)?)
            }
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Ok(aws.send_message(body)?),
        }
    }
}

/// Examines a part of a file: first the deploys, in the order of their ids, then the other tables. A place is
/// the number of the part and the last key.
fn examine_file(
    database: &ReadOnlyDatabase,
    cursor: Option<&str>,
) -> Result<ExaminedPart, LedgerError> {
    let (part, after) = cursor
        .and_then(|place| place.split_once(' '))
        .unwrap_or(("0", ""));
    let part: usize = part.parse().unwrap_or_default();
    let mut examined = ExaminedPart::default();
    if cursor.is_none() {
        examined.findings = database.examine_file()?;
    }
    let table = part.checked_sub(1).and_then(|n| LinkTable::ALL.get(n));
    let last = match table {
        None => {
            let deploys = database.examine_deploys(after, CHAIN_BATCH)?;
            let last = deploys.last().map(|deploy| deploy.deploy.clone());
            for deploy in deploys {
                examined.deploys += 1;
                examined.events += deploy.events;
                examined.findings.extend(deploy.findings);
            }
            last
        }
        Some(table) => {
            let page = database.examine_rows(*table, after, ROW_BATCH)?;
            examined.findings.extend(page.findings);
            page.last
        }
    };
    examined.next = match last {
        Some(last) => Some(format!("{part} {last}")),
        None => (part < LinkTable::ALL.len()).then(|| format!("{} ", part + 1)),
    };
    Ok(examined)
}

/// A read of deploys, from whichever ledger there is.
trait ReadDeploys<T> {
    async fn from(self, ledger: &impl DeployReader) -> Result<T, LedgerError>;
}

struct ById(DeployId);

impl ReadDeploys<Option<DeployRecord>> for ById {
    async fn from(self, ledger: &impl DeployReader) -> Result<Option<DeployRecord>, LedgerError> {
        ledger.read_deploy(self.0).await
    }
}

struct ByShortId<'a>(&'a ShortId);

impl ReadDeploys<Option<DeployId>> for ByShortId<'_> {
    async fn from(self, ledger: &impl DeployReader) -> Result<Option<DeployId>, LedgerError> {
        ledger.find_by_short_id(self.0).await
    }
}

struct LastRetry(DeployId);

impl ReadDeploys<Option<DeployId>> for LastRetry {
    async fn from(self, ledger: &impl DeployReader) -> Result<Option<DeployId>, LedgerError> {
        ledger.find_last_retry(self.0).await
    }
}

struct ByTarget<'a>(&'a Target);

impl ReadDeploys<Option<TargetLock>> for ByTarget<'_> {
    async fn from(self, ledger: &impl DeployReader) -> Result<Option<TargetLock>, LedgerError> {
        ledger.read_lock(self.0).await
    }
}

struct Page<'a> {
    filter: &'a DeployFilter,
    before: Option<LedgerPosition>,
    limit: usize,
}

impl ReadDeploys<DeployPage> for Page<'_> {
    async fn from(self, ledger: &impl DeployReader) -> Result<DeployPage, LedgerError> {
        ledger
            .list_deploys(self.filter, self.before, self.limit)
            .await
    }
}

struct UndeliveredOf(DeployId);

impl ReadDeploys<Option<Undelivered>> for UndeliveredOf {
    async fn from(self, ledger: &impl DeployReader) -> Result<Option<Undelivered>, LedgerError> {
        ledger.read_undelivered(self.0).await
    }
}

struct UndeliveredSince(Time);

impl ReadDeploys<Vec<Undelivered>> for UndeliveredSince {
    async fn from(self, ledger: &impl DeployReader) -> Result<Vec<Undelivered>, LedgerError> {
        ledger.list_undelivered(self.0, MAX_UNDELIVERED).await
    }
}

struct WithAudit(DeployId);

type RecordAndAudit = Option<(DeployRecord, Vec<AuditEvent>)>;

impl ReadDeploys<RecordAndAudit> for WithAudit {
    /// They are two reads; if they do not match, the deploy has changed in between and is read again.
    async fn from(self, ledger: &impl DeployReader) -> Result<RecordAndAudit, LedgerError> {
        let mut read = None;
        for _ in 0..MAX_TRIES {
            let Some(record) = ledger.read_deploy(self.0).await? else {
                return Ok(None);
            };
            let events = ledger.read_events(self.0).await?;
            let fits = record.events == events.len() as u64;
            read = Some((record, events));
            if fits {
                break;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::example;

    #[tokio::test]
    async fn a_short_id_that_another_deploy_has_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chatops.db");
        example::write_file(&path, 1).await;
        let store = OperatorStore::open_file(&path).unwrap();
        let there = DeployId::parse(&store.read_chains(None).unwrap().0[0].deploy).unwrap();
        let (short, whole) = (there.short_id(ShortId::USUAL), there.to_string());
        assert_eq!(store.shown_id(there).unwrap(), short.to_string());
        let last = if whole.ends_with('0') { "1" } else { "0" };
        let other = DeployId::parse(&format!("{}{last}", &whole[..35])).unwrap();
        assert_eq!(other.short_id(ShortId::USUAL), short);
        assert_eq!(store.shown_id(other).unwrap(), other.to_string());
        let new = DeployId::of_retry(there, None);
        let shown = store.shown_id(new).unwrap();
        assert_eq!(shown, new.short_id(ShortId::USUAL).to_string());
    }
}
