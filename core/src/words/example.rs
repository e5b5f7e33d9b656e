//! Deploys that this person may really ask for here, for help to show.

use crate::config::{BranchPattern, Config, Job, Project};
use crate::id::{ChannelId, UserId};
use crate::name::{BranchName, JobName, ProjectName};
use crate::policy;

/// A project, a job and a branch on which this person may run it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example<'a> {
    pub(super) project: &'a ProjectName,
    pub(super) branch: BranchName,
    pub(super) job: JobName,
}

/// The projects, the default one first.
pub(super) fn projects(config: &Config) -> impl Iterator<Item = (&ProjectName, &Project)> {
    let is_default = |name: &ProjectName| Some(name) == config.default_project.as_ref();
    let default = config.projects.iter().filter(move |p| is_default(p.0));
    default.chain(config.projects.iter().filter(move |p| !is_default(p.0)))
}

/// Examples of what this person may run here: first one for each job, then of further branches.
pub(super) fn examples<'a>(
    user: &UserId,
    channel: &ChannelId,
    config: &'a Config,
) -> Vec<Example<'a>> {
    let (mut first, mut further) = (vec![], vec![]);
    for (name, project) in projects(config) {
        for job in policy::usable(project, user, channel) {
            let branches = project.jobs.get(&job).map(branches).unwrap_or_default();
            for (i, branch) in branches.into_iter().enumerate() {
                let list = if i == 0 { &mut first } else { &mut further };
                list.push(Example {
                    project: name,
                    branch,
                    job: job.clone(),
                });
            }
        }
    }
    first.append(&mut further);
    first
}

/// Two branches that fit the job's patterns; rather such that are spelled out.
fn branches(job: &Job) -> Vec<BranchName> {
    let spelled = |pattern: &&BranchPattern| !pattern.to_string().contains('*');
    let first = job.branches.iter().filter(spelled);
    let others = job.branches.iter().filter(|pattern| !spelled(pattern));
    let mut found = vec![];
    for branch in first.chain(others).filter_map(fitting) {
        if !found.contains(&branch) {
            found.push(branch);
        }
        if found.len() == 2 {
            break;
        }
    }
    found
}

/// A branch that fits: the pattern as it stands, `main`, or something in place of its stars.
fn fitting(pattern: &BranchPattern) -> Option<BranchName> {
    let text = pattern.to_string();
    let filled = |with: &str| text.replace("**", "*").replace('*', with);
    let candidates = [
        text.clone(),
        "main".to_owned(),
        filled("1.0"),
        filled("1"),
        filled("x"),
    ];
    let names = candidates.iter().map(|name| BranchName::parse(name).ok());
    names.flatten().find(|name| pattern.fits(name))
}
