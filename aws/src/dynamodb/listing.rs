//! Lists of deploys, newest first, at a price that does not grow with the ledger.
//!
//! Every part of a filter has an index with its deploys in the ledger's order. A list walks along one
//! of them and checks the other parts by the columns that the index holds. Several keys of one index
//! are walked side by side. Only the deploys to show are read as a whole, and the record decides
//! whether one is shown: an index may be a moment behind.

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use chatops_core::backoff::Backoff;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::name::{JobName, ProjectName};
use chatops_core::ports::{
    DeployFilter, DeployPage, DeployReader, LedgerError, LedgerPosition, PAGE_READ_LIMIT, PageEnd,
    PortErrorKind, RequesterFilter,
};
use futures::future::try_join_all;

use super::DynamoDb;
use super::item::{self, TableItem, text};
use super::table::{MEMBER, REQUESTED_AT, SHARDS, TableIndex, sortable_time};
use crate::failed;

/// How many entries of each index are read to find the rarest one.
const PROBE_SIZE: usize = 64;

/// How many records one request reads.
const BATCH_SIZE: usize = 100;

/// How often records are requested that DynamoDB left out of a response.
const MAX_TRIES: u32 = 8;

/// The pauses between them.
const RETRY_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(20),
    growth: 2.0,
    longest: Duration::from_millis(1_280),
};

/// A way through the ledger: an index, and the keys in it to walk side by side.
#[derive(Debug, PartialEq, Eq)]
struct QueryRoute {
    index: TableIndex,
    keys: Vec<String>,
}

impl QueryRoute {
    /// The routes that pass every matching deploy.
    fn for_filter(filter: &DeployFilter) -> Vec<Self> {
        let route = |index, keys| QueryRoute { index, keys };
        // Few deploys wait at any time, so no other index is likely to be shorter.
        if filter.awaits_retry {
            return vec![route(TableIndex::AwaitingRetry, vec![MEMBER.to_owned()])];
        }
        let one = |index, key: Option<&str>| key.map(|key| route(index, vec![key.to_owned()]));
        let user = match &filter.requesters {
            Some(RequesterFilter::Name(name)) => one(TableIndex::UserName, Some(name)),
            users => {
                let keys = users.as_ref().and_then(RequesterFilter::user_keys);
                keys.map(|keys| route(TableIndex::User, keys))
            }
        };
        let branch = filter.git_ref.as_ref().map(ToString::to_string);
        let projects = filter.project_keys();
        let routes = [
            user,
            one(TableIndex::Branch, branch.as_deref()),
            one(TableIndex::Job, filter.job.as_ref().map(JobName::as_str)),
            projects.map(|keys| route(TableIndex::Project, keys)),
            one(TableIndex::Environment, filter.environment.as_deref()),
        ];
        let mut routes: Vec<_> = routes.into_iter().flatten().collect();
        if let Some(status) = filter.status {
            let states = DeployState::ALL.into_iter();
            let states = states.filter(|state| status.matches(*state));
            let keys = states.map(|state| state.as_str().to_owned()).collect();
            routes.push(route(TableIndex::State, keys));
        }
        if routes.is_empty() {
            routes.push(route(TableIndex::All, SHARDS.map(str::to_owned).to_vec()));
        }
        routes
    }
}

/// What an index says about a deploy.
#[derive(Debug, PartialEq, Eq)]
struct ProjectedDeploy {
    place: String,
    id: DeployId,
    is_match: bool,
    /// Whether the list's reader may read it.
    is_readable: bool,
}

impl ProjectedDeploy {
    fn from_item(item: &TableItem, filter: &DeployFilter) -> Result<Self, LedgerError> {
        let place = item::get_text(item, REQUESTED_AT)?.to_owned();
        Ok(Self {
            id: item::decode_position(&place)?,
            is_match: matches_filter(item, filter),
            is_readable: filter.reads(text_column(item, "project")),
            place,
        })
    }
}

/// Whether the columns fit, except `requested_at` and `awaiting_retry`, which every walk checks.
fn matches_filter(item: &TableItem, filter: &DeployFilter) -> bool {
    let column = |name: &str| text_column(item, name);
    let is = |name: &str, wanted: Option<&str>| wanted.is_none() || column(name) == wanted;
    let branch = filter.git_ref.as_ref().map(ToString::to_string);
    let state = || column("state").and_then(DeployState::parse);
    is("branch", branch.as_deref())
        && is("job", filter.job.as_ref().map(JobName::as_str))
        && is("project", filter.project.as_ref().map(ProjectName::as_str))
        && is("environment", filter.environment.as_deref())
        && filter.reads(column("project"))
        && state().map_or(filter.status.is_none(), |state| filter.lists(state))
        && (filter.requesters.as_ref())
            .is_none_or(|who| who.matches(column("user").unwrap_or_default(), column("user_name")))
}

fn text_column<'i>(item: &'i TableItem, name: &str) -> Option<&'i str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str)
}

/// One key of an index, as far as it has been read.
#[derive(Debug)]
struct KeyCursor {
    key: String,
    read: VecDeque<ProjectedDeploy>,
    start_key: Option<TableItem>,
    ended: bool,
}

/// A walk along a route, newest first.
#[derive(Debug)]
struct IndexWalk<'w> {
    store: &'w DynamoDb,
    filter: &'w DeployFilter,
    before: Option<String>,
    index: TableIndex,
    streams: Vec<KeyCursor>,
    /// How many entries the next request asks for.
    chunk: usize,
    last: Option<String>,
}

impl<'w> IndexWalk<'w> {
    /// A walk whose first entries are read.
    async fn start(
        store: &'w DynamoDb,
        filter: &'w DeployFilter,
        before: Option<LedgerPosition>,
        route: QueryRoute,
        chunk: usize,
    ) -> Result<Self, LedgerError> {
        let streams = route.keys.into_iter().map(|key| KeyCursor {
            key,
            read: VecDeque::new(),
            start_key: None,
            ended: false,
        });
        let mut walk = Self {
            store,
            filter,
            before: before.map(item::encode_position),
            index: route.index,
            streams: streams.collect(),
            chunk,
            last: None,
        };
        walk.fill_streams().await?;
        Ok(walk)
    }

    /// How many deploys are on the route, if that is known.
    fn known_len(&self) -> Option<usize> {
        let ended = self.streams.iter().all(|stream| stream.ended);
        ended.then(|| self.streams.iter().map(|stream| stream.read.len()).sum())
    }

    /// How far back it has read: the further with the same number of reads, the rarer its deploys.
    fn oldest_position(&self) -> Option<&str> {
        let open = self.streams.iter().filter(|stream| !stream.ended);
        let last = open.filter_map(|stream| stream.read.back());
        last.map(|entry| entry.place.as_str()).max()
    }

    /// The next entry.
    async fn next_entry(&mut self) -> Result<Option<ProjectedDeploy>, LedgerError> {
        loop {
            if self.streams.iter().any(|s| s.read.is_empty() && !s.ended) {
                self.chunk = (self.chunk * 4).min(PAGE_READ_LIMIT / 2);
                self.fill_streams().await?;
            }
            let first = |stream: &KeyCursor| stream.read.front().map(|entry| entry.place.clone());
            let newest = self.streams.iter_mut().max_by_key(|stream| first(stream));
            let Some(entry) = newest.and_then(|stream| stream.read.pop_front()) else {
                return Ok(None);
            };
            // The deploy that the page begins behind, or one that changed its key between two requests.
            let again = Some(&entry.place) == self.before.as_ref()
                || Some(&entry.place) == self.last.as_ref();
            if !again {
                self.last = Some(entry.place.clone());
                return Ok(Some(entry));
            }
        }
    }

    /// Reads on in every key whose entries are used up.
    async fn fill_streams(&mut self) -> Result<(), LedgerError> {
        let (store, filter, index, chunk) = (self.store, self.filter, self.index, self.chunk);
        let newest = self.before.clone().unwrap_or_else(|| "~".to_owned());
        let oldest = filter.since.map_or_else(|| "-".to_owned(), sortable_time);
        if oldest > newest {
            self.streams.clear();
            return Ok(());
        }
        let dry = self.streams.iter_mut();
        let dry = dry.filter(|stream| stream.read.is_empty() && !stream.ended);
        let range = (oldest.as_str(), newest.as_str());
        let requests = dry.map(|stream| stream.read_page(store, filter, index, range, chunk));
        try_join_all(requests).await.map(drop)
    }
}

impl KeyCursor {
    async fn read_page(
        &mut self,
        store: &DynamoDb,
        filter: &DeployFilter,
        index: TableIndex,
        (oldest, newest): (&str, &str),
        chunk: usize,
    ) -> Result<(), LedgerError> {
        while self.read.is_empty() && !self.ended {
            let query = (store.client.query().table_name(&store.table))
                .index_name(index.name())
                .scan_index_forward(false)
                .key_condition_expression("#key = :key AND #position BETWEEN :oldest AND :newest")
                .expression_attribute_names("#key", index.partition_key())
                .expression_attribute_names("#position", REQUESTED_AT)
                .expression_attribute_values(":key", text(&self.key))
                .expression_attribute_values(":oldest", text(oldest))
                .expression_attribute_values(":newest", text(newest))
                .limit(i32::try_from(chunk).unwrap_or(i32::MAX))
                .set_exclusive_start_key(self.start_key.take());
            let page = query.send().await.map_err(failed("dynamodb:Query"))?;
            for item in page.items() {
                let entry = ProjectedDeploy::from_item(item, filter)?;
                self.read.push_back(entry);
            }
            self.start_key = page.last_evaluated_key;
            self.ended = self.start_key.is_none();
        }
        Ok(())
    }
}

/// The walk with the fewest deploys, judged by the first of them.
async fn rarest_walk<'w>(
    store: &'w DynamoDb,
    filter: &'w DeployFilter,
    before: Option<LedgerPosition>,
    limit: usize,
) -> Result<Option<IndexWalk<'w>>, LedgerError> {
    let routes = QueryRoute::for_filter(filter);
    // A single route needs the page, the deploy it begins behind, and one to see that there are more.
    // Of several keys each gets twice its share.
    let chunk = match &routes[..] {
        [route] => {
            let keys = route.keys.len().max(1);
            let share = limit.saturating_add(2).saturating_mul(keys.min(2)) / keys;
            share.clamp(4, PAGE_READ_LIMIT / 2)
        }
        _ => PROBE_SIZE,
    };
    let walk = |route| IndexWalk::start(store, filter, before, route, chunk);
    let walks = routes.into_iter().map(walk);
    let walks = try_join_all(walks).await?;
    let rarity = |walk: &IndexWalk<'_>| match walk.known_len() {
        Some(length) => (0, length, String::new()),
        None => (1, 0, walk.oldest_position().unwrap_or_default().to_owned()),
    };
    Ok(walks.into_iter().min_by_key(rarity))
}

/// A page of deploys.
pub(super) async fn list_deploys(
    store: &DynamoDb,
    filter: &DeployFilter,
    before: Option<LedgerPosition>,
    limit: usize,
) -> Result<DeployPage, LedgerError> {
    let mut page = DeployPage::default();
    let limit = limit.max(1);
    let Some(mut walk) = rarest_walk(store, filter, before, limit).await? else {
        return Ok(page);
    };
    let (mut reads, mut last, mut ended) = (0, None, false);
    while !ended {
        let missing = limit + 1 - page.deploys.len();
        let (mut found, mut cut) = (Vec::new(), false);
        while found.len() < missing && !ended {
            match walk.next_entry().await? {
                None => ended = true,
                Some(_) if reads == PAGE_READ_LIMIT => (ended, cut) = (true, true),
                Some(entry) => {
                    reads += 1;
                    found.extend(entry.is_match.then_some(entry.id));
                    last = Some(entry);
                }
            }
        }
        let records = store.read_records(&found).await?;
        page.deploys
            .extend(records.into_iter().filter(|record| filter.matches(record)));
        if page.deploys.len() > limit {
            page.deploys.truncate(limit);
            page.more = page.deploys.last().map(|record| PageEnd::at(record, true));
            return Ok(page);
        }
        if let (true, Some(last)) = (cut, last.take()) {
            cut_page(store, filter, &mut page, limit, &last).await?;
        }
    }
    Ok(page)
}

/// Ends a page that has read as much as it may, `last` at the end. A page ends at a deploy that its
/// reader may read: if that is not `last`, at the next one, which is then read, too.
async fn cut_page(
    store: &DynamoDb,
    filter: &DeployFilter,
    page: &mut DeployPage,
    limit: usize,
    last: &ProjectedDeploy,
) -> Result<(), LedgerError> {
    let read = async |id| store.read_deploy(id).await?.ok_or_else(|| not_found(id));
    let record = read(last.id).await?;
    if last.is_readable {
        page.more = Some(PageEnd::at(&record, false));
        return Ok(());
    }
    let readable = filter.readable.iter().flatten();
    let route = QueryRoute {
        index: TableIndex::Project,
        keys: readable.map(ToString::to_string).collect(),
    };
    // The deploy that it begins behind, and the next one.
    let before = Some(LedgerPosition::of(&record));
    let mut walk = IndexWalk::start(store, filter, before, route, 2).await?;
    if let Some(next) = walk.next_entry().await? {
        page.end_behind(read(next.id).await?, filter, limit);
    }
    Ok(())
}

fn not_found(id: DeployId) -> LedgerError {
    let what = format!("deploy {id} is listed and cannot be found");
    LedgerError::new(PortErrorKind::Missing, what)
}

impl DynamoDb {
    /// These deploys, in this order.
    async fn read_records(&self, ids: &[DeployId]) -> Result<Vec<DeployRecord>, LedgerError> {
        let requests = ids.chunks(BATCH_SIZE).map(|ids| self.read_chunk(ids));
        let records = try_join_all(requests).await?;
        Ok(records.into_iter().flatten().collect())
    }

    async fn read_chunk(&self, ids: &[DeployId]) -> Result<Vec<DeployRecord>, LedgerError> {
        let mut records = Vec::with_capacity(ids.len());
        let mut keys: Vec<_> = ids.iter().map(|id| item::record_key(*id)).collect();
        for tries in 0..MAX_TRIES {
            if keys.is_empty() {
                break;
            }
            if tries > 0 {
                // DynamoDB leaves out what it has no throughput for.
                tokio::time::sleep(RETRY_BACKOFF.pause(tries - 1)).await;
            }
            let wanted = KeysAndAttributes::builder().consistent_read(true);
            let wanted = wanted.set_keys(Some(std::mem::take(&mut keys))).build();
            let wanted = wanted.map_err(|error| LedgerError::new(PortErrorKind::Defect, error))?;
            let request = self.client.batch_get_item();
            let request = request.request_items(&self.table, wanted);
            let answer = request.send().await;
            let answer = answer.map_err(failed("dynamodb:BatchGetItem"))?;
            let found = answer.responses.unwrap_or_default().remove(&self.table);
            for item in found.unwrap_or_default() {
                records.push(item::parse_body::<DeployRecord>(&item)?);
            }
            let mut rest = answer.unprocessed_keys.unwrap_or_default();
            let rest = rest.remove(&self.table);
            keys = rest.map(|rest| rest.keys).unwrap_or_default();
        }
        let find = |id: &DeployId| {
            let found = records.iter().find(|record| record.id == *id).cloned();
            found.ok_or_else(|| not_found(*id))
        };
        ids.iter().map(find).collect()
    }
}
