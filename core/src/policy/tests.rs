//! Every way to be refused, and what a refusal tells.

mod reference;
mod rules;

use super::*;
use crate::config::BranchPattern;
use crate::fixtures::{ask, branch, config, job, project};

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
        branch: branch("main"),
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
fn every_rule_is_explained_and_the_first_no_decides() {
    let config = config();
    let nobody = Ask {
        user: UserId::parse("U99").unwrap(),
        channel: ChannelId::parse("C99").unwrap(),
        branch: branch("feature"),
        ..ask()
    };
    let Explained { checks, found } = explain(&config, &nobody);
    let said: Vec<_> = checks.iter().map(|c| (c.rule, c.verdict.is_ok())).collect();
    let expected = [
        (Rule::Team, true),
        (Rule::Project, true),
        (Rule::Job, true),
        (Rule::Channel, false),
        (Rule::Person, false),
        (Rule::Branch, false),
    ];
    assert_eq!(said, expected);
    assert!(found.is_some());
    assert_eq!(
        decide(&config, &nobody).unwrap_err(),
        *checks[3].verdict.as_ref().unwrap_err()
    );
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
