//! Why a deploy ended as it did.

use super::deploy::somebody;
use super::{Line, refusal};
use crate::config::Config;
use crate::deploy::{Ask, Pipeline, Reason};

/// The most workflows that are named.
const SHOWN: usize = 10;

/// The reason in full.
pub(super) fn lines(reason: &Reason, ask: &Ask, config: &Config) -> Vec<Line> {
    match reason {
        Reason::Workflows { decided_by } => workflows(decided_by),
        Reason::Refused(refusal) => refusal::lines(refusal, Some((ask, config))),
        Reason::TriggerRefused { status, message } => vec![
            said(
                Line::new("CircleCI said no (").number(*status).and(")"),
                message,
            ),
            trigger_hint(*status),
        ],
        Reason::TriggerGaveUp { attempts, last } => {
            let line = tries(Line::default(), *attempts);
            let line = line.and(" until the command was too old; the last time it met");
            vec![
                said(line, last),
                Line::new("Nothing was started at CircleCI."),
            ]
        }
        Reason::ConfigErrors { messages } => config_errors(messages),
        Reason::NoWorkflow => vec![Line::new(
            "CircleCI made a pipeline without a workflow. The usual causes: a `when` condition \
             that this job's parameter does not meet, or a branch filter.",
        )],
        Reason::CanceledBefore { by } => {
            let line = Line::new("Canceled before anything was started, by ");
            vec![somebody(line, by, ask).and(".")]
        }
        Reason::Unproven { doubt, candidates } => {
            let line = Line::new("Whether CircleCI started it could not be learned");
            let lines = vec![said(line, doubt)];
            lines.into_iter().chain(maybe(candidates)).collect()
        }
        Reason::TrackedTooLong => vec![Line::new(
            "It was followed for as long as it may be (rule `times.track_for`); CircleCI knows the \
             rest.",
        )],
    }
}

/// The reason of what was not started, in a few words.
pub(super) fn brief(reason: &Reason) -> Line {
    match reason {
        Reason::TriggerRefused { status, .. } => {
            Line::new("CircleCI said no (").number(*status).and(")")
        }
        Reason::TriggerGaveUp { attempts, .. } => {
            let line = Line::new("given up after ").number(*attempts);
            line.and(if *attempts == 1 { " try" } else { " tries" })
        }
        Reason::Unproven { .. } => Line::new("CircleCI's answer was lost: look there first"),
        _ => Line::new("it did not start"),
    }
}

/// Where an unproven deploy may be found.
pub(super) fn maybe(candidates: &[Pipeline]) -> Option<Line> {
    if candidates.is_empty() {
        return None;
    }
    let mut line = Line::new("It may be one of these: ");
    for (i, pipeline) in candidates.iter().take(5).enumerate() {
        if i > 0 {
            line = line.and(", ");
        }
        line = line.link(&pipeline.url, format!("pipeline {}", pipeline.number));
    }
    Some(line)
}

/// The words of others, if there are any, as they stand.
pub(super) fn said(line: Line, words: &str) -> Line {
    if words.trim().is_empty() {
        line.and(".")
    } else {
        line.and(": ").code(words)
    }
}

/// "Tried 3 times".
pub(super) fn tries(line: Line, attempts: u32) -> Line {
    let line = line.and("Tried ").number(attempts);
    line.and(if attempts == 1 { " time" } else { " times" })
}

fn config_errors(messages: &[String]) -> Vec<Line> {
    let mut lines: Vec<Line> = messages
        .iter()
        .take(2)
        .map(|message| said(Line::new("CircleCI says"), message))
        .collect();
    match messages.len() {
        0 => lines.push(Line::new(
            "CircleCI could not make a workflow of the project's configuration, and did not say \
             why.",
        )),
        1 | 2 => {}
        n => lines.push(Line::new("… and ").number(n as u64 - 2).and(" more.")),
    }
    lines
}

fn workflows(decided_by: &[(String, String)]) -> Vec<Line> {
    if decided_by.iter().all(|(_, status)| status == "success") {
        return vec![];
    }
    let mut line = Line::new("");
    for (i, (name, status)) in decided_by.iter().take(SHOWN).enumerate() {
        if i > 0 {
            line = line.and(", ");
        }
        line = line.code(name).and(" ").foreign(&status.replace('_', " "));
    }
    match decided_by.len() {
        n if n > SHOWN => line = line.and(", … and ").number((n - SHOWN) as u64).and(" more"),
        _ => {}
    }
    vec![line]
}

/// What usually lies behind CircleCI's answer.
fn trigger_hint(status: u16) -> Line {
    Line::new(match status {
        401 => "The CircleCI token is not valid, or no longer: an operator has to renew it.",
        404 => {
            "The usual causes: the project's slug in `chatops.toml`, a token that may not see the \
             project, or a parameter that the project does not declare."
        }
        400 | 422 => "The usual causes: a branch that does not exist, or an undeclared parameter.",
        _ => "Nothing was started at CircleCI.",
    })
}
