//! What is wrong with a text that is no command, and what to type instead.

use super::help::ids;
use super::intake::to_asker;
use super::{Line, Post, typed};
use crate::command::{Deploy, FilterError, GrammarError, KEYS, Place, Verb, near};
use crate::config::Config;
use crate::deploy::Standing;
use crate::id::DeployRef;
use crate::name::{JobName, ProjectName};

/// The text is not a command: what is wrong, then what to type.
#[must_use]
pub fn bad_command(error: &GrammarError, config: &Config) -> Post {
    let line = Line::new(":speech_balloon: *Not a command:* ");
    let (line, fix) = match error {
        GrammarError::TooLong => (
            line.and("the text is longer than 1,024 characters."),
            usage(config),
        ),
        GrammarError::WordCount { verb, given, three } => {
            // `deploy` and `plan` are counted under their own names; of three words they take all.
            let counted = matches!(verb, Some(Verb::Deploy | Verb::Plan)) && three.is_none();
            (
                count(line, *verb, *given, !counted),
                instead(*verb, three.as_deref(), config),
            )
        }
        GrammarError::Word { place, word, why } => {
            let place = match place {
                Place::Branch => " cannot be a branch: ",
                Place::Job => " cannot be a job: ",
                Place::Project => " cannot be a project: ",
            };
            let why = why.to_string();
            (
                line.code(word).and(place).rule(&why).and("."),
                filters_of_history(word, config).unwrap_or_else(|| usage(config)),
            )
        }
        GrammarError::Id { verb, given } => (
            match given {
                None => line.code(verb.word()).and(" needs a deploy's id."),
                Some(word) => line
                    .code(word)
                    .and(" is not a deploy's id. Ids look like `1a2b3c4d`."),
            },
            no_id(*verb, given.as_deref(), config),
        ),
        GrammarError::Extra { verb, word } => extra(line, *verb, word, config),
        GrammarError::Filter(error) => filter(line, error, config),
        GrammarError::Topic { word } => (
            line.code(word).and(" is not a command."),
            near(word, Verb::ALL.map(Verb::word))
                .and_then(|topic| typed::meant(config, &format!("help {topic}")))
                .unwrap_or_else(|| {
                    let all = Verb::ALL.map(Verb::word);
                    Line::new("The commands are ").codes(&all).and(".")
                }),
        ),
    };
    to_asker(line).detail(fix)
}

/// How a deploy is typed.
fn usage(config: &Config) -> Line {
    let line = Line::new("Type ");
    let line = match typed::short_form(config) {
        Some(short) if config.projects.len() < 2 => line.code(short),
        Some(short) => line
            .code(short)
            .and(" or, for another project, ")
            .code(typed::command(config, "deploy <project> <branch> <job>")),
        None => line.code(typed::form(config, Verb::Deploy)),
    };
    line.and(". All commands: ")
        .code(typed::command(config, "help"))
        .and(".")
}

fn count(line: Line, verb: Option<Verb>, given: usize, is_slip: bool) -> Line {
    let line = match verb {
        Some(verb) if is_slip => {
            return line
                .and("it looks like a slip of ")
                .code(verb.word())
                .and(".");
        }
        Some(verb) => line.code(verb.word()).and(" needs a branch and a job"),
        None => line.and("a deploy needs a branch and a job"),
    };
    match given {
        0 => line.and("."),
        1 => line.and(", and that is 1 word."),
        n => line.and(", and that is ").number(n as u64).and(" words."),
    }
}

/// What was meant by too few or too many words.
fn instead(verb: Option<Verb>, three: Option<&Deploy>, config: &Config) -> Line {
    let meant = match (verb, three) {
        // `retyr 1a2b3c4d confirm`, `deplyo main e2e`: the slip, and what stood behind it.
        (Some(verb), Some(Deploy { branch, job, .. })) => {
            typed::meant(config, &format!("{} {branch} {job}", verb.word()))
        }
        (Some(verb), None) => typed::meant(config, verb.word()),
        // `web main e2e`: the project needs `deploy` in front.
        (
            None,
            Some(Deploy {
                project: Some(project),
                branch,
                job,
            }),
        ) => {
            let name = project.as_str();
            let known = config.project(project).map(|_| name);
            let project = known.or_else(|| near(name, projects(config)));
            project.and_then(|name| typed::meant(config, &format!("deploy {name} {branch} {job}")))
        }
        (None, _) => None,
    };
    meant.unwrap_or_else(|| match verb {
        Some(verb) => Line::new("Type ").code(typed::form(config, verb)).and("."),
        None => usage(config),
    })
}

/// Everything that names a project.
fn projects(config: &Config) -> impl Iterator<Item = &str> {
    let names = config.projects.keys().chain(config.project_aliases.keys());
    names.map(ProjectName::as_str)
}

/// A filter in the place of a job or branch: `histroy user:me`.
fn filters_of_history(word: &str, config: &Config) -> Option<Line> {
    typed::meant(config, &format!("history {word}"))
}

fn no_id(verb: Verb, given: Option<&str>, config: &Config) -> Line {
    // `status e2e`: a branch that is named like a command.
    let job = given.and_then(|word| JobName::parse(word).ok());
    let default = config.default_project.as_ref();
    let project = default.and_then(|name| config.project(name));
    if let (Some(job), Some((name, project))) = (job, project)
        && project.job(&job).is_some()
    {
        return Line::new("For a branch called ")
            .code(verb.word())
            .and(": ")
            .code(typed::deploy(config, Some(name), verb.word(), job.as_str()))
            .and(".");
    }
    let form = Line::new("Type ").code(typed::form(config, verb)).and(". ");
    form.then(&ids(config))
}

fn extra(line: Line, verb: Verb, word: &str, config: &Config) -> (Line, Line) {
    let form = Line::new("Type ").code(typed::form(config, verb)).and(".");
    match verb {
        Verb::Retry if near(word, ["confirm"]).is_some() => (
            line.code(word).and(" is a word too many."),
            Line::new("Did you mean `confirm`? ").then(&form),
        ),
        _ => (
            line.code(word)
                .and(" is a word too many for ")
                .code(verb.word())
                .and("."),
            form,
        ),
    }
}

fn filter(line: Line, error: &FilterError, config: &Config) -> (Line, Line) {
    let all = || {
        Line::new("The filters are ")
            .codes(&KEYS.map(|key| format!("{key}:")))
            .and(". More: ")
            .code(typed::command(config, "help history"))
            .and(".")
    };
    let meant = |filter: String| typed::meant(config, &format!("history {filter}"));
    match error {
        FilterError::Bare { word } => (
            line.code(word)
                .and(" is not a filter: filters look like `job:deploy`."),
            bare(word, config).unwrap_or_else(all),
        ),
        FilterError::Unknown { key, near } => (
            line.and("there is no filter ")
                .code(format!("{key}:"))
                .and("."),
            match near {
                Some(near) => Line::new("Did you mean ").code(format!("{near}:")).and("?"),
                None => all(),
            },
        ),
        FilterError::Twice { key } => (
            line.code(format!("{key}:")).and(" stands there twice."),
            Line::new("Each filter is given once; all of them have to fit."),
        ),
        FilterError::Value {
            key,
            value,
            expected,
        } => (
            line.code(format!("{key}:{value}"))
                .and(" is not understood."),
            match *key {
                "user" => meant(format!("user:@{value}")),
                "status" => near(value, Standing::ALL.map(Standing::word))
                    .and_then(|word| meant(format!("status:{word}"))),
                _ => None,
            }
            .unwrap_or_else(|| {
                Line::default()
                    .code(format!("{key}:"))
                    .and(" takes ")
                    .rule(expected)
                    .and(".")
            }),
        ),
    }
}

/// What a word without `:` was meant as.
fn bare(word: &str, config: &Config) -> Option<Line> {
    if DeployRef::parse(word).is_some() {
        return typed::meant(config, &format!("status {word}"));
    }
    let key = if word == "me" || word.starts_with(['@', '<']) {
        "user"
    } else if Standing::ALL.map(Standing::word).contains(&word) {
        "status"
    } else if JobName::parse(word).is_ok_and(|job| {
        let mut projects = config.projects.values();
        projects.any(|project| project.job(&job).is_some())
    }) {
        "job"
    } else if ProjectName::parse(word).is_ok_and(|name| config.project(&name).is_some()) {
        "project"
    } else {
        return None;
    };
    typed::meant(config, &format!("history {key}:{word}"))
}
