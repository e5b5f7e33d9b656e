//! Lists of deploys: filters and pages.
//!
//! A page reads a bounded number of deploys. If it reaches that bound before it is full, it says how
//! far back it has read and where to continue.

use std::collections::BTreeSet;

use crate::Time;
use crate::command::{HistoryFilter, StatusFilter, UserFilter};
use crate::config::{AllowList, Config};
use crate::deploy::{DeployRecord, DeployState};
use crate::id::{DeployId, QualifiedUser, ShortId, TeamId, UserId};
use crate::name::{GitRef, JobName, ProjectName};

/// The most deploys that one page reads.
pub const PAGE_READ_LIMIT: usize = 2_000;

/// The most projects whose deploys are walked side by side.
const MAX_PROJECT_KEYS: usize = 16;

/// Which deploys to list; `None` matches every deploy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeployFilter {
    /// The requesters.
    pub requesters: Option<RequesterFilter>,
    /// The branch or tag.
    pub git_ref: Option<GitRef>,
    /// The job.
    pub job: Option<JobName>,
    /// The project.
    pub project: Option<ProjectName>,
    /// The environment.
    pub environment: Option<String>,
    /// The status.
    pub status: Option<StatusFilter>,
    /// Only those that [wait for a retry](DeployRecord::awaits_retry).
    pub awaits_retry: bool,
    /// Not what was rejected.
    pub hides_rejected: bool,
    /// Requested at this time or later.
    pub since: Option<Time>,
    /// The projects that the reader [may read](crate::policy::readable_projects), of which alone a page
    /// ends at a deploy; `None` for an operator, who reads all.
    pub readable: Option<BTreeSet<ProjectName>>,
}

/// Users, by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequesterFilter {
    /// Any of these.
    Users(Vec<QualifiedUser>),
    /// Any of these, in any workspace.
    AnyWorkspace(Vec<UserId>),
    /// Users with this name at the time of the request, in lower case.
    Name(String),
}

impl RequesterFilter {
    /// Whether a deploy with these stored values matches: the user as `T…/U…`, the name in lower
    /// case.
    #[must_use]
    pub fn matches(&self, user: &str, user_name: Option<&str>) -> bool {
        match self {
            Self::Users(users) => user.split_once('/').is_some_and(|(team, id)| {
                let is = |one: &QualifiedUser| one.team.as_str() == team && one.id.as_str() == id;
                users.iter().any(is)
            }),
            Self::AnyWorkspace(ids) => {
                let id = user.split_once('/').map(|(_, id)| id);
                ids.iter().any(|one| id == Some(one.as_str()))
            }
            Self::Name(name) => user_name == Some(name),
        }
    }

    /// The distinct keys of an index by user that cover every match; `None` if there are none.
    #[must_use]
    pub fn user_keys(&self) -> Option<Vec<String>> {
        let Self::Users(users) = self else {
            return None;
        };
        let mut keys: Vec<_> = users.iter().map(ToString::to_string).collect();
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }
}

impl DeployFilter {
    /// Resolves typed filters for `me`: names become ids if the configuration has them, aliases become
    /// names. Without `me`, `user:me` matches every user.
    #[must_use]
    pub fn from_typed(
        typed: &HistoryFilter,
        me: Option<&QualifiedUser>,
        now: Time,
        config: &Config,
    ) -> Self {
        let requesters = typed.user.as_ref().and_then(|who| match who {
            UserFilter::Me => me.map(|me| RequesterFilter::Users(vec![me.clone()])),
            UserFilter::Id(id) => Some(qualify(id, me, config)),
            UserFilter::Name(name) => Some(match config.users.get(name) {
                Some(users) => RequesterFilter::Users(users.clone()),
                None => RequesterFilter::Name(name.clone()),
            }),
        });
        let project = typed.project.as_ref();
        let known = project.and_then(|name| config.project(name));
        let project = known.map(|(name, _)| name).or(project);
        let job = typed.job.as_ref();
        Self {
            requesters,
            git_ref: typed.git_ref.clone(),
            job: job.map(|job| resolve_job(job, project, config).clone()),
            project: project.cloned(),
            environment: typed
                .environment
                .as_ref()
                .map(|name| config.environment(name)),
            status: typed.status,
            awaits_retry: false,
            hides_rejected: typed.status.is_none() && !typed.all,
            readable: None,
            since: typed.since.map(|since| since.cutoff(now)),
        }
    }

    /// Whether a deploy matches.
    #[must_use]
    pub fn matches(&self, record: &DeployRecord) -> bool {
        fn all<T>(wanted: Option<&T>, fits: impl Fn(&T) -> bool) -> bool {
            wanted.is_none_or(fits)
        }
        let request = &record.request;
        let user_name = request.user_name.as_deref().map(str::to_lowercase);
        all(self.requesters.as_ref(), |requesters| {
            requesters.matches(&request.qualified_user().to_string(), user_name.as_deref())
        }) && all(self.git_ref.as_ref(), |git_ref| request.git_ref == *git_ref)
            && all(self.job.as_ref(), |job| request.job == *job)
            && all(self.project.as_ref(), |project| {
                request.project.as_ref() == Some(project)
            })
            && all(self.environment.as_ref(), |environment| {
                request.environment.as_ref() == Some(environment)
            })
            && all(self.since.as_ref(), |since| request.requested_at >= *since)
            && (!self.awaits_retry || record.awaits_retry())
            && self.lists(record.state)
            && self.reads(request.project.as_ref().map(ProjectName::as_str))
    }

    /// Whether deploys in a state are listed, if everything else fits.
    #[must_use]
    pub fn lists(&self, state: DeployState) -> bool {
        !(self.hides_rejected && state == DeployState::Rejected)
            && self.status.is_none_or(|status| status.matches(state))
    }

    /// Whether the reader may read the deploys of a project.
    #[must_use]
    pub fn reads(&self, project: Option<&str>) -> bool {
        self.readable.as_ref().is_none_or(|readable| {
            project.is_some_and(|project| readable.iter().any(|one| one.as_str() == project))
        })
    }

    /// The distinct keys of an index by project that cover every match; `None` if there are none, or
    /// too many to walk side by side.
    #[must_use]
    pub fn project_keys(&self) -> Option<Vec<String>> {
        let keys: Vec<&ProjectName> = match (&self.project, &self.readable) {
            (Some(wanted), _) => vec![wanted],
            (None, Some(readable)) if readable.len() <= MAX_PROJECT_KEYS => {
                readable.iter().collect()
            }
            (None, _) => return None,
        };
        let keys = keys.into_iter().map(ProjectName::as_str);
        let keys = keys.filter(|key| self.reads(Some(key)));
        Some(keys.map(str::to_owned).collect())
    }
}

/// Qualifies a user's id by the configured workspaces; if every workspace is allowed, by the
/// requester's, or by any.
fn qualify(id: &UserId, me: Option<&QualifiedUser>, config: &Config) -> RequesterFilter {
    let teams: Vec<TeamId> = match &config.slack.teams {
        AllowList::Listed(teams) => teams.clone(),
        AllowList::Any => me.map(|me| me.team.clone()).into_iter().collect(),
    };
    if teams.is_empty() {
        return RequesterFilter::AnyWorkspace(vec![id.clone()]);
    }
    let id = |team| QualifiedUser {
        team,
        id: id.clone(),
    };
    RequesterFilter::Users(teams.into_iter().map(id).collect())
}

/// The job of a name or alias: in the named project, else in the first project that has it.
fn resolve_job<'a>(
    job: &'a JobName,
    project: Option<&ProjectName>,
    config: &'a Config,
) -> &'a JobName {
    let projects = config.projects.iter();
    let mut asked = projects.filter(|(name, _)| project.is_none_or(|project| project == *name));
    let known = asked.find_map(|(_, project)| project.job(job));
    known.map_or(job, |(name, _)| name)
}

/// A position in the order of the ledger, newest first: by `requested_at`, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerPosition {
    /// When it was requested.
    pub requested_at: Time,
    /// The deploy.
    pub id: DeployId,
}

impl LedgerPosition {
    /// The position of a deploy.
    #[must_use]
    pub fn of(record: &DeployRecord) -> Self {
        Self {
            requested_at: record.request.requested_at,
            id: record.id,
        }
    }
}

/// One page of deploys, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeployPage {
    /// The deploys.
    pub deploys: Vec<DeployRecord>,
    /// How to continue; `None` on the last page.
    pub more: Option<PageEnd>,
}

impl DeployPage {
    /// Ends a page that has read as much as it may with the next deploy that its reader may read,
    /// which is on the page if it matches and there is room.
    pub fn end_behind(&mut self, next: DeployRecord, filter: &DeployFilter, limit: usize) {
        let matches = filter.matches(&next);
        if matches && self.deploys.len() >= limit {
            self.more = self.deploys.last().map(|last| PageEnd::at(last, true));
            return;
        }
        self.more = Some(PageEnd::at(&next, false));
        self.deploys.extend(matches.then_some(next));
    }
}

/// Where a page ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEnd {
    /// The last deploy that was read; the next page has older ones.
    pub before: ShortId,
    /// When that one was requested.
    pub read_back_to: Time,
    /// Whether the page is full, and there is certainly more. Otherwise the page has reached
    /// [`PAGE_READ_LIMIT`], and there may be more.
    pub full: bool,
}

impl PageEnd {
    /// The end at a deploy.
    #[must_use]
    pub fn at(record: &DeployRecord, full: bool) -> Self {
        Self {
            before: record.short_id.clone(),
            read_back_to: record.request.requested_at,
            full,
        }
    }
}
