//! The configuration of a pipeline, as YAML that names the workflows and jobs of its script.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::script::{JobKind, JobScript, PipelineStateView, RunScript, WorkflowScript};

/// The response of `GET /pipeline/{id}/config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigView {
    /// As it is written; empty without a configuration.
    pub source: String,
    /// As it runs; empty if it cannot be processed, or not yet.
    pub compiled: String,
    /// The setup configuration as it is written; absent without a dynamic configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_config: Option<String>,
    /// The setup configuration as it runs; absent without a dynamic configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled_setup_config: Option<String>,
}

impl RunScript {
    /// The configuration while the pipeline is in `state`.
    pub(super) fn config_in(&self, state: PipelineStateView, has_errors: bool) -> ConfigView {
        let is_dynamic = self.is_dynamic();
        let is_continued = !matches!(
            state,
            PipelineStateView::SetupPending | PipelineStateView::Setup
        );
        let part = |setup: bool| {
            let parts = self.workflows.iter();
            let parts = parts.filter(move |part| part.is_setup == setup);
            parts.fold(Vec::new(), |mut unique: Vec<_>, part| {
                // A rerun is no second workflow of the configuration.
                if unique
                    .iter()
                    .all(|known: &&WorkflowScript| known.name != part.name)
                {
                    unique.push(part);
                }
                unique
            })
        };
        let mut view = ConfigView::default();
        if is_dynamic {
            let setup = part(true);
            view.setup_config = Some(format!("setup: true\n{}", render("2.1", &setup, &[])));
            view.compiled_setup_config = Some(render("2", &setup, &[]));
        }
        let workflows = part(false);
        let is_posted = !workflows.is_empty() || !self.filtered.is_empty() || has_errors;
        if !is_dynamic || (is_continued && is_posted) {
            view.source = render("2.1", &workflows, &self.filtered);
            if !has_errors {
                view.compiled = render("2", &workflows, &[]);
            }
        }
        view
    }
}

/// A configuration of these workflows, and of the ones that a condition excludes.
fn render(version: &str, workflows: &[&WorkflowScript], filtered: &[String]) -> String {
    let mut text = format!("version: {version}\njobs:\n");
    let mut known: Vec<String> = Vec::new();
    let jobs = workflows
        .iter()
        .flat_map(|workflow| workflow.resolved_jobs());
    let builds = jobs.filter(|job| job.kind == JobKind::Build);
    for name in builds.map(|job| job.name).chain(filtered.iter().cloned()) {
        if known.contains(&name) {
            continue;
        }
        let command = quoted(&format!("./run {name}"));
        // A string takes every write.
        let _ = write!(
            text,
            "  {}:\n    docker:\n    - image: cimg/base:current\n    steps:\n    - run: {command}\n",
            quoted(&name)
        );
        known.push(name);
    }
    text.push_str("workflows:\n");
    for workflow in workflows {
        let _ = write!(text, "  {}:\n    jobs:\n", quoted(&workflow.name));
        for job in workflow.resolved_jobs() {
            text.push_str(&render_job(&job));
        }
    }
    for name in filtered {
        let name = quoted(name);
        let _ = write!(
            text,
            "  {name}:\n    when: false\n    jobs:\n    - {name}\n"
        );
    }
    text
}

fn render_job(job: &JobScript) -> String {
    let is_plain = job.kind == JobKind::Build && job.requires.is_empty();
    let name = quoted(&job.name);
    if is_plain {
        return format!("    - {name}\n");
    }
    let mut text = format!("    - {name}:\n");
    if job.kind == JobKind::Approval {
        text.push_str("        type: approval\n");
    }
    if !job.requires.is_empty() {
        text.push_str("        requires:\n");
        for required in &job.requires {
            let _ = writeln!(text, "        - {}", quoted(required));
        }
    }
    text
}

/// A name as YAML: plain if it can be nothing but a text, otherwise in quotes.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    if is_plain {
        text.to_owned()
    } else {
        // A JSON string is a YAML string.
        serde_json::Value::from(text).to_string()
    }
}
