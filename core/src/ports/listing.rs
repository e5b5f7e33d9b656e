//! What can be asked of the ledger about many deploys: filters, pages, and how far one page reads.
//!
//! A page costs a bounded number of reads however many deploys there are. Where that bound is met
//! before the page is full, the page says how far back it has looked and where to go on.

use crate::Time;
use crate::command::{HistoryFilter, Status, Who};
use crate::config::Config;
use crate::deploy::Head;
use crate::id::{DeployId, ShortId, UserId};
use crate::name::{BranchName, JobName, ProjectName};

/// The most deploys that one page reads.
pub const READS: usize = 2_000;

/// Which deploys. What is `None` does not matter; everything else has to fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Who asked.
    pub people: Option<People>,
    /// The branch.
    pub branch: Option<BranchName>,
    /// The job.
    pub job: Option<JobName>,
    /// The project.
    pub project: Option<ProjectName>,
    /// Where they stand.
    pub status: Option<Status>,
    /// Only those that [wait to be tried again](Head::awaits_retry).
    pub awaits_retry: bool,
    /// Asked for at this moment or later.
    pub since: Option<Time>,
}

/// People, by id or by the name Slack knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum People {
    /// Any of these.
    Ids(Vec<UserId>),
    /// Whoever was called that when they asked; in small letters.
    Name(String),
}

impl Filter {
    /// What typed filters mean when `me` asks: names become ids where the configuration knows
    /// them, aliases become names. Without a `me`, `user:me` means nobody in particular.
    #[must_use]
    pub fn meant(typed: &HistoryFilter, me: Option<&UserId>, now: Time, config: &Config) -> Self {
        let people = typed.user.as_ref().and_then(|who| match who {
            Who::Me => me.map(|me| People::Ids(vec![me.clone()])),
            Who::Id(id) => Some(People::Ids(vec![id.clone()])),
            Who::Name(name) => Some(match config.people.get(name) {
                Some(ids) => People::Ids(ids.clone()),
                None => People::Name(name.clone()),
            }),
        });
        let project = typed.project.as_ref();
        let known = project.and_then(|name| config.project(name));
        let project = known.map(|(name, _)| name).or(project);
        let job = typed.job.as_ref();
        Self {
            people,
            branch: typed.branch.clone(),
            job: job.map(|job| job_meant(job, project, config).clone()),
            project: project.cloned(),
            status: typed.status,
            awaits_retry: false,
            since: typed.since.map(|since| since.at(now)),
        }
    }

    /// Whether a deploy is meant.
    #[must_use]
    pub fn fits(&self, head: &Head) -> bool {
        fn all<T>(wanted: Option<&T>, fits: impl Fn(&T) -> bool) -> bool {
            wanted.is_none_or(fits)
        }
        let ask = &head.ask;
        all(self.people.as_ref(), |people| match people {
            People::Ids(ids) => ids.contains(&ask.user),
            People::Name(name) => {
                let known = ask.user_name.as_deref().map(str::to_lowercase);
                known.as_deref() == Some(name)
            }
        }) && all(self.branch.as_ref(), |branch| ask.branch == *branch)
            && all(self.job.as_ref(), |job| ask.job == *job)
            && all(self.project.as_ref(), |project| {
                ask.project.as_ref() == Some(project)
            })
            && all(self.status.as_ref(), |status| status.fits(head.state))
            && all(self.since.as_ref(), |since| ask.asked_at >= *since)
            && (!self.awaits_retry || head.awaits_retry())
    }
}

/// The job that a name or alias means: in the project, if one is named, else in the first that
/// knows it.
fn job_meant<'a>(
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
pub struct Position {
    /// When it was asked for.
    pub asked_at: Time,
    /// The deploy.
    pub id: DeployId,
}

impl Position {
    /// A deploy's place.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        Self {
            asked_at: head.ask.asked_at,
            id: head.id,
        }
    }
}

/// One page of deploys, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The deploys.
    pub deploys: Vec<Head>,
    /// What lies behind this page; `None` if it is the last one.
    pub more: Option<More>,
}

/// What lies behind a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct More {
    /// The last deploy that was read: the next page is what is older than that one.
    pub before: ShortId,
    /// When that one was asked for: so far back this page has looked.
    pub looked_back_to: Time,
    /// Whether the page is full, and there is certainly more. Otherwise as many deploys were
    /// [read](READS) as one page may, and there may be more.
    pub full: bool,
}
