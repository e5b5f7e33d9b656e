//! Why a command is rejected: the rule, the way out, and the ids to paste into the configuration.

use super::list::MAX_LINKED_URL;
use super::{Mrkdwn, parameters, suggest, usage};
use crate::command::{self, Verb, closest_word};
use crate::config::Config;
use crate::deploy::DeployRequest;
use crate::id::ChannelId;
use crate::name::{BranchName, GitRef, JobName, ProjectName, TagName};
use crate::rejection::Rejection;

/// What the rule says, and the way out; with the request, ready commands.
pub(super) fn explain_rejection(
    rejection: &Rejection,
    config: &Config,
    asked: Option<&DeployRequest>,
) -> Vec<Mrkdwn> {
    let mut lines = vec![rule_line(rejection, config)];
    let meant = asked.and_then(|request| suggest_command(rejection, request, config));
    // One ready command is enough.
    let asked = asked.filter(|_| meant.is_none());
    if let Rejection::Branch { git_ref, .. } = rejection
        && is_commit(git_ref.name())
    {
        lines.push(Mrkdwn::new(
            "CircleCI starts branches and tags; to deploy a commit, push a branch or a tag that points to it.",
        ));
    }
    lines.extend(meant);
    lines.push(way_out(rejection, config, asked));
    lines
}

/// What the rule says.
pub(super) fn rule_line(rejection: &Rejection, config: &Config) -> Mrkdwn {
    match rejection {
        Rejection::Team { .. } => {
            Mrkdwn::new("Commands from this workspace are not accepted (rule `slack.teams`).")
        }
        Rejection::NoProject { .. } => {
            Mrkdwn::new("No project was named, and there is no default (rule `default_project`).")
        }
        Rejection::UnknownProject { project, .. } => Mrkdwn::new("There is no project ")
            .code(project)
            .and(" (rule `projects`)."),
        Rejection::UnknownJob { project, job, .. } => {
            let line = Mrkdwn::new("Project ").code(project).and(" has no job ");
            let line = line.code(job).and(" (rule ");
            line.code(format_args!("projects.{project}.jobs")).and(").")
        }
        Rejection::Channel { project, job, .. } => append_rule(
            Mrkdwn::new("This job cannot be run from this channel"),
            project,
            job,
            "channels",
        ),
        Rejection::User { project, job, .. } => append_rule(
            Mrkdwn::new("You may not run this job"),
            project,
            job,
            "users",
        ),
        Rejection::Branch {
            project,
            job,
            git_ref,
            ..
        } => {
            let what = Mrkdwn::new("This job cannot be run on ").git_ref(git_ref);
            append_rule(what, project, job, ref_rule(git_ref))
        }
        Rejection::UnknownParameter { .. }
        | Rejection::MissingParameter { .. }
        | Rejection::Parameter { .. } => parameters::rule_line(rejection),
        Rejection::Expired { requested_at } => {
            let line = Mrkdwn::new("It was requested ").since(*requested_at);
            line.and(", too long ago to start now (rule `timeouts.request_ttl`).")
        }
        Rejection::Busy {
            target,
            short_id,
            user,
            held_by,
            since,
            until,
            ..
        } => {
            let line = Mrkdwn::default().code(config.target_name(target));
            let held_by = held_by.as_deref();
            let person = |line: Mrkdwn| match held_by {
                Some(holder) => line.person(&holder.requester, config),
                None => line.escaped(user.as_str()),
            };
            let line = match held_by {
                Some(holder) if until.is_none() => person(line.and(" is taken: "))
                    .and(" has been deploying ")
                    .git_ref(&holder.git_ref)
                    .and(" there since ")
                    .since(*since)
                    .and(", deploy ")
                    .code(short_id),
                _ => person(line.and(" is taken by deploy ").code(short_id).and(" of "))
                    .and(", since ")
                    .time(*since),
            };
            let line = line.and(" (rule `exclusive`).");
            match held_by.and_then(|holder| holder.build.as_ref()) {
                Some(build) if build.as_str().len() <= MAX_LINKED_URL => {
                    line.and(" ").link(build, "View build")
                }
                _ => line,
            }
        }
    }
}

/// The way out.
pub(super) fn way_out(
    rejection: &Rejection,
    config: &Config,
    asked: Option<&DeployRequest>,
) -> Mrkdwn {
    match rejection {
        Rejection::Team { team } => ask_operator(Mrkdwn::default(), team, "`teams`"),
        Rejection::NoProject { known } | Rejection::UnknownProject { known, .. } => {
            project_list(known, config, asked)
        }
        Rejection::UnknownJob { usable, .. } if usable.is_empty() => {
            let line = Mrkdwn::new("You may run none of its jobs here");
            match asked {
                Some(request) => line
                    .and("; an operator can add ")
                    .code(config.written_id(&request.qualified_user()))
                    .and(" to the `users` and ")
                    .code(config.written_id(&request.qualified_channel()))
                    .and(" to the `channels` of a job in `chatops.toml`."),
                None => line.and(" (rules `channels` and `users` of each job)."),
            }
        }
        Rejection::UnknownJob { usable, .. } => {
            Mrkdwn::new("Here you may run ").codes(usable).and(".")
        }
        Rejection::Channel {
            channel, allowed, ..
        } => {
            let written = asked.map(|request| config.written_id(&request.qualified_channel()));
            let channel = written.unwrap_or_else(|| channel.to_string());
            ask_operator(channel_list(allowed), channel, "its `channels`")
        }
        Rejection::User { user, .. } => {
            let written = asked.map(|request| config.written_id(&request.qualified_user()));
            let user = written.unwrap_or_else(|| user.to_string());
            ask_operator(Mrkdwn::default(), user, "its `users`")
        }
        Rejection::Branch {
            git_ref, patterns, ..
        } => {
            let (what, list) = match git_ref {
                GitRef::Branch(_) => ("It runs on ", "its `branches`"),
                GitRef::Tag(_) => ("It runs on tags ", "its `tags`"),
            };
            let line = match patterns.as_slice() {
                [] => Mrkdwn::default(),
                patterns => Mrkdwn::new(what).codes(patterns),
            };
            ask_operator(line, git_ref.name(), list)
        }
        Rejection::UnknownParameter { known, .. } => parameters::known_parameters(known),
        Rejection::MissingParameter { name, .. } => {
            let again = asked.map(|request| usage::start_again(config, request));
            let again = again.unwrap_or_default();
            Mrkdwn::new("Type ")
                .code(format!("{again} {name}=…").trim())
                .and(".")
        }
        Rejection::Parameter {
            name,
            value,
            accepts,
            ..
        } => parameters::characters_note(accepts, value).unwrap_or_else(|| {
            let pair = parameters::shown_pair(name, value);
            ask_operator(Mrkdwn::default(), pair, "its `parameters`")
        }),
        Rejection::Expired { .. } => {
            type_again(config, asked, "If it is still needed, type").and(" again.")
        }
        Rejection::Busy {
            target,
            short_id,
            until,
            unlockable,
            ..
        } => {
            let line = match until {
                Some(until) => {
                    Mrkdwn::new("What became of that one is not known: it stays locked until ")
                        .time(*until)
                        .and(". ")
                }
                None => Mrkdwn::default(),
            };
            let line = line.append(&type_again(config, asked, "Type"));
            let line = line.and(match until {
                Some(_) => " again after that",
                None if *unlockable => " again when it is free",
                None => " again when that one has ended",
            });
            let line = if *unlockable {
                let line = line.and(", or, if nothing of it runs at CircleCI, free it: ");
                line.code(usage::unlock_command(config, target))
            } else if until.is_none() {
                let cancel = usage::command_for(config, Verb::Cancel, short_id);
                line.and(", or cancel it: ").code(cancel)
            } else {
                line
            };
            line.and(".")
        }
    }
}

/// What was probably meant, as a ready command.
fn suggest_command(
    rejection: &Rejection,
    request: &DeployRequest,
    config: &Config,
) -> Option<Mrkdwn> {
    let instead = |project: &ProjectName, branch: &str, job: &str| {
        let job = &format!("{job}{}", request.parameters);
        let typed = usage::start_command(config, Some(project), branch, job);
        Some(Mrkdwn::new("Did you mean ").code(typed).and("?"))
    };
    match rejection {
        Rejection::UnknownProject { project, .. } => {
            // `deploy main to production`: the branch stands where a project does.
            if command::is_preposition(request.git_ref.name())
                && let Ok(branch) = BranchName::parse(project.as_str()).map(GitRef::Branch)
            {
                return suggest::of_sentence(None, &branch, &request.job, config);
            }
            let meant = closest_word(project.as_str(), usage::project_words(config))?;
            let meant = ProjectName::parse(meant).ok()?;
            instead(&meant, &request.git_ref.to_string(), request.job.as_str())
        }
        Rejection::UnknownJob {
            project,
            job,
            git_ref,
            usable,
        } => {
            if let Some(meant) = suggest_verb(git_ref, job, config) {
                return Some(meant);
            }
            let mut swapped = usable.iter().filter(|k| k.as_str() == git_ref.name());
            if let Some(known) = swapped.next()
                && BranchName::parse(job.as_str()).is_ok()
            {
                return instead(project, job.as_str(), known.as_str());
            }
            let (_, known) = config.project(project)?;
            let aliases = known.job_aliases.iter();
            let aliases = aliases.filter(|(_, name)| usable.contains(name));
            let names = usable.iter().chain(aliases.map(|(alias, _)| alias));
            let meant = closest_word(job.as_str(), names.map(JobName::as_str))?;
            instead(project, &git_ref.to_string(), meant)
        }
        Rejection::UnknownParameter { name, known, .. } => {
            parameters::suggest_name(name, known, request, config)
        }
        Rejection::Branch {
            project,
            job,
            git_ref,
            ..
        } => suggest_verb(git_ref, job, config).or_else(|| {
            let meant = other_kind(git_ref)?;
            let (_, known) = config.project(project)?.1.job(job)?;
            let mut fitting = known.patterns(&meant).iter();
            fitting.find(|pattern| match meant {
                GitRef::Tag(_) => pattern.matches(meant.name()),
                // Only a pattern without stars says that there is such a branch.
                GitRef::Branch(_) => pattern.to_string() == meant.name(),
            })?;
            instead(project, &meant.to_string(), job.as_str())
        }),
        _ => None,
    }
}

/// Whether a name may be a commit's: 7 to 40 hexadecimal digits.
fn is_commit(name: &str) -> bool {
    (7..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The tag of a branch's name, or the branch of a tag's.
fn other_kind(git_ref: &GitRef) -> Option<GitRef> {
    let name = git_ref.name();
    match git_ref {
        GitRef::Branch(_) => TagName::parse(name).ok().map(GitRef::Tag),
        GitRef::Tag(_) => BranchName::parse(name).ok().map(GitRef::Branch),
    }
}

/// A misspelled command instead of the branch: `retyr 1a2b3c4d`.
fn suggest_verb(git_ref: &GitRef, job: &JobName, config: &Config) -> Option<Mrkdwn> {
    let verb = Verb::closest_verb(git_ref.branch()?.as_str())?.as_str();
    let rest = format!("{verb} {job}");
    command::parse(&rest).ok()?;
    usage::did_you_mean(config, &rest)
}

/// The command, to be typed again.
fn type_again(config: &Config, asked: Option<&DeployRequest>, type_it: &'static str) -> Mrkdwn {
    let line = Mrkdwn::new(type_it).and(" ");
    match asked {
        Some(request) => line.code(usage::start_again(config, request)),
        None => line.and("it"),
    }
}

/// What an operator can add, after what else can be done.
fn ask_operator(first: Mrkdwn, id: impl std::fmt::Display, list: &'static str) -> Mrkdwn {
    let an = if first.is_empty() { "An" } else { "; or an" };
    let line = first.and(an).and(" operator can add ").code(id);
    line.and(" to ").and(list).and(" in `chatops.toml`.")
}

/// The setting that says which branches or tags.
pub(super) fn ref_rule(git_ref: &GitRef) -> &'static str {
    match git_ref {
        GitRef::Branch(_) => "branches",
        GitRef::Tag(_) => "tags",
    }
}

pub(super) fn append_rule(what: Mrkdwn, project: &ProjectName, job: &JobName, key: &str) -> Mrkdwn {
    what.and(" (rule ")
        .code(format_args!("projects.{project}.jobs.{job}.{key}"))
        .and(").")
}

fn project_list(known: &[ProjectName], config: &Config, asked: Option<&DeployRequest>) -> Mrkdwn {
    if known.is_empty() {
        return Mrkdwn::new("An operator has to add a project to `chatops.toml` first.");
    }
    let line = Mrkdwn::new("The projects are ").codes(known);
    let Some(DeployRequest {
        git_ref,
        job,
        parameters,
        ..
    }) = asked
    else {
        return line.and(".");
    };
    let has_it = |name: &&ProjectName| {
        let project = config.project(name);
        project.is_some_and(|(_, project)| project.job(job).is_some())
    };
    let name = known.iter().find(has_it);
    let name = name.map_or("<project>", ProjectName::as_str);
    let command = usage::full_command(
        config,
        format_args!("deploy {name} {git_ref} {job}{parameters}"),
    );
    line.and("; name one: ").code(command).and(".")
}

fn channel_list(allowed: &[ChannelId]) -> Mrkdwn {
    let mut line = Mrkdwn::default();
    for (i, channel) in allowed.iter().take(10).enumerate() {
        let first = i == 0;
        line = line.and(if first { "Try " } else { ", " }).channel(channel);
    }
    line
}
