//! Lists of deploys, newest first, at a price that does not grow with the ledger.
//!
//! Every part of a filter has an index in which its deploys stand in the order of the ledger. A
//! list walks along one of them, and what else is asked for is looked up in what the index holds.
//! Several keys of one index are walked side by side. Only deploys that are shown are read as a
//! whole, and it is the record that decides whether one is shown: an index may be a moment behind.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use chatops_core::deploy::{Head, State};
use chatops_core::id::{DeployId, UserId};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{Filter, More, Page, People, Position, READS, Store, StoreError};
use futures::future::try_join_all;

use super::DynamoDb;
use super::item::{self, Item, text};
use super::table::{ASKED, Index, MEMBER, moment};
use crate::failure::words;

/// How many entries of each index are read to learn which is the rarest to walk along.
const PROBE: usize = 64;

/// How many records one request reads.
const RECORDS: usize = 100;

/// How often records are asked for that DynamoDB left out of an answer.
const TRIES: usize = 8;

/// A way through the ledger: an index, and the keys in it that are walked side by side.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    index: Index,
    keys: Vec<String>,
}

impl Route {
    /// The ways that meet every deploy that fits.
    fn all(filter: &Filter) -> Vec<Self> {
        let route = |index, keys| Route { index, keys };
        // Few deploys wait at any time: no other index is likely to be shorter.
        if filter.awaits_retry {
            return vec![route(Index::Awaits, vec![MEMBER.to_owned()])];
        }
        let mut routes = Vec::new();
        match &filter.people {
            Some(People::Ids(ids)) => {
                let ids = ids.iter().map(UserId::as_str).map(str::to_owned);
                let mut keys: Vec<_> = ids.collect();
                keys.sort_unstable();
                keys.dedup();
                routes.push(route(Index::User, keys));
            }
            Some(People::Name(name)) => routes.push(route(Index::UserName, vec![name.clone()])),
            None => {}
        }
        let branch = filter.branch.as_ref().map(|b| (Index::Branch, b.as_str()));
        let job = filter.job.as_ref().map(|j| (Index::Job, j.as_str()));
        let project = filter.project.as_ref();
        let project = project.map(|p| (Index::Project, p.as_str()));
        let named = [branch, job, project].into_iter().flatten();
        routes.extend(named.map(|(index, key)| route(index, vec![key.to_owned()])));
        if let Some(status) = filter.status {
            let fitting = State::ALL.into_iter().filter(|state| status.fits(*state));
            let keys = fitting.map(|state| state.word().to_owned()).collect();
            routes.push(route(Index::State, keys));
        }
        if routes.is_empty() {
            routes.push(route(Index::All, vec![MEMBER.to_owned()]));
        }
        routes
    }
}

/// What an index says about a deploy.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    place: String,
    id: DeployId,
    fits: bool,
}

impl Entry {
    fn read(item: &Item, filter: &Filter) -> Result<Self, StoreError> {
        let place = item::get(item, ASKED)?.to_owned();
        Ok(Self {
            id: item::placed(&place)?,
            fits: fits(item, filter),
            place,
        })
    }
}

/// Whether the columns fit, all but `asked` and `awaits`, which every walk sees to.
fn fits(item: &Item, filter: &Filter) -> bool {
    let column = |name: &str| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.map(String::as_str)
    };
    let is =
        |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| column(name) == Some(wanted));
    let person = match &filter.people {
        Some(People::Ids(ids)) => ids.iter().any(|id| column("user") == Some(id.as_str())),
        Some(People::Name(name)) => is("user_name", Some(name)),
        None => true,
    };
    let state = || column("state").and_then(State::parse);
    person
        && is("branch", filter.branch.as_ref().map(BranchName::as_str))
        && is("job", filter.job.as_ref().map(JobName::as_str))
        && is("project", filter.project.as_ref().map(ProjectName::as_str))
        && (filter.status).is_none_or(|status| state().is_some_and(|state| status.fits(state)))
}

/// One key of an index, as far as it has been read.
#[derive(Debug)]
struct Stream {
    key: String,
    read: VecDeque<Entry>,
    after: Option<Item>,
    ended: bool,
}

/// A walk along a route, newest first.
#[derive(Debug)]
struct Walk<'w> {
    store: &'w DynamoDb,
    filter: &'w Filter,
    before: Option<String>,
    index: Index,
    streams: Vec<Stream>,
    /// How many entries the next request asks for.
    chunk: usize,
    last: Option<String>,
}

impl<'w> Walk<'w> {
    /// A walk whose first entries are read.
    async fn begin(
        store: &'w DynamoDb,
        filter: &'w Filter,
        before: Option<Position>,
        route: Route,
        chunk: usize,
    ) -> Result<Self, StoreError> {
        let streams = route.keys.into_iter().map(|key| Stream {
            key,
            read: VecDeque::new(),
            after: None,
            ended: false,
        });
        let mut walk = Self {
            store,
            filter,
            before: before.map(item::place),
            index: route.index,
            streams: streams.collect(),
            chunk,
            last: None,
        };
        walk.fill().await?;
        Ok(walk)
    }

    /// How many deploys lie on this way, if that is known.
    fn whole(&self) -> Option<usize> {
        let ended = self.streams.iter().all(|stream| stream.ended);
        ended.then(|| self.streams.iter().map(|stream| stream.read.len()).sum())
    }

    /// How far back it has read: the further with the same reads, the rarer its deploys.
    fn back_to(&self) -> Option<&str> {
        let open = self.streams.iter().filter(|stream| !stream.ended);
        let last = open.filter_map(|stream| stream.read.back());
        last.map(|entry| entry.place.as_str()).max()
    }

    /// The next entry.
    async fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            if self.streams.iter().any(|s| s.read.is_empty() && !s.ended) {
                self.chunk = (self.chunk * 4).min(READS / 2);
                self.fill().await?;
            }
            let first = |stream: &Stream| stream.read.front().map(|entry| entry.place.clone());
            let newest = self.streams.iter_mut().max_by_key(|stream| first(stream));
            let Some(entry) = newest.and_then(|stream| stream.read.pop_front()) else {
                return Ok(None);
            };
            // The one that the page begins behind; or one that changed its key between two requests.
            let again = Some(&entry.place) == self.before.as_ref()
                || Some(&entry.place) == self.last.as_ref();
            if !again {
                self.last = Some(entry.place.clone());
                return Ok(Some(entry));
            }
        }
    }

    /// Reads on where a stream has run dry.
    async fn fill(&mut self) -> Result<(), StoreError> {
        let (store, filter, index, chunk) = (self.store, self.filter, self.index, self.chunk);
        let newest = self.before.clone().unwrap_or_else(|| "~".to_owned());
        let oldest = filter.since.map_or_else(|| "-".to_owned(), moment);
        if oldest > newest {
            self.streams.clear();
            return Ok(());
        }
        let dry = self.streams.iter_mut();
        let dry = dry.filter(|stream| stream.read.is_empty() && !stream.ended);
        let range = (oldest.as_str(), newest.as_str());
        let requests = dry.map(|stream| stream.read_on(store, filter, index, range, chunk));
        try_join_all(requests).await.map(drop)
    }
}

impl Stream {
    async fn read_on(
        &mut self,
        store: &DynamoDb,
        filter: &Filter,
        index: Index,
        (oldest, newest): (&str, &str),
        chunk: usize,
    ) -> Result<(), StoreError> {
        while self.read.is_empty() && !self.ended {
            let query = (store.client.query().table_name(&store.table))
                .index_name(index.name())
                .scan_index_forward(false)
                .key_condition_expression("#key = :key AND #asked BETWEEN :oldest AND :newest")
                .expression_attribute_names("#key", index.partition())
                .expression_attribute_names("#asked", ASKED)
                .expression_attribute_values(":key", text(&self.key))
                .expression_attribute_values(":oldest", text(oldest))
                .expression_attribute_values(":newest", text(newest))
                .limit(i32::try_from(chunk).unwrap_or(i32::MAX))
                .set_exclusive_start_key(self.after.take());
            let page = query.send().await;
            let page = page.map_err(|error| StoreError(words(&error)))?;
            for item in page.items() {
                self.read.push_back(Entry::read(item, filter)?);
            }
            self.after = page.last_evaluated_key;
            self.ended = self.after.is_none();
        }
        Ok(())
    }
}

/// The walk on which the fewest deploys lie, judged by the first of them.
async fn rarest<'w>(
    store: &'w DynamoDb,
    filter: &'w Filter,
    before: Option<Position>,
    limit: usize,
) -> Result<Option<Walk<'w>>, StoreError> {
    let routes = Route::all(filter);
    // A single way needs no more than the page, the deploy it begins behind, and one to see that
    // there are more.
    let chunk = match routes.len() {
        1 => limit.saturating_add(2).min(READS / 2),
        _ => PROBE,
    };
    let walks = routes
        .into_iter()
        .map(|route| Walk::begin(store, filter, before, route, chunk));
    let walks = try_join_all(walks).await?;
    let rarity = |walk: &Walk<'_>| match walk.whole() {
        Some(length) => (0, length, String::new()),
        None => (1, 0, walk.back_to().unwrap_or_default().to_owned()),
    };
    Ok(walks.into_iter().min_by_key(rarity))
}

/// A page of deploys.
pub(super) async fn list(
    store: &DynamoDb,
    filter: &Filter,
    before: Option<Position>,
    limit: usize,
) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let limit = limit.max(1);
    let Some(mut walk) = rarest(store, filter, before, limit).await? else {
        return Ok(page);
    };
    let more = |head: &Head, full| More {
        before: head.short.clone(),
        looked_back_to: head.ask.asked_at,
        full,
    };
    let (mut reads, mut last, mut ended) = (0, None, false);
    while !ended {
        let missing = limit + 1 - page.deploys.len();
        let (mut found, mut cut) = (Vec::new(), false);
        while found.len() < missing && !ended {
            match walk.next().await? {
                None => ended = true,
                Some(_) if reads == READS => (ended, cut) = (true, true),
                Some(entry) => {
                    reads += 1;
                    last = Some(entry.id);
                    found.extend(entry.fits.then_some(entry.id));
                }
            }
        }
        let heads = store.records(&found).await?;
        page.deploys
            .extend(heads.into_iter().filter(|head| filter.fits(head)));
        if page.deploys.len() > limit {
            page.deploys.truncate(limit);
            page.more = page.deploys.last().map(|head| more(head, true));
            return Ok(page);
        }
        if let (true, Some(id)) = (cut, last) {
            let head = store.head(id).await?.ok_or_else(|| lost(id))?;
            page.more = Some(more(&head, false));
        }
    }
    Ok(page)
}

fn lost(id: DeployId) -> StoreError {
    StoreError(format!("deploy {id} is listed and cannot be found"))
}

impl DynamoDb {
    /// These deploys, in this order.
    async fn records(&self, ids: &[DeployId]) -> Result<Vec<Head>, StoreError> {
        let requests = ids.chunks(RECORDS).map(|ids| self.some_records(ids));
        let records = try_join_all(requests).await?;
        Ok(records.into_iter().flatten().collect())
    }

    async fn some_records(&self, ids: &[DeployId]) -> Result<Vec<Head>, StoreError> {
        let mut heads = Vec::with_capacity(ids.len());
        let mut keys: Vec<_> = ids.iter().map(|id| item::head_key(*id)).collect();
        for tries in 0..TRIES {
            if keys.is_empty() {
                break;
            }
            if tries > 0 {
                // DynamoDB leaves out what it has no throughput for.
                let pause = std::time::Duration::from_millis(10 << tries);
                tokio::time::sleep(pause).await;
            }
            let wanted = KeysAndAttributes::builder().consistent_read(true);
            let wanted = wanted.set_keys(Some(std::mem::take(&mut keys))).build();
            let wanted = wanted.map_err(|error| StoreError(error.to_string()))?;
            let request = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted);
            let answer = request.send().await;
            let answer = answer.map_err(|error| StoreError(words(&error)))?;
            let found = answer.responses.unwrap_or_default().remove(&self.table);
            for item in found.unwrap_or_default() {
                heads.push(item::record::<Head>(&item)?);
            }
            let rest = answer
                .unprocessed_keys
                .unwrap_or_default()
                .remove(&self.table);
            keys = rest.map(|rest| rest.keys).unwrap_or_default();
        }
        let find = |id: &DeployId| {
            let found = heads.iter().find(|head| head.id == *id).cloned();
            found.ok_or_else(|| lost(*id))
        };
        ids.iter().map(find).collect()
    }
}
