//! Deploys that this user may really start here, for help to show.

use crate::config::{AcceptedValues, Config, JobConfig, Pattern, ProjectConfig, value_text};
use crate::id::{QualifiedChannel, QualifiedUser};
use crate::name::{GitRef, JobName, ProjectName};
use crate::policy;

/// A project, a job and a branch or tag on which this user may run it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeployExample<'a> {
    pub(super) project: &'a ProjectName,
    pub(super) git_ref: GitRef,
    pub(super) job: JobName,
    /// What has to be set, as it is typed.
    pub(super) set: String,
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
                    set: project
                        .jobs
                        .get(&job)
                        .map(required_values)
                        .unwrap_or_default(),
                });
            }
        }
    }
    first.append(&mut further);
    first
}

/// A value of each parameter that has to be set.
fn required_values(job: &JobConfig) -> String {
    let rules = job
        .trigger
        .settable
        .iter()
        .filter(|(_, rule)| rule.required);
    let values = rules.filter_map(|(name, rule)| {
        let value = match &rule.accepts {
            AcceptedValues::Listed(values) => value_text(values.first()?),
            AcceptedValues::Matching(pattern) => {
                let mut filled = ["1.2", "1", "x"]
                    .map(|with| filled(pattern, with))
                    .into_iter();
                filled.find(|value| rule.accept(value).is_some())?
            }
        };
        Some(format!(" {name}={value}"))
    });
    values.collect()
}

/// A pattern with its stars filled.
fn filled(pattern: &Pattern, with: &str) -> String {
    pattern.to_string().replace("**", "*").replace('*', with)
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
    let names = [text.clone()].into_iter();
    let names = names.chain(usual.iter().map(|name| (*name).to_owned()));
    let names = names.chain(["1.0", "1", "x"].map(|with| filled(pattern, with)));
    let mut refs = names.filter_map(|name| GitRef::parse(&format!("{before}{name}")).ok());
    refs.find(|git_ref| pattern.matches(git_ref.name()))
}
