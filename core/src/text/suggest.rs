//! What somebody may have meant who types as another tool, or a sentence, has taught them.

use super::{Mrkdwn, usage};
use crate::command::{NameKind, ReservedWord, Verb};
use crate::config::{Config, ProjectConfig};
use crate::id::DeployRef;
use crate::name::{BranchName, GitRef, JobName, NameError, ProjectName};

/// The most deploys that are suggested at once.
const MAX_MEANT: usize = 3;

/// The jobs that are meant by their own name or by that of their environment.
fn jobs_at<'a>(project: &'a ProjectConfig, place: &JobName) -> Vec<&'a JobName> {
    if let Some((name, _)) = project.job(place) {
        return vec![name];
    }
    let is_there = |environment: &str| environment.eq_ignore_ascii_case(place.as_str());
    let jobs = project.jobs.iter();
    let there = jobs.filter(|(_, job)| is_there(&job.environment));
    there.map(|(name, _)| name).take(MAX_MEANT).collect()
}

/// The deploys that a sentence such as `main to production` may stand for.
pub(super) fn of_sentence(
    project: Option<&ProjectName>,
    git_ref: &GitRef,
    place: &JobName,
    config: &Config,
) -> Option<Mrkdwn> {
    let named = project.or(config.default_project.as_ref())?;
    let (name, found) = config.project(named)?;
    let git_ref = git_ref.to_string();
    let jobs = jobs_at(found, place).into_iter();
    let deploys = jobs.map(|job| {
        let command = usage::start_command(config, Some(name), &git_ref, job.as_str());
        Mrkdwn::default().code(command)
    });
    let deploys: Vec<Mrkdwn> = deploys.collect();
    let line = Mrkdwn::new("Did you mean ").and_lines(&deploys, " or ");
    (!deploys.is_empty()).then(|| line.and("?"))
}

pub(super) fn did_you_mean_deploy(
    project: &ProjectName,
    git_ref: &GitRef,
    job: &JobName,
    config: &Config,
) -> Mrkdwn {
    let git_ref = git_ref.to_string();
    let command = usage::start_command(config, Some(project), &git_ref, job.as_str());
    Mrkdwn::new("Did you mean ").code(command).and("?")
}

/// What a word that cannot be a branch stands for in other tools: `web@main`, `org/repo@main`, or the
/// address of a branch at GitHub or Bitbucket.
pub(super) fn of_name(word: &str, rest: &[String], config: &Config) -> Option<Mrkdwn> {
    let (place, branch) = match word.split_once("://") {
        Some((_, address)) => split_address(address)?,
        None => word.split_once('@')?,
    };
    let (name, project) = project_at(place, config)?;
    let branch = BranchName::parse(branch).ok().map(GitRef::Branch)?;
    let job = match rest.first() {
        Some(job) => JobName::parse(job).ok()?,
        None => project.jobs.keys().next()?.clone(),
    };
    Some(did_you_mean_deploy(name, &branch, &job, config))
}

/// The repository and the branch of an address.
fn split_address(address: &str) -> Option<(&str, &str)> {
    let (_, path) = address.split_once('/')?;
    ["/-/tree/", "/tree/", "/src/branch/", "/branch/"]
        .into_iter()
        .find_map(|between| path.split_once(between))
}

/// A project by its name, or by the repository of its slug.
fn project_at<'a>(place: &str, config: &'a Config) -> Option<(&'a ProjectName, &'a ProjectConfig)> {
    let named = ProjectName::parse(place).ok();
    named.and_then(|name| config.project(&name)).or_else(|| {
        let is_of = |slug: &str| slug.split_once('/').is_some_and(|(_, repo)| repo == place);
        let mut projects = config.projects.iter();
        projects.find(|(_, project)| is_of(&project.slug.to_string()))
    })
}

/// What to do about a branch whose characters are not accepted.
pub(super) fn accepted_branch(kind: NameKind, word: &str, why: &NameError) -> Option<Mrkdwn> {
    let is_narrower = matches!(why, NameError::Characters { .. } | NameError::TooLong(_));
    let is_branch = kind == NameKind::Branch && !word.contains("://");
    (is_branch && is_narrower).then(|| {
        Mrkdwn::new(
            "Git accepts more names than a CircleCI config can be trusted with. Push the commit under \
             another name and deploy that, for instance: ",
        )
        .code("git push origin HEAD:deploy-this")
        .and(".")
    })
}

/// Why a reserved word starts nothing.
pub(super) fn nothing_by_that_name(word: ReservedWord) -> &'static str {
    use ReservedWord as W;
    match word {
        W::Abort | W::Stop => ": a deploy is given up by `cancel`.",
        W::Redeploy | W::Rerun => {
            ": what did not start is retried by `retry`; anything else is typed again."
        }
        W::Logs => ": they are at CircleCI; `status` shows the way.",
        W::Board | W::Where => {
            ": what is where is shown by `history`, and what is going on by `status`."
        }
        W::Lock | W::Locks | W::Wait => {
            ": a target is locked only while a deploy is under way there, and the next one is typed after it."
        }
        W::Rollback => ": to go back, deploy the branch or the revert that you want there.",
        W::Approve | W::Reject => ": an approval is given at CircleCI; `cancel` refuses it.",
        W::BreakGlass => {
            ": no rule can be passed over from here; an operator changes `chatops.toml`."
        }
        W::Figures => ": what was deployed is listed by `history`.",
    }
}

/// The command that does what is asked for.
pub(super) fn instead_of(word: ReservedWord, rest: &[String], config: &Config) -> Mrkdwn {
    use ReservedWord as W;
    let id = rest.iter().find_map(|word| DeployRef::parse(word));
    let about = |verb: Verb| id.as_ref().map(|id| format!("{} {id}", verb.as_str()));
    let (meant, otherwise) = match word {
        W::Abort | W::Stop | W::Reject => (about(Verb::Cancel), "status"),
        W::Logs | W::Approve => (about(Verb::Status), "status"),
        W::Redeploy | W::Rerun => {
            let as_deploy = || (rest.len() > 1).then(|| rest.join(" "));
            (about(Verb::Retry).or_else(as_deploy), "failed")
        }
        W::Lock | W::Locks | W::Wait => (None, "status"),
        W::Board | W::Where | W::Rollback => (None, "history status:succeeded"),
        W::BreakGlass => (None, "help"),
        W::Figures => (None, "history since:30d"),
    };
    let meant = meant.and_then(|meant| usage::did_you_mean(config, &meant));
    let line = meant.unwrap_or_else(|| {
        let command = usage::full_command(config, otherwise);
        Mrkdwn::new("Type ").code(command).and(".")
    });
    // `stop deploy`: a branch of that name.
    match rest {
        [job] if is_job(job, config) => {
            let command =
                usage::full_command(config, format_args!("deploy {} {job}", word.as_str()));
            let line = line.and(" For a branch called ").code(word.as_str());
            line.and(": ").code(command).and(".")
        }
        _ => line,
    }
}

fn is_job(word: &str, config: &Config) -> bool {
    let default = config.default_project.as_ref();
    let project = default.and_then(|name| config.project(name));
    let job = JobName::parse(word).ok();
    project
        .zip(job)
        .is_some_and(|((_, project), job)| project.job(&job).is_some())
}
