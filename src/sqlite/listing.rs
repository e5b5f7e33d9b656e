//! Lists of deploys, newest first, at a price that does not grow with the ledger.
//!
//! Every part of a filter has an index in which its deploys stand in the order of the ledger. A list
//! walks along one of them, and what else is asked for is looked up in the same index. Several keys
//! of one index are walked side by side. Only deploys that are shown are read as a whole.

use std::ops::ControlFlow;

use chatops_core::deploy::{Head, State};
use chatops_core::id::UserId;
use chatops_core::ports::{Filter, More, Page, People, Position, READS};
use rusqlite::{CachedStatement, Connection, Row, Rows, params};

use super::failure::Failure;
use super::ledger;
use super::schema::micros;

/// How many entries of each index are read to learn which is the rarest to walk along.
const PROBE: usize = 64;

/// The indexes of the head table in which deploys stand newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Asked,
    User,
    UserName,
    Branch,
    Job,
    Project,
    State,
    AwaitsRetry,
}

/// The walk along an index: `?1` is its key, `?2` and `?3` the place it begins behind, `?4` the
/// oldest moment. The index is named, so that SQLite does not choose another one and sort.
macro_rules! walk {
    ($index:literal, $key:literal) => {
        concat!(
            "SELECT asked_at, id, user, user_name, branch, job, project, state \
             FROM head INDEXED BY ",
            $index,
            " WHERE ",
            $key,
            "(asked_at, id) < (?2, ?3) AND asked_at >= ?4 ORDER BY asked_at DESC, id DESC"
        )
    };
}

impl Index {
    fn walk(self) -> &'static str {
        match self {
            Index::Asked => walk!("head_asked", ""),
            Index::User => walk!("head_user", "user = ?1 AND "),
            Index::UserName => walk!("head_user_name", "user_name = ?1 AND "),
            Index::Branch => walk!("head_branch", "branch = ?1 AND "),
            Index::Job => walk!("head_job", "job = ?1 AND "),
            Index::Project => walk!("head_project", "project = ?1 AND "),
            Index::State => walk!("head_state", "state = ?1 AND "),
            Index::AwaitsRetry => walk!("head_awaits_retry", "awaits_retry = 1 AND "),
        }
    }
}

/// A way through the ledger: an index, and the keys in it that are walked side by side.
#[derive(Debug, PartialEq, Eq)]
struct Route<'f> {
    index: Index,
    keys: Vec<&'f str>,
}

impl<'f> Route<'f> {
    /// The ways that meet every deploy that fits.
    fn all(filter: &'f Filter) -> Vec<Self> {
        let route = |index, keys| Route { index, keys };
        // Whoever has a part of its own in the ledger is never many, or should not be.
        if filter.awaits_retry {
            return vec![route(Index::AwaitsRetry, vec![""])];
        }
        let people = filter.people.as_ref().map(|people| match people {
            People::Ids(ids) => {
                let mut keys: Vec<_> = ids.iter().map(UserId::as_str).collect();
                keys.sort_unstable();
                keys.dedup();
                route(Index::User, keys)
            }
            People::Name(name) => route(Index::UserName, vec![name.as_str()]),
        });
        let branch = filter.branch.as_ref().map(|b| (Index::Branch, b.as_str()));
        let job = filter.job.as_ref().map(|j| (Index::Job, j.as_str()));
        let project = filter
            .project
            .as_ref()
            .map(|p| (Index::Project, p.as_str()));
        let status = filter.status.map(|status| {
            let fitting = State::ALL.into_iter().filter(|state| status.fits(*state));
            route(Index::State, fitting.map(State::word).collect())
        });
        let named = [branch, job, project].into_iter().flatten();
        let routes: Vec<_> = (people.into_iter())
            .chain(named.map(|(index, key)| route(index, vec![key])))
            .chain(status)
            .collect();
        if routes.is_empty() {
            return vec![route(Index::Asked, vec![""])];
        }
        routes
    }
}

/// What an index says about a deploy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    asked_at: i64,
    id: String,
    fits: bool,
}

impl Entry {
    fn read(row: &Row<'_>, filter: &Filter) -> Result<Self, Failure> {
        Ok(Self {
            asked_at: row.get(0)?,
            id: row.get(1)?,
            fits: fits(row, filter)?,
        })
    }
}

/// Whether the columns fit, all but `asked_at` and `awaits_retry`, which every walk sees to.
fn fits(row: &Row<'_>, filter: &Filter) -> rusqlite::Result<bool> {
    let is = |column: usize, wanted: &str| -> rusqlite::Result<bool> {
        let value = row.get_ref(column)?.as_str_or_null();
        Ok(value.is_ok_and(|value| value == Some(wanted)))
    };
    let fits = match &filter.people {
        Some(People::Ids(ids)) => {
            let user = row.get_ref(2)?.as_str().unwrap_or_default();
            ids.iter().any(|id| id.as_str() == user)
        }
        Some(People::Name(name)) => is(3, name)?,
        None => true,
    };
    let state = |status: chatops_core::command::Status| {
        let word = row.get_ref(7)?.as_str().unwrap_or_default();
        Ok::<_, rusqlite::Error>(State::parse(word).is_some_and(|state| status.fits(state)))
    };
    Ok(fits
        && filter
            .branch
            .as_ref()
            .map_or(Ok(true), |b| is(4, b.as_str()))?
        && filter
            .job
            .as_ref()
            .map_or(Ok(true), |j| is(5, j.as_str()))?
        && filter
            .project
            .as_ref()
            .map_or(Ok(true), |p| is(6, p.as_str()))?
        && filter.status.map_or(Ok(true), state)?)
}

/// Walks a route, newest first, until `visit` breaks off or it ends.
fn walk(
    connection: &Connection,
    route: &Route<'_>,
    filter: &Filter,
    before: Option<Position>,
    mut visit: impl FnMut(Entry) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let (at, id) = before.map_or((i64::MAX, String::new()), |before| {
        (micros(before.asked_at), before.id.to_string())
    });
    let since = filter.since.map_or(i64::MIN, micros);
    let statements = route
        .keys
        .iter()
        .map(|_| connection.prepare_cached(route.index.walk()));
    let mut statements = statements.collect::<Result<Vec<CachedStatement<'_>>, _>>()?;
    let next = |rows: &mut Rows<'_>| -> Result<Option<Entry>, Failure> {
        let row = rows.next()?;
        row.map(|row| Entry::read(row, filter)).transpose()
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

/// The route on which the fewest deploys lie, judged by the first of them.
fn rarest<'f>(
    connection: &Connection,
    filter: &'f Filter,
    before: Option<Position>,
) -> Result<Option<Route<'f>>, Failure> {
    let mut routes = Route::all(filter);
    if routes.len() == 1 {
        return Ok(routes.pop());
    }
    let mut best = None;
    for route in routes {
        let (mut met, mut back_to) = (0, i64::MAX);
        walk(connection, &route, filter, before, |entry| {
            (met, back_to) = (met + 1, entry.asked_at);
            Ok(match met {
                PROBE => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        })?;
        if met < PROBE {
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
pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    before: Option<Position>,
    limit: usize,
) -> Result<Page, Failure> {
    let mut page = Page::default();
    let Some(route) = rarest(connection, filter, before)? else {
        return Ok(page);
    };
    let (limit, mut reads, mut last) = (limit.max(1), 0, None);
    let more = |head: &Head, full| More {
        before: head.short.clone(),
        looked_back_to: head.ask.asked_at,
        full,
    };
    walk(connection, &route, filter, before, |entry| {
        if reads == READS {
            let last = last.take().map(|id: String| known(connection, &id));
            page.more = last.transpose()?.map(|head| more(&head, false));
            return Ok(ControlFlow::Break(()));
        }
        reads += 1;
        // The columns find; the record decides.
        let head = entry
            .fits
            .then(|| known(connection, &entry.id))
            .transpose()?;
        if let Some(head) = head.filter(|head| filter.fits(head)) {
            if page.deploys.len() == limit {
                page.more = page.deploys.last().map(|head| more(head, true));
                return Ok(ControlFlow::Break(()));
            }
            page.deploys.push(head);
        }
        last = Some(entry.id);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// A deploy that an index names.
fn known(connection: &Connection, id: &str) -> Result<Head, Failure> {
    let head = ledger::head(connection, ledger::id(id)?)?;
    head.ok_or_else(|| Failure::Definite(format!("deploy {id} is listed and cannot be found")))
}

#[cfg(test)]
mod tests;
