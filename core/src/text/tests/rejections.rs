//! Every rejection: the rule, the way out, and the ids to paste.

use insta::assert_snapshot;

use super::*;
use crate::deploy::DeployRequest;
use crate::fixtures::{branch, job, project, request, start, target, team};
use crate::rejection::Rejection;

/// The lines under the headline.
fn rejected(rejection: Rejection) -> String {
    rejected_for(rejection, "main", "deploy", &config())
}

fn rejected_for(rejection: Rejection, on: &str, run: &str, config: &Config) -> String {
    let mut record = head_ended(DeployState::Rejected, EndReason::Rejected(rejection));
    record.request.git_ref = branch(on);
    record.request.job = job(run);
    let message = final_status(&record, false, config);
    assert_eq!(message.audience, Audience::Channel);
    check_ready_commands(&message, config);
    let text = rendered(&message);
    text.splitn(3, '\n').nth(2).unwrap().to_owned()
}

#[test]
fn the_headline() {
    let reason = EndReason::Rejected(Rejection::Team { team: team() });
    assert_snapshot!(rendered(&final_message(DeployState::Rejected, reason)), @"
    (to all)
    :no_entry: *Not allowed:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Commands from this workspace are not accepted (rule `slack.teams`).
    An operator can add `T012ABCDEF` to `teams` in `chatops.toml`.
    ");
}

#[test]
fn projects() {
    let known = vec![project("api"), project("web")];
    assert_snapshot!(rejected(Rejection::NoProject { known: known.clone() }), @"
    No project was named, and there is no default (rule `default_project`).
    The projects are `api`, `web`; name one: `/chatops deploy web main deploy`.
    ");
    assert_snapshot!(rejected(Rejection::NoProject { known: vec![] }), @"
    No project was named, and there is no default (rule `default_project`).
    An operator has to add a project to `chatops.toml` first.
    ");
    let unknown = |name| Rejection::UnknownProject {
        project: project(name),
        known: known.clone(),
    };
    assert_snapshot!(rejected(unknown("wep")), @"
    There is no project `wep` (rule `projects`).
    Did you mean `/chatops main deploy`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(rejected(unknown("siet")), @"
    There is no project `siet` (rule `projects`).
    Did you mean `/chatops deploy site main deploy`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(rejected_for(unknown("apii"), "main", "e2e", &two_projects()), @"
    There is no project `apii` (rule `projects`).
    Did you mean `/ship-it deploy api main e2e`?
    The projects are `api`, `web`.
    ");
    assert_snapshot!(rejected(unknown("warehouse")), @"
    There is no project `warehouse` (rule `projects`).
    The projects are `api`, `web`; name one: `/chatops deploy web main deploy`.
    ");
}

#[test]
fn jobs() {
    let unknown = |on: &str, run: &str, usable: &[&str]| {
        let rejection = Rejection::UnknownJob {
            project: project("web"),
            job: job(run),
            git_ref: branch(on),
            usable: usable.iter().map(|name| job(name)).collect(),
        };
        rejected_for(rejection, on, run, &config())
    };
    assert_snapshot!(unknown("main", "nightly", &["deploy", "test"]), @"
    Project `web` has no job `nightly` (rule `projects.web.jobs`).
    Here you may run `deploy`, `test`.
    ");
    assert_snapshot!(unknown("main", "nightly", &[]), @"
    Project `web` has no job `nightly` (rule `projects.web.jobs`).
    You may run none of its jobs here; an operator can add `U012ABCDEF` to the `users` and `C012ABCDEF` to the `channels` of a job in `chatops.toml`.
    ");
    // A misspelled job, a misspelled command, and the two in the wrong order.
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
    let rejection = Rejection::UnknownJob {
        project: project("api"),
        job: job("main"),
        git_ref: branch("e2e"),
        usable: vec![job("e2e")],
    };
    assert_snapshot!(rejected_for(rejection, "e2e", "main", &two_projects()), @"
    Project `api` has no job `main` (rule `projects.api.jobs`).
    Did you mean `/ship-it deploy api main e2e`?
    Here you may run `e2e`.
    ");
}

#[test]
fn channels() {
    let there = ChannelId::parse("C034GHIJKL").unwrap();
    let elsewhere = |allowed| Rejection::Channel {
        project: project("web"),
        job: job("deploy"),
        channel: channel(),
        allowed,
    };
    assert_snapshot!(rejected(elsewhere(vec![there.clone(), there])), @"
    This job cannot be run from this channel (rule `projects.web.jobs.deploy.channels`).
    Try <#C034GHIJKL>, <#C034GHIJKL>; or an operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
    assert_snapshot!(rejected(elsewhere(vec![])), @"
    This job cannot be run from this channel (rule `projects.web.jobs.deploy.channels`).
    An operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
}

#[test]
fn users() {
    let rejection = Rejection::User {
        project: project("web"),
        job: job("deploy"),
        user: user(),
    };
    assert_snapshot!(rejected(rejection), @"
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U012ABCDEF` to its `users` in `chatops.toml`.
    ");
}

#[test]
fn branches() {
    let on = |name: &str, patterns: &[&str]| {
        let rejection = Rejection::Branch {
            project: project("web"),
            job: job("deploy"),
            git_ref: branch(name),
            patterns: patterns.iter().map(|&p| p.to_owned()).collect(),
        };
        rejected_for(rejection, name, "deploy", &config())
    };
    assert_snapshot!(on("main", &["production", "release/*"]), @"
    This job cannot be run on `main` (rule `projects.web.jobs.deploy.branches`).
    It runs on `production`, `release/*`; or an operator can add `main` to its `branches` in `chatops.toml`.
    ");
    assert_snapshot!(on("main", &[]), @"
    This job cannot be run on `main` (rule `projects.web.jobs.deploy.branches`).
    An operator can add `main` to its `branches` in `chatops.toml`.
    ");
    assert_snapshot!(on("hlep", &["main"]), @"
    This job cannot be run on `hlep` (rule `projects.web.jobs.deploy.branches`).
    Did you mean `/chatops help deploy`?
    It runs on `main`; or an operator can add `hlep` to its `branches` in `chatops.toml`.
    ");
}

#[test]
fn tags() {
    let tagged = CONFIG.replace("exclusive = false", "exclusive = false\ntags = ['v*']");
    let config = Config::parse(&tagged, "chatops.toml").unwrap();
    let on = |name: &str, run: &str| {
        let ask = DeployRequest {
            git_ref: branch(name),
            job: job(run),
            ..request()
        };
        let rejection = crate::policy::authorize_deploy(&config, &ask).unwrap_err();
        rejected_for(rejection, name, run, &config)
    };
    assert_snapshot!(on("tag:v1.2.3", "deploy"), @"
    This job cannot be run on tag `v1.2.3` (rule `projects.web.jobs.deploy.tags`).
    An operator can add `v1.2.3` to its `tags` in `chatops.toml`.
    ");
    assert_snapshot!(on("tag:1.2.3", "test"), @"
    This job cannot be run on tag `1.2.3` (rule `projects.web.jobs.test.tags`).
    It runs on tags `v*`; or an operator can add `1.2.3` to its `tags` in `chatops.toml`.
    ");
    assert_snapshot!(on("v1.2.3", "deploy"), @"
    This job cannot be run on `v1.2.3` (rule `projects.web.jobs.deploy.branches`).
    It runs on `main`, `release/*`; or an operator can add `v1.2.3` to its `branches` in `chatops.toml`.
    ");
    assert_snapshot!(on("tag:main", "deploy"), @"
    This job cannot be run on tag `main` (rule `projects.web.jobs.deploy.tags`).
    Did you mean `/chatops main deploy`?
    An operator can add `main` to its `tags` in `chatops.toml`.
    ");
    assert_snapshot!(on("0a1b2c3", "deploy"), @"
    This job cannot be run on `0a1b2c3` (rule `projects.web.jobs.deploy.branches`).
    CircleCI starts branches and tags; to deploy a commit, push a branch or a tag that points to it.
    It runs on `main`, `release/*`; or an operator can add `0a1b2c3` to its `branches` in `chatops.toml`.
    ");
    let only_tags = tagged.replace("branches = [\"*\"]", "");
    let config = Config::parse(&only_tags, "chatops.toml").unwrap();
    let ask = DeployRequest {
        git_ref: branch("v1.2.3"),
        job: job("test"),
        ..request()
    };
    let rejection = crate::policy::authorize_deploy(&config, &ask).unwrap_err();
    assert_snapshot!(rejected_for(rejection, "v1.2.3", "test", &config), @"
    This job cannot be run on `v1.2.3` (rule `projects.web.jobs.test.branches`).
    Did you mean `/chatops tag:v1.2.3 test`?
    An operator can add `v1.2.3` to its `branches` in `chatops.toml`.
    ");
}

#[test]
fn parameters() {
    let rules = "[projects.web.jobs.deploy.parameters]
                 fixed = 1
                 Version = { pattern = 'v*', required = true }
                 dry_run = { values = [true, false], default = false }
                 one = { values = ['x'] }";
    let config = Config::parse(&format!("{CONFIG}\n{rules}"), "chatops.toml").unwrap();
    let ask = |words: &str| {
        let Ok(ChatCommand::Deploy(deploy)) = command::parse(words) else {
            panic!("{words}")
        };
        crate::fixtures::requester().deploy_request(&deploy, start(), &config)
    };
    let set = |parameters: &str| {
        let ask = ask(&format!("main deploy {parameters}"));
        let rejection = crate::policy::authorize_deploy(&config, &ask).unwrap_err();
        let slip = if rejection.names_nothing() {
            "(a slip) "
        } else {
            ""
        };
        let lines = super::rejection::explain_rejection(&rejection, &config, Some(&ask));
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        format!("{slip}{}", lines.join("\n"))
    };
    assert_snapshot!(set("version=v1 dry_rum=true"), @"
    (a slip) `dry_rum=` is no parameter of this job (rule `projects.web.jobs.deploy.parameters`).
    Did you mean `/chatops main deploy Version=v1 dry_run=true`?
    It takes `Version=`, `dry_run=`, `one=`.
    ");
    assert_snapshot!(set("--version=v1"), @"
    (a slip) `--version=` is no parameter of this job (rule `projects.web.jobs.deploy.parameters`).
    Did you mean `/chatops main deploy Version=v1`?
    It takes `Version=`, `dry_run=`, `one=`.
    ");
    assert_snapshot!(set("version=v1 colour=red"), @"
    (a slip) `colour=` is no parameter of this job (rule `projects.web.jobs.deploy.parameters`).
    It takes `Version=`, `dry_run=`, `one=`.
    ");
    assert_snapshot!(set("version=v1 FIXED=2"), @"
    (a slip) `fixed=` is fixed for this job (rule `projects.web.jobs.deploy.parameters`).
    It takes `Version=`, `dry_run=`, `one=`.
    ");
    assert_snapshot!(set("dry_run=true"), @"
    (a slip) This job needs `Version=…`, which must match `v*` (rule `projects.web.jobs.deploy.parameters.Version`).
    Type `/chatops main deploy dry_run=true Version=…`.
    ");
    assert_snapshot!(set("version=1"), @"
    `Version=…` must match `v*` (rule `projects.web.jobs.deploy.parameters.Version`).
    An operator can add `Version=1` to its `parameters` in `chatops.toml`.
    ");
    assert_snapshot!(set("version=v$(id)"), @"
    `Version=…` must match `v*` (rule `projects.web.jobs.deploy.parameters.Version`).
    A value holds letters, digits and `._/-+@:,=%`, and does not begin with `-`: a CircleCI config may paste it into a shell.
    ");
    assert_snapshot!(set("version=v1 dry_run=yes"), @"
    `dry_run=…` must be one of `true`, `false` (rule `projects.web.jobs.deploy.parameters.dry_run`).
    An operator can add `dry_run=yes` to its `parameters` in `chatops.toml`.
    ");
    assert_snapshot!(set("version=v1 one=y"), @"
    `one=…` must be `x` (rule `projects.web.jobs.deploy.parameters.one`).
    An operator can add `one=y` to its `parameters` in `chatops.toml`.
    ");
    let ok = ask("main deploy VERSION=v1");
    assert_eq!(ok.parameters.get("Version"), Some("v1"));
    assert!(crate::policy::authorize_deploy(&config, &ok).is_ok());

    let mut record = record_in(DeployState::Running);
    record.request = ok.clone();
    assert_snapshot!(rendered(&deploy_running(&record, &config)), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` · `Version=v1` → *web/production* · `f643ce10` · ana
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let plan = crate::deploy::decide::plan_deploy(&config, ok);
    let would_send = &plan.trigger.as_ref().unwrap().parameters;
    assert_eq!(would_send["dry_run"], serde_json::json!(false));
    assert_snapshot!(rendered(&plan_report(&plan, None, &crate::release::ReleaseHistory::default(), None, &config)), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` · `Version=v1` → *web/production*
    No deploy to it is on record yet.
    All rules allow it, and nobody is deploying there.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main` with `Version=v1`, `deploy_id=(the deploy's id)`, `dry_run=false`, `fixed=1`, `job=deploy`.
    Its workflow `deploy` decides how it ends.
    Other workflows of the pipeline may run, too. On a branch other than the default one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).
    To start it: `/chatops main deploy Version=v1`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}

#[test]
fn too_late() {
    assert_snapshot!(rejected(Rejection::Expired { requested_at: start() }), @"
    It was requested 2027-01-15 08:00 UTC, too long ago to start now (rule `timeouts.request_ttl`).
    If it is still needed, type `/chatops main deploy` again.
    ");
}

#[test]
fn taken() {
    let busy = |until| Rejection::Busy {
        target: target(),
        holder: another(),
        short_id: another().short_id(8),
        user: other(),
        held_by: Some(Box::new(crate::rejection::TargetHolder {
            requester: crate::fixtures::qualify(other()).into(),
            git_ref: crate::fixtures::branch("release/2"),
            build: Some(crate::fixtures::pipeline(7).url),
        })),
        since: start(),
        until,
        unlockable: false,
    };
    let reason = EndReason::Rejected(busy(None));
    let headline = final_message(DeployState::Rejected, reason).headline;
    assert!(headline.to_string().starts_with(":no_entry: *Blocked:* "));
    assert_snapshot!(rejected(busy(None)), @"
    `web/production` is taken: U034GHIJKL has been deploying `release/2` there since 2027-01-15 08:00 UTC, deploy `706068c7` (rule `exclusive`). <https://app.circleci.com/pipelines/github/acme/web/7|View build>
    Type `/chatops main deploy` again when that one has ended, or cancel it: `/chatops cancel 706068c7`.
    ");
    assert_snapshot!(rejected(busy(Some(at(900)))), @"
    `web/production` is taken by deploy `706068c7` of U034GHIJKL, since 2027-01-15 08:00 UTC (rule `exclusive`). <https://app.circleci.com/pipelines/github/acme/web/7|View build>
    What became of that one is not known: it stays locked until 2027-01-15 08:15 UTC. Type `/chatops main deploy` again after that.
    ");
}

#[test]
fn every_rejection_names_its_rule() {
    let config = config();
    let mut ask = request();
    ask.channel = ChannelId::parse("C034GHIJKL").unwrap();
    ask.user = other();
    ask.git_ref = branch("wild");
    for check in crate::policy::evaluate_rules(&config, &ask).checks {
        if let Err(rejection) = check.verdict {
            let why = super::rejection::rule_line(&rejection, &config).to_string();
            assert!(why.contains("(rule `"), "{why}");
        }
    }
}
