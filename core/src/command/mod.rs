//! The grammar: what may stand behind `/chatops`.
//!
//! A first word that is a command is the command; a branch of that name needs `deploy` in front.

mod filter;
mod near;
mod verb;

use serde::{Deserialize, Serialize};

pub use self::filter::{FilterError, HistoryFilter, KEYS, PAGE, Since, Status, Who};
pub use self::near::near;
pub use self::verb::Verb;
use crate::id::DeployRef;
use crate::name::{BadName, BranchName, JobName, ProjectName};

/// The longest text that is read, in bytes. Anything longer is a paste gone wrong.
pub const LONGEST: usize = 1024;

/// A command as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start a job on a branch.
    Deploy(Deploy),
    /// Ask about the record.
    Ask(Question),
    /// Wish something of a deploy on record.
    Wish(Wish),
    /// Say what can be typed: all of it, or one command.
    Help(Option<Verb>),
}

/// What is answered from the record and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// What would a deploy do?
    Plan(Deploy),
    /// How does this one stand?
    Status {
        /// The deploy.
        deploy: DeployRef,
    },
    /// What is open now?
    Open,
    /// What was deployed?
    History(HistoryFilter),
    /// What was not started, or nobody knows whether it was?
    Failed {
        /// Only what is older than this one: the next page.
        before: Option<DeployRef>,
    },
}

/// What changes a deploy on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// Try it again.
    Retry {
        /// The deploy.
        deploy: DeployRef,
        /// Somebody has looked at CircleCI and knows that it did not start.
        confirm: bool,
        /// However long ago it ended; only the command line can say so.
        #[serde(default)]
        force: bool,
    },
    /// Cancel it.
    Cancel {
        /// The deploy.
        deploy: DeployRef,
    },
}

impl Wish {
    /// The deploy it is about.
    #[must_use]
    pub fn deploy(&self) -> &DeployRef {
        match self {
            Wish::Retry { deploy, .. } | Wish::Cancel { deploy } => deploy,
        }
    }

    /// The command it was typed as.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Wish::Retry { .. } => Verb::Retry,
            Wish::Cancel { .. } => Verb::Cancel,
        }
    }
}

/// `<branch> <job>` or `deploy [project] <branch> <job>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// The project, or `None` for the default one.
    pub project: Option<ProjectName>,
    /// The branch to build.
    pub branch: BranchName,
    /// The job to run.
    pub job: JobName,
}

/// Why a text is not a command. Each variant is answered with words that name the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// Longer than [`LONGEST`].
    TooLong,
    /// Not two words (or two or three after `deploy` and `plan`); or a slip in the first one, and
    /// then `verb` is what matters.
    WordCount {
        /// The command that was given, or that the first word is a slip of.
        verb: Option<Verb>,
        /// How many words were given, the command's own not counted if it was spelt right.
        given: usize,
        /// The words, if three of them might be a project, a branch and a job.
        three: Option<Box<Deploy>>,
    },
    /// A word that cannot be what its place asks for.
    Word {
        /// What stands at that place.
        place: Place,
        /// The word, cut to a readable length.
        word: String,
        /// What is wrong with it.
        why: BadName,
    },
    /// A deploy's id is missing, or is none.
    Id {
        /// The command.
        verb: Verb,
        /// What stands in its place, cut to a readable length.
        given: Option<String>,
    },
    /// A word too many.
    Extra {
        /// The command.
        verb: Verb,
        /// The word, cut to a readable length.
        word: String,
    },
    /// The words behind `history` are not filters.
    Filter(FilterError),
    /// There is no such command to help with.
    Topic {
        /// The word, cut to a readable length.
        word: String,
    },
}

/// A place in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The branch.
    Branch,
    /// The job.
    Job,
    /// The project.
    Project,
}

/// Reads what stood behind the slash command.
pub fn parse(text: &str) -> Result<Command, GrammarError> {
    if text.len() > LONGEST {
        return Err(GrammarError::TooLong);
    }
    let text = decode_entities(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((first, rest)) = words.split_first() else {
        return Ok(Command::Help(None));
    };
    match Verb::parse(first) {
        Some(verb) => command(verb, rest),
        None => deploy(None, &words)
            .map(Command::Deploy)
            .map_err(|error| slip(first, rest).unwrap_or(error)),
    }
}

fn command(verb: Verb, rest: &[&str]) -> Result<Command, GrammarError> {
    match verb {
        Verb::Deploy => deploy(Some(verb), rest).map(Command::Deploy),
        Verb::Plan => deploy(Some(verb), rest).map(|d| Command::Ask(Question::Plan(d))),
        Verb::Status if rest.is_empty() => Ok(Command::Ask(Question::Open)),
        Verb::Status => {
            let (deploy, more) = id(verb, rest)?;
            nothing(verb, more)?;
            Ok(Command::Ask(Question::Status { deploy }))
        }
        Verb::History => filter::parse(rest)
            .map(|filter| Command::Ask(Question::History(filter)))
            .map_err(GrammarError::Filter),
        Verb::Failed => failed(rest),
        Verb::Retry => retry(rest),
        Verb::Cancel => {
            let (deploy, more) = id(verb, rest)?;
            nothing(verb, more)?;
            Ok(Command::Wish(Wish::Cancel { deploy }))
        }
        Verb::Help => help(rest),
    }
}

/// The error for words that are no deploy because the first is a slip of a command: in nothing but
/// case, or in spelling if the command would take the rest. One word alone may as well be a branch
/// whose job is missing, so `plans` is no slip of `plan`, which needs more.
fn slip(first: &str, rest: &[&str]) -> Option<GrammarError> {
    let verb = Verb::near(first)?;
    let fits = first.eq_ignore_ascii_case(verb.word()) || command(verb, rest).is_ok();
    fits.then(|| GrammarError::WordCount {
        verb: Some(verb),
        given: rest.len() + 1,
        three: three(first, rest),
    })
}

/// Three words that might be a project, a branch and a job.
fn three(first: &str, rest: &[&str]) -> Option<Box<Deploy>> {
    match rest {
        [branch, job] => named(Some(first), branch, job).ok().map(Box::new),
        _ => None,
    }
}

fn deploy(verb: Option<Verb>, words: &[&str]) -> Result<Deploy, GrammarError> {
    match (verb, words) {
        (_, [branch, job]) => named(None, branch, job),
        (Some(_), [project, branch, job]) => named(Some(project), branch, job),
        _ => Err(GrammarError::WordCount {
            verb,
            given: words.len(),
            three: words
                .split_first()
                .filter(|_| verb.is_none())
                .and_then(|(first, rest)| three(first, rest)),
        }),
    }
}

fn named(project: Option<&str>, branch: &str, job: &str) -> Result<Deploy, GrammarError> {
    Ok(Deploy {
        project: project
            .map(|p| word(Place::Project, p, ProjectName::parse))
            .transpose()?,
        branch: word(Place::Branch, branch, BranchName::parse)?,
        job: word(Place::Job, job, JobName::parse)?,
    })
}

fn word<T>(
    place: Place,
    word: &str,
    parse: impl Fn(&str) -> Result<T, BadName>,
) -> Result<T, GrammarError> {
    parse(word).map_err(|why| GrammarError::Word {
        place,
        word: short(word),
        why,
    })
}

/// The id that a command begins with, and what stands behind it.
fn id<'w, 't>(
    verb: Verb,
    words: &'w [&'t str],
) -> Result<(DeployRef, &'w [&'t str]), GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(GrammarError::Id { verb, given: None });
    };
    let given = Some(short(first));
    match DeployRef::parse(first) {
        Some(deploy) => Ok((deploy, rest)),
        None => Err(GrammarError::Id { verb, given }),
    }
}

fn nothing(verb: Verb, rest: &[&str]) -> Result<(), GrammarError> {
    match rest.first() {
        None => Ok(()),
        Some(word) => Err(GrammarError::Extra {
            verb,
            word: short(word),
        }),
    }
}

fn retry(words: &[&str]) -> Result<Command, GrammarError> {
    let (deploy, rest) = id(Verb::Retry, words)?;
    let (confirm, rest) = match rest {
        ["confirm", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    nothing(Verb::Retry, rest)?;
    Ok(Command::Wish(Wish::Retry {
        deploy,
        confirm,
        force: false,
    }))
}

/// `failed`, or `failed before:<id>`.
fn failed(words: &[&str]) -> Result<Command, GrammarError> {
    let verb = Verb::Failed;
    let mut before = None;
    let mut rest = words;
    if let [first, more @ ..] = words
        && let Some(given) = first.strip_prefix("before:")
    {
        let none = || GrammarError::Id {
            verb,
            given: (!given.is_empty()).then(|| short(given)),
        };
        before = Some(DeployRef::parse(given).ok_or_else(none)?);
        rest = more;
    }
    nothing(verb, rest)?;
    Ok(Command::Ask(Question::Failed { before }))
}

fn help(words: &[&str]) -> Result<Command, GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Command::Help(None));
    };
    nothing(Verb::Help, rest)?;
    match Verb::parse(first) {
        Some(verb) => Ok(Command::Help(Some(verb))),
        None => Err(GrammarError::Topic { word: short(first) }),
    }
}

fn short(word: &str) -> String {
    word.chars().take(60).collect()
}

/// Slack writes `&`, `<` and `>` as entities; whether it does so in a command's text is not
/// documented, so a branch must match either way. `&amp;` last, or `&amp;lt;` would decode twice.
fn decode_entities(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests;
