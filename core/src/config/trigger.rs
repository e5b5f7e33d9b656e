//! How a job is started: the call and its parameters.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use uuid::Uuid;

use super::file::{OneOrMany, ParameterName, RawTrigger};
use super::mistake::{Finding, Findings};
use super::parameter::{PARAMETER_NAME, is_parameter_name, resolve_parameters};
use super::value::check_unique;
use super::{ProjectSlug, TriggerCall, TriggerConfig, WorkflowSelector};
use crate::name::{BranchName, JobName};

/// The default build parameter with the deploy id.
const DEPLOY_ID_VARIABLE: &str = "CHATOPS_DEPLOY_ID";

/// The call, if it works for the project. `place` is the position of an error if none is written.
pub(super) fn resolve_call(
    written: Option<Spanned<RawTrigger>>,
    definition: Option<Spanned<String>>,
    slug: Option<&ProjectSlug>,
    place: Range<usize>,
) -> Result<TriggerCall, Finding> {
    let place = written.as_ref().map_or(place, Spanned::span);
    let written = written.map_or_else(RawTrigger::default, Spanned::into_inner);
    if slug.is_some_and(|slug| slug.vcs == "circleci") && written != RawTrigger::PipelineRun {
        let why = "the jobs of a circleci/… project need trigger = \"pipeline-run\"";
        return Err(Finding::new(place, why));
    }
    let definition = match definition {
        None => None,
        Some(id) if written != RawTrigger::PipelineRun => {
            let why = "only trigger = \"pipeline-run\" takes a definition";
            return Err(Finding::new(id.span(), why));
        }
        Some(id) => Some(Uuid::parse_str(id.get_ref()).map_err(|_| {
            let why = "a definition is a UUID: Project Settings, Pipelines, in CircleCI";
            Finding::new(id.span(), why)
        })?),
    };
    Ok(match written {
        RawTrigger::Pipeline => TriggerCall::Pipeline,
        RawTrigger::PipelineRun => TriggerCall::PipelineRun { definition },
        RawTrigger::Job => TriggerCall::Job,
    })
}

/// The branch of the configuration, which only `pipeline-run` takes.
pub(super) fn resolve_config_branch(
    written: Option<Spanned<String>>,
    call: &TriggerCall,
) -> Result<Option<BranchName>, Finding> {
    let Some(written) = written else {
        return Ok(None);
    };
    if !matches!(call, TriggerCall::PipelineRun { .. }) {
        let why = "only trigger = \"pipeline-run\" takes a config_branch";
        return Err(Finding::new(written.span(), why));
    }
    let branch = BranchName::parse(written.get_ref());
    branch
        .map(Some)
        .map_err(|why| Finding::new(written.span(), format!("config_branch: {why}")))
}

/// The workflows that decide, by default the one with the job's name, and the jobs that must run.
/// `trigger = "job"` starts one build, which decides.
pub(super) fn resolve_workflow(
    written: Option<Spanned<OneOrMany>>,
    must_run: Vec<Spanned<String>>,
    call: &TriggerCall,
    job: &JobName,
) -> Result<(WorkflowSelector, Vec<String>), Finding> {
    if *call == TriggerCall::Job {
        let place = written.map(|written| written.span());
        return match place.or_else(|| must_run.first().map(Spanned::span)) {
            None => Ok((WorkflowSelector::ALL, vec![])),
            Some(place) => {
                let why = "trigger = \"job\" starts one build, outside workflows; take this out";
                Err(Finding::new(place, why))
            }
        };
    }
    let workflow = match written {
        None => WorkflowSelector::Named(vec![job.to_string()]),
        Some(written) => {
            let span = written.span();
            match written.into_inner() {
                OneOrMany::One(name) if name == "*" => WorkflowSelector::ALL,
                OneOrMany::One(name) => {
                    WorkflowSelector::Named(resolve_names(vec![Spanned::new(span, name)])?)
                }
                OneOrMany::Many(names) if names.is_empty() => {
                    let why = "name a workflow, or \"*\" for all of them";
                    return Err(Finding::new(span, why));
                }
                OneOrMany::Many(names) => WorkflowSelector::Named(resolve_names(names)?),
            }
        }
    };
    Ok((workflow, resolve_names(must_run)?))
}

/// Names of workflows or jobs as CircleCI's configuration has them.
fn resolve_names(names: Vec<Spanned<String>>) -> Result<Vec<String>, Finding> {
    check_unique(&names)?;
    names
        .into_iter()
        .map(|name| {
            let chars = name.get_ref().chars().count();
            if name.get_ref().trim().is_empty() || chars > MAX_CI_NAME || name.get_ref() == "*" {
                let why = "a name in CircleCI's configuration has 1 to 200 characters; \"*\" stands \
                           alone";
                return Err(Finding::new(name.span(), why));
            }
            Ok(name.into_inner())
        })
        .collect()
}

/// Longer names of workflows and jobs are cut where CircleCI's answers are read.
const MAX_CI_NAME: usize = 200;

/// CircleCI takes at most 100 parameters, names up to 128 characters and values up to 512.
pub(super) fn resolve_trigger(
    call: TriggerCall,
    config_branch: Option<BranchName>,
    job: Spanned<ParameterName>,
    deploy_id: Spanned<ParameterName>,
    raw: BTreeMap<Spanned<String>, Value>,
    findings: &mut Findings,
) -> Option<TriggerConfig> {
    let is_build = call == TriggerCall::Job;
    let own = findings.keep(resolve_own_parameters(&call, job, deploy_id));
    let names = own.iter().flat_map(|(job, id)| [job, id]).flatten();
    let names: Vec<&str> = names.map(String::as_str).collect();
    let (parameters, settable) = resolve_parameters(raw, &names, is_build, findings);
    let (job_parameter, deploy_id_parameter) = own?;
    Some(TriggerConfig {
        call,
        config_branch,
        job_parameter,
        deploy_id_parameter,
        parameters,
        settable,
    })
}

/// The parameters with the job's name and with the deploy's id.
fn resolve_own_parameters(
    call: &TriggerCall,
    job: Spanned<ParameterName>,
    deploy_id: Spanned<ParameterName>,
) -> Result<(Option<String>, Option<String>), Finding> {
    // Of two that clash, the one that is written is to blame; the other has no position.
    let is_written = |name: &Spanned<ParameterName>| !name.span().is_empty();
    let clash = Some(deploy_id.span()).filter(|_| is_written(&deploy_id));
    let clash = clash.unwrap_or_else(|| job.span());
    let (job_parameter, deploy_id_parameter) = if *call == TriggerCall::Job {
        if is_written(&job) {
            let why = "trigger = \"job\" sends the job's name as CIRCLE_JOB, always; take this out";
            return Err(Finding::new(job.span(), why));
        }
        let id = if is_written(&deploy_id) {
            resolve_parameter(deploy_id)?
        } else {
            Some(DEPLOY_ID_VARIABLE.to_owned())
        };
        (Some("CIRCLE_JOB".to_owned()), id)
    } else {
        (resolve_parameter(job)?, resolve_parameter(deploy_id)?)
    };
    if job_parameter.is_some() && job_parameter == deploy_id_parameter {
        let why = match call {
            TriggerCall::Job => "CIRCLE_JOB carries the job's name; name another",
            _ => "job_parameter and deploy_id_parameter name the same parameter",
        };
        return Err(Finding::new(clash, why));
    }
    Ok((job_parameter, deploy_id_parameter))
}

fn resolve_parameter(raw: Spanned<ParameterName>) -> Result<Option<String>, Finding> {
    let span = raw.span();
    match raw.into_inner() {
        ParameterName::Switch(false) => Ok(None),
        ParameterName::Switch(true) => Err(Finding::new(
            span,
            "give the parameter's name, or false for none",
        )),
        ParameterName::Named(name) if is_parameter_name(&name) => Ok(Some(name)),
        ParameterName::Named(_) => Err(Finding::new(span, PARAMETER_NAME)),
    }
}
