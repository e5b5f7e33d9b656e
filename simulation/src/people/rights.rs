//! Who may do what where: the judge's own table. The configuration is written from it, and what the
//! product allows is compared with it, never with the product's policy.

use chatops_core::config::Config;
use chatops_testkit::config::{TestConfig, TestJob};

use super::Person;
use super::person::TEAMS;

/// Who and what a list names; `None`: everybody, or everything.
type Listed = Option<Vec<&'static str>>;

/// What may be run, by whom and from where.
#[derive(Debug, Clone)]
pub struct Rights {
    jobs: [JobRights; 2],
}

#[derive(Debug, Clone)]
struct JobRights {
    name: &'static str,
    /// Branches, and tags as `tag:…`.
    refs: Listed,
    channels: Listed,
    users: Listed,
}

impl Default for Rights {
    /// A job that takes a lock, for a few; and one for everybody.
    fn default() -> Self {
        let deploy = JobRights {
            name: "deploy",
            refs: Some(vec!["main", "tag:v1"]),
            channels: Some(vec!["T0001/C0001"]),
            users: Some(vec!["T0001/U0001", "T0001/U0002", "T0001/U0003"]),
        };
        let check = JobRights {
            name: "check",
            refs: None,
            channels: None,
            users: None,
        };
        Self {
            jobs: [deploy, check],
        }
    }
}

/// Whether a list names it.
fn names(listed: &Listed, name: &str) -> bool {
    listed.as_ref().is_none_or(|all| all.contains(&name))
}

impl Rights {
    /// Only these users (`T…/U…`) may deploy.
    #[must_use]
    pub fn restricted_to(mut self, users: &[&'static str]) -> Self {
        self.jobs[0].users = Some(users.to_vec());
        self
    }

    /// Whether somebody may run a job on a branch or tag from where they are.
    #[must_use]
    pub fn allow(&self, person: &Person, job: &str, branch: &str) -> bool {
        self.allow_job(job, branch) && self.jobs_of(person).any(|allowed| allowed.name == job)
    }

    /// Whether a job may be run on a branch, whoever asks: an operator's right is to be asked for
    /// elsewhere.
    #[must_use]
    pub fn allow_job(&self, job: &str, branch: &str) -> bool {
        let mut jobs = self.jobs.iter().filter(|known| known.name == job);
        jobs.any(|known| names(&known.refs, branch))
    }

    /// Whether somebody may deploy to the target of the job that takes a lock, on whatever branch.
    #[must_use]
    pub fn allow_target(&self, person: &Person) -> bool {
        self.jobs_of(person).any(|allowed| allowed.name == "deploy")
    }

    fn jobs_of(&self, person: &Person) -> impl Iterator<Item = &JobRights> {
        let (user, channel) = (person.qualified_user(), person.qualified_channel());
        let is_known = person.is_of_known_workspace();
        self.jobs.iter().filter(move |job| {
            is_known && names(&job.users, &user) && names(&job.channels, &channel)
        })
    }

    /// The configuration that says so.
    fn config_text(&self) -> String {
        let list = |listed: &Listed| listed.clone().unwrap_or_else(|| vec!["*"]);
        let [deploy, check] = self.jobs.each_ref().map(|job| {
            let (refs, channels) = (list(&job.refs), list(&job.channels));
            let tags: Vec<&str> = match &job.refs {
                Some(refs) => refs
                    .iter()
                    .filter_map(|name| name.strip_prefix("tag:"))
                    .collect(),
                None => vec!["*"],
            };
            let branches: Vec<&str> = refs
                .into_iter()
                .filter(|name| !name.starts_with("tag:"))
                .collect();
            TestJob::limited(job.name, &branches, &channels, &list(&job.users))
                .with(&format!("tags = {tags:?}"))
        });
        let timeouts = [
            "response_url_ttl = \"5m\"",
            "follow_timeout = \"4m\"",
            "workflow_start_timeout = \"1m\"",
        ];
        let deploy = deploy.with("must_run = [\"deploy\"]");
        let check = check.workflow("check").with("exclusive = false");
        TestConfig::new()
            .teams(&TEAMS)
            .timeouts(&timeouts.join("\n"))
            .project("web", &[deploy, check])
            .text()
    }

    pub(crate) fn config(&self) -> Config {
        let config = Config::parse(&self.config_text(), "simulation.toml");
        config.unwrap_or_else(|error| unreachable!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_are_listed_may_deploy_and_everybody_may_check() {
        let rights = Rights::default();
        let may = |person: &Person| {
            let jobs = [
                ("deploy", "main"),
                ("deploy", "hotfix"),
                ("check", "hotfix"),
                ("deploy", "tag:v1"),
                ("deploy", "tag:main"),
            ];
            jobs.map(|(job, branch)| rights.allow(person, job, branch))
        };
        for person in &Person::ENTITLED {
            assert_eq!(may(person), [true, false, true, true, false], "{person:?}");
        }
        for person in &Person::OTHERS {
            assert_eq!(
                may(person),
                [false, false, person.team != "T0009", false, false],
                "{person:?}"
            );
        }
    }
}
