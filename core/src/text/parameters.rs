//! Parameters as people read them: what is set, and what may be.

use super::mrkdwn::cut;
use super::{Mrkdwn, rejection, usage};
use crate::command::closest_word;
use crate::config::{Config, JobConfig};
use crate::deploy::DeployRequest;
use crate::parameters::Parameters;
use crate::rejection::{ParameterValues, Rejection};

/// The longest parameter that is shown in full.
const MAX_SHOWN: usize = 100;

/// How many parameters a headline shows.
const MAX_IN_HEADLINE: usize = 3;

/// `name=value`, cut to a readable length.
pub(super) fn shown_pair(name: &str, value: &str) -> String {
    cut(&format!("{name}={value}"), MAX_SHOWN)
}

/// What is set, each behind a dot; the first few.
pub(super) fn append_set(line: Mrkdwn, parameters: &Parameters) -> Mrkdwn {
    let all = parameters.iter();
    let first = parameters.iter().take(MAX_IN_HEADLINE);
    let line = first.fold(line, |line, (name, value)| {
        line.and(" · ").code(shown_pair(name, value))
    });
    match all.count().saturating_sub(MAX_IN_HEADLINE) {
        0 => line,
        more => line.and(" and ").number(more as u64).and(" more"),
    }
}

/// What a parameter may be, behind "must": "match `v*`", "be one of …".
pub(super) fn append_accepted(line: Mrkdwn, accepts: &ParameterValues) -> Mrkdwn {
    match accepts {
        ParameterValues::Matching(pattern) => line.and("match ").code(pattern),
        ParameterValues::Listed(values) => match values.as_slice() {
            [one] => line.and("be ").code(one),
            more => line.and("be one of ").codes(more),
        },
    }
}

/// What a rule about parameters says.
pub(super) fn rule_line(no: &Rejection) -> Mrkdwn {
    match no {
        Rejection::UnknownParameter {
            project,
            job,
            name,
            fixed,
            ..
        } => {
            let line = Mrkdwn::default().code(format_args!("{name}="));
            let line = line.and(if *fixed {
                " is fixed for this job"
            } else {
                " is no parameter of this job"
            });
            rejection::append_rule(line, project, job, "parameters")
        }
        Rejection::MissingParameter {
            project,
            job,
            name,
            accepts,
        } => {
            let line = Mrkdwn::new("This job needs ").code(format_args!("{name}=…"));
            let line = append_accepted(line.and(", which must "), accepts);
            rejection::append_rule(line, project, job, &format!("parameters.{name}"))
        }
        Rejection::Parameter {
            project,
            job,
            name,
            accepts,
            ..
        } => {
            let line = Mrkdwn::default().code(format_args!("{name}=…"));
            let line = append_accepted(line.and(" must "), accepts);
            rejection::append_rule(line, project, job, &format!("parameters.{name}"))
        }
        _ => Mrkdwn::default(),
    }
}

/// The characters of a value that a pattern decides about.
pub(super) fn characters_note(accepts: &ParameterValues, value: &str) -> Option<Mrkdwn> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-+@:,=%".contains(c);
    let is_refused = matches!(accepts, ParameterValues::Matching(_))
        && (value.starts_with('-') || !value.chars().all(is_plain));
    is_refused.then(|| {
        Mrkdwn::new(
            "A value holds letters, digits and `._/-+@:,=%`, and does not begin with `-`: a CircleCI config may \
             paste it into a shell.",
        )
    })
}

/// Those that a job takes.
pub(super) fn known_parameters(known: &[String]) -> Mrkdwn {
    let names: Vec<_> = known.iter().map(|name| format!("{name}=")).collect();
    match names.as_slice() {
        [] => Mrkdwn::new("It takes none."),
        names => Mrkdwn::new("It takes ").codes(names).and("."),
    }
}

/// The command with the parameter that was probably meant.
pub(super) fn suggest_name(
    name: &str,
    known: &[String],
    request: &DeployRequest,
    config: &Config,
) -> Option<Mrkdwn> {
    let word = name.trim_start_matches('-').to_ascii_lowercase();
    let is_it = |known: &&String| known.eq_ignore_ascii_case(&word);
    let exact = known.iter().find(is_it).map(String::as_str);
    let meant = exact.or_else(|| closest_word(&word, known.iter().map(String::as_str)))?;
    let is_set = request.parameters.get(meant).is_some();
    let request = DeployRequest {
        parameters: request
            .parameters
            .renamed(|typed| if typed == name { meant } else { typed }),
        ..request.clone()
    };
    let command = usage::start_again(config, &request);
    (!is_set).then(|| Mrkdwn::new("Did you mean ").code(command).and("?"))
}

/// What may be set for a job, by name; `None` if nothing may.
pub(super) fn job_parameters(job: &JobConfig) -> Option<Mrkdwn> {
    let settable = job.trigger.settable.iter();
    let lines: Vec<_> = settable
        .map(|(name, rule)| {
            let line = Mrkdwn::default()
                .code(format_args!("{name}="))
                .and(" must ");
            let line = append_accepted(line, &(&rule.accepts).into());
            match &rule.default {
                Some(default) => {
                    let default = crate::config::value_text(default);
                    line.and(" (otherwise ").code(default).and(")")
                }
                None if rule.required => line.and(" (required)"),
                None => line,
            }
        })
        .collect();
    (!lines.is_empty()).then(|| Mrkdwn::default().and_lines(&lines, ", "))
}
