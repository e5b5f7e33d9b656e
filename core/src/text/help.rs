//! Help: what can be typed, and what this user may run here, from the current configuration.

use super::example::{DeployExample, deploy_examples, ordered_projects};
use super::list::retry_limit;
use super::slack_message::to_requester;
use super::{MessageKind, Mrkdwn, SlackMessage, parameters, usage};
use crate::command::{HistoryFilter, Verb};
use crate::config::{Config, ProjectConfig};
use crate::id::{QualifiedChannel, QualifiedUser};
use crate::name::ProjectName;
use crate::policy;

/// The longest list of what may be run; then it says how many more projects there are.
const MAX_RIGHTS_LENGTH: usize = 1_800;

/// What can be typed, and what this user may run here.
pub fn help_message(
    topic: Option<Verb>,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &Config,
) -> SlackMessage {
    let Some(verb) = topic else {
        let more =
            Mrkdwn::new("More about one: ").code(usage::full_command(config, "help <command>"));
        return to_requester(MessageKind::Help, help_title(config))
            .rows(command_overview(config))
            .detail(user_rights(user, channel, config))
            .detail(more.and("."));
    };
    let examples = deploy_examples(user, channel, config);
    let word = usage::full_command(config, verb.as_str());
    let headline = Mrkdwn::new("*Help:* ").code(word);
    let headline = headline.and(verb_summary(verb));
    let mut form = Mrkdwn::new("*Form:* ");
    if verb == Verb::Deploy
        && let Some(short) = usage::short_syntax(config)
    {
        form = form.code(short).and(" or ");
    }
    let [first, second] = two_examples(verb, &examples, config);
    let mut shown = vec![Mrkdwn::default().code(&first)];
    if second != first {
        shown.push(Mrkdwn::default().code(second));
    }
    to_requester(MessageKind::Help, headline)
        .rows([form.code(usage::syntax(config, verb))])
        .rows(verb_notes(verb, config))
        .rows([Mrkdwn::new("*Examples:* ").and_lines(&shown, " · ")])
}

fn help_title(config: &Config) -> Mrkdwn {
    let form = usage::short_syntax(config).unwrap_or_else(|| usage::syntax(config, Verb::Deploy));
    Mrkdwn::new("*Deploy from Slack:* type ").code(form)
}

/// One line for each command.
fn command_overview(config: &Config) -> Vec<Mrkdwn> {
    let bullet = |form: String, does| Mrkdwn::new("• ").code(form).and(" – ").and(does);
    let mut lines = vec![];
    if config.slack.interactivity {
        lines.push(bullet(
            config.slack.command.clone(),
            "a form: pick, check the plan, deploy",
        ));
    }
    if let (Some(short), Some(default)) = (usage::short_syntax(config), &config.default_project) {
        lines.push(bullet(short, "start a job on a branch of ").code(default));
    }
    let short = |rest| usage::full_command(config, rest);
    let form = |verb| usage::syntax(config, verb);
    let deploy = match &config.default_project {
        Some(_) => "the same, in any project",
        None => "start a job on a branch",
    };
    let status = "the state of one deploy, or what is in progress";
    let history = "what was deployed, newest first";
    let all = [
        (form(Verb::Deploy), deploy),
        (form(Verb::Plan), "what that would do; starts nothing"),
        (form(Verb::Status), status),
        (form(Verb::Show), "one deploy, like `status` with its id"),
        (short("history [filters]"), history),
        (short("failed"), "deploys waiting for a retry"),
        (short("retry <id>"), "retry a deploy that did not start"),
        (form(Verb::Cancel), "cancel a deploy that has not ended"),
        (short("unlock <target>"), "free what a deploy keeps locked"),
    ];
    lines.extend(all.map(|(form, does)| bullet(form, does)));
    lines
}

/// What this user may run here, by project.
fn user_rights(user: &QualifiedUser, channel: &QualifiedChannel, config: &Config) -> Mrkdwn {
    let mut lines = vec![];
    for (name, project) in ordered_projects(config) {
        lines.extend(project_rights(name, project, user, channel, config));
    }
    if config.projects.is_empty() {
        return Mrkdwn::new("There is nothing to run yet: `chatops.toml` has no project.");
    }
    if lines.is_empty() {
        let line = Mrkdwn::new(
            "There is nothing you may run here (rules `channels` and `users` of each job). An \
             operator can add you, ",
        );
        let line = line
            .code(config.written_id(user))
            .and(", and this conversation, ");
        let line = line.code(config.written_id(channel));
        return line.and(", in `chatops.toml`.");
    }
    let mut all = Mrkdwn::new("*What you may run here*");
    for (i, line) in lines.iter().enumerate() {
        if all.length() + line.length() > MAX_RIGHTS_LENGTH && i > 0 {
            let more = (lines.len() - i) as u64;
            return all.and("\n… and of ").number(more).and(" more projects.");
        }
        all = all.and("\n").append(line);
    }
    all
}

fn project_rights(
    name: &ProjectName,
    project: &ProjectConfig,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &Config,
) -> Option<Mrkdwn> {
    let jobs = policy::usable_jobs(project, user, channel);
    if jobs.is_empty() {
        return None;
    }
    let mut line = Mrkdwn::new("• ").code(name);
    line = append_aliases(line, &config.project_aliases, name);
    if config.default_project.as_ref() == Some(name) {
        line = line.and(", the default");
    }
    for (i, job) in jobs.iter().take(20).enumerate() {
        line = line.and(if i == 0 { ": " } else { ", " }).code(job);
        line = append_aliases(line, &project.job_aliases, job);
    }
    if jobs.len() > 20 {
        let more = jobs.len() as u64 - 20;
        line = line.and(" and ").number(more).and(" more");
    }
    Some(line)
}

/// The other names of `name`, in brackets.
fn append_aliases<N: Ord + std::fmt::Display>(
    line: Mrkdwn,
    all: &std::collections::BTreeMap<N, N>,
    name: &N,
) -> Mrkdwn {
    let others = all.iter().filter(|(_, meant)| *meant == name);
    let others: Vec<_> = others.map(|(alias, _)| alias).collect();
    if others.is_empty() {
        return line;
    }
    line.and(" (").codes(&others).and(")")
}

/// What a command does, in a sentence that begins with its word.
fn verb_summary(verb: Verb) -> &'static str {
    match verb {
        Verb::Deploy => " starts a job on a branch.",
        Verb::Plan => {
            " shows what a deploy would do: every rule, the lock, what CircleCI would get."
        }
        Verb::Status => " shows the state of one deploy; without an id, what is in progress.",
        Verb::Show => " shows the state of one deploy, as `status` with its id does.",
        Verb::History => " lists what was deployed, newest first.",
        Verb::Failed => {
            " lists deploys waiting for a retry: they did not start, or that is not known."
        }
        Verb::Retry => " retries a deploy that did not start, as a new deploy.",
        Verb::Dismiss => " takes a deploy out of the list of what waits for a retry.",
        Verb::Cancel => " cancels a deploy that has not ended.",
        Verb::Unlock => " frees a target that a deploy keeps locked.",
        Verb::Help => " lists the commands, or tells more about one.",
    }
}

const FILTER_NOTES: [&str; 12] = [
    "Filters, all of which have to match:",
    "• `user:me`, `user:@ana` or `user:U012ABCDEF` – the requester",
    "• `branch:main` – the branch, in full",
    "• `tag:v1.2.3` – the tag, in full",
    "• `job:deploy` – the job",
    "• `project:web` – the project",
    "• `env:production` – the environment",
    "• `status:failed` – `in-progress`, `succeeded`, `failed`, `canceled`, `rejected`, or a state such \
     as `TRIGGER_FAILED`",
    "• `since:7d`, `since:today` or `since:2026-11-30` – no older than that; days are UTC",
    "• `limit:5` – how many, at most 20",
    "• `before:1a2b3c4d` – older than that deploy: the next page",
    "• `all` – also what was not allowed, blocked or expired, which only `status:rejected` lists otherwise",
];
const RETRY_NOTES: [&str; 3] = [
    "It is for what ended *Trigger failed*, *Not allowed*, *Blocked*, *Expired* or *Unresolved*. The last \
     needs `confirm`: look at CircleCI first, and add it only if nothing started there.",
    "Where a newer deploy of the same target has succeeded, it needs `confirm`, too.",
    "Every rule and the lock are checked again, for you and this channel. What is refused changes \
     nothing: the deploy waits as before.",
];
const DISMISS_NOTES: [&str; 2] = [
    "For anyone who may run that job from their channel. Nothing is started or canceled.",
    "It can still be retried by its id.",
];
const CANCEL_NOTES: [&str; 2] = [
    "For the requester, and for anyone who may run that job from their channel.",
    "Before anything was sent it ends at once. Later CircleCI is asked to cancel it, and it ends as \
     CircleCI says.",
];
const UNLOCK_NOTES: [&str; 3] = [
    "For anyone who may deploy there from their channel. Without `confirm` it says which deploy holds \
     the target, and whether it can be freed.",
    "It frees only the lock of a deploy that has ended, that cannot be read at CircleCI, or whose \
     `cancel` CircleCI has not carried out for ten minutes. One that is seen running has to be canceled.",
    "Look at CircleCI first: what still runs there runs beside the next deploy.",
];

/// What else there is to know about a command.
fn verb_notes(verb: Verb, config: &Config) -> Vec<Mrkdwn> {
    match verb {
        Verb::Deploy => vec![
            match &config.default_project {
                Some(default) => {
                    let line = Mrkdwn::new("Without a project, ").code(default);
                    line.and(" is meant.")
                }
                None => Mrkdwn::new("There is no default project: name one."),
            },
            Mrkdwn::new(
                "A branch named like a command, such as `status`, needs `deploy` in front.",
            ),
        ]
        .into_iter()
        .chain(tag_note(config))
        .chain(parameter_notes(config))
        .collect(),
        Verb::Plan => vec![Mrkdwn::new("It starts nothing and promises nothing.")],
        Verb::Status => vec![id_sources(config)],
        Verb::Show => vec![
            id_sources(config),
            Mrkdwn::new(
                "Its audit, event by event, is shown by `chatops show` on the command line.",
            ),
        ],
        Verb::History => FILTER_NOTES.map(Mrkdwn::new).to_vec(),
        Verb::Failed => vec![Mrkdwn::new(
            "Each is shown with why, and with the command that retries it.",
        )],
        Verb::Retry => {
            let [states, newer, rules] = RETRY_NOTES.map(Mrkdwn::new);
            vec![states, newer, rules, retry_limit(config)]
        }
        Verb::Dismiss => DISMISS_NOTES.map(Mrkdwn::new).to_vec(),
        Verb::Cancel => {
            let [who, effect] = CANCEL_NOTES.map(Mrkdwn::new);
            vec![who, effect, id_sources(config)]
        }
        Verb::Unlock => UNLOCK_NOTES.map(Mrkdwn::new).to_vec(),
        Verb::Help => {
            let all: Vec<_> = Verb::words().collect();
            vec![Mrkdwn::new("The commands: ").codes(&all).and(".")]
        }
    }
}

/// How a tag is typed, where some job allows one.
fn tag_note(config: &Config) -> Option<Mrkdwn> {
    let mut jobs = config.projects.values().flat_map(|p| p.jobs.values());
    let allows_tags = jobs.any(|job| !job.tags.is_empty());
    let note = "A tag is typed as `tag:v1.2.3` instead of the branch.";
    allows_tags.then(|| Mrkdwn::new(note))
}

/// The most jobs whose parameters are listed.
const MAX_JOBS_WITH_PARAMETERS: usize = 10;

/// What may be set for each job that takes parameters.
fn parameter_notes(config: &Config) -> Vec<Mrkdwn> {
    let jobs = ordered_projects(config).flat_map(|(project, found)| {
        let jobs = found.jobs.iter();
        jobs.map(move |(name, job)| (format!("{project}/{name}"), job))
    });
    let lines = jobs.filter_map(|(name, job)| {
        let takes = parameters::job_parameters(job)?;
        Some(Mrkdwn::new("• ").code(name).and(": ").append(&takes))
    });
    let lines: Vec<_> = lines.take(MAX_JOBS_WITH_PARAMETERS).collect();
    let title = "Parameters stand behind the job, as `name=value`:";
    let title = (!lines.is_empty()).then(|| Mrkdwn::new(title));
    title.into_iter().chain(lines).collect()
}

/// Where ids are found.
pub(super) fn id_sources(config: &Config) -> Mrkdwn {
    let line = Mrkdwn::new("Ids are in every message about a deploy, in ");
    let line = line.code(usage::full_command(config, "status"));
    let line = line
        .and(" and in ")
        .code(usage::full_command(config, "history"));
    line.and(".")
}

/// Two examples that work for this user here, as far as is known.
fn two_examples(verb: Verb, examples: &[DeployExample<'_>], config: &Config) -> [String; 2] {
    let of = |text: &str| usage::full_command(config, text);
    let (first, second) = (examples.first(), examples.get(1).or(examples.first()));
    let whole = |example: Option<&DeployExample<'_>>| {
        let word = verb.as_str();
        match example {
            Some(e) => of(&format!(
                "{word} {} {} {}{}",
                e.project, e.git_ref, e.job, e.set
            )),
            None => of(&format!("{word} <project> <branch> <job>")),
        }
    };
    match verb {
        Verb::Deploy => {
            let (project, git_ref, job) = match first {
                Some(e) => (
                    Some(e.project),
                    e.git_ref.to_string(),
                    format!("{}{}", e.job, e.set),
                ),
                None => (None, "<branch>".to_owned(), "<job>".to_owned()),
            };
            let short = usage::start_command(config, project, &git_ref, &job);
            [short, whole(second)]
        }
        Verb::Plan => {
            let default = config.default_project.as_ref();
            let short = first.filter(|e| default == Some(e.project));
            let short = short.map(|e| of(&format!("plan {} {}{}", e.git_ref, e.job, e.set)));
            [short.unwrap_or_else(|| whole(first)), whole(second)]
        }
        Verb::Status => [of("status"), of("status 1a2b3c4d")],
        Verb::Show => [of("show 1a2b3c4d"), of("show 1a2b3c4d5e6f7a8b")],
        Verb::History => [
            of("history user:me since:7d"),
            match first {
                Some(e) => {
                    let filter = HistoryFilter {
                        git_ref: Some(e.git_ref.clone()),
                        job: Some(e.job.clone()),
                        limit: Some(5),
                        ..HistoryFilter::default()
                    };
                    of(&format!("history {filter}"))
                }
                None => of("history status:failed limit:5"),
            },
        ],
        Verb::Failed => [of("failed"), of("failed before:1a2b3c4d")],
        Verb::Retry => [of("retry 1a2b3c4d"), of("retry 1a2b3c4d confirm")],
        Verb::Dismiss => [of("dismiss 1a2b3c4d"), of("dismiss 1a2b3c4d5e6f7a8b")],
        Verb::Cancel => [
            of("cancel 1a2b3c4d"),
            // Where two deploys would have the same short id, one has a longer one.
            of("cancel 1a2b3c4d5e6f7a8b"),
        ],
        Verb::Unlock => {
            let names = config.target_names();
            let target = names.first().map_or("<target>", String::as_str);
            let unlock = of(&format!("{} {target}", verb.as_str()));
            let confirmed = format!("{unlock} confirm");
            [unlock, confirmed]
        }
        Verb::Help => [of("help"), of("help retry")],
    }
}
