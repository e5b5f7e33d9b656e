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
    },
}

/// What the policy lets through: the project and job as configured.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The project.
    pub project: &'a Project,
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

/// Decides. The first rule that says no is the one that is named.
pub fn decide<'a>(config: &'a Config, ask: &Ask) -> Result<Allowed<'a>, Refusal> {
    if !config.slack.teams.allow(&ask.team) {
        return Err(Refusal::Team {
            team: ask.team.clone(),
        });
    }
    let known = || config.projects.keys().cloned().collect();
    let Some(name) = &ask.project else {
        return Err(Refusal::NoProject { known: known() });
    };
    let Some((project_name, project)) = config.projects.get_key_value(name) else {
        return Err(Refusal::UnknownProject {
            project: name.clone(),
            known: known(),
        });
    };
    let Some(job) = project.jobs.get(&ask.job) else {
        return Err(Refusal::UnknownJob {
            project: name.clone(),
            job: ask.job.clone(),
            usable: usable(project, &ask.user, &ask.channel),
        });
    };
    if !job.channels.allow(&ask.channel) {
        return Err(Refusal::Channel {
            project: name.clone(),
            job: ask.job.clone(),
            channel: ask.channel.clone(),
            allowed: job.channels.listed().to_vec(),
        });
    }
    if !job.people.allow(&ask.user) {
        return Err(Refusal::Person {
            project: name.clone(),
            job: ask.job.clone(),
            user: ask.user.clone(),
        });
    }
    if !job.branches.iter().any(|pattern| pattern.fits(&ask.branch)) {
        return Err(Refusal::Branch {
            project: name.clone(),
            job: ask.job.clone(),
            branch: ask.branch.clone(),
            patterns: job.branches.iter().map(ToString::to_string).collect(),
        });
    }
    Ok(Allowed {
        project_name,
        project,
        job,
    })
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
