//! The policy: whether a user may run this job on this branch or tag from this channel, and whose deploys
//! they may read. Everything is denied unless allowed, and every rejection names its rule.
//!
//! The worker decides with it when it begins a trigger. Ingest runs the same function only to choose
//! the acknowledgement.

use std::collections::BTreeSet;

use crate::command::DeployAction;
use crate::config::{AllowList, Config, JobConfig, ParameterRule, ProjectConfig};
use crate::deploy::DeployRecord;
use crate::id::{ChannelId, QualifiedChannel, QualifiedUser, TeamId};
use crate::message::{ActionMessage, ActionRequester};
use crate::name::{JobName, ProjectName};
use crate::parameters::Parameters;
use crate::rejection::Rejection;
use crate::request::DeployRequest;
use crate::target::Target;

/// What the policy allows: the project and job as configured.
#[derive(Debug, Clone, Copy)]
pub struct AllowedJob<'a> {
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The project.
    pub project: &'a ProjectConfig,
    /// The job's name.
    pub job_name: &'a JobName,
    /// The job.
    pub job: &'a JobConfig,
}

impl AllowedJob<'_> {
    /// What the deploy would deploy to.
    #[must_use]
    pub fn place(&self) -> Target {
        Target::new(&self.project.slug, &self.job.environment)
    }

    /// What the deploy would lock, or `None` if the job opts out.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.job.exclusive.then(|| self.place())
    }
}

/// A rule that was checked, and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCheck {
    /// The rule.
    pub rule: PolicyRule,
    /// What it says.
    pub verdict: Result<(), Rejection>,
}

/// The rules, in the order in which they are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyRule {
    /// `slack.teams`
    Team,
    /// `projects`, `default_project`
    Project,
    /// `projects.<name>.jobs`
    Job,
    /// `channels`
    Channel,
    /// `users`
    User,
    /// `branches`, or `tags`
    Branch,
    /// `parameters`; checked where some can be set, or are.
    Parameters,
}

/// Every rule's verdict. If the workspace, the project or the job is rejected, the rules after it are
/// not checked; each of the others is.
#[derive(Debug, Clone)]
pub struct PolicyReport<'a> {
    /// The checks, in order.
    pub checks: Vec<RuleCheck>,
    /// The project and job, where they are known.
    pub found: Option<AllowedJob<'a>>,
}

/// Decides. The rejection is that of the first rule that says no.
pub fn authorize_deploy<'a>(
    config: &'a Config,
    request: &DeployRequest,
) -> Result<AllowedJob<'a>, Rejection> {
    let PolicyReport { checks, found } = evaluate_rules(config, request);
    let rejection = checks.into_iter().find_map(|check| check.verdict.err());
    match (rejection, found) {
        (Some(rejection), _) => Err(rejection),
        (None, Some(allowed)) => Ok(allowed),
        // Denied unless allowed, whatever may be missing.
        (None, None) => Err(no_project(config)),
    }
}

/// Decides about a deploy on record. What an operator has started stands for who and where: only the
/// project, the job and the branch or tag are checked.
pub fn authorize_record<'a>(
    config: &'a Config,
    record: &DeployRecord,
) -> Result<AllowedJob<'a>, Rejection> {
    if record.operator.is_some() {
        authorize_operator(config, &record.request)
    } else {
        authorize_deploy(config, &record.request)
    }
}

/// The same of what an operator requests.
pub fn authorize_operator<'a>(
    config: &'a Config,
    request: &DeployRequest,
) -> Result<AllowedJob<'a>, Rejection> {
    let PolicyReport { checks, found } = evaluate_rules(config, request);
    let mut checks = checks.into_iter();
    let rejection = checks.find_map(|check| match check.rule {
        PolicyRule::Team | PolicyRule::Channel | PolicyRule::User => None,
        PolicyRule::Project | PolicyRule::Job | PolicyRule::Branch | PolicyRule::Parameters => {
            check.verdict.err()
        }
    });
    match (rejection, found) {
        (Some(rejection), _) => Err(rejection),
        (None, Some(allowed)) => Ok(allowed),
        (None, None) => Err(no_project(config)),
    }
}

/// Checks every rule that can be checked.
#[must_use]
pub fn evaluate_rules<'a>(config: &'a Config, request: &DeployRequest) -> PolicyReport<'a> {
    let mut checks = Vec::new();
    let found = check_rules(config, request, &mut checks);
    PolicyReport { checks, found }
}

/// Checks the rules in order, and stops where the next one has nothing to check.
fn check_rules<'a>(
    config: &'a Config,
    request: &DeployRequest,
    checks: &mut Vec<RuleCheck>,
) -> Option<AllowedJob<'a>> {
    let mut check = |rule, verdict: Result<(), Rejection>| {
        let holds = verdict.is_ok();
        checks.push(RuleCheck { rule, verdict });
        holds.then_some(())
    };
    check(PolicyRule::Team, check_team(config, &request.team))?;
    let named = request.project.as_ref();
    let known = named.and_then(|name| config.project(name));
    let project = || match (named, known) {
        (None, _) => Err(no_project(config)),
        (Some(name), None) => Err(Rejection::UnknownProject {
            project: name.clone(),
            known: config.projects.keys().cloned().collect(),
        }),
        (Some(_), Some(_)) => Ok(()),
    };
    check(PolicyRule::Project, project())?;
    let (name, project) = known?;
    let job = project.job(&request.job);
    let unknown = || Rejection::UnknownJob {
        project: name.clone(),
        job: request.job.clone(),
        git_ref: request.git_ref.clone(),
        usable: usable_jobs(
            project,
            &request.qualified_user(),
            &request.qualified_channel(),
        ),
    };
    check(PolicyRule::Job, job.map(drop).ok_or_else(unknown))?;
    let (job_name, job) = job?;
    let channel = || Rejection::Channel {
        project: name.clone(),
        job: job_name.clone(),
        channel: request.channel.clone(),
        allowed: channels_of(&job.channels, &request.team),
    };
    let allowed = job.channels.allows(&request.qualified_channel());
    check(PolicyRule::Channel, require(allowed, channel));
    let user = || Rejection::User {
        project: name.clone(),
        job: job_name.clone(),
        user: request.user.clone(),
    };
    let allowed = job.users.allows(&request.qualified_user());
    check(PolicyRule::User, require(allowed, user));
    let patterns = job.patterns(&request.git_ref);
    let git_ref = || Rejection::Branch {
        project: name.clone(),
        job: job_name.clone(),
        git_ref: request.git_ref.clone(),
        patterns: patterns.iter().map(ToString::to_string).collect(),
    };
    let allowed = job.runs_on(&request.git_ref);
    check(PolicyRule::Branch, require(allowed, git_ref));
    if !job.trigger.settable.is_empty() || !request.parameters.is_empty() {
        let verdict = check_parameters(name, job_name, job, &request.parameters);
        check(PolicyRule::Parameters, verdict);
    }
    Some(AllowedJob {
        project_name: name,
        project,
        job_name,
        job,
    })
}

/// Slips first, since they are put on no record.
fn check_parameters(
    project: &ProjectName,
    job_name: &JobName,
    job: &JobConfig,
    parameters: &Parameters,
) -> Result<(), Rejection> {
    let settable = &job.trigger.settable;
    let (project, job_name) = (project.clone(), job_name.clone());
    if let Some((name, _)) = parameters
        .iter()
        .find(|(name, _)| !settable.contains_key(*name))
    {
        return Err(Rejection::UnknownParameter {
            project,
            job: job_name,
            name: name.to_owned(),
            fixed: job.trigger.parameters.contains_key(name),
            known: settable.keys().cloned().collect(),
        });
    }
    let is_missing =
        |(name, rule): &(&String, &ParameterRule)| rule.required && parameters.get(name).is_none();
    if let Some((name, rule)) = settable.iter().find(is_missing) {
        return Err(Rejection::MissingParameter {
            project,
            job: job_name,
            name: name.clone(),
            accepts: Box::new((&rule.accepts).into()),
        });
    }
    for (name, rule) in settable {
        let typed = parameters.get(name);
        if let Some(value) = typed.filter(|typed| rule.accept(typed).is_none()) {
            return Err(Rejection::Parameter {
                project,
                job: job_name,
                name: name.clone(),
                value: value.to_owned(),
                accepts: Box::new((&rule.accepts).into()),
            });
        }
    }
    Ok(())
}

fn require(yes: bool, otherwise: impl FnOnce() -> Rejection) -> Result<(), Rejection> {
    if yes { Ok(()) } else { Err(otherwise()) }
}

/// Whether commands of the workspace are accepted: the only rule for queries.
pub fn check_team(config: &Config, team: &TeamId) -> Result<(), Rejection> {
    require(config.slack.teams.allows(team), || Rejection::Team {
        team: team.clone(),
    })
}

/// Whether this user may read the deploys of a project in this channel: who may run one of its jobs
/// may, whatever the channel; everybody may in a channel that one of its jobs lists; and whom its
/// `read` lists. A channel list of `"*"` lists no channel. What is not configured is read by nobody.
#[must_use]
pub fn may_read(
    config: &Config,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    project: Option<&ProjectName>,
) -> bool {
    let known = project.and_then(|name| config.project(name));
    known.is_some_and(|(_, project)| may_read_project(config, user, channel, project))
}

/// The projects whose deploys this user may read in this channel, by all of their names: a record
/// keeps the name of its time.
#[must_use]
pub fn readable_projects(
    config: &Config,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
) -> BTreeSet<ProjectName> {
    let names = config.projects.keys().chain(config.project_aliases.keys());
    names
        .filter(|name| may_read(config, user, channel, Some(name)))
        .cloned()
        .collect()
}

/// Whether who requests an action may learn of a deploy: who may read it, every operator, and for a
/// cancel the one who requested it.
#[must_use]
pub fn may_act_on(config: &Config, action: &ActionMessage, request: &DeployRequest) -> bool {
    let ActionRequester::User(requester) = &action.requested_by else {
        return true;
    };
    let (user, channel) = (requester.qualified_user(), requester.qualified_channel());
    let cancels_own =
        matches!(action.action, DeployAction::Cancel { .. }) && user == request.qualified_user();
    cancels_own || may_read(config, &user, &channel, request.project.as_ref())
}

fn may_read_project(
    config: &Config,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    project: &ProjectConfig,
) -> bool {
    let mut jobs = project.jobs.values();
    config.slack.teams.allows(&user.team)
        && (project.read.allows(user)
            || jobs.any(|job| job.users.allows(user) || job.channels.listed().contains(channel)))
}

/// Whether this user may deploy to a target from this channel: some job that does is theirs to run
/// here, on whatever branch.
pub fn authorize_target(
    config: &Config,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    target: &Target,
) -> Result<(), Rejection> {
    check_team(config, &user.team)?;
    let (mut elsewhere, mut others) = (None, None);
    for found in config.jobs_of_target(target) {
        let (project, job) = (found.project_name.clone(), found.job_name.clone());
        if !found.job.users.allows(user) {
            let user = user.id.clone();
            others.get_or_insert(Rejection::User { project, job, user });
        } else if !found.job.channels.allows(channel) {
            elsewhere.get_or_insert(Rejection::Channel {
                project,
                job,
                channel: channel.id.clone(),
                allowed: channels_of(&found.job.channels, &user.team),
            });
        } else {
            return Ok(());
        }
    }
    // Another channel is the shorter way out.
    Err(elsewhere.or(others).unwrap_or_else(|| no_project(config)))
}

fn no_project(config: &Config) -> Rejection {
    Rejection::NoProject {
        known: config.projects.keys().cloned().collect(),
    }
}

/// The listed channels of the workspace: another one's cannot be shown in it.
fn channels_of(allowed: &AllowList<QualifiedChannel>, team: &TeamId) -> Vec<ChannelId> {
    let here = allowed.listed().iter().filter(|one| one.team == *team);
    here.map(|one| one.id.clone()).collect()
}

/// The jobs of `project` that this user may run from this channel on some branch.
#[must_use]
pub fn usable_jobs(
    project: &ProjectConfig,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
) -> Vec<JobName> {
    project
        .jobs
        .iter()
        .filter(|(_, job)| job.channels.allows(channel) && job.users.allows(user))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
