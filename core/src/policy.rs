//! The policy: may this person, here, run this job on this branch? Denied unless allowed, and
//! every no carries the rule that said so.
//!
//! The worker decides with it when it arms. Ingest runs the same function only to choose the tone
//! of the acknowledgement.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::config::{Config, Job, Project};
use crate::deploy::{Ask, Target};
use crate::id::{ChannelId, DeployId, ShortId, TeamId, UserId};
use crate::name::{BranchName, JobName, ProjectName};

/// Why a command is refused: the rule, with what a reader needs to find the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Refusal {
    /// `slack.teams` does not list the workspace.
    Team {
        /// The workspace.
        team: TeamId,
    },
    /// No project was named and there is no default.
    NoProject {
        /// What may be named.
        known: Vec<ProjectName>,
    },
    /// The project is not configured.
    UnknownProject {
        /// As typed.
        project: ProjectName,
        /// What may be named.
        known: Vec<ProjectName>,
    },
    /// The project has no such job.
    UnknownJob {
        /// The project.
        project: ProjectName,
        /// As typed.
        job: JobName,
        /// What was typed as the branch; it may be what was meant as a command or the job.
        branch: BranchName,
        /// The jobs this person may run here.
        usable: Vec<JobName>,
    },
    /// The job is not run from this channel.
    Channel {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Where it was typed.
        channel: ChannelId,
        /// Where it may be typed.
        allowed: Vec<ChannelId>,
    },
    /// The person may not run the job.
    Person {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Who typed it.
        user: UserId,
    },
    /// The branch fits none of the job's patterns.
    Branch {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// As typed.
        branch: BranchName,
        /// The patterns.
        patterns: Vec<String>,
    },
    /// Asked too long ago.
    Stale {
        /// When it was asked.
        asked_at: Time,
    },
    /// Another deploy has the target.
    Busy {
        /// The target.
        target: Target,
        /// The deploy that has it.
        holder: DeployId,
        /// What people call that deploy.
        short: ShortId,
        /// Who asked for it.
        user: UserId,
        /// Since when it has the target.
        since: Time,
        /// Until when it keeps it, if it has ended without anybody knowing how.
        until: Option<Time>,
    },
}

/// What the policy lets through: the project and job as configured.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The project.
    pub project: &'a Project,
    /// The job's name.
    pub job_name: &'a JobName,
    /// The job.
    pub job: &'a Job,
}

impl Allowed<'_> {
    /// What the deploy would lock, or `None` if the job opts out.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.job
            .exclusive
            .then(|| Target(format!("{}/{}", self.project_name, self.job.environment)))
    }
}

/// A rule that was asked, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// What it said.
    pub verdict: Result<(), Refusal>,
}

/// The rules, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `slack.teams`
    Team,
    /// `projects`, `default_project`
    Project,
    /// `projects.<name>.jobs`
    Job,
    /// `channels`
    Channel,
    /// `people`
    Person,
    /// `branches`
    Branch,
}

/// Every rule's answer. Where a rule says no that others build on (the workspace, the project, the
/// job), those are not asked; of the others each is.
#[derive(Debug, Clone)]
pub struct Explained<'a> {
    /// What was asked and answered, in order.
    pub checks: Vec<Check>,
    /// The project and job, where they are known.
    pub found: Option<Allowed<'a>>,
}

/// Decides. The first rule that says no is the one that is named.
pub fn decide<'a>(config: &'a Config, ask: &Ask) -> Result<Allowed<'a>, Refusal> {
    let Explained { checks, found } = explain(config, ask);
    match (
        checks.into_iter().find_map(|check| check.verdict.err()),
        found,
    ) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(allowed)) => Ok(allowed),
        // Denied unless allowed, whatever may be missing.
        (None, None) => Err(no_project(config)),
    }
}

/// Asks every rule that can be asked.
#[must_use]
pub fn explain<'a>(config: &'a Config, ask: &Ask) -> Explained<'a> {
    let mut checks = Vec::new();
    let found = walk(config, ask, &mut checks);
    Explained { checks, found }
}

/// Asks the rules in order, and stops where there is nothing left to ask.
fn walk<'a>(config: &'a Config, ask: &Ask, checks: &mut Vec<Check>) -> Option<Allowed<'a>> {
    let mut check = |rule, verdict: Result<(), Refusal>| {
        let holds = verdict.is_ok();
        checks.push(Check { rule, verdict });
        holds.then_some(())
    };
    check(Rule::Team, listens(config, &ask.team))?;
    let named = ask.project.as_ref();
    let known = named.and_then(|name| config.project(name));
    let project = || match (named, known) {
        (None, _) => Err(no_project(config)),
        (Some(name), None) => Err(Refusal::UnknownProject {
            project: name.clone(),
            known: config.projects.keys().cloned().collect(),
        }),
        (Some(_), Some(_)) => Ok(()),
    };
    check(Rule::Project, project())?;
    let (name, project) = known?;
    let job = project.job(&ask.job);
    let unknown = || Refusal::UnknownJob {
        project: name.clone(),
        job: ask.job.clone(),
        branch: ask.branch.clone(),
        usable: usable(project, &ask.user, &ask.channel),
    };
    check(Rule::Job, job.map(drop).ok_or_else(unknown))?;
    let (job_name, job) = job?;
    let channel = || Refusal::Channel {
        project: name.clone(),
        job: job_name.clone(),
        channel: ask.channel.clone(),
        allowed: job.channels.listed().to_vec(),
    };
    check(
        Rule::Channel,
        holds(job.channels.allow(&ask.channel), channel),
    );
    let person = || Refusal::Person {
        project: name.clone(),
        job: job_name.clone(),
        user: ask.user.clone(),
    };
    check(Rule::Person, holds(job.people.allow(&ask.user), person));
    let branch = || Refusal::Branch {
        project: name.clone(),
        job: job_name.clone(),
        branch: ask.branch.clone(),
        patterns: job.branches.iter().map(ToString::to_string).collect(),
    };
    let fits = job.branches.iter().any(|pattern| pattern.fits(&ask.branch));
    check(Rule::Branch, holds(fits, branch));
    Some(Allowed {
        project_name: name,
        project,
        job_name,
        job,
    })
}

fn holds(yes: bool, otherwise: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    if yes { Ok(()) } else { Err(otherwise()) }
}

/// Whether the workspace is listened to at all: the one rule for questions.
pub fn listens(config: &Config, team: &TeamId) -> Result<(), Refusal> {
    holds(config.slack.teams.allow(team), || Refusal::Team {
        team: team.clone(),
    })
}

fn no_project(config: &Config) -> Refusal {
    Refusal::NoProject {
        known: config.projects.keys().cloned().collect(),
    }
}

/// The jobs of `project` that this person may run in this place on some branch.
#[must_use]
pub fn usable(project: &Project, user: &UserId, channel: &ChannelId) -> Vec<JobName> {
    project
        .jobs
        .iter()
        .filter(|(_, job)| job.channels.allow(channel) && job.people.allow(user))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
