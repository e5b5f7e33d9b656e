//! Lists of deploys, newest first, at a cost that does not grow with the ledger.
//!
//! Every part of a filter has an index that holds its deploys in the order of the ledger. A list
//! walks along one of them and checks the other parts in the same index. Several keys of one index
//! are walked side by side. Only records that are shown are read.

use std::ops::ControlFlow;

use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::name::{JobName, ProjectName};
use chatops_core::ports::{
    DeployFilter, DeployPage, LedgerPosition, PAGE_READ_LIMIT, PageEnd, RequesterFilter,
};
use rusqlite::{CachedStatement, Connection, Row, Rows, params};
use strum::VariantArray;

use super::super::failure::{FileResult, SqliteFailure};
use super::super::schema::{from_micros, to_micros};

/// How many entries of each index are read to find the rarest route.
const PROBE_LEN: usize = 64;

/// The indexes of `deploy` that lists walk along, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
enum ListIndex {
    Requested,
    User,
    UserName,
    Branch,
    Job,
    Project,
    Environment,
    State,
    AwaitsRetry,
}

/// The walk along an index: `?1` is its key, `?2` and `?3` the position it starts after, `?4` the
/// oldest time. The index is named, so that SQLite does not choose another one and sort.
macro_rules! walk {
    ($index:literal, $key:literal) => {
        concat!(
            "SELECT requested_at, id, user, user_name, branch, job, project, state, \
             environment FROM deploy INDEXED BY ",
            $index,
            " WHERE ",
            $key,
            "(requested_at, id) < (?2, ?3) AND requested_at >= ?4 ORDER BY requested_at DESC, id DESC"
        )
    };
}

impl ListIndex {
    fn walk_sql(self) -> &'static str {
        match self {
            ListIndex::Requested => walk!("deploy_requested", ""),
            ListIndex::User => walk!("deploy_user", "user = ?1 AND "),
            ListIndex::UserName => walk!("deploy_user_name", "user_name = ?1 AND "),
            ListIndex::Branch => walk!("deploy_branch", "branch = ?1 AND "),
            ListIndex::Job => walk!("deploy_job", "job = ?1 AND "),
            ListIndex::Project => walk!("deploy_project", "project = ?1 AND "),
            ListIndex::Environment => walk!("deploy_environment", "environment = ?1 AND "),
            ListIndex::State => walk!("deploy_state", "state = ?1 AND "),
            ListIndex::AwaitsRetry => walk!("deploy_awaiting_retry", "awaiting_retry = 1 AND "),
        }
    }
}

/// A way through the ledger: an index, and the keys in it that are walked side by side.
#[derive(Debug, PartialEq, Eq)]
struct IndexRoute {
    index: ListIndex,
    keys: Vec<String>,
}

impl IndexRoute {
    /// The routes that each visit every deploy that the filter matches.
    fn all_routes(filter: &DeployFilter) -> Vec<Self> {
        let route = |index, keys| IndexRoute { index, keys };
        let one = |index, key: Option<&str>| key.map(|key| route(index, vec![key.to_owned()]));
        // Few deploys wait for a retry at any time: no other index is likely to be shorter.
        if filter.awaits_retry {
            return vec![route(ListIndex::AwaitsRetry, vec![String::new()])];
        }
        let user = filter.requesters.as_ref().and_then(|who| match who {
            RequesterFilter::Name(name) => one(ListIndex::UserName, Some(name)),
            ids => ids.user_keys().map(|keys| route(ListIndex::User, keys)),
        });
        let status = filter.status.map(|status| {
            let states = DeployState::ALL.into_iter();
            let states = states.filter(|state| status.matches(*state));
            let keys = states.map(|state| state.as_str().to_owned());
            route(ListIndex::State, keys.collect())
        });
        let branch = filter.git_ref.as_ref().map(ToString::to_string);
        let projects = filter.project_keys();
        let routes = [
            user,
            one(ListIndex::Branch, branch.as_deref()),
            one(ListIndex::Job, filter.job.as_ref().map(JobName::as_str)),
            projects.map(|keys| route(ListIndex::Project, keys)),
            one(ListIndex::Environment, filter.environment.as_deref()),
            status,
        ];
        let routes: Vec<_> = routes.into_iter().flatten().collect();
        if routes.is_empty() {
            return vec![route(ListIndex::Requested, vec![String::new()])];
        }
        routes
    }
}

/// An entry of an index.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct IndexEntry {
    requested_at: i64,
    id: String,
    fits: bool,
    /// Whether the list's reader may read it.
    readable: bool,
}

impl IndexEntry {
    fn read(row: &Row<'_>, filter: &DeployFilter) -> FileResult<Self> {
        Ok(Self {
            requested_at: row.get(0)?,
            id: row.get(1)?,
            fits: row_fits(row, filter)?,
            readable: filter.reads(row.get_ref("project")?.as_str_or_null().unwrap_or_default()),
        })
    }

    fn position(&self) -> FileResult<LedgerPosition> {
        Ok(LedgerPosition {
            requested_at: from_micros(self.requested_at),
            id: super::parse_id(&self.id)?,
        })
    }
}

/// Whether the columns match, except `requested_at` and `awaiting_retry`, which the walk checks.
fn row_fits(row: &Row<'_>, filter: &DeployFilter) -> rusqlite::Result<bool> {
    let mut columns = [None; 7];
    for (n, column) in columns.iter_mut().enumerate() {
        *column = row.get_ref(n + 2)?.as_str_or_null().unwrap_or_default();
    }
    let [user, user_name, branch, job, project, state, environment] = columns;
    let wanted_branch = filter.git_ref.as_ref().map(ToString::to_string);
    let is = |column: Option<&str>, wanted: Option<&str>| wanted.is_none() || column == wanted;
    let state = state.and_then(DeployState::parse);
    Ok(is(branch, wanted_branch.as_deref())
        && is(job, filter.job.as_ref().map(JobName::as_str))
        && is(project, filter.project.as_ref().map(ProjectName::as_str))
        && is(environment, filter.environment.as_deref())
        && filter.reads(project)
        && state.map_or(filter.status.is_none(), |state| filter.lists(state))
        && (filter.requesters.as_ref())
            .is_none_or(|who| who.matches(user.unwrap_or_default(), user_name)))
}

/// Walks a route, newest first, until `visit` breaks or the route ends.
fn walk_route(
    db: &Connection,
    route: &IndexRoute,
    filter: &DeployFilter,
    before: Option<LedgerPosition>,
    mut visit: impl FnMut(IndexEntry) -> FileResult<ControlFlow<()>>,
) -> FileResult<()> {
    let (at, id) = before.map_or((i64::MAX, String::new()), |before| {
        (to_micros(before.requested_at), before.id.to_string())
    });
    let since = filter.since.map_or(i64::MIN, to_micros);
    let statements = route
        .keys
        .iter()
        .map(|_| db.prepare_cached(route.index.walk_sql()));
    let mut statements = statements.collect::<Result<Vec<CachedStatement<'_>>, _>>()?;
    let next = |rows: &mut Rows<'_>| -> FileResult<Option<IndexEntry>> {
        let row = rows.next()?;
        row.map(|row| IndexEntry::read(row, filter)).transpose()
    };
    let mut streams = Vec::new();
    for (statement, key) in statements.iter_mut().zip(&route.keys) {
        let mut rows = statement.query(params![key, at, id, since])?;
        if let Some(entry) = next(&mut rows)? {
            streams.push((entry, rows));
        }
    }
    loop {
        let newest = (0..streams.len()).max_by(|a, b| streams[*a].0.cmp(&streams[*b].0));
        let Some(newest) = newest else { return Ok(()) };
        let (entry, rows) = &mut streams[newest];
        let met = match next(rows)? {
            Some(older) => std::mem::replace(entry, older),
            None => streams.swap_remove(newest).0,
        };
        if visit(met)?.is_break() {
            return Ok(());
        }
    }
}

/// The route with the fewest deploys, judged by its first entries.
fn rarest_route(
    db: &Connection,
    filter: &DeployFilter,
    before: Option<LedgerPosition>,
) -> FileResult<Option<IndexRoute>> {
    let mut routes = IndexRoute::all_routes(filter);
    if routes.len() == 1 {
        return Ok(routes.pop());
    }
    let mut best = None;
    for route in routes {
        let (mut met, mut back_to) = (0, i64::MAX);
        walk_route(db, &route, filter, before, |entry| {
            (met, back_to) = (met + 1, entry.requested_at);
            Ok(match met {
                PROBE_LEN => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        })?;
        if met < PROBE_LEN {
            return Ok(Some(route));
        }
        if best
            .as_ref()
            .is_none_or(|(furthest, _)| back_to < *furthest)
        {
            best = Some((back_to, route));
        }
    }
    Ok(best.map(|(_, route)| route))
}

/// A page of deploys.
pub(crate) fn list_page(
    db: &Connection,
    filter: &DeployFilter,
    before: Option<LedgerPosition>,
    limit: usize,
) -> FileResult<DeployPage> {
    let mut page = DeployPage::default();
    let Some(route) = rarest_route(db, filter, before)? else {
        return Ok(page);
    };
    let (limit, mut reads, mut last) = (limit.max(1), 0, None);
    walk_route(db, &route, filter, before, |entry| {
        if reads == PAGE_READ_LIMIT {
            if let Some(last) = last.take() {
                cut_page(db, filter, &mut page, limit, &last)?;
            }
            return Ok(ControlFlow::Break(()));
        }
        reads += 1;
        // The columns select; the record decides.
        let record = entry.fits.then(|| load_record(db, &entry.id)).transpose()?;
        if let Some(record) = record.filter(|record| filter.matches(record)) {
            if page.deploys.len() == limit {
                page.more = page.deploys.last().map(|record| PageEnd::at(record, true));
                return Ok(ControlFlow::Break(()));
            }
            page.deploys.push(record);
        }
        last = Some(entry);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// Ends a page that has read as much as it may, `last` at the end. A page ends at a deploy that its
/// reader may read: if that is not `last`, at the next one, which is then read, too.
fn cut_page(
    db: &Connection,
    filter: &DeployFilter,
    page: &mut DeployPage,
    limit: usize,
    last: &IndexEntry,
) -> FileResult<()> {
    if last.readable {
        page.more = Some(PageEnd::at(&load_record(db, &last.id)?, false));
        return Ok(());
    }
    let readable = filter.readable.iter().flatten();
    let route = IndexRoute {
        index: ListIndex::Project,
        keys: readable.map(ToString::to_string).collect(),
    };
    let mut next = None;
    walk_route(db, &route, filter, Some(last.position()?), |entry| {
        next = Some(entry.id);
        Ok(ControlFlow::Break(()))
    })?;
    if let Some(id) = next {
        page.end_behind(load_record(db, &id)?, filter, limit);
    }
    Ok(())
}

/// The record of a deploy that an index names.
fn load_record(db: &Connection, id: &str) -> FileResult<DeployRecord> {
    let record = super::select_record(db, super::parse_id(id)?)?;
    record.ok_or_else(|| {
        SqliteFailure::NotWritten(format!("deploy {id} is listed and cannot be found"))
    })
}

#[cfg(test)]
mod tests;
