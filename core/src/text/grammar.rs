//! What is wrong with a text that is not a command, and what to type instead.

use super::help::id_sources;
use super::slack_message::to_requester;
use super::{MessageKind, Mrkdwn, SlackMessage, suggest, usage};
use crate::command::{
    DeployCommand, FILTER_KEYS, FilterError, GrammarError, NameKind, Verb, closest_word,
    outcome_word,
};
use crate::config::Config;
use crate::deploy::DeployOutcome;
use crate::id::DeployRef;
use crate::name::{JobName, ProjectName};

/// The text is not a command: what is wrong, then what to type.
pub fn bad_command(error: &GrammarError, config: &Config) -> SlackMessage {
    let (line, fix) = explain(Mrkdwn::new("*Not a command:* "), error, config);
    to_requester(MessageKind::Help, line).detail(fix)
}

/// What is wrong with what was typed, added to `line`, and what to type instead.
pub(super) fn explain(line: Mrkdwn, error: &GrammarError, config: &Config) -> (Mrkdwn, Mrkdwn) {
    match error {
        GrammarError::TooLong => (
            line.and("the text is longer than 1,024 characters."),
            deploy_usage(config),
        ),
        GrammarError::WordCount {
            verb,
            given,
            as_deploy,
        } => {
            // `deploy` and `plan` are counted under their own names, and accept any three words.
            let counted = matches!(verb, Some(Verb::Deploy | Verb::Plan)) && as_deploy.is_none();
            (
                append_word_count(line, *verb, *given, !counted),
                suggest_instead(*verb, as_deploy.as_deref(), config),
            )
        }
        GrammarError::Sentence {
            project,
            git_ref,
            place,
        } => (
            line.and("a deploy is typed as a branch and a job."),
            suggest::of_sentence(project.as_ref(), git_ref, place, config)
                .unwrap_or_else(|| deploy_usage(config)),
        ),
        GrammarError::Reserved { word, rest } => {
            let (word, rest) = (*word, rest.as_slice());
            let line = line
                .code(word.as_str())
                .and(suggest::nothing_by_that_name(word));
            (line, suggest::instead_of(word, rest, config))
        }
        GrammarError::InvalidName {
            kind,
            word,
            why,
            rest,
        } => {
            let meant = suggest::of_name(word, rest, config);
            let cannot_be = match kind {
                NameKind::Branch => " cannot be a branch: ",
                NameKind::Tag => " cannot be a tag: ",
                NameKind::Job => " cannot be a job: ",
                NameKind::Project => " cannot be a project: ",
            };
            let line = line.code(word).and(cannot_be).trusted(&why.to_string());
            // A filter may be there instead of a job or branch: `histroy user:me`.
            let meant = meant
                .or_else(|| usage::did_you_mean(config, &format!("history {word}")))
                .or_else(|| suggest::accepted_branch(*kind, word, why));
            (line.and("."), meant.unwrap_or_else(|| deploy_usage(config)))
        }
        GrammarError::DuplicateParameter { name } => (
            line.code(format_args!("{name}=")).and(" is given twice."),
            Mrkdwn::new("Each parameter is given once."),
        ),
        GrammarError::InvalidParameter { name } => (
            line.code(format_args!("{name}="))
                .and(" has a value that CircleCI does not take."),
            Mrkdwn::new("A value has at most 512 characters, and no control characters."),
        ),
        GrammarError::InvalidId { verb, given } => (
            match given {
                None => line.code(verb.as_str()).and(" needs a deploy's id."),
                Some(word) => line
                    .code(word)
                    .and(" is not a deploy's id. Ids look like `1a2b3c4d`."),
            },
            missing_id(*verb, given.as_deref(), config),
        ),
        GrammarError::InvalidTarget { given } => (
            match given {
                None => line.and("`unlock` needs a target."),
                Some(word) => line
                    .code(word)
                    .and(" is not a target. Targets look like `web/production`."),
            },
            targets(config),
        ),
        GrammarError::ExtraWord { verb, word } => extra_word(line, *verb, word, config),
        GrammarError::Filter(error) => filter_error(line, error, config),
        GrammarError::UnknownTopic { word } => (
            line.code(word).and(" is not a command."),
            closest_word(word, Verb::words())
                .and_then(|topic| usage::did_you_mean(config, &format!("help {topic}")))
                .unwrap_or_else(|| {
                    let all: Vec<_> = Verb::words().collect();
                    Mrkdwn::new("The commands are ").codes(&all).and(".")
                }),
        ),
    }
}

/// How a deploy is typed.
fn deploy_usage(config: &Config) -> Mrkdwn {
    let line = Mrkdwn::new("Type ");
    let line = match usage::short_syntax(config) {
        Some(short) if config.projects.len() < 2 => line.code(short),
        Some(short) => {
            let full = usage::full_command(config, "deploy <project> <branch> <job>");
            line.code(short)
                .and(" or, for another project, ")
                .code(full)
        }
        None => line.code(usage::syntax(config, Verb::Deploy)),
    };
    let help = usage::full_command(config, "help");
    line.and(". All commands: ").code(help).and(".")
}

/// How one command is typed.
fn type_syntax(config: &Config, verb: Verb) -> Mrkdwn {
    Mrkdwn::new("Type ")
        .code(usage::syntax(config, verb))
        .and(".")
}

fn append_word_count(line: Mrkdwn, verb: Option<Verb>, given: usize, misspelled: bool) -> Mrkdwn {
    let line = match verb {
        Some(verb) if misspelled => {
            let line = line.and("it looks like a misspelled ").code(verb.as_str());
            return line.and(".");
        }
        Some(verb) => line.code(verb.as_str()).and(" needs a branch and a job"),
        None => line.and("a deploy needs a branch and a job"),
    };
    match given {
        0 => line.and("."),
        1 => line.and(", and that is 1 word."),
        n => line.and(", and that is ").number(n as u64).and(" words."),
    }
}

/// What was meant by too few or too many words.
fn suggest_instead(verb: Option<Verb>, words: Option<&DeployCommand>, config: &Config) -> Mrkdwn {
    let meant = match (verb, words) {
        // `retyr 1a2b3c4d confirm`, `deplyo main e2e`: the misspelled command and its words.
        (Some(verb), Some(words)) => {
            let (
                verb,
                DeployCommand {
                    git_ref,
                    job,
                    parameters,
                    ..
                },
            ) = (verb.as_str(), words);
            usage::did_you_mean(config, &format!("{verb} {git_ref} {job}{parameters}"))
        }
        (Some(verb), None) => usage::did_you_mean(config, verb.as_str()),
        // `web main e2e`: the project needs `deploy` in front.
        (None, Some(words)) => words.project.as_ref().and_then(|project| {
            let name = project.as_str();
            let known = config.project(project).map(|_| name);
            let name = known.or_else(|| closest_word(name, usage::project_words(config)))?;
            let DeployCommand {
                git_ref,
                job,
                parameters,
                ..
            } = words;
            usage::did_you_mean(
                config,
                &format!("deploy {name} {git_ref} {job}{parameters}"),
            )
        }),
        (None, None) => None,
    };
    meant.unwrap_or_else(|| match verb {
        Some(verb) => type_syntax(config, verb),
        None => deploy_usage(config),
    })
}

fn missing_id(verb: Verb, given: Option<&str>, config: &Config) -> Mrkdwn {
    // `status e2e`: a branch that is named like a command.
    let job = given.and_then(|word| JobName::parse(word).ok());
    let default = config.default_project.as_ref();
    let project = default.and_then(|name| config.project(name));
    if let (Some(job), Some((name, project))) = (job, project)
        && project.job(&job).is_some()
    {
        let branch = verb.as_str();
        let command = usage::start_command(config, Some(name), branch, job.as_str());
        let line = Mrkdwn::new("For a branch called ").code(branch).and(": ");
        return line.code(command).and(".");
    }
    let line = type_syntax(config, verb).and(" ");
    line.append(&id_sources(config))
}

/// How `unlock` is typed, and what it takes.
fn targets(config: &Config) -> Mrkdwn {
    let line = type_syntax(config, Verb::Unlock);
    match config.target_names().as_slice() {
        [] => line,
        names => line.and(" The targets are ").codes(names).and("."),
    }
}

fn extra_word(line: Mrkdwn, verb: Verb, word: &str, config: &Config) -> (Mrkdwn, Mrkdwn) {
    let (line, form) = (line.code(word), type_syntax(config, verb));
    match verb {
        Verb::Retry | Verb::Unlock if closest_word(word, ["confirm"]).is_some() => (
            line.and(" is a word too many."),
            Mrkdwn::new("Did you mean `confirm`? ").append(&form),
        ),
        _ => {
            let line = line.and(" is a word too many for ").code(verb.as_str());
            (line.and("."), form)
        }
    }
}

fn filter_error(line: Mrkdwn, error: &FilterError, config: &Config) -> (Mrkdwn, Mrkdwn) {
    let all = || {
        Mrkdwn::new("The filters are ")
            .codes(&FILTER_KEYS.map(|key| format!("{key}:")))
            .and(". More: ")
            .code(usage::full_command(config, "help history"))
            .and(".")
    };
    let meant = |filter: String| usage::did_you_mean(config, &format!("history {filter}"));
    let key_code = |line: Mrkdwn, key: &str| line.code(format_args!("{key}:"));
    match error {
        FilterError::MissingColon { word } => (
            line.code(word)
                .and(" is not a filter: filters look like `job:deploy`."),
            suggest_key(word, config).unwrap_or_else(all),
        ),
        FilterError::UnknownKey { key, suggestion } => (
            key_code(line.and("there is no filter "), key).and("."),
            match suggestion {
                Some(key) => key_code(Mrkdwn::new("Did you mean "), key).and("?"),
                None => all(),
            },
        ),
        FilterError::DuplicateKey {
            key: key @ ("branch" | "tag"),
        } => (
            key_code(line, key).and(" is one too many."),
            Mrkdwn::new("A deploy is on one branch or one tag."),
        ),
        FilterError::DuplicateKey { key } => (
            key_code(line, key).and(" is given twice."),
            Mrkdwn::new("Each filter is given once; all of them have to match."),
        ),
        FilterError::InvalidValue {
            key,
            value,
            expected,
        } => (
            line.code(format_args!("{key}:{value}"))
                .and(" is not understood."),
            match *key {
                "user" => meant(format!("user:@{value}")),
                "status" => closest_word(value, DeployOutcome::ALL.map(outcome_word))
                    .and_then(|word| meant(format!("status:{word}"))),
                _ => None,
            }
            .unwrap_or_else(|| {
                let line = key_code(Mrkdwn::default(), key).and(" takes ");
                line.trusted(expected).and(".")
            }),
        ),
    }
}

/// What a word without `:` was meant as.
fn suggest_key(word: &str, config: &Config) -> Option<Mrkdwn> {
    if DeployRef::parse(word).is_some() {
        return usage::did_you_mean(config, &format!("status {word}"));
    }
    let is_job = |job| config.projects.values().any(|p| p.job(&job).is_some());
    let key = if word == "me" || word.starts_with(['@', '<']) {
        "user"
    } else if DeployOutcome::ALL.map(outcome_word).contains(&word) {
        "status"
    } else if JobName::parse(word).is_ok_and(is_job) {
        "job"
    } else if ProjectName::parse(word).is_ok_and(|name| config.project(&name).is_some()) {
        "project"
    } else {
        return None;
    };
    usage::did_you_mean(config, &format!("history {key}:{word}"))
}
