//! How a job is started: the call, and the parameters that travel with it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use uuid::Uuid;

use super::file::{Complaint, ParameterName, RawTrigger};
use super::{Slug, Trigger, TriggerCall};

/// The build parameter that carries our deploy id where nothing else is written.
const BUILD_PARAMETER: &str = "CHATOPS_DEPLOY_ID";

/// The call, if it serves the project. `place` is where to point if none is written.
pub(super) fn trigger_call(
    written: Option<Spanned<RawTrigger>>,
    definition: Option<Spanned<String>>,
    slug: &Slug,
    place: Range<usize>,
) -> Result<TriggerCall, Complaint> {
    let place = written.as_ref().map_or(place, Spanned::span);
    let written = written.map_or_else(RawTrigger::default, Spanned::into_inner);
    if slug.vcs == "circleci" && written != RawTrigger::PipelineRun {
        let why = "the jobs of a circleci/… project need trigger = \"pipeline-run\"";
        return Err((place, why.to_owned()));
    }
    let definition = match definition {
        None => None,
        Some(id) if written != RawTrigger::PipelineRun => {
            let why = "only trigger = \"pipeline-run\" takes a definition";
            return Err((id.span(), why.to_owned()));
        }
        Some(id) => Some(Uuid::parse_str(id.get_ref()).map_err(|_| {
            let why = "a definition is a UUID: Project Settings, Pipelines, in CircleCI";
            (id.span(), why.to_owned())
        })?),
    };
    Ok(match written {
        RawTrigger::Pipeline => TriggerCall::Pipeline,
        RawTrigger::PipelineRun => TriggerCall::PipelineRun { definition },
        RawTrigger::Job => TriggerCall::Job,
    })
}

/// CircleCI takes at most 100 parameters, names up to 128 characters and values up to 512.
pub(super) fn trigger(
    call: TriggerCall,
    job: Spanned<ParameterName>,
    deploy_id: Spanned<ParameterName>,
    raw: BTreeMap<Spanned<String>, Value>,
) -> Result<Trigger, Complaint> {
    // Of two that clash, the one that was written down is to blame; the other has no place.
    let clash = if deploy_id.span().is_empty() {
        job.span()
    } else {
        deploy_id.span()
    };
    let is_written = |name: &Spanned<ParameterName>| !name.span().is_empty();
    let (job_parameter, deploy_id_parameter) = if call == TriggerCall::Job {
        if is_written(&job) {
            let why = "trigger = \"job\" sends the job's name as CIRCLE_JOB, always; take this out";
            return Err((job.span(), why.to_owned()));
        }
        let id = if is_written(&deploy_id) {
            parameter_name(deploy_id)?
        } else {
            Some(BUILD_PARAMETER.to_owned())
        };
        (Some("CIRCLE_JOB".to_owned()), id)
    } else {
        (parameter_name(job)?, parameter_name(deploy_id)?)
    };
    if job_parameter.is_some() && job_parameter == deploy_id_parameter {
        let why = match call {
            TriggerCall::Job => "CIRCLE_JOB carries the job's name; name another",
            _ => "job_parameter and deploy_id_parameter name the same parameter",
        };
        return Err((clash, why.to_owned()));
    }
    let ours = usize::from(job_parameter.is_some()) + usize::from(deploy_id_parameter.is_some());
    let mut parameters = BTreeMap::new();
    for (name, value) in raw {
        let complain = |why: &str| Err((name.span(), format!("parameter: {why}")));
        let taken = |other: &Option<String>| other.as_ref() == Some(name.get_ref());
        if !is_parameter_name(name.get_ref()) {
            return complain(PARAMETER_NAME);
        }
        if taken(&job_parameter) || taken(&deploy_id_parameter) {
            return complain("it carries the job's name or the deploy's id already");
        }
        match &value {
            Value::String(text) if text.chars().count() > 512 => {
                return complain("CircleCI takes values of at most 512 characters");
            }
            Value::String(_) | Value::Bool(_) => {}
            Value::Number(number) if number.is_i64() => {}
            _ => return complain("CircleCI takes a string, a whole number, true or false"),
        }
        if parameters.len() + ours >= 100 {
            return complain("CircleCI takes at most 100 of them");
        }
        // Build parameters are environment variables, which are text.
        let value = match value {
            Value::Bool(_) | Value::Number(_) if call == TriggerCall::Job => {
                Value::String(value.to_string())
            }
            other => other,
        };
        parameters.insert(name.get_ref().clone(), value);
    }
    Ok(Trigger {
        call,
        job_parameter,
        deploy_id_parameter,
        parameters,
    })
}

const PARAMETER_NAME: &str = "a parameter's name holds letters, digits, `_` and `-`, at most 128";

fn is_parameter_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn parameter_name(raw: Spanned<ParameterName>) -> Result<Option<String>, Complaint> {
    let span = raw.span();
    match raw.into_inner() {
        ParameterName::Switch(false) => Ok(None),
        ParameterName::Switch(true) => Err((
            span,
            "give the parameter's name, or false for none".to_owned(),
        )),
        ParameterName::Named(name) if is_parameter_name(&name) => Ok(Some(name)),
        ParameterName::Named(_) => Err((span, PARAMETER_NAME.to_owned())),
    }
}
