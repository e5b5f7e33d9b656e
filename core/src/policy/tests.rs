//! The policy against one that was written independently, and every way to be refused.

use std::fmt::Write;

use super::*;
use crate::config::BranchPattern;
use crate::fixtures::{Dice, ask, branch, config, job, project};

/// The pieces that random rules and questions are made of.
const TEAMS: [&str; 3] = ["T012ABCDEF", "T22", "E33"];
const PROJECTS: [&str; 3] = ["web", "api", "none"];
const JOBS: [&str; 3] = ["deploy", "test", "none"];
const CHANNELS: [&str; 3] = ["C11", "C22", "G33"];
const PEOPLE: [&str; 3] = ["U11", "U22", "W33"];
const BRANCHES: [&str; 4] = ["main", "release/1", "release/1/x", "feature"];
const PATTERNS: [&str; 5] = ["main", "release/*", "release/**", "*", "f*"];

/// A list as it would stand in the file: nothing, everything or some of them.
fn list(dice: &mut Dice, of: &[&str], star: bool) -> Vec<String> {
    match dice.below(4) {
        0 => vec![],
        1 if star => vec!["*".to_owned()],
        _ => {
            let some = of.iter().filter(|_| dice.below(2) == 0);
            some.map(|&one| one.to_owned()).collect()
        }
    }
}

/// A configuration, as a text and as the lists it was written from.
struct Rules {
    teams: Vec<String>,
    jobs: Vec<(String, String, [Vec<String>; 3])>,
}

impl Rules {
    fn random(dice: &mut Dice) -> Self {
        let mut jobs = vec![];
        for project in &PROJECTS[..2] {
            for job in &JOBS[..2] {
                let lists = [
                    list(dice, &CHANNELS, true),
                    list(dice, &PEOPLE, true),
                    list(dice, &PATTERNS, false),
                ];
                jobs.push(((*project).to_owned(), (*job).to_owned(), lists));
            }
        }
        let teams = match dice.below(3) {
            0 => list(dice, &TEAMS, true),
            _ => vec!["*".to_owned()],
        };
        Self { teams, jobs }
    }

    fn config(&self) -> Config {
        let mut text = format!("version = 1\n[slack]\nteams = {:?}\n", self.teams);
        for project in &PROJECTS[..2] {
            writeln!(text, "[projects.{project}]\nslug = 'gh/acme/{project}'").unwrap();
        }
        for (project, job, [channels, people, branches]) in &self.jobs {
            writeln!(text, "[projects.{project}.jobs.{job}]").unwrap();
            writeln!(text, "channels = {channels:?}\npeople = {people:?}").unwrap();
            writeln!(text, "branches = {branches:?}").unwrap();
        }
        Config::parse(&text, "chatops.toml").unwrap()
    }

    /// The policy once more, from the lists: the word for the first rule that says no.
    fn reference(&self, ask: &Ask) -> &'static str {
        let lists = |list: &[String], one: &str| list.iter().any(|l| l == "*" || l == one);
        let name = ask.project.as_ref().map_or("", ProjectName::as_str);
        let known = self.jobs.iter().any(|(project, ..)| project == name);
        let rules = self
            .jobs
            .iter()
            .find(|(p, j, _)| p == name && j == ask.job.as_str());
        let branch = ask.branch.as_str();
        let fits = |pattern: &String| match pattern.as_str() {
            "*" => true,
            "release/**" => branch.starts_with("release/"),
            "release/*" => branch
                .strip_prefix("release/")
                .is_some_and(|r| !r.contains('/')),
            "f*" => branch.starts_with('f') && !branch.contains('/'),
            exact => exact == branch,
        };
        let checks = [
            ("team", lists(&self.teams, ask.team.as_str())),
            ("no_project", ask.project.is_some()),
            ("unknown_project", known),
            ("unknown_job", rules.is_some()),
            (
                "channel",
                rules.is_some_and(|r| lists(&r.2[0], ask.channel.as_str())),
            ),
            (
                "person",
                rules.is_some_and(|r| lists(&r.2[1], ask.user.as_str())),
            ),
            ("branch", rules.is_some_and(|r| r.2[2].iter().any(fits))),
        ];
        checks
            .iter()
            .find(|(_, holds)| !holds)
            .map_or("allowed", |(rule, _)| rule)
    }
}

fn question(dice: &mut Dice) -> Ask {
    let named = dice.below(8) > 0;
    Ask {
        team: TeamId::parse(dice.pick(&TEAMS)).unwrap(),
        channel: ChannelId::parse(dice.pick(&CHANNELS)).unwrap(),
        user: UserId::parse(dice.pick(&PEOPLE)).unwrap(),
        project: named.then(|| project(dice.pick(&PROJECTS))),
        branch: branch(dice.pick(&BRANCHES)),
        job: job(dice.pick(&JOBS)),
        ..ask()
    }
}

fn rule(decision: &Result<Allowed<'_>, Refusal>) -> String {
    match decision {
        Ok(_) => "allowed".to_owned(),
        Err(refusal) => {
            let value = serde_json::to_value(refusal).unwrap();
            value["rule"].as_str().unwrap().to_owned()
        }
    }
}

#[test]
fn an_independent_policy_agrees_on_100_000_questions() {
    let mut dice = Dice(7);
    let mut met = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..1_000 {
        let rules = Rules::random(&mut dice);
        let config = rules.config();
        for _ in 0..100 {
            let ask = question(&mut dice);
            let decision = rule(&decide(&config, &ask));
            assert_eq!(decision, rules.reference(&ask), "{ask:?}");
            *met.entry(decision).or_default() += 1;
        }
    }
    let words: Vec<_> = met.keys().map(String::as_str).collect();
    let all = [
        "allowed",
        "branch",
        "channel",
        "no_project",
        "person",
        "team",
        "unknown_job",
        "unknown_project",
    ];
    assert_eq!(words, all);
    assert!(met.values().all(|count| *count > 500), "{met:?}");
}

#[test]
fn what_is_not_listed_is_denied() {
    for key in ["branches", "channels", "people"] {
        let lists = ["branches", "channels", "people"]
            .map(|k| format!("{k} = {}\n", if k == key { "[]" } else { "[\"*\"]" }))
            .concat();
        let text = format!(
            "version = 1\n[slack]\nteams = [\"*\"]\n[projects.web]\nslug = \"gh/a/b\"\n\
             [projects.web.jobs.deploy]\n{lists}"
        );
        let empty = Config::parse(&text, "chatops.toml").unwrap();
        assert!(decide(&empty, &ask()).is_err(), "{key}");
        let missing = text.replace(&format!("{key} = []\n"), "");
        let missing = Config::parse(&missing, "chatops.toml").unwrap();
        assert!(decide(&missing, &ask()).is_err(), "{key}");
        let starred = text.replace("[]", "[\"*\"]");
        let starred = Config::parse(&starred, "chatops.toml").unwrap();
        assert!(decide(&starred, &ask()).is_ok(), "{key}");
    }
}

#[test]
fn a_refusal_tells_what_is_needed_to_get_out() {
    let config = config();
    let refused = |ask: Ask| decide(&config, &ask).unwrap_err();
    let unknown = Refusal::UnknownJob {
        project: project("web"),
        job: job("none"),
        usable: vec![job("deploy"), job("test")],
    };
    assert_eq!(
        refused(Ask {
            job: job("none"),
            ..ask()
        }),
        unknown
    );
    let user = UserId::parse("U99").unwrap();
    let Refusal::UnknownJob { usable, .. } = refused(Ask {
        job: job("none"),
        user,
        ..ask()
    }) else {
        panic!("the job is not unknown");
    };
    assert_eq!(usable, [job("test")]);
    let channel = ChannelId::parse("C99").unwrap();
    let elsewhere = Refusal::Channel {
        project: project("web"),
        job: job("deploy"),
        channel: channel.clone(),
        allowed: vec![ask().channel],
    };
    assert_eq!(refused(Ask { channel, ..ask() }), elsewhere);
    let other = refused(Ask {
        project: Some(project("api")),
        ..ask()
    });
    let known = vec![project("web")];
    let project = project("api");
    assert_eq!(other, Refusal::UnknownProject { project, known });
}

#[test]
fn the_target_is_the_projects_environment() {
    let config = config();
    let target = |name| {
        let ask = Ask {
            job: job(name),
            ..ask()
        };
        decide(&config, &ask)
            .unwrap()
            .target()
            .map(|target| target.0)
    };
    assert_eq!(target("deploy").as_deref(), Some("web/production"));
    assert_eq!(target("test"), None);
    let pattern = BranchPattern::parse("release/*").unwrap();
    assert!(pattern.fits(&branch("release/1")));
}
