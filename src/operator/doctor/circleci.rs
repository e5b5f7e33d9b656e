//! CircleCI: whether it answers, whose the token is, and each project with what its jobs need.

use std::collections::BTreeSet;

use anyhow::Result;
use chatops_core::config::{Config, Job, Project, Slug, TriggerCall};
use chatops_core::name::{JobName, ProjectName};
use chatops_core::ports::SecretName;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::declared::{self, Declared};
use super::fetch::{Answer, Token, Web};
use super::{Check, Report, words};
use crate::secrets::Examined;

#[derive(Deserialize)]
struct Me {
    login: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    name: String,
    #[serde(default)]
    organization_name: String,
    vcs_info: Option<Vcs>,
}

#[derive(Deserialize)]
struct Vcs {
    default_branch: String,
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Definition {
    id: Uuid,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Pipeline {
    id: Uuid,
    number: u64,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    source: String,
    #[serde(default, rename = "setup-config")]
    setup: String,
}

/// The configuration of a branch, as the newest pipeline there had it.
pub(super) struct Newest {
    pub(super) branch: String,
    pub(super) number: u64,
    pub(super) declared: Declared,
}

/// Looks at all of it.
pub(super) async fn examine(
    config: &Config,
    secrets: &[Examined],
    web: &Web,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut secrets = secrets.iter();
    let token = secrets.find(|one| one.secret == SecretName::CircleCiToken);
    let token = token
        .and_then(|one| one.value.as_ref().ok())
        .and_then(Option::as_ref);
    let at = Api {
        origin: &config.circleci.api,
        token,
        web,
    };
    let me = match at.get(&["v2", "me"]).await {
        Ok(me) => me,
        Err(why) => return report.add(words::unreachable("CircleCI", at.origin, &why)),
    };
    report.add(words::reachable("CircleCI", at.origin, me.status))?;
    report.add_all(me.ahead.map(|ahead| words::clock("CircleCI", ahead)))?;
    // What is missing was told with the secrets.
    if token.is_none() {
        return Ok(());
    }
    report.add(whose(&me))?;
    if me.status == 401 {
        return Ok(());
    }
    for (name, project) in &config.projects {
        at.project(name, project, report).await?;
    }
    Ok(())
}

fn whose(me: &Answer) -> Check {
    match me.json::<Me>() {
        Some(Me { login, name }) if me.status == 200 => words::token(&login, &name),
        _ if me.status == 401 => words::bad_token(&me.said()),
        _ => words::token_unknown(&me.said()),
    }
}

struct Api<'a> {
    origin: &'a Url,
    token: Option<&'a SecretString>,
    web: &'a Web,
}

impl Api<'_> {
    async fn get(&self, segments: &[&str]) -> Result<Answer, String> {
        let mut url = self.origin.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push("api").extend(segments);
        }
        let token = self.token.map_or(Token::None, Token::Circle);
        self.web.get(url, token).await
    }

    async fn project(
        &self,
        name: &ProjectName,
        project: &Project,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let Slug { vcs, org, repo } = &project.slug;
        let slug = super::super::config::slug(&project.slug);
        let answer = match self.get(&["v2", "project", vcs, org, repo]).await {
            Ok(answer) => answer,
            Err(why) => return report.add(words::project_unknown(name, &slug, &why)),
        };
        let found = match answer.json::<Found>() {
            Some(found) if answer.status == 200 => found,
            _ if answer.status == 404 => {
                return report.add(words::no_project(name, &slug, &answer.said()));
            }
            _ => return report.add(words::project_unknown(name, &slug, &answer.said())),
        };
        report.add(words::project(
            name,
            &slug,
            &found.name,
            &found.organization_name,
        ))?;
        report.add_all(self.definitions(name, project, &found.id).await)?;
        let branch = found
            .vcs_info
            .as_ref()
            .map(|vcs| vcs.default_branch.as_str());
        let newest = self.newest(&project.slug, branch).await;
        let jobs = project.jobs.iter();
        report.add_all(jobs.map(|(job_name, job)| parameters(name, job_name, job, &newest)))
    }

    /// The pipeline definitions that the project's jobs name.
    async fn definitions(&self, name: &ProjectName, project: &Project, id: &str) -> Vec<Check> {
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
        let known = match self
            .get(&["v2", "projects", id, "pipeline-definitions"])
            .await
        {
            Err(why) => Err(why),
            Ok(answer) if answer.status == 200 => {
                let items = answer.json::<Items<Definition>>();
                items.ok_or_else(|| "an answer that cannot be read".to_owned())
            }
            Ok(answer) => Err(answer.said()),
        };
        let known = match known {
            Ok(known) => known,
            Err(why) => return vec![words::definitions_unknown(name, &why)],
        };
        let ids: Vec<String> = known.items.iter().map(|one| one.id.to_string()).collect();
        let one = |wanted: Option<Uuid>| match wanted {
            None => words::default_definition(name, &ids),
            Some(wanted) => match known.items.iter().find(|known| known.id == wanted) {
                Some(found) => words::definition(name, wanted, &found.name),
                // There are more than were listed.
                None if known.next_page_token.is_some() => {
                    words::definitions_unknown(name, "there are more than one page of them")
                }
                None => words::no_definition(name, wanted, &ids),
            },
        };
        wanted.into_iter().map(one).collect()
    }

    /// What the newest pipeline of the default branch was configured with, or why that cannot be
    /// known.
    async fn newest(&self, slug: &Slug, branch: Option<&str>) -> Result<Newest, String> {
        let branch = branch.ok_or("CircleCI does not say which branch is the default one")?;
        let Slug { vcs, org, repo } = slug;
        let mut url = self.origin.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let segments = ["api", "v2", "project", vcs, org, repo, "pipeline"];
            path.clear().extend(segments);
        }
        url.query_pairs_mut().append_pair("branch", branch);
        let token = self.token.map_or(Token::None, Token::Circle);
        let answer = self.web.get(url, token).await?;
        let listed = answer.json::<Items<Pipeline>>();
        let listed = listed.filter(|_| answer.status == 200);
        let listed =
            listed.ok_or_else(|| format!("the pipelines are not listed ({})", answer.said()))?;
        let Some(Pipeline { id, number }) = listed.items.into_iter().next() else {
            return Err(format!("there is no pipeline on {branch} yet"));
        };
        let answer = self
            .get(&["v2", "pipeline", &id.to_string(), "config"])
            .await?;
        let source = answer.json::<Source>().filter(|_| answer.status == 200);
        let Source { source, setup } = source.ok_or_else(|| {
            format!(
                "the configuration of pipeline {number} is not shown ({})",
                answer.said()
            )
        })?;
        // With a setup workflow, it is the setup configuration that takes the parameters.
        let yaml = if setup.trim().is_empty() {
            source
        } else {
            setup
        };
        let declared = declared::read(&yaml).filter(|_| !yaml.trim().is_empty());
        let declared = declared.ok_or_else(|| {
            format!("the configuration of pipeline {number} is written in a way this does not read")
        })?;
        Ok(Newest {
            branch: branch.to_owned(),
            number,
            declared,
        })
    }
}

/// Whether a job's parameters are declared.
fn parameters(
    project: &ProjectName,
    name: &JobName,
    job: &Job,
    newest: &Result<Newest, String>,
) -> Check {
    let trigger = &job.trigger;
    let wanted = [&trigger.job_parameter, &trigger.deploy_id_parameter];
    let wanted = wanted
        .into_iter()
        .flatten()
        .chain(trigger.parameters.keys());
    let wanted: Vec<&str> = wanted.map(String::as_str).collect();
    if trigger.call == TriggerCall::Job {
        return match newest {
            Ok(newest) if newest.declared.version.as_deref() == Some("2.1") => {
                words::job_of_new_config(project, name, newest)
            }
            Ok(_) => words::job_parameters(project, name),
            Err(why) => words::job_unknown(project, name, why),
        };
    }
    if wanted.is_empty() {
        return words::no_parameters(project, name);
    }
    let newest = match newest {
        Ok(newest) => newest,
        Err(why) => return words::parameters_unknown(project, name, &wanted, why),
    };
    let is_missing = |wanted: &&str| {
        !newest
            .declared
            .parameters
            .iter()
            .any(|known| known == wanted)
    };
    let missing: Vec<&str> = wanted.iter().copied().filter(is_missing).collect();
    if missing.is_empty() {
        words::declared(project, name, &wanted, newest)
    } else {
        words::undeclared(project, name, &missing, newest)
    }
}
