//! The policy against an independent one: rule by rule, on a million requests.

use std::collections::BTreeMap;

use super::rules::{
    BRANCHES, CHANNELS, JOB_ALIASES, JOBS, JobRules, PATTERNS, PROJECT_ALIASES, PROJECTS, RuleSet,
    TEAMS, USERS,
};
use super::*;
use crate::command::DeployCommand;
use crate::fixtures::{Random, start};
use crate::message::Requester;
use crate::name::GitRef;
use crate::parameters::Parameters;
use crate::rejection::ParameterValues;

impl RuleSet {
    /// The policy once more, from the lists: each rule that is checked, and its verdict.
    fn reference(&self, typed: &TypedRequest) -> (Vec<RuleCheck>, Option<&JobRules>) {
        let mut checks = vec![];
        let mut check = |rule, no: Option<Rejection>| {
            checks.push(RuleCheck {
                rule,
                verdict: no.map_or(Ok(()), Err),
            });
        };
        let team = TeamId::parse(typed.team).unwrap();
        if !self.teams.holds(typed.team) {
            check(PolicyRule::Team, Some(Rejection::Team { team }));
            return (checks, None);
        }
        check(PolicyRule::Team, None);
        let [user, channel] = [typed.user, typed.channel].map(|id| format!("{}/{id}", typed.team));

        let mut known: Vec<_> = self.projects.iter().map(|p| project(p.0)).collect();
        known.sort();
        let Some(named) = typed.project.or(self.default) else {
            check(PolicyRule::Project, Some(Rejection::NoProject { known }));
            return (checks, None);
        };
        let mut projects = self.projects.iter();
        let Some((name, _)) = projects.find(|p| p.0 == named || p.1.contains(&named)) else {
            let project = project(named);
            let unknown = Rejection::UnknownProject { project, known };
            check(PolicyRule::Project, Some(unknown));
            return (checks, None);
        };
        check(PolicyRule::Project, None);

        let of_project = || self.jobs.iter().filter(|job| job.project == *name);
        let mut named =
            of_project().filter(|j| j.name == typed.job || j.aliases.contains(&typed.job));
        let Some(rules) = named.next() else {
            let mut usable: Vec<_> = of_project()
                .filter(|job| job.channels.holds(&channel) && job.users.holds(&user))
                .map(|found| job(found.name))
                .collect();
            usable.sort();
            let unknown = Rejection::UnknownJob {
                project: project(name),
                job: job(typed.job),
                git_ref: typed.git_ref(),
                usable,
            };
            check(PolicyRule::Job, Some(unknown));
            return (checks, None);
        };
        check(PolicyRule::Job, None);

        let (project, job) = (project(rules.project), job(rules.name));
        let channels = rules.channels.ids().into_iter();
        let here = channels.filter_map(|id| id.strip_prefix(typed.team)?.strip_prefix('/'));
        let elsewhere = Rejection::Channel {
            project: project.clone(),
            job: job.clone(),
            channel: ChannelId::parse(typed.channel).unwrap(),
            allowed: here.map(|id| ChannelId::parse(id).unwrap()).collect(),
        };
        let denied = !rules.channels.holds(&channel);
        check(PolicyRule::Channel, denied.then_some(elsewhere));
        let nobody = Rejection::User {
            project: project.clone(),
            job: job.clone(),
            user: UserId::parse(typed.user).unwrap(),
        };
        let denied = !rules.users.holds(&user);
        check(PolicyRule::User, denied.then_some(nobody));
        let patterns = if typed.is_tag {
            &rules.tags
        } else {
            &rules.branches
        };
        let no_branch = Rejection::Branch {
            project,
            job,
            git_ref: typed.git_ref(),
            patterns: patterns.iter().map(|p| p.0.to_owned()).collect(),
        };
        let fits = patterns.iter().any(|(_, fits)| fits(typed.branch));
        check(PolicyRule::Branch, (!fits).then_some(no_branch));
        if rules.version.is_some() || typed.set.is_some() {
            check(PolicyRule::Parameters, rules.wrong_parameter(typed));
        }
        (checks, Some(rules))
    }
}

impl JobRules {
    fn wrong_parameter(&self, typed: &TypedRequest) -> Option<Rejection> {
        let (project, job, accepts) = (
            project(self.project),
            job(self.name),
            Box::new(ParameterValues::Matching("v*".to_owned())),
        );
        let name = "version".to_owned();
        match typed.set {
            Some(("version" | "Version", value)) if self.version.is_some() => {
                let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
                let wrong = Rejection::Parameter {
                    project,
                    job,
                    name,
                    value: value.to_owned(),
                    accepts,
                };
                (!(plain && value.starts_with('v'))).then_some(wrong)
            }
            Some((other, _)) => Some(Rejection::UnknownParameter {
                project,
                job,
                name: other.to_owned(),
                fixed: other == "fixed" && self.version.is_some(),
                known: self.version.map(|_| name).into_iter().collect(),
            }),
            None => (self.version == Some(true)).then_some(Rejection::MissingParameter {
                project,
                job,
                name,
                accepts,
            }),
        }
    }
}

impl RuleSet {
    /// Who reads what, once more from the lists.
    fn reads(&self, team: &str, user: &str, channel: &str, named: &str) -> bool {
        let [user, channel] = [user, channel].map(|id| format!("{team}/{id}"));
        let mut projects = self.projects.iter();
        let called = projects.find(|(name, others)| *name == named || others.contains(&named));
        let Some((name, _)) = called.filter(|_| self.teams.holds(team)) else {
            return false;
        };
        let jobs = self.jobs.iter().filter(|job| job.project == *name);
        let runs = |job: &JobRules| job.users.holds(&user);
        let listed = |job: &JobRules| job.channels.ids().contains(&channel.as_str());
        self.read.get(name).is_some_and(|read| read.holds(&user))
            || jobs.into_iter().any(|job| runs(job) || listed(job))
    }
}

/// A request as typed.
#[derive(Debug)]
struct TypedRequest {
    team: &'static str,
    channel: &'static str,
    user: &'static str,
    project: Option<&'static str>,
    /// The name of a branch, or of a tag.
    branch: &'static str,
    is_tag: bool,
    job: &'static str,
    /// A parameter.
    set: Option<(&'static str, &'static str)>,
}

/// One of the names, one of the aliases, or a name that nothing has.
fn called(random: &mut Random, names: &[&'static str], aliases: &[&'static str]) -> &'static str {
    match random.below(16) {
        0 => "none",
        1..6 => random.pick(aliases),
        _ => random.pick(names),
    }
}

impl TypedRequest {
    fn random(random: &mut Random) -> Self {
        let named = random.below(4) > 0;
        Self {
            team: random.pick(&TEAMS),
            channel: random.pick(&CHANNELS),
            user: random.pick(&USERS),
            project: named.then(|| called(random, &PROJECTS, &PROJECT_ALIASES)),
            branch: random.pick(&BRANCHES),
            is_tag: random.below(4) == 0,
            job: called(random, &JOBS, &JOB_ALIASES),
            set: [
                None,
                Some(("version", "v1.2")),
                Some(("Version", "v2")),
                Some(("version", "1.2")),
                Some(("version", "v1;id")),
                Some(("other", "v1")),
                Some(("fixed", "1")),
            ][random.below(7)],
        }
    }

    fn git_ref(&self) -> GitRef {
        let before = if self.is_tag { "tag:" } else { "" };
        branch(&format!("{before}{}", self.branch))
    }

    /// The request as a command makes it, by the names of the configuration; or as the retry of an
    /// old record makes it, by names that may be aliases by now.
    fn deploy_request(&self, config: &Config, as_command: bool) -> DeployRequest {
        let requester = Requester {
            team: TeamId::parse(self.team).unwrap(),
            channel: ChannelId::parse(self.channel).unwrap(),
            user: UserId::parse(self.user).unwrap(),
            user_name: None,
            response_url: None,
            unsigned: false,
        };
        let mut parameters = Parameters::default();
        if let Some((name, value)) = self.set {
            assert!(parameters.add(name, value));
        }
        let deploy = DeployCommand {
            project: self.project.map(project),
            git_ref: self.git_ref(),
            job: job(self.job),
            parameters,
        };
        let ask = requester.deploy_request(&deploy, start(), config);
        if as_command {
            return ask;
        }
        DeployRequest {
            project: deploy.project.or_else(|| config.default_project.clone()),
            job: deploy.job,
            ..ask
        }
    }
}

fn rejection_name(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Team { .. } => "team",
        Rejection::NoProject { .. } => "no project",
        Rejection::UnknownProject { .. } => "unknown project",
        Rejection::UnknownJob { .. } => "unknown job",
        Rejection::Channel { .. } => "channel",
        Rejection::User { .. } => "user",
        Rejection::Branch { .. } => "branch",
        Rejection::UnknownParameter { .. } => "unknown parameter",
        Rejection::MissingParameter { .. } => "missing parameter",
        Rejection::Parameter { .. } => "parameter",
        Rejection::Expired { .. } | Rejection::Busy { .. } => "no rule of the policy",
    }
}

#[test]
fn an_independent_policy_agrees_on_a_million_requests() {
    let mut random = Random(7);
    let mut met = BTreeMap::<&str, u32>::new();
    for _ in 0..10_000 {
        let rules = RuleSet::random(&mut random);
        let config = rules.config();
        for _ in 0..100 {
            let typed = TypedRequest::random(&mut random);
            let ask = typed.deploy_request(&config, random.below(2) == 0);
            let (expected, found) = rules.reference(&typed);
            let explained = evaluate_rules(&config, &ask);
            assert_eq!(explained.checks, expected, "{typed:?}");
            let is_found = |all: &AllowedJob<'_>| {
                let is = |found: &JobRules| {
                    all.project_name.as_str() == found.project
                        && all.job_name.as_str() == found.name
                        && all.target() == found.target()
                };
                found.is_some_and(is)
            };
            assert_eq!(explained.found.as_ref().map(is_found), found.map(|_| true));
            let first_no = expected.into_iter().find_map(|check| check.verdict.err());
            let decided = authorize_deploy(&config, &ask);
            match (&decided, &first_no) {
                (Ok(allowed), None) => assert!(is_found(allowed), "{typed:?}"),
                (decided, no) => assert_eq!(decided.as_ref().err(), no.as_ref(), "{typed:?}"),
            }
            *met.entry(first_no.as_ref().map_or("allowed", rejection_name))
                .or_default() += 1;
            if decided.is_ok() && JOB_ALIASES.contains(&typed.job) {
                *met.entry("allowed by another name").or_default() += 1;
            }
        }
    }
    // Every rule has rejected often enough.
    assert_eq!(met.len(), 12, "{met:?}");
    assert!(met.values().all(|count| *count > 1_500), "{met:?}");
}

#[test]
fn an_independent_policy_agrees_on_who_reads_what() {
    let mut random = Random(11);
    let (mut may, mut may_not) = (0, 0);
    for _ in 0..10_000 {
        let rules = RuleSet::random(&mut random);
        let config = rules.config();
        for _ in 0..10 {
            let team = TeamId::parse(random.pick(&TEAMS)).unwrap();
            let (user, channel) = (random.pick(&USERS), random.pick(&CHANNELS));
            let reader = QualifiedUser {
                team: team.clone(),
                id: UserId::parse(user).unwrap(),
            };
            let place = QualifiedChannel {
                team: team.clone(),
                id: ChannelId::parse(channel).unwrap(),
            };
            let all = readable_projects(&config, &reader, &place);
            for named in PROJECTS.into_iter().chain(PROJECT_ALIASES).chain(["gone"]) {
                let expected = rules.reads(team.as_str(), user, channel, named);
                let name = project(named);
                let who = format!("{reader} in {place}: {named}");
                assert_eq!(
                    may_read(&config, &reader, &place, Some(&name)),
                    expected,
                    "{who}"
                );
                assert_eq!(all.contains(&name), expected, "{who}");
                *(if expected { &mut may } else { &mut may_not }) += 1;
            }
            assert!(!may_read(&config, &reader, &place, None));
        }
    }
    assert!(may > 50_000 && may_not > 50_000, "{may} {may_not}");
}

#[test]
fn the_patterns_met_are_of_every_kind() {
    // A pattern that fits all of these branches or none tells nothing.
    for (text, fits) in PATTERNS {
        let fitting = BRANCHES.into_iter().filter(|branch| fits(branch)).count();
        let every = matches!(text, "*" | "**");
        assert_eq!(fitting == BRANCHES.len(), every, "{text}");
        assert!(fitting > 0, "{text}");
    }
}
