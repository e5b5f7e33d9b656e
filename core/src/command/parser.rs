//! The parser: from the text after the slash command to the command.

use super::{
    ChatCommand, DeployAction, DeployCommand, GrammarError, MAX_KEPT_WORDS, MAX_TEXT_BYTES,
    NameKind, Query, ReservedWord, Verb, filter, normalize, truncate_word,
};
use crate::config::{MAX_PARAMETER_VALUE, is_parameter_name};
use crate::id::DeployRef;
use crate::name::{BranchName, GitRef, JobName, NameError, ProjectName, TagName};
use crate::parameters::Parameters;
use crate::target::TargetRef;

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
        return Ok(ChatCommand::Form);
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
        Verb::Status | Verb::Show => {
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

/// Whether a word is a parameter.
pub(super) fn is_parameter(word: &str) -> bool {
    split_parameter(word).is_some()
}

/// The parameters among the words.
pub(super) fn parse_parameters(words: &[&str]) -> Result<Parameters, GrammarError> {
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
    let more = rest.iter().filter(|word| !is_parameter(word));
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
pub(super) fn parse_ref(word: &str, rest: &[&str]) -> Result<GitRef, GrammarError> {
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
