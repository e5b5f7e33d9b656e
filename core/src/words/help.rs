//! Help: what can be typed, and what of it this person may run here, out of the live configuration.

use super::example::{Example, examples, projects};
use super::intake::to_asker;
use super::{Line, Post, typed};
use crate::command::Verb;
use crate::config::{Config, Project};
use crate::id::{ChannelId, UserId};
use crate::name::ProjectName;
use crate::policy;

/// How long the list of what may be run gets before it says how many more projects there are.
const LIST: usize = 1_800;

/// What can be typed, and what of it this person may run here.
#[must_use]
pub fn help(topic: Option<Verb>, user: &UserId, channel: &ChannelId, config: &Config) -> Post {
    let Some(verb) = topic else {
        let more = Line::new("More about one: ").code(typed::command(config, "help <command>"));
        return to_asker(title(config))
            .rows(overview(config))
            .detail(rights(user, channel, config))
            .detail(more.and("."));
    };
    let examples = examples(user, channel, config);
    let word = typed::command(config, verb.word());
    let headline = Line::new(":wave: *Help:* ").code(word).and(does(verb));
    let mut form = Line::new("*Form:* ");
    if verb == Verb::Deploy
        && let Some(short) = typed::short_form(config)
    {
        form = form.code(short).and(" or ");
    }
    let [first, second] = two(verb, &examples, config);
    let mut shown = vec![Line::default().code(&first)];
    if second != first {
        shown.push(Line::default().code(second));
    }
    to_asker(headline)
        .rows([form.code(typed::form(config, verb))])
        .rows(notes(verb, config))
        .rows([Line::new("*Examples:* ").joined(&shown, " · ")])
}

fn title(config: &Config) -> Line {
    let form = typed::short_form(config).unwrap_or_else(|| typed::form(config, Verb::Deploy));
    Line::new(":wave: *Deploy from Slack:* type ").code(form)
}

/// One line for each command.
fn overview(config: &Config) -> Vec<Line> {
    let bullet = |form: String, does| Line::new("• ").code(form).and(" – ").and(does);
    let mut lines = vec![];
    if let (Some(short), Some(default)) = (typed::short_form(config), &config.default_project) {
        lines.push(bullet(short, "start a job on a branch of ").code(default));
    }
    let short = |rest| typed::command(config, rest);
    let form = |verb| typed::form(config, verb);
    let deploy = match &config.default_project {
        Some(_) => "the same, in any project",
        None => "start a job on a branch",
    };
    let all = [
        (form(Verb::Deploy), deploy),
        (form(Verb::Plan), "what that would do; starts nothing"),
        (
            form(Verb::Status),
            "how one deploy stands, or what is open now",
        ),
        (
            short("history [filters]"),
            "what was deployed, newest first",
        ),
        (short("failed"), "what did not start and waits for a retry"),
        (short("retry <id>"), "try again what did not start"),
        (form(Verb::Cancel), "cancel a deploy that has not ended"),
    ];
    lines.extend(all.map(|(form, does)| bullet(form, does)));
    lines
}

/// What this person may run here, by project.
fn rights(user: &UserId, channel: &ChannelId, config: &Config) -> Line {
    let mut lines = vec![];
    for (name, project) in projects(config) {
        lines.extend(rights_of(name, project, user, channel, config));
    }
    if config.projects.is_empty() {
        return Line::new("There is nothing to run yet: `chatops.toml` has no project.");
    }
    if lines.is_empty() {
        return Line::new(
            "There is nothing you may run here (rules `channels` and `people` of each job). An \
             operator can add you, ",
        )
        .code(user)
        .and(", and this conversation, ")
        .code(channel)
        .and(", in `chatops.toml`.");
    }
    let mut all = Line::new("*What you may run here*");
    for (i, line) in lines.iter().enumerate() {
        if all.length() + line.length() > LIST && i > 0 {
            let more = (lines.len() - i) as u64;
            return all.and("\n… and of ").number(more).and(" more projects.");
        }
        all = all.and("\n").then(line);
    }
    all
}

fn rights_of(
    name: &ProjectName,
    project: &Project,
    user: &UserId,
    channel: &ChannelId,
    config: &Config,
) -> Option<Line> {
    let jobs = policy::usable(project, user, channel);
    if jobs.is_empty() {
        return None;
    }
    let mut line = Line::new("• ").code(name);
    line = aliases(line, &config.project_aliases, name);
    if config.default_project.as_ref() == Some(name) {
        line = line.and(", the default");
    }
    for (i, job) in jobs.iter().take(20).enumerate() {
        line = line.and(if i == 0 { ": " } else { ", " }).code(job);
        line = aliases(line, &project.job_aliases, job);
    }
    if jobs.len() > 20 {
        line = line
            .and(" and ")
            .number(jobs.len() as u64 - 20)
            .and(" more");
    }
    Some(line)
}

/// The other names of `name`, in brackets.
fn aliases<N: Ord + std::fmt::Display>(
    line: Line,
    all: &std::collections::BTreeMap<N, N>,
    name: &N,
) -> Line {
    let others = all.iter().filter(|(_, meant)| *meant == name);
    let others: Vec<_> = others.map(|(alias, _)| alias).collect();
    if others.is_empty() {
        return line;
    }
    line.and(" (").codes(&others).and(")")
}

/// What a command does, in a sentence that begins with its word.
fn does(verb: Verb) -> &'static str {
    match verb {
        Verb::Deploy => " starts a job on a branch.",
        Verb::Plan => {
            " says what a deploy would do: every rule, the lock, what CircleCI would get."
        }
        Verb::Status => " says how one deploy stands; without an id, what is open now.",
        Verb::History => " lists what was deployed, newest first.",
        Verb::Failed => " lists what did not start, or nobody knows whether it did.",
        Verb::Retry => " tries a deploy again that did not start, as a new deploy.",
        Verb::Cancel => " cancels a deploy that has not ended.",
        Verb::Help => " lists the commands, or tells more about one.",
    }
}

/// What else there is to know about a command.
fn notes(verb: Verb, config: &Config) -> Vec<Line> {
    match verb {
        Verb::Deploy => vec![
            match &config.default_project {
                Some(default) => Line::new("Without a project, ")
                    .code(default)
                    .and(" is meant."),
                None => Line::new("There is no default project: name one."),
            },
            Line::new("A branch named like a command, such as `status`, needs `deploy` in front."),
        ],
        Verb::Plan => vec![Line::new("It starts nothing and promises nothing.")],
        Verb::Status => vec![ids(config)],
        Verb::History => vec![
            Line::new("Filters, all of which have to fit:"),
            Line::new("• `user:me`, `user:@ana` or `user:U012ABCDEF` – who asked"),
            Line::new("• `branch:main` – the branch, in full"),
            Line::new("• `job:deploy` – the job"),
            Line::new("• `project:web` – the project"),
            Line::new(
                "• `status:failed` – `open`, `succeeded`, `failed`, `canceled`, `refused`, or a \
                 state such as `TRIGGER_FAILED`",
            ),
            Line::new("• `since:7d` or `since:2026-11-30` – no older than that"),
            Line::new("• `limit:5` – how many, at most 20"),
            Line::new("• `before:1a2b3c4d` – older than that deploy: the next page"),
        ],
        Verb::Failed => vec![Line::new(
            "Each comes with why, and with the command that tries it again.",
        )],
        Verb::Retry => vec![
            Line::new(
                "It is for what ended *Not started*, *Refused* or *Unresolved*. The last needs \
                 `confirm`: look at CircleCI first, and add it only if nothing started there.",
            ),
            Line::new("Every rule and the lock are checked again, for you and from here."),
            Line::new("24 hours after its end nothing is retried: type the deploy again."),
        ],
        Verb::Cancel => vec![
            Line::new(
                "For the one who asked, and for whoever may run that job from where they are.",
            ),
            Line::new(
                "Before anything was sent it ends at once. Later CircleCI is asked to cancel it, and \
                 it ends as CircleCI says.",
            ),
            ids(config),
        ],
        Verb::Help => vec![
            Line::new("The commands: ")
                .codes(&Verb::ALL.map(Verb::word))
                .and("."),
        ],
    }
}

/// Where ids are found.
pub(super) fn ids(config: &Config) -> Line {
    Line::new("Ids are in every message about a deploy, in ")
        .code(typed::command(config, "status"))
        .and(" and in ")
        .code(typed::command(config, "history"))
        .and(".")
}

/// Two examples that work for this person here, as far as we can know.
fn two(verb: Verb, examples: &[Example<'_>], config: &Config) -> [String; 2] {
    let of = |text: &str| typed::command(config, text);
    let (first, second) = (examples.first(), examples.get(1).or(examples.first()));
    let whole = |verb: Verb, example: Option<&Example<'_>>| match example {
        Some(Example {
            project,
            branch,
            job,
        }) => of(&format!("{} {project} {branch} {job}", verb.word())),
        None => of(&format!("{} <project> <branch> <job>", verb.word())),
    };
    match verb {
        Verb::Deploy => [
            match first {
                Some(e) => {
                    typed::deploy(config, Some(e.project), e.branch.as_str(), e.job.as_str())
                }
                None => typed::deploy(config, None, "<branch>", "<job>"),
            },
            whole(verb, second),
        ],
        Verb::Plan => [
            match first {
                Some(Example {
                    project,
                    branch,
                    job,
                }) if config.default_project.as_ref() == Some(project) => {
                    of(&format!("plan {branch} {job}"))
                }
                first => whole(verb, first),
            },
            whole(verb, second),
        ],
        Verb::Status => [of("status"), of("status 1a2b3c4d")],
        Verb::History => [
            of("history user:me since:7d"),
            match first {
                Some(Example { branch, job, .. }) => {
                    of(&format!("history job:{job} branch:{branch} limit:5"))
                }
                None => of("history status:failed limit:5"),
            },
        ],
        Verb::Failed => [of("failed"), of("failed before:1a2b3c4d")],
        Verb::Retry => [of("retry 1a2b3c4d"), of("retry 1a2b3c4d confirm")],
        Verb::Cancel => [
            of("cancel 1a2b3c4d"),
            // Where two deploys would have the same short id, one has a longer one.
            of("cancel 1a2b3c4d5e6f7a8b"),
        ],
        Verb::Help => [of("help"), of("help retry")],
    }
}
