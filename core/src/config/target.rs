//! Targets: by the place at CircleCI, under which they are locked, and by the names that people use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, JobConfig, ProjectConfig};
use crate::name::{JobName, ProjectName};
use crate::target::{Target, TargetRef};

/// A job that deploys to a target.
#[derive(Debug, Clone, Copy)]
pub struct TargetJob<'a> {
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The job's name.
    pub job_name: &'a JobName,
    /// The job.
    pub job: &'a JobConfig,
}

impl Config {
    /// The jobs that deploy to a target, whether or not they lock it.
    pub fn jobs_of_target<'a>(
        &'a self,
        target: &'a Target,
    ) -> impl Iterator<Item = TargetJob<'a>> + 'a {
        self.target_jobs()
            .filter(move |(known, _)| known == target)
            .map(|(_, job)| job)
    }

    /// What people call a target: `web/production`, by the first project that deploys to it. One that
    /// no project deploys to has the name under which it is locked.
    #[must_use]
    pub fn target_name(&self, target: &Target) -> String {
        match self.jobs_of_target(target).next() {
            Some(TargetJob {
                project_name, job, ..
            }) => format!("{project_name}/{}", job.environment),
            None => target.to_string(),
        }
    }

    /// The target that was typed, by any name of a project and in any case; `None` if no project
    /// deploys to it.
    #[must_use]
    pub fn find_target(&self, typed: &TargetRef) -> Option<Target> {
        let mut targets = self.target_jobs().map(|(target, _)| target);
        if let Some(place) = typed.place() {
            return targets.find(|target| target.0.eq_ignore_ascii_case(&place.0));
        }
        let (project, environment) = typed.names()?;
        let project = self.find_project(project)?;
        let wanted = Target::new(&project.slug, environment);
        let same = |target: &Target| *target == wanted;
        let alike = |target: &Target| target.0.eq_ignore_ascii_case(&wanted.0);
        targets
            .find(same)
            .or_else(|| self.target_jobs().map(|(target, _)| target).find(alike))
    }

    /// The names of all targets, as people type them.
    #[must_use]
    pub fn target_names(&self) -> Vec<String> {
        let targets: BTreeSet<Target> = self.target_jobs().map(|(target, _)| target).collect();
        let names: BTreeSet<String> = targets.iter().map(|one| self.target_name(one)).collect();
        names.into_iter().collect()
    }

    /// The targets that several projects lock, with the names of these projects.
    #[must_use]
    pub fn shared_targets(&self) -> BTreeMap<Target, BTreeSet<&ProjectName>> {
        let mut all: BTreeMap<Target, BTreeSet<&ProjectName>> = BTreeMap::new();
        for (target, found) in self.target_jobs().filter(|(_, found)| found.job.exclusive) {
            all.entry(target).or_default().insert(found.project_name);
        }
        all.retain(|_, projects| projects.len() > 1);
        all
    }

    fn target_jobs(&self) -> impl Iterator<Item = (Target, TargetJob<'_>)> {
        self.projects.iter().flat_map(|(project_name, project)| {
            project.jobs.iter().map(move |(job_name, job)| {
                let target = Target::new(&project.slug, &job.environment);
                let found = TargetJob {
                    project_name,
                    job_name,
                    job,
                };
                (target, found)
            })
        })
    }

    /// A project by its name or an alias.
    fn find_project(&self, word: &str) -> Option<&ProjectConfig> {
        let name = ProjectName::parse(word).ok()?;
        self.project(&name).map(|(_, project)| project)
    }
}
