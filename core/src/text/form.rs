//! The form: what may be run here, to choose from, and what is wrong with what was put into it. A plan follows
//! it, and the plan has the button that starts.

use super::example::{DeployExample, deploy_examples};
use super::field::{Field, FieldKind, MAX_OPTION_VALUE, MenuGroup, MenuOption};
use super::slack_message::to_requester;
use super::{Button, MessageKind, Mrkdwn, SlackMessage, grammar, help_message, usage};
use crate::command::{ButtonVerb, FormError, FormField, FormInput};
use crate::config::Config;
use crate::id::{QualifiedChannel, QualifiedUser};

/// The characters of JSON that the options of a menu may take together; a message has about 13,000. As many are
/// fewer than the hundred options that Slack takes.
const MAX_MENU: usize = 7_500;

/// What is around the label and the value of an option.
const OPTION_OVERHEAD: usize = 70;

/// The form as it is first shown: the first job that this user may run here. Where there is none, or the app
/// has no address for presses, what can be typed.
pub fn new_form(user: &QualifiedUser, channel: &QualifiedChannel, config: &Config) -> SlackMessage {
    if !config.slack.interactivity {
        return help_message(None, user, channel, config);
    }
    of_jobs(user, channel, config, |examples| {
        let first = examples.first();
        let input = FormInput {
            job: first.map(job_value),
            branch: first.map(|first| first.git_ref.to_string()),
            parameters: None,
        };
        form(&input, examples, config)
    })
}

/// What `build` makes of the jobs that this user may run here; what can be typed, where there is none.
fn of_jobs(
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &Config,
    build: impl FnOnce(&[DeployExample<'_>]) -> SlackMessage,
) -> SlackMessage {
    let examples = deploy_examples(user, channel, config);
    if examples.is_empty() {
        return help_message(None, user, channel, config);
    }
    build(&examples)
}

/// The form with this in it, and what is wrong with it.
pub fn deploy_form(
    input: &FormInput,
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &Config,
) -> SlackMessage {
    of_jobs(user, channel, config, |examples| {
        let message = form(input, examples, config);
        match input.deploy() {
            Ok(_) => message,
            Err(error) => message.rows(wrong(&error, config)),
        }
    })
}

/// One menu instead of the fields: jobs on the branches that their rules name. It needs nothing that stands in
/// a field, since the choice is a press.
pub fn deploy_menu(
    user: &QualifiedUser,
    channel: &QualifiedChannel,
    config: &Config,
) -> SlackMessage {
    of_jobs(user, channel, config, |examples| {
        let (groups, left_out) = grouped(examples.iter().map(|example| {
            let (project, job, git_ref) = (example.project, &example.job, &example.git_ref);
            let value = format!("{project} {git_ref} {job}{}", example.set);
            (
                project.to_string(),
                format!("{project}: {job} on {git_ref}"),
                value,
            )
        }));
        let headline = Mrkdwn::new("*Deploy* · choose, then check the plan");
        to_requester(MessageKind::Form, headline)
            .field(Field::asking(ButtonVerb::Choose, groups))
            .detail(typed_instead(left_out, config))
    })
}

fn form(input: &FormInput, examples: &[DeployExample<'_>], config: &Config) -> SlackMessage {
    let jobs = examples.iter().map(|example| {
        let project = example.project.to_string();
        let label = format!("{project}: {}", example.job);
        (project, label, job_value(example))
    });
    let (groups, left_out) = grouped(jobs);
    let menu = FieldKind::Menu {
        groups,
        initial: input.job.clone(),
    };
    let settable = examples.iter().any(|example| {
        let project = config.projects.get(example.project);
        let job = project.and_then(|project| project.jobs.get(&example.job));
        job.is_some_and(|job| !job.trigger.settable.is_empty())
    });
    let text = |typed: &Option<String>, placeholder: &str| FieldKind::Text {
        initial: typed.clone().unwrap_or_default(),
        placeholder: placeholder.to_owned(),
    };
    let branch = text(&input.branch, "main, or tag:v1.2.3");
    let parameters = text(&input.parameters, "version=v1.2");
    let parameters = Field::of_form(FormField::Parameters, "Parameters", parameters);
    let mut message = to_requester(
        MessageKind::Form,
        Mrkdwn::new("*Deploy* · pick, then check the plan"),
    )
    .field(Field::of_form(FormField::Job, "What", menu))
    .field(Field::of_form(FormField::Branch, "Branch", branch));
    if settable {
        message = message.field(parameters);
    }
    if left_out > 0 {
        message = message.detail(typed_instead(left_out, config));
    }
    message
        .button(Button::ask(ButtonVerb::Plan, "Plan", String::new()))
        .button(Button::ask(ButtonVerb::Help, "Help", String::new()))
}

fn job_value(example: &DeployExample<'_>) -> String {
    format!("{} {}", example.project, example.job)
}

/// The options by project, in their order, as many as Slack takes; and how many more there are. An option is a
/// project, a label and a value.
fn grouped(all: impl Iterator<Item = (String, String, String)>) -> (Vec<MenuGroup>, usize) {
    let mut groups: Vec<MenuGroup> = vec![];
    let (mut left_out, mut length) = (0, 0);
    let mut seen = std::collections::BTreeSet::new();
    for (project, label, value) in all {
        if !seen.insert(value.clone()) {
            continue;
        }
        let size = label.len() + value.len() + OPTION_OVERHEAD;
        if value.len() > MAX_OPTION_VALUE || length + size > MAX_MENU {
            left_out += 1;
            continue;
        }
        length += size;
        let option = MenuOption { label, value };
        match groups.iter_mut().find(|group| group.label == project) {
            Some(group) => group.options.push(option),
            None => groups.push(MenuGroup {
                label: project,
                options: vec![option],
            }),
        }
    }
    (groups, left_out)
}

/// How to start what is not in the menu.
fn typed_instead(left_out: usize, config: &Config) -> Mrkdwn {
    let line = match left_out {
        0 => Mrkdwn::new("Any other branch is typed: "),
        more => Mrkdwn::new("… and ")
            .number(more as u64)
            .and(" more, which are typed: "),
    };
    line.code(usage::full_command(
        config,
        "deploy <project> <branch> <job>",
    ))
    .and(".")
}

/// What is wrong with what was put in.
fn wrong(error: &FormError, config: &Config) -> Vec<Mrkdwn> {
    match error {
        FormError::NoJob => vec![Mrkdwn::new("Choose what to deploy.")],
        FormError::NoBranch => vec![Mrkdwn::new(
            "Type a branch. A form that Slack has loaded again is empty.",
        )],
        FormError::NoParameter { word } => vec![
            Mrkdwn::default()
                .code(word)
                .and(" is no parameter: they are typed as ")
                .code("name=value")
                .and(", with spaces between them."),
        ],
        FormError::Unreadable(error) => {
            let (line, fix) = grammar::explain(Mrkdwn::default(), error, config);
            vec![line, fix]
        }
    }
}
