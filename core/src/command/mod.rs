//! The grammar: what may be typed after `/chatops`.
//!
//! A first word that is a command is the command; a branch of that name needs `deploy` in front.

mod closest;
mod filter;
mod normalize;
mod press;
mod reserved;
mod verb;

use serde::{Deserialize, Serialize};

pub use self::closest::closest_word;
pub(crate) use self::filter::outcome_word;
pub use self::filter::{
    FILTER_KEYS, FilterError, HistoryFilter, PAGE_SIZE, SinceFilter, StatusFilter, UserFilter,
};
pub use self::press::ButtonVerb;
pub use self::reserved::ReservedWord;
pub use self::verb::Verb;
use crate::config::{MAX_PARAMETER_VALUE, is_parameter_name};
use crate::id::DeployRef;
use crate::name::{BranchName, GitRef, JobName, NameError, ProjectName, TagName};
use crate::parameters::Parameters;
use crate::target::TargetRef;

/// The longest text that is read, in bytes; longer text is an accidental paste.
pub const MAX_TEXT_BYTES: usize = 1024;

/// How many words of a text are kept for the reply to it.
const MAX_KEPT_WORDS: usize = 4;

/// A command as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatCommand {
    /// Start a job on a branch.
    Deploy(DeployCommand),
    /// Read from the ledger.
    Query(Query),
    /// Change a deploy.
    Action(DeployAction),
    /// Show what can be typed: all commands, or one.
    Help(Option<Verb>),
}

/// What is answered from the ledger and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Query {
    /// What a deploy would do.
    Plan(DeployCommand),
    /// The state of one deploy.
    Status {
        /// The deploy.
        deploy: DeployRef,
    },
    /// The deploys in progress.
    InProgress,
    /// Past deploys.
    History(HistoryFilter),
    /// The deploys waiting for a retry.
    Failed {
        /// Only what is older than this one: the next page.
        before: Option<DeployRef>,
    },
}

/// What changes a deploy, or frees the lock that one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeployAction {
    /// Retry it.
    Retry {
        /// The deploy.
        deploy: DeployRef,
        /// Somebody has checked that CircleCI did not start it.
        confirm: bool,
        /// However long ago it ended; only for the command line.
        #[serde(default)]
        force: bool,
    },
    /// Cancel it.
    Cancel {
        /// The deploy.
        deploy: DeployRef,
    },
    /// Take it out of the list of what waits for a retry.
    Dismiss {
        /// The deploy.
        deploy: DeployRef,
    },
    /// Free the lock of a target, whichever deploy holds it.
    Unlock {
        /// The target.
        target: TargetRef,
        /// Free it; otherwise only say what would be freed.
        confirm: bool,
    },
}

impl DeployAction {
    /// The deploy it is about, if it names one.
    #[must_use]
    pub fn deploy_ref(&self) -> Option<&DeployRef> {
        match self {
            DeployAction::Retry { deploy, .. }
            | DeployAction::Cancel { deploy }
            | DeployAction::Dismiss { deploy } => Some(deploy),
            DeployAction::Unlock { .. } => None,
        }
    }

    /// The id or target it is about, as it is typed.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            DeployAction::Retry { deploy, .. }
            | DeployAction::Cancel { deploy }
            | DeployAction::Dismiss { deploy } => deploy.to_string(),
            DeployAction::Unlock { target, .. } => target.to_string(),
        }
    }

    /// The command it was typed as.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            DeployAction::Retry { .. } => Verb::Retry,
            DeployAction::Cancel { .. } => Verb::Cancel,
            DeployAction::Dismiss { .. } => Verb::Dismiss,
            DeployAction::Unlock { .. } => Verb::Unlock,
        }
    }
}

/// `<branch> <job>` or `deploy [project] <branch> <job>`, and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployCommand {
    /// The project, or `None` for the default one.
    pub project: Option<ProjectName>,
    /// The branch or tag to build.
    #[serde(rename = "branch")]
    pub git_ref: GitRef,
    /// The job to run.
    pub job: JobName,
    /// What is set for it: `version=v1.2`.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
}

/// Why a text is not a command. The reply to each variant names the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// Longer than [`MAX_TEXT_BYTES`].
    TooLong,
    /// Not two words (or two or three after `deploy` and `plan`); or the first one is a misspelled
    /// command, `verb`.
    WordCount {
        /// The command that was given, or that the first word misspells.
        verb: Option<Verb>,
        /// How many words were given, without the command's own if that is spelled right.
        given: usize,
        /// The words, if three of them might be a project, a branch and a job.
        as_deploy: Option<Box<DeployCommand>>,
    },
    /// `main to production`: a sentence.
    Sentence {
        /// The project, if one is named.
        project: Option<ProjectName>,
        /// The branch or tag.
        git_ref: GitRef,
        /// Where to, which may be a job or an environment.
        place: JobName,
    },
    /// A word that cannot be the name that is expected there.
    InvalidName {
        /// What is expected.
        kind: NameKind,
        /// The word, cut to a readable length.
        word: String,
        /// What is wrong with it.
        why: NameError,
        /// The words after it.
        rest: Vec<String>,
    },
    /// A parameter is given twice, in whatever case.
    DuplicateParameter {
        /// Its name.
        name: String,
    },
    /// A parameter's value that CircleCI does not take: too long, or with a control character.
    InvalidParameter {
        /// Its name.
        name: String,
    },
    /// A deploy's id is missing or invalid.
    InvalidId {
        /// The command.
        verb: Verb,
        /// What was given instead, cut to a readable length.
        given: Option<String>,
    },
    /// A target is missing, or is not one.
    InvalidTarget {
        /// What was given instead, cut to a readable length.
        given: Option<String>,
    },
    /// One word too many.
    ExtraWord {
        /// The command.
        verb: Verb,
        /// The word, cut to a readable length.
        word: String,
    },
    /// The words after `history` are not filters.
    Filter(FilterError),
    /// The first word is no command, though it is one elsewhere.
    Reserved {
        /// The word.
        word: ReservedWord,
        /// The first words after it, each cut to a readable length.
        rest: Vec<String>,
    },
    /// Help is asked for an unknown command.
    UnknownTopic {
        /// The word, cut to a readable length.
        word: String,
    },
}

/// What kind of name the grammar expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The branch.
    Branch,
    /// The tag.
    Tag,
    /// The job.
    Job,
    /// The project.
    Project,
}

/// Reads what follows the slash command.
pub fn parse(text: &str) -> Result<ChatCommand, GrammarError> {
    // No word is empty, so this leaves none out.
    parse_pasted(text, "")
}

/// Reads what follows the slash command, which may be there once more: every message shows commands
/// under their installed name, ready to be pasted.
pub fn parse_pasted(text: &str, installed: &str) -> Result<ChatCommand, GrammarError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(GrammarError::TooLong);
    }
    let words = normalize::typed_words(text);
    let is_own = |word: &&str| word.eq_ignore_ascii_case(installed);
    let words = words.iter().map(String::as_str).skip_while(is_own);
    parse_words(&words.collect::<Vec<_>>())
}

fn parse_words(words: &[&str]) -> Result<ChatCommand, GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(ChatCommand::Help(None));
    };
    if let Some(verb) = Verb::parse(first) {
        return parse_verb(verb, rest);
    }
    if let ("last", [count]) = (normalize::fold(first).as_str(), rest)
        && count.parse::<u8>().is_ok()
    {
        return parse_verb(Verb::History, &[&format!("limit:{count}")]);
    }
    if let Some(word) = ReservedWord::parse(first) {
        let rest = kept_words(rest);
        return Err(GrammarError::Reserved { word, rest });
    }
    parse_deploy(None, words)
        .map(ChatCommand::Deploy)
        .map_err(|error| misspelled_verb(first, rest).unwrap_or(error))
}

fn parse_verb(verb: Verb, rest: &[&str]) -> Result<ChatCommand, GrammarError> {
    match verb {
        Verb::Deploy => parse_deploy(Some(verb), rest).map(ChatCommand::Deploy),
        Verb::Plan => parse_deploy(Some(verb), rest).map(|d| ChatCommand::Query(Query::Plan(d))),
        Verb::Status if rest.is_empty() => Ok(ChatCommand::Query(Query::InProgress)),
        Verb::Status => {
            let (deploy, more) = parse_id(verb, rest)?;
            expect_end(verb, more)?;
            Ok(ChatCommand::Query(Query::Status { deploy }))
        }
        Verb::History => filter::parse(rest)
            .map(|filter| ChatCommand::Query(Query::History(filter)))
            .map_err(GrammarError::Filter),
        Verb::Failed => parse_failed(rest),
        Verb::Retry => parse_retry(rest),
        Verb::Cancel => {
            let (deploy, more) = parse_id(verb, rest)?;
            expect_end(verb, more)?;
            Ok(ChatCommand::Action(DeployAction::Cancel { deploy }))
        }
        Verb::Dismiss => {
            let (deploy, more) = parse_id(verb, rest)?;
            expect_end(verb, more)?;
            Ok(ChatCommand::Action(DeployAction::Dismiss { deploy }))
        }
        Verb::Unlock => parse_unlock(rest),
        Verb::Help => parse_help(rest),
    }
}

/// The error for words that are no deploy because the first is a misspelled command, which would
/// accept the rest. One word alone may as well be a branch whose job
/// is missing, so `plans` is not a misspelled `plan`, which needs more words.
fn misspelled_verb(first: &str, rest: &[&str]) -> Option<GrammarError> {
    let verb = Verb::closest_verb(first)?;
    parse_verb(verb, rest)
        .is_ok()
        .then(|| GrammarError::WordCount {
            verb: Some(verb),
            given: rest.len() + 1,
            as_deploy: as_project_deploy(first, rest),
        })
}

/// Three words that might be a project, a branch and a job.
fn as_project_deploy(first: &str, rest: &[&str]) -> Option<Box<DeployCommand>> {
    match rest {
        [branch, job] => deploy_from(Some(first), branch, job).ok().map(Box::new),
        _ => None,
    }
}

/// The words between a branch and where it is to go.
const PREPOSITIONS: [&str; 5] = ["to", "on", "in", "into", "at"];

/// Whether a word stands between a branch and where it is to go.
pub(crate) fn is_preposition(word: &str) -> bool {
    PREPOSITIONS.contains(&normalize::fold(word).as_str())
}

/// `main to production`, `web main to production`.
fn as_sentence(words: &[&str]) -> Option<GrammarError> {
    let (project, branch, between, place) = match words {
        [branch, between, place] => (None, branch, between, place),
        [project, branch, between, place] => (Some(project), branch, between, place),
        _ => return None,
    };
    is_preposition(between).then_some(())?;
    Some(GrammarError::Sentence {
        project: project
            .map(|name| ProjectName::parse(name).ok())
            .unwrap_or_default(),
        git_ref: parse_ref(branch, &[]).ok()?,
        place: JobName::parse(place).ok()?,
    })
}

/// A parameter: its name, and the value without the quotes around it.
fn split_parameter(word: &str) -> Option<(&str, &str)> {
    // The second sign is that of a keyboard for Chinese or Japanese.
    let (name, value) = word.split_once(['=', '\u{ff1d}'])?;
    is_parameter_name(name).then(|| (name, normalize::unquote(value)))
}

fn parse_parameters(words: &[&str]) -> Result<Parameters, GrammarError> {
    let mut parameters = Parameters::default();
    for (name, value) in words.iter().filter_map(|word| split_parameter(word)) {
        let is_long = value.chars().count() > MAX_PARAMETER_VALUE;
        let name = name.to_owned();
        if is_long || value.chars().any(char::is_control) {
            return Err(GrammarError::InvalidParameter { name });
        }
        if !parameters.add(&name, value) {
            return Err(GrammarError::DuplicateParameter { name });
        }
    }
    Ok(parameters)
}

fn parse_deploy(verb: Option<Verb>, words: &[&str]) -> Result<DeployCommand, GrammarError> {
    // The first two are a branch and a job, whatever they look like.
    let (first, rest) = words.split_at(words.len().min(2));
    let parameters = parse_parameters(rest)?;
    let more = rest.iter().filter(|word| split_parameter(word).is_none());
    let names: Vec<&str> = first.iter().chain(more).copied().collect();
    let mut deploy = parse_deploy_names(verb, &names).map_err(|error| match error {
        GrammarError::WordCount {
            verb,
            given,
            as_deploy: Some(mut words),
        } => {
            words.parameters = parameters.clone();
            let as_deploy = Some(words);
            GrammarError::WordCount {
                verb,
                given,
                as_deploy,
            }
        }
        other => other,
    })?;
    deploy.parameters = parameters;
    Ok(deploy)
}

fn parse_deploy_names(verb: Option<Verb>, words: &[&str]) -> Result<DeployCommand, GrammarError> {
    let three_are_names = verb.is_some() && words.len() == 3;
    if !three_are_names && let Some(sentence) = as_sentence(words) {
        return Err(sentence);
    }
    match (verb, words) {
        (_, [branch, job]) => deploy_from(None, branch, job),
        (Some(_), [project, branch, job]) => deploy_from(Some(project), branch, job),
        _ => Err(GrammarError::WordCount {
            verb,
            given: words.len(),
            as_deploy: words
                .split_first()
                .filter(|_| verb.is_none())
                .and_then(|(first, rest)| as_project_deploy(first, rest)),
        }),
    }
}

fn deploy_from(
    project: Option<&str>,
    branch: &str,
    job: &str,
) -> Result<DeployCommand, GrammarError> {
    Ok(DeployCommand {
        project: project
            .map(|p| parse_name(NameKind::Project, p, &[branch, job], ProjectName::parse))
            .transpose()?,
        git_ref: parse_ref(branch, &[job])?,
        job: parse_name(NameKind::Job, job, &[], JobName::parse)?,
        parameters: Parameters::default(),
    })
}

/// A branch, or `tag:` in any case and a tag.
fn parse_ref(word: &str, rest: &[&str]) -> Result<GitRef, GrammarError> {
    match filter::split_filter(word) {
        Some((key, tag)) if key == "tag" => {
            let parse = |_: &str| TagName::parse(tag).map(GitRef::Tag);
            parse_name(NameKind::Tag, word, rest, parse)
        }
        _ => {
            let parse = |word: &str| BranchName::parse(word).map(GitRef::Branch);
            parse_name(NameKind::Branch, word, rest, parse)
        }
    }
}

fn parse_name<T>(
    kind: NameKind,
    word: &str,
    rest: &[&str],
    parse: impl Fn(&str) -> Result<T, NameError>,
) -> Result<T, GrammarError> {
    parse(word).map_err(|why| GrammarError::InvalidName {
        kind,
        word: truncate_word(word),
        why,
        rest: kept_words(rest),
    })
}

/// The id that a command begins with, and the words after it.
fn parse_id<'w, 't>(
    verb: Verb,
    words: &'w [&'t str],
) -> Result<(DeployRef, &'w [&'t str]), GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(GrammarError::InvalidId { verb, given: None });
    };
    let given = Some(truncate_word(first));
    // As it stands at the end of a sentence.
    let id = normalize::unquote(first.trim_end_matches(['.', ',', ':', ';', '!', '?', ')']));
    let deploy = DeployRef::parse(id).ok_or(GrammarError::InvalidId { verb, given })?;
    Ok((deploy, rest))
}

fn expect_end(verb: Verb, rest: &[&str]) -> Result<(), GrammarError> {
    rest.first().map_or(Ok(()), |word| {
        let word = truncate_word(word);
        Err(GrammarError::ExtraWord { verb, word })
    })
}

fn parse_retry(words: &[&str]) -> Result<ChatCommand, GrammarError> {
    let (deploy, rest) = parse_id(Verb::Retry, words)?;
    let confirm = parse_confirm(Verb::Retry, rest)?;
    Ok(ChatCommand::Action(DeployAction::Retry {
        deploy,
        confirm,
        force: false,
    }))
}

/// `unlock <target>`, or `unlock <target> confirm`.
fn parse_unlock(words: &[&str]) -> Result<ChatCommand, GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(GrammarError::InvalidTarget { given: None });
    };
    let given = Some(truncate_word(first));
    let target = TargetRef::parse(first).ok_or(GrammarError::InvalidTarget { given })?;
    let confirm = parse_confirm(Verb::Unlock, rest)?;
    Ok(ChatCommand::Action(DeployAction::Unlock {
        target,
        confirm,
    }))
}

/// Whether the words are `confirm`, or none.
fn parse_confirm(verb: Verb, words: &[&str]) -> Result<bool, GrammarError> {
    let (confirm, rest) = match words {
        [first, rest @ ..] if normalize::fold(first) == "confirm" => (true, rest),
        rest => (false, rest),
    };
    expect_end(verb, rest)?;
    Ok(confirm)
}

/// `failed`, or `failed before:<id>`.
fn parse_failed(words: &[&str]) -> Result<ChatCommand, GrammarError> {
    let verb = Verb::Failed;
    let mut before = None;
    let mut rest = words;
    if let [first, more @ ..] = words
        && let Some((key, given)) = filter::split_filter(first)
        && key == "before"
    {
        let none = || GrammarError::InvalidId {
            verb,
            given: (!given.is_empty()).then(|| truncate_word(given)),
        };
        before = Some(DeployRef::parse(given).ok_or_else(none)?);
        rest = more;
    }
    expect_end(verb, rest)?;
    Ok(ChatCommand::Query(Query::Failed { before }))
}

fn parse_help(words: &[&str]) -> Result<ChatCommand, GrammarError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(ChatCommand::Help(None));
    };
    expect_end(Verb::Help, rest)?;
    let word = truncate_word(first);
    let verb = Verb::parse(first).ok_or(GrammarError::UnknownTopic { word })?;
    Ok(ChatCommand::Help(Some(verb)))
}

fn kept_words(words: &[&str]) -> Vec<String> {
    let words = words.iter().take(MAX_KEPT_WORDS);
    words.map(|word| truncate_word(word)).collect()
}

fn truncate_word(word: &str) -> String {
    word.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
