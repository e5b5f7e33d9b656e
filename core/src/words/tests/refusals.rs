//! Every refusal: the rule, the way out, and the ids to paste.

use insta::assert_snapshot;

use super::*;
use crate::fixtures::{ask, branch, job, project, start, target, team};
use crate::policy::Refusal;

/// The lines under the headline.
fn refused(refusal: Refusal) -> String {
    refused_by(refusal, "main", "deploy", &config())
}

fn refused_by(refusal: Refusal, on: &str, run: &str, config: &Config) -> String {
    let mut head = head_ended(State::Refused, Reason::Refused(refusal));
    head.ask.branch = branch(on);
    head.ask.job = job(run);
    let post = last(&head, false, config);
    assert_eq!(post.audience, Audience::Asker);
    check_ready(&post, config);
    let text = read(&post);
    text.splitn(3, '\n').nth(2).unwrap().to_owned()
}

#[test]
fn the_headline() {
    let reason = Reason::Refused(Refusal::Team { team: team() });
    assert_snapshot!(read(&ended(State::Refused, reason)), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Commands from this workspace are not listened to (rule `slack.teams`).
    An operator can add `T012ABCDEF` to `teams` in `chatops.toml`.
    ");
}

#[test]
fn projects() {
    let known = vec![project("api"), project("web")];
    assert_snapshot!(refused(Refusal::NoProject { known: known.clone() }), @"
    No project was named, and there is no default (rule `default_project`).
    The projects are `api`, `web`; name one: `/chatops deploy web main deploy`.
    ");
    assert_snapshot!(refused(Refusal::NoProject { known: vec![] }), @"
    No project was named, and there is no default (rule `default_project`).
    An operator has to add a project to `chatops.toml` first.
    ");
    let unknown = |name| Refusal::UnknownProject {
        project: project(name),
        known: known.clone(),
    };
    assert_snapshot!(refused(unknown("wep")), @"
    There is no project `wep` (rule `projects`).
    Did you mean `/chatops main deploy`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(refused(unknown("siet")), @"
    There is no project `siet` (rule `projects`).
    Did you mean `/chatops deploy site main deploy`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(refused_by(unknown("apii"), "main", "e2e", &two_projects()), @"
    There is no project `apii` (rule `projects`).
    Did you mean `/ship-it deploy api main e2e`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(refused(unknown("warehouse")), @"
    There is no project `warehouse` (rule `projects`).
    The projects are `api`, `web`; name one: `/chatops deploy web main deploy`.
    ");
}

#[test]
fn jobs() {
    let unknown = |on: &str, run: &str, usable: &[&str]| {
        let refusal = Refusal::UnknownJob {
            project: project("web"),
            job: job(run),
            branch: branch(on),
            usable: usable.iter().map(|name| job(name)).collect(),
        };
        refused_by(refusal, on, run, &config())
    };
    assert_snapshot!(unknown("main", "nightly", &["deploy", "test"]), @"
    Project `web` has no job `nightly` (rule `projects.web.jobs`).
    Here you may run `deploy`, `test`.
    ");
    assert_snapshot!(unknown("main", "nightly", &[]), @"
    Project `web` has no job `nightly` (rule `projects.web.jobs`).
    You may run none of its jobs here; an operator can add `U012ABCDEF` to the `people` and `C012ABCDEF` to the `channels` of a job in `chatops.toml`.
    ");
    // A slip of the job, of a command, and the two in the wrong order.
    assert_snapshot!(unknown("main", "deplyo", &["deploy", "test"]), @"
    Project `web` has no job `deplyo` (rule `projects.web.jobs`).
    Did you mean `/chatops main deploy`?
    Here you may run `deploy`, `test`.
    ");
    assert_snapshot!(unknown("main", "shpi", &["deploy"]), @"
    Project `web` has no job `shpi` (rule `projects.web.jobs`).
    Did you mean `/chatops main ship`?
    Here you may run `deploy`.
    ");
    assert_snapshot!(unknown("retyr", "1a2b3c4d", &["deploy"]), @"
    Project `web` has no job `1a2b3c4d` (rule `projects.web.jobs`).
    Did you mean `/chatops retry 1a2b3c4d`?
    Here you may run `deploy`.
    ");
    assert_snapshot!(unknown("test", "main", &["deploy", "test"]), @"
    Project `web` has no job `main` (rule `projects.web.jobs`).
    Did you mean `/chatops main test`?
    Here you may run `deploy`, `test`.
    ");
    assert_snapshot!(unknown("test", "status", &["deploy", "test"]), @"
    Project `web` has no job `status` (rule `projects.web.jobs`).
    Did you mean `/chatops deploy status test`?
    Here you may run `deploy`, `test`.
    ");
    let refusal = Refusal::UnknownJob {
        project: project("api"),
        job: job("main"),
        branch: branch("e2e"),
        usable: vec![job("e2e")],
    };
    assert_snapshot!(refused_by(refusal, "e2e", "main", &two_projects()), @"
    Project `api` has no job `main` (rule `projects.api.jobs`).
    Did you mean `/ship-it deploy api main e2e`?
    Here you may run `e2e`.
    ");
}

#[test]
fn channels() {
    let there = ChannelId::parse("C034GHIJKL").unwrap();
    let elsewhere = |allowed| Refusal::Channel {
        project: project("web"),
        job: job("deploy"),
        channel: channel(),
        allowed,
    };
    assert_snapshot!(refused(elsewhere(vec![there.clone(), there])), @"
    This job is not run from here (rule `projects.web.jobs.deploy.channels`).
    Try <#C034GHIJKL>, <#C034GHIJKL>; or an operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
    assert_snapshot!(refused(elsewhere(vec![])), @"
    This job is not run from here (rule `projects.web.jobs.deploy.channels`).
    An operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
}

#[test]
fn people() {
    let person = Refusal::Person {
        project: project("web"),
        job: job("deploy"),
        user: user(),
    };
    assert_snapshot!(refused(person), @"
    You may not run this job (rule `projects.web.jobs.deploy.people`).
    An operator can add `U012ABCDEF` to its `people` in `chatops.toml`.
    ");
}

#[test]
fn branches() {
    let on = |name: &str, patterns: &[&str]| {
        let refusal = Refusal::Branch {
            project: project("web"),
            job: job("deploy"),
            branch: branch(name),
            patterns: patterns.iter().map(|&p| p.to_owned()).collect(),
        };
        refused_by(refusal, name, "deploy", &config())
    };
    assert_snapshot!(on("main", &["production", "release/*"]), @"
    This job is not run on `main` (rule `projects.web.jobs.deploy.branches`).
    It runs on `production`, `release/*`; or an operator can add `main` to its `branches` in `chatops.toml`.
    ");
    assert_snapshot!(on("main", &[]), @"
    This job is not run on `main` (rule `projects.web.jobs.deploy.branches`).
    An operator can add `main` to its `branches` in `chatops.toml`.
    ");
    assert_snapshot!(on("hlep", &["main"]), @"
    This job is not run on `hlep` (rule `projects.web.jobs.deploy.branches`).
    Did you mean `/chatops help deploy`?
    It runs on `main`; or an operator can add `hlep` to its `branches` in `chatops.toml`.
    ");
}

#[test]
fn too_late() {
    assert_snapshot!(refused(Refusal::Stale { asked_at: start() }), @"
    It was asked too long ago to be started now: 2027-01-15 08:00 UTC (rule `times.stale_after`).
    If it is still wanted, type `/chatops main deploy` again.
    ");
}

#[test]
fn taken() {
    let busy = |until| Refusal::Busy {
        target: target(),
        holder: another(),
        short: another().short(8),
        user: other(),
        since: start(),
        until,
    };
    assert_snapshot!(refused(busy(None)), @"
    `web/production` is taken by deploy `706068c7` of <@U034GHIJKL>, since 2027-01-15 08:00 UTC (rule `exclusive`).
    Type `/chatops main deploy` again when that one has ended, or cancel it: `/chatops cancel 706068c7`.
    ");
    assert_snapshot!(refused(busy(Some(at(900)))), @"
    `web/production` is taken by deploy `706068c7` of <@U034GHIJKL>, since 2027-01-15 08:00 UTC (rule `exclusive`).
    Nobody knows whether that one was started, so it stays locked until 2027-01-15 08:15 UTC. Type `/chatops main deploy` again after that.
    ");
}

#[test]
fn every_refusal_names_its_rule() {
    let config = config();
    let mut ask = ask();
    ask.channel = ChannelId::parse("C034GHIJKL").unwrap();
    ask.user = other();
    ask.branch = branch("wild");
    for check in crate::policy::explain(&config, &ask).checks {
        if let Err(refusal) = check.verdict {
            let why = super::refusal::why(&refusal).to_string();
            assert!(why.contains("(rule `"), "{why}");
        }
    }
}
