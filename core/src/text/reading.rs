//! What somebody may not read, said without showing it.

use std::collections::BTreeSet;

use super::deploy::job_on_branch;
use super::slack_message::reply;
use super::{Mrkdwn, SlackMessage};
use crate::command::DeployCommand;
use crate::config::Config;
use crate::deploy::DeployRequest;
use crate::message::Requester;
use crate::name::ProjectName;

/// The reply to every list where somebody may read no project.
pub fn nothing_readable(requester: &Requester, config: &Config) -> SlackMessage {
    let headline = "*Nothing to show:* there is no project whose deploys you may read here.";
    let line = Mrkdwn::new(
        "You may read those of a project that you may run a job of, and in a channel of one of its jobs \
         those of that project (rules `users` and `channels`).",
    );
    let message = reply(Mrkdwn::new(headline)).detail(line);
    let line =
        Mrkdwn::new("An operator can add ").code(config.written_id(&requester.qualified_user()));
    message.detail(line.and(" to the `read` of a project in `chatops.toml`."))
}

/// Which projects a list is of, unless it is of all.
pub fn listed_projects(readable: &BTreeSet<ProjectName>, config: &Config) -> Option<Mrkdwn> {
    let names = config.projects.keys();
    let listed: Vec<_> = names.filter(|name| readable.contains(*name)).collect();
    let line = Mrkdwn::new("Listed are the projects that you may read here: ").codes(&listed);
    (listed.len() < config.projects.len()).then(|| line.and("."))
}

/// The reply to a plan of a project that somebody may not read: the same whatever the project has.
pub fn plan_not_readable(
    typed: &DeployCommand,
    requester: &Requester,
    project: &ProjectName,
    request: &DeployRequest,
    config: &Config,
) -> SlackMessage {
    // An alias would be resolved, and a job that exists shown where it deploys to.
    let request = DeployRequest {
        job: typed.job.clone(),
        environment: None,
        ..request.clone()
    };
    let headline = Mrkdwn::new("*Plan:* would not start: ");
    let line = Mrkdwn::new(":x: You may run no job of ").code(project);
    let line = line
        .and(" (rule `users` of each job), and this is no channel of its jobs, so you may not read more here (rule ")
        .code(format_args!("projects.{project}.read"))
        .and(").");
    let way_out =
        Mrkdwn::new("An operator can add ").code(config.written_id(&requester.qualified_user()));
    let way_out = way_out.and(" to the `users` of a job, or to that `read`, in `chatops.toml`.");
    reply(job_on_branch(headline, &request))
        .rows([line])
        .detail(way_out)
        .detail(Mrkdwn::new("Nothing was triggered."))
}
