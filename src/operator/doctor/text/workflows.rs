//! What doctor says about a job's workflow, and about what surprises at CircleCI.

use std::fmt::Display;

use chatops_core::name::ProjectName;

use super::super::parameters::NewestConfig;
use super::{Check, JobKey, judged_by};
use crate::output::sanitize;

fn workflow_label(at: JobKey<'_>) -> String {
    format!("workflow of {}/{}", at.0, at.1)
}

fn name_list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| sanitize(name.as_ref()))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

pub(in crate::operator::doctor) fn every_workflow(at: JobKey<'_>) -> Check {
    Check::ok(workflow_label(at), "all of the pipeline decide")
}

pub(in crate::operator::doctor) fn workflow_ok(
    at: JobKey<'_>,
    names: &[String],
    must_run: &[String],
    config: &NewestConfig,
) -> Check {
    let jobs = match must_run {
        [] => String::new(),
        jobs => format!(", with {}", name_list(jobs)),
    };
    let found = format!("{}{jobs} found {}", name_list(names), judged_by(config));
    Check::ok(workflow_label(at), found)
}

pub(in crate::operator::doctor) fn workflow_missing(
    at: JobKey<'_>,
    missing: &[&str],
    config: &NewestConfig,
) -> Check {
    let found = format!(
        "there is no {} {}; the workflows are {}",
        name_list(missing),
        judged_by(config),
        name_list(config.workflows.keys())
    );
    let fix = "write workflow = \"…\" in the job, with the name of the workflow that deploys";
    Check::warn(workflow_label(at), found, fix)
}

pub(in crate::operator::doctor) fn must_run_missing<'n>(
    at: JobKey<'_>,
    missing: &[&str],
    there: impl Iterator<Item = &'n String>,
    config: &NewestConfig,
) -> Check {
    let found = format!(
        "it has no job {} {}; its jobs are {}",
        name_list(missing),
        judged_by(config),
        name_list(there)
    );
    let fix = "correct must_run in the job: without success of these jobs every deploy has FAILED";
    Check::warn(workflow_label(at), found, fix)
}

pub(in crate::operator::doctor) fn workflow_unknown(
    at: JobKey<'_>,
    names: &[String],
    why: &impl Display,
) -> Check {
    let found = format!(
        "could not find out whether there is {}: {why}",
        name_list(names)
    );
    let fix = "check that a workflow of .circleci/config.yml has that name";
    Check::warn(workflow_label(at), found, fix)
}

fn dynamic_label(project: &ProjectName) -> String {
    format!("dynamic configuration of {project}")
}

pub(in crate::operator::doctor) fn dynamic_ok(
    project: &ProjectName,
    config: &NewestConfig,
) -> Check {
    let found = format!(
        "setup: true {}, and what follows declares every parameter; the setup must not pass them on",
        judged_by(config)
    );
    Check::ok(dynamic_label(project), found)
}

pub(in crate::operator::doctor) fn dynamic_undeclared(
    project: &ProjectName,
    missing: &[&str],
    config: &NewestConfig,
) -> Check {
    let found = format!(
        "{} not declared in what follows the setup configuration, {}",
        name_list(missing),
        judged_by(config)
    );
    let fix = "declare it there, too, with the same default: CircleCI passes it on by itself, and rejects \
               it otherwise (\"Unexpected argument(s)\")";
    Check::warn(dynamic_label(project), found, fix)
}

fn autocancel_label(project: &ProjectName) -> String {
    format!("auto-cancel of {project}")
}

const AUTOCANCEL_FIX: &str = "switch it off in CircleCI's Project Settings, Advanced, or deploy the \
                              default branch only";

pub(in crate::operator::doctor) fn autocancel_off(project: &ProjectName) -> Check {
    Check::ok(autocancel_label(project), "it is off")
}

pub(in crate::operator::doctor) fn autocancel_on(project: &ProjectName, branch: &str) -> Check {
    let found = format!(
        "it is on: on a branch other than {}, a push or another deploy cancels a running one",
        sanitize(branch)
    );
    Check::warn(autocancel_label(project), found, AUTOCANCEL_FIX)
}

pub(in crate::operator::doctor) fn autocancel_unknown(
    project: &ProjectName,
    branch: &str,
    why: &str,
) -> Check {
    let found = format!(
        "could not find out whether it is on ({}); it concerns branches other than {}",
        sanitize(why),
        sanitize(branch)
    );
    Check::warn(autocancel_label(project), found, AUTOCANCEL_FIX)
}
