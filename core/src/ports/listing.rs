//! What can be asked of the ledger about many deploys: filters, pages, and how far one page reads.
//!
//! A page costs a bounded number of reads however many deploys there are. Where that bound is met
//! before the page is full, the page says how far back it has looked and where to go on.

use crate::Time;
use crate::command::{HistoryFilter, StatusFilter, UserFilter};
use crate::config::{AllowList, Config};
use crate::deploy::DeployRecord;
use crate::id::{DeployId, QualifiedUser, ShortId, TeamId, UserId};
use crate::name::{BranchName, JobName, ProjectName};

/// The most deploys that one page reads.
pub const PAGE_READ_LIMIT: usize = 2_000;

/// Which deploys. What is `None` does not matter; everything else has to fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeployFilter {
    /// Who asked.
    pub requesters: Option<RequesterFilter>,
    /// The branch.
    pub branch: Option<BranchName>,
    /// The job.
    pub job: Option<JobName>,
    /// The project.
    pub project: Option<ProjectName>,
    /// The environment.
    pub environment: Option<String>,
    /// Where they stand.
    pub status: Option<StatusFilter>,
    /// Only those that [wait to be tried again](Head::awaits_retry).
    pub awaits_retry: bool,
    /// Asked for at this moment or later.
    pub since: Option<Time>,
}

/// People, by id or by the name Slack knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequesterFilter {
    /// Any of these.
    Users(Vec<QualifiedUser>),
    /// Any of these, whatever the workspace.
    AnyWorkspace(Vec<UserId>),
    /// Whoever was called that when they asked; in small letters.
    Name(String),
}

impl RequesterFilter {
    /// Whether a deploy with these columns of a store is meant: the user as `T…/U…`, the name in
    /// small letters.
    #[must_use]
    pub fn matches(&self, user: &str, user_name: Option<&str>) -> bool {
        match self {
            Self::Users(users) => users.iter().any(|one| one.to_string() == user),
            Self::AnyWorkspace(ids) => {
                let id = user.split_once('/').map(|(_, id)| id);
                ids.iter().any(|one| id == Some(one.as_str()))
            }
            Self::Name(name) => user_name == Some(name),
        }
    }

    /// The keys under which an index by user finds every deploy that is meant, each once; `None` if
    /// it cannot.
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
    /// What typed filters mean when `me` asks: names become ids where the configuration knows
    /// them, aliases become names. Without a `me`, `user:me` means nobody in particular.
    #[must_use]
    pub fn from_typed(
        typed: &HistoryFilter,
        me: Option<&QualifiedUser>,
        now: Time,
        config: &Config,
    ) -> Self {
        let requesters = typed.user.as_ref().and_then(|who| match who {
            UserFilter::Me => me.map(|me| RequesterFilter::Users(vec![me.clone()])),
            UserFilter::Id(id) => Some(qualify(std::slice::from_ref(id), me, config)),
            UserFilter::Name(name) => Some(match config.users.get(name) {
                Some(ids) => qualify(ids, me, config),
                None => RequesterFilter::Name(name.clone()),
            }),
        });
        let project = typed.project.as_ref();
        let known = project.and_then(|name| config.project(name));
        let project = known.map(|(name, _)| name).or(project);
        let job = typed.job.as_ref();
        Self {
            requesters,
            branch: typed.branch.clone(),
            job: job.map(|job| resolve_job(job, project, config).clone()),
            project: project.cloned(),
            environment: None,
            status: typed.status,
            awaits_retry: false,
            since: typed.since.map(|since| since.cutoff(now)),
        }
    }

    /// Whether a deploy is meant.
    #[must_use]
    pub fn matches(&self, head: &DeployRecord) -> bool {
        fn all<T>(wanted: Option<&T>, fits: impl Fn(&T) -> bool) -> bool {
            wanted.is_none_or(fits)
        }
        let ask = &head.request;
        let user_name = ask.user_name.as_deref().map(str::to_lowercase);
        all(self.requesters.as_ref(), |requesters| {
            requesters.matches(&ask.qualified_user().to_string(), user_name.as_deref())
        }) && all(self.branch.as_ref(), |branch| ask.branch == *branch)
            && all(self.job.as_ref(), |job| ask.job == *job)
            && all(self.project.as_ref(), |project| {
                ask.project.as_ref() == Some(project)
            })
            && all(self.environment.as_ref(), |environment| {
                ask.environment.as_ref() == Some(environment)
            })
            && all(self.status.as_ref(), |status| status.matches(head.state))
            && all(self.since.as_ref(), |since| ask.requested_at >= *since)
            && (!self.awaits_retry || head.awaits_retry())
    }
}

/// Ids without a workspace mean those of the configured workspaces; where every workspace is
/// allowed, those of the one who asks, or of any.
fn qualify(ids: &[UserId], me: Option<&QualifiedUser>, config: &Config) -> RequesterFilter {
    let teams: Vec<TeamId> = match &config.slack.teams {
        AllowList::Listed(teams) => teams.clone(),
        AllowList::Any => me.map(|me| me.team.clone()).into_iter().collect(),
    };
    if teams.is_empty() {
        return RequesterFilter::AnyWorkspace(ids.to_vec());
    }
    let user = |team: &TeamId, user: &UserId| QualifiedUser {
        team: team.clone(),
        user: user.clone(),
    };
    let of = |team| ids.iter().map(move |id| user(team, id));
    RequesterFilter::Users(teams.iter().flat_map(of).collect())
}

/// The job that a name or alias means: in the project, if one is named, else in the first that
/// knows it.
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

/// A place in the order of the ledger, which is newest first: by `asked_at`, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerPosition {
    /// When it was asked for.
    pub requested_at: Time,
    /// The deploy.
    pub id: DeployId,
}

impl LedgerPosition {
    /// A deploy's place.
    #[must_use]
    pub fn of(head: &DeployRecord) -> Self {
        Self {
            requested_at: head.request.requested_at,
            id: head.id,
        }
    }
}

/// One page of deploys, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeployPage {
    /// The deploys.
    pub deploys: Vec<DeployRecord>,
    /// What lies behind this page; `None` if it is the last one.
    pub more: Option<PageEnd>,
}

/// What lies behind a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEnd {
    /// The last deploy that was read: the next page is what is older than that one.
    pub before: ShortId,
    /// When that one was asked for: so far back this page has looked.
    pub read_back_to: Time,
    /// Whether the page is full, and there is certainly more. Otherwise as many deploys were
    /// [read](READS) as one page may, and there may be more.
    pub full: bool,
}
