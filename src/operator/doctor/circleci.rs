//! CircleCI: whether it answers, who owns the token, and each project with what its jobs need.

use std::collections::BTreeSet;

use anyhow::Result;
use chatops_circleci::{
    CircleCiInspector, FoundProject, ItemPage, ListedPipeline, PipelineConfig, PipelineDefinition,
    TokenOwner,
};
use chatops_core::config::{
    Config, JobConfig, ProjectConfig, ProjectSlug, TriggerCall, WorkflowSelector,
};
use chatops_core::name::{JobName, ProjectName};
use chatops_core::ports::SecretName;
use chatops_http::VendorResponse;
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::super::now;
use super::answer::{clock_ahead, status_text};
use super::parameters::NewestConfig;
use super::{DoctorCheck, DoctorReport, text};
use crate::output::sanitize;
use chatops_local::secrets::{self, ExaminedSecret};

pub(super) async fn check_circleci(
    config: &Config,
    secrets: &[ExaminedSecret],
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    let token = secrets::find_value(secrets, SecretName::CircleCiToken);
    let (origin, timeouts) = (&config.circleci.api, &config.timeouts);
    let at = CircleCiApi(CircleCiInspector::new(
        origin.clone(),
        timeouts,
        token.cloned(),
    )?);
    let sent_at = now();
    let me = match at.get(&["v2", "me"]).await {
        Ok(me) => me,
        Err(why) => return report.add_check(text::host_unreachable("CircleCI", origin, &why)),
    };
    report.add_check(text::host_reachable("CircleCI", origin, me.status.as_u16()))?;
    let clock = clock_ahead(&me, sent_at).map(|ahead| text::clock_offset("CircleCI", ahead));
    report.add_checks(clock)?;
    // A missing token is reported with the secrets.
    if token.is_none() {
        return Ok(());
    }
    report.add_check(check_token(&me))?;
    if me.status == StatusCode::UNAUTHORIZED {
        return Ok(());
    }
    for (name, project) in &config.projects {
        at.check_project(name, project, report).await?;
    }
    Ok(())
}

fn check_token(me: &VendorResponse) -> DoctorCheck {
    match me.json::<TokenOwner>() {
        Some(TokenOwner { login, name }) if me.status == StatusCode::OK => {
            text::token_ok(&login, &name)
        }
        _ if me.status == StatusCode::UNAUTHORIZED => text::token_rejected(&status_text(me)),
        _ => text::token_unknown(&status_text(me)),
    }
}

struct CircleCiApi(CircleCiInspector);

impl CircleCiApi {
    async fn get(&self, segments: &[&str]) -> Result<VendorResponse, String> {
        self.query(segments, None).await
    }

    async fn query(
        &self,
        segments: &[&str],
        query: Option<(&str, &str)>,
    ) -> Result<VendorResponse, String> {
        let answer = self.0.get(segments, query).await;
        answer.map_err(|why| sanitize(&why))
    }

    async fn check_project(
        &self,
        name: &ProjectName,
        project: &ProjectConfig,
        report: &mut DoctorReport<'_>,
    ) -> Result<()> {
        let ProjectSlug { vcs, org, repo } = &project.slug;
        let slug = project.slug.to_string();
        let answer = match self.get(&["v2", "project", vcs, org, repo]).await {
            Ok(answer) => answer,
            Err(why) => return report.add_check(text::project_unknown(name, &slug, &why)),
        };
        let said = status_text(&answer);
        let found = match answer.json::<FoundProject>() {
            Some(found) if answer.status == StatusCode::OK => found,
            _ if answer.status == StatusCode::NOT_FOUND => {
                return report.add_check(text::project_missing(name, &slug, &said));
            }
            _ => return report.add_check(text::project_unknown(name, &slug, &said)),
        };
        let organization = &found.organization_name;
        report.add_check(text::project_ok(name, &slug, &found.name, organization))?;
        report.add_checks(self.check_definitions(name, project, &found.id).await)?;
        let branch = found.default_branch();
        let newest = self.newest_config(&project.slug, branch).await;
        for (job, config) in &project.jobs {
            report.add_check(check_parameters(name, job, config, &newest))?;
            report.add_checks(check_workflow((name, job), config, &newest))?;
        }
        report.add_checks(
            newest
                .as_ref()
                .ok()
                .and_then(|n| check_dynamic(name, project, n)),
        )?;
        report.add_checks(self.check_autocancel(name, project, branch).await)
    }

    /// Whether CircleCI cancels what runs on a branch by itself, where a job can be run on another branch
    /// than the default one.
    async fn check_autocancel(
        &self,
        name: &ProjectName,
        project: &ProjectConfig,
        branch: Option<&str>,
    ) -> Option<DoctorCheck> {
        let branch = branch?;
        let mut patterns = project.jobs.values().flat_map(|job| &job.branches);
        patterns.find(|pattern| pattern.to_string() != branch)?;
        let ProjectSlug { vcs, org, repo } = &project.slug;
        let path = ["v2", "project", vcs, org, repo, "settings"];
        let answer = match self.get(&path).await {
            Ok(answer) => answer,
            Err(why) => return Some(text::autocancel_unknown(name, branch, &why)),
        };
        let settings = answer.json::<ProjectSettings>();
        let known = settings.filter(|_| answer.status == StatusCode::OK);
        Some(
            match known.and_then(|known| known.advanced.autocancel_builds) {
                Some(true) => text::autocancel_on(name, branch),
                Some(false) => text::autocancel_off(name),
                None => text::autocancel_unknown(name, branch, &status_text(&answer)),
            },
        )
    }

    /// The pipeline definitions that the project's jobs name.
    async fn check_definitions(
        &self,
        name: &ProjectName,
        project: &ProjectConfig,
        id: &str,
    ) -> Vec<DoctorCheck> {
        let wanted = project
            .jobs
            .values()
            .filter_map(|job| match &job.trigger.call {
                TriggerCall::PipelineRun { definition } => Some(*definition),
                TriggerCall::Pipeline | TriggerCall::Job => None,
            });
        let wanted: BTreeSet<Option<Uuid>> = wanted.collect();
        if wanted.is_empty() {
            return vec![];
        }
        let answer = self
            .get(&["v2", "projects", id, "pipeline-definitions"])
            .await;
        let known = answer.and_then(|answer| match answer.status {
            StatusCode::OK => answer
                .json::<ItemPage<PipelineDefinition>>()
                .ok_or_else(|| "an unreadable answer".to_owned()),
            _ => Err(status_text(&answer)),
        });
        let known = match known {
            Ok(known) => known,
            Err(why) => return vec![text::definitions_unknown(name, &why)],
        };
        let ids: Vec<String> = known.items.iter().map(|one| one.id.to_string()).collect();
        let one = |wanted: Option<Uuid>| match wanted {
            None => text::default_definition(name, &ids),
            Some(wanted) => match known.items.iter().find(|known| known.id == wanted) {
                Some(found) => text::definition_ok(name, wanted, &found.name),
                None if known.next_page_token.is_some() => {
                    text::definitions_unknown(name, "only the first page was read")
                }
                None => text::definition_missing(name, wanted, &ids),
            },
        };
        wanted.into_iter().map(one).collect()
    }

    /// The configuration of the newest pipeline of the default branch, or why it is not known.
    async fn newest_config(
        &self,
        slug: &ProjectSlug,
        branch: Option<&str>,
    ) -> Result<NewestConfig, String> {
        let branch = branch.ok_or("CircleCI does not name the default branch")?;
        let ProjectSlug { vcs, org, repo } = slug;
        let path = ["v2", "project", vcs, org, repo, "pipeline"];
        let answer = self.query(&path, Some(("branch", branch))).await?;
        let listed = answer.json::<ItemPage<ListedPipeline>>();
        let listed = listed.filter(|_| answer.status == StatusCode::OK);
        let listed = listed
            .ok_or_else(|| format!("the pipelines are not listed ({})", status_text(&answer)))?;
        let Some(ListedPipeline { id, number }) = listed.items.into_iter().next() else {
            return Err(format!("there is no pipeline on {branch} yet"));
        };
        let answer = self
            .get(&["v2", "pipeline", &id.to_string(), "config"])
            .await?;
        let config = answer
            .json::<PipelineConfig>()
            .filter(|_| answer.status == StatusCode::OK);
        let config = config.ok_or_else(|| {
            let said = status_text(&answer);
            format!("the configuration of pipeline {number} is not shown ({said})")
        })?;
        NewestConfig::read(branch, number, &config)
            .ok_or_else(|| format!("the configuration of pipeline {number} cannot be read"))
    }
}

/// `GET /project/{slug}/settings`
#[derive(Deserialize)]
struct ProjectSettings {
    advanced: AdvancedSettings,
}

#[derive(Deserialize)]
struct AdvancedSettings {
    autocancel_builds: Option<bool>,
}

/// Checks that the workflows which decide exist, with the jobs that must run.
fn check_workflow(
    at: (&ProjectName, &JobName),
    job: &JobConfig,
    newest: &Result<NewestConfig, String>,
) -> Option<DoctorCheck> {
    if job.trigger.call == TriggerCall::Job {
        return None;
    }
    let WorkflowSelector::Named(names) = &job.workflow else {
        return Some(text::every_workflow(at));
    };
    let newest = match newest {
        Ok(newest) => newest,
        Err(why) => return Some(text::workflow_unknown(at, names, why)),
    };
    if newest.workflows.is_empty() {
        let why = if newest.declared.is_setup {
            "only the setup configuration of the newest pipeline is shown"
        } else {
            "the newest pipeline shows no compiled configuration"
        };
        return Some(text::workflow_unknown(at, names, &why));
    }
    let is_missing = |name: &&str| !newest.workflows.contains_key(*name);
    let missing: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(is_missing)
        .collect();
    if !missing.is_empty() {
        return Some(text::workflow_missing(at, &missing, newest));
    }
    let found = || {
        newest
            .workflows
            .iter()
            .filter(|(name, _)| names.contains(name))
    };
    let is_there = |job: &str| found().any(|(_, jobs)| jobs.has_more || jobs.names.contains(job));
    let absent = job.must_run.iter().map(String::as_str);
    let absent: Vec<&str> = absent.filter(|job| !is_there(job)).collect();
    Some(if absent.is_empty() {
        text::workflow_ok(at, names, &job.must_run, newest)
    } else {
        let there = found().flat_map(|(_, jobs)| &jobs.names);
        text::must_run_missing(at, &absent, there, newest)
    })
}

/// Checks a dynamic configuration: whether what follows the setup declares the parameters that a deploy
/// sends. CircleCI passes them to both by itself. Whether the setup declares them is checked for each job.
fn check_dynamic(
    name: &ProjectName,
    project: &ProjectConfig,
    newest: &NewestConfig,
) -> Option<DoctorCheck> {
    let pipelines = |job: &&JobConfig| job.trigger.call != TriggerCall::Job;
    if !newest.declared.is_setup || !project.jobs.values().any(|job| pipelines(&job)) {
        return None;
    }
    // The newest pipeline may have ended in its setup.
    let next = &newest.continued.as_ref()?.parameters;
    let sent = project
        .jobs
        .values()
        .filter(pipelines)
        .flat_map(sent_parameters);
    let sent: BTreeSet<&str> = sent.collect();
    let is_declared = |name: &str| next.iter().any(|known| known == name);
    let missing: Vec<&str> = sent.into_iter().filter(|name| !is_declared(name)).collect();
    Some(if missing.is_empty() {
        text::dynamic_ok(name, newest)
    } else {
        text::dynamic_undeclared(name, &missing, newest)
    })
}

/// The names of the parameters that are sent for a job.
fn sent_parameters(job: &JobConfig) -> impl Iterator<Item = &str> {
    let trigger = &job.trigger;
    let named = [&trigger.job_parameter, &trigger.deploy_id_parameter];
    let all = named.into_iter().flatten().chain(trigger.parameters.keys());
    all.chain(trigger.settable.keys()).map(String::as_str)
}

/// Checks that a job's parameters are declared.
fn check_parameters(
    project: &ProjectName,
    name: &JobName,
    job: &JobConfig,
    newest: &Result<NewestConfig, String>,
) -> DoctorCheck {
    let (at, trigger) = ((project, name), &job.trigger);
    let wanted: Vec<&str> = sent_parameters(job).collect();
    if trigger.call == TriggerCall::Job {
        return match newest {
            Ok(newest) if newest.declared.version.as_deref() == Some("2.1") => {
                text::job_of_new_config(at, newest)
            }
            Ok(_) => text::job_parameters(at),
            Err(why) => text::job_unknown(at, why),
        };
    }
    if wanted.is_empty() {
        return text::parameters_none(at);
    }
    let newest = match newest {
        Ok(newest) => newest,
        Err(why) => return text::parameters_unknown(at, &wanted, why),
    };
    let declared = &newest.declared.parameters;
    let is_missing = |wanted: &&str| !declared.iter().any(|known| known == wanted);
    let missing: Vec<&str> = wanted.iter().copied().filter(is_missing).collect();
    if missing.is_empty() {
        text::parameters_declared(at, &wanted, newest)
    } else {
        text::parameters_undeclared(at, &missing, newest)
    }
}
