//! Deploys that this user may really start here, for help to show.

use crate::config::{Config, JobConfig, Pattern, ProjectConfig};
use crate::id::{QualifiedChannel, QualifiedUser};
use crate::name::{GitRef, JobName, ProjectName};
use crate::policy;

/// A project, a job and a branch or tag on which this user may run it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeployExample<'a> {
    pub(super) project: &'a ProjectName,
    pub(super) git_ref: GitRef,
    pub(super) job: JobName,
}

/// The projects, the default one first.
pub(super) fn ordered_projects(
    config: &Config,
) -> impl Iterator<Item = (&ProjectName, &ProjectConfig)> {
    let is_default = |name: &ProjectName| Some(name) == config.default_project.as_ref();
    let default = config.projects.iter().filter(move |p| is_default(p.0));
    default.chain(config.projects.iter().filter(move |p| !is_default(p.0)))
}

/// Examples of what this user may run here: first one for each job, then further branches and tags.
pub(super) fn deploy_examples<'a>(
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &'a Config,
) -> Vec<DeployExample<'a>> {
    let (mut first, mut further) = (vec![], vec![]);
    for (name, project) in ordered_projects(config) {
        for job in policy::usable_jobs(project, user, channel) {
            let refs = project.jobs.get(&job).map(example_refs);
            for (i, git_ref) in refs.into_iter().flatten().enumerate() {
                let list = if i == 0 { &mut first } else { &mut further };
                list.push(DeployExample {
                    project: name,
                    git_ref,
                    job: job.clone(),
                });
            }
        }
    }
    first.append(&mut further);
    first
}

/// Two branches that match the job's patterns, preferably literal ones, and then a tag.
fn example_refs(job: &JobConfig) -> Vec<GitRef> {
    let literal = |pattern: &&Pattern| !pattern.to_string().contains('*');
    let first = job.branches.iter().filter(literal);
    let others = job.branches.iter().filter(|pattern| !literal(pattern));
    let mut found = vec![];
    for branch in first
        .chain(others)
        .filter_map(|p| example_ref(p, "", &["main"]))
    {
        if !found.contains(&branch) {
            found.push(branch);
        }
        if found.len() == 2 {
            break;
        }
    }
    let mut tags = job.tags.iter();
    found.extend(tags.find_map(|pattern| example_ref(pattern, "tag:", &["v1.2.3", "1.2.3"])));
    found
}

/// A name that matches: the pattern itself, a usual name, or the pattern with its stars filled. `before` is
/// what is typed before it.
fn example_ref(pattern: &Pattern, before: &str, usual: &[&str]) -> Option<GitRef> {
    let text = pattern.to_string();
    let filled = |with: &str| text.replace("**", "*").replace('*', with);
    let names = [text.clone()].into_iter();
    let names = names.chain(usual.iter().map(|name| (*name).to_owned()));
    let names = names.chain(["1.0", "1", "x"].map(filled));
    let mut refs = names.filter_map(|name| GitRef::parse(&format!("{before}{name}")).ok());
    refs.find(|git_ref| pattern.matches(git_ref.name()))
}
