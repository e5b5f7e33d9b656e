//! What a deploy would do.

use insta::assert_snapshot;

use super::*;
use crate::deploy::DeployRequest;
use crate::deploy::decide;
use crate::fixtures::{branch, job, project, record_in, released, request, shipping, start};
use crate::name::{GitRef, TagName};
use crate::ports::TargetLock;
use crate::release::{ReleaseHistory, TargetEnd};

fn planned(
    ask: DeployRequest,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> String {
    let message = words_plan(ask, holder, config);
    assert_eq!(message.audience, Audience::Requester);
    check_ready_commands(&message, config);
    rendered(&message)
}

fn planned_over(history: &ReleaseHistory, ask: DeployRequest, config: &Config) -> String {
    let plan = decide::plan_deploy(config, ask);
    let message = super::super::plan_report(&plan, None, history, None, config);
    check_ready_commands(&message, config);
    rendered(&message)
}

/// The part of a plan that the releases make.
fn first_lines(plan: &str) -> String {
    let lines: Vec<&str> = plan
        .lines()
        .take_while(|line| !line.starts_with("CircleCI"))
        .collect();
    lines.join("\n")
}

#[test]
fn what_would_be_shipped() {
    let before = shipping(record_in(DeployState::Succeeded));
    let history = released(&before);
    assert_snapshot!(first_lines(&planned_over(&history, request(), &config())), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    There now: <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> of `main` · `f643ce10` · ana · 2027-01-15 08:00 UTC
    › Fix the &lt;cart&gt;
    What would change: <https://github.com/acme/web/compare/0123456789abcdef0123456789abcdef01234567...main|0123456...main>.
    It usually takes 1 s.
    All rules allow it, and nobody is deploying there.
    ");
    let tag = DeployRequest {
        git_ref: GitRef::Tag(TagName::parse("v1.2").unwrap()),
        ..request()
    };
    assert_snapshot!(first_lines(&planned_over(&history, tag, &config())), @"
    (to the requester)
    *Plan:* would not start: `deploy` on tag `v1.2` → *web/production*
    There now: <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> of `main` · `f643ce10` · ana · 2027-01-15 08:00 UTC
    › Fix the &lt;cart&gt;
    What would change: <https://github.com/acme/web/compare/0123456789abcdef0123456789abcdef01234567...v1.2|0123456...v1.2>.
    It usually takes 1 s.
    :x: This job cannot be run on tag `v1.2` (rule `projects.web.jobs.deploy.tags`).
    › An operator can add `v1.2` to its `tags` in `chatops.toml`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    // A failure may have left anything there.
    let failed = TargetEnd::of(&record_in(DeployState::Failed)).unwrap();
    let history = history.after(&failed);
    assert_snapshot!(first_lines(&planned_over(&history, request(), &config())), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    There now: <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> of `main` · `f643ce10` · ana · 2027-01-15 08:00 UTC
    › Fix the &lt;cart&gt;
    What would change: <https://github.com/acme/web/compare/0123456789abcdef0123456789abcdef01234567...main|0123456...main>.
    The last deploy there: :x: *Failed* · `f643ce10` · 2027-01-15 08:00 UTC
    It usually takes 1 s.
    All rules allow it, and nobody is deploying there.
    ");
    // Without a repository nothing is linked.
    let unknown = CONFIG.replace("gh/acme/web", "circleci/acme/web");
    let unknown = Config::parse(&unknown, "chatops.toml").unwrap();
    assert_snapshot!(first_lines(&planned_over(&released(&before), request(), &unknown)), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    There now: `0123456` of `main` · `f643ce10` · ana · 2027-01-15 08:00 UTC
    › Fix the &lt;cart&gt;
    It usually takes 1 s.
    All rules allow it, and nobody is deploying there.
    ");
    let set = unknown_repository();
    assert_snapshot!(first_lines(&planned_over(&released(&before), request(), &set)), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    There now: <https://git.example.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> of `main` · `f643ce10` · ana · 2027-01-15 08:00 UTC
    › Fix the &lt;cart&gt;
    What would change: <https://git.example.com/acme/web/compare/0123456789abcdef0123456789abcdef01234567...main|0123456...main>.
    It usually takes 1 s.
    All rules allow it, and nobody is deploying there.
    ");
}

/// A project of the GitHub App whose repository is set.
fn unknown_repository() -> Config {
    let set = "slug = \"circleci/acme/web\"\nrepository = \"https://git.example.com/acme/web\"";
    let text = CONFIG.replace("slug = \"gh/acme/web\"", set);
    Config::parse(&text, "chatops.toml").unwrap()
}

fn words_plan(
    ask: DeployRequest,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> SlackMessage {
    super::super::plan_report(
        &decide::plan_deploy(config, ask),
        holder,
        &ReleaseHistory::default(),
        None,
        config,
    )
}

#[test]
fn would_start() {
    assert_snapshot!(planned(request(), None, &config()), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    No deploy to it is on record yet.
    All rules allow it, and nobody is deploying there.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`.
    Its workflow `deploy` decides how it ends.
    Other workflows of the pipeline may run, too. On a branch other than the default one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).
    To start it: `/chatops main deploy`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let test = DeployRequest {
        job: job("test"),
        ..request()
    };
    let without = CONFIG.replace(
        "exclusive = false",
        "exclusive = false\njob_parameter = false",
    );
    let bare = Config::parse(&without, "chatops.toml").unwrap();
    assert_snapshot!(planned(test, None, &bare), @"
    (to the requester)
    *Plan:* would start: `test` on `main` → *web/production*
    No deploy to it is on record yet.
    All rules allow it. It takes no lock: other deploys may run at the same time.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main`, without parameters.
    Its workflow `test` decides how it ends.
    Other workflows of the pipeline may run, too. On a branch other than the default one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).
    To start it: `/chatops main test`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let long = format!(
        "[projects.web.jobs.deploy.parameters]\nwhat = '{}'\n",
        "x".repeat(400)
    );
    let long = Config::parse(&format!("{CONFIG}{long}"), "chatops.toml").unwrap();
    assert_snapshot!(words_plan(request(), None, &long).details[0], @"CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`, `what=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`.");
}

#[test]
fn would_not_start() {
    let wild = DeployRequest {
        git_ref: branch("wild"),
        user: other(),
        ..request()
    };
    assert_snapshot!(planned(wild, None, &config()), @"
    (to the requester)
    *Plan:* would not start: `deploy` on `wild` → *web/production*
    No deploy to it is on record yet.
    :x: You may not run this job (rule `projects.web.jobs.deploy.users`).
    › An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    :x: This job cannot be run on `wild` (rule `projects.web.jobs.deploy.branches`).
    › It runs on `main`, `release/*`; or an operator can add `wild` to its `branches` in `chatops.toml`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let unknown = DeployRequest {
        job: job("deplyo"),
        ..request()
    };
    assert_snapshot!(planned(unknown, None, &config()), @"
    (to the requester)
    *Plan:* would not start: `deplyo` on `main` → *web/production*
    :x: Project `web` has no job `deplyo` (rule `projects.web.jobs`).
    › Did you mean `/chatops main deploy`?
    › Here you may run `deploy`, `test`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let nowhere = DeployRequest {
        project: Some(project("wep")),
        ..request()
    };
    assert_snapshot!(planned(nowhere, None, &config()), @"
    (to the requester)
    *Plan:* would not start: `deploy` on `main` → *wep/production*
    :x: There is no project `wep` (rule `projects`).
    › Did you mean `/chatops main deploy`?
    › The projects are `web`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}

#[test]
fn would_find_the_target_taken() {
    let mut holder = record_in(DeployState::Running);
    holder.request.user = other();
    let lock = TargetLock {
        deploy: holder.id,
        since: start(),
        until: None,
    };
    assert_snapshot!(planned(request(), Some((&lock, &holder)), &config()), @"
    (to the requester)
    *Plan:* would not start: `deploy` on `main` → *web/production*
    No deploy to it is on record yet.
    :x: `web/production` is taken: ana has been deploying `main` there since 2027-01-15 08:00 UTC, deploy `f643ce10` (rule `exclusive`). <https://app.circleci.com/pipelines/github/acme/web/7|View build>
    › Type `/chatops main deploy` again when that one has ended, or cancel it: `/chatops cancel f643ce10`.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`.
    Its workflow `deploy` decides how it ends.
    Other workflows of the pipeline may run, too. On a branch other than the default one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}

#[test]
fn of_a_tag() {
    let tagged = CONFIG.replace("exclusive = false", "exclusive = false\ntags = ['v*']");
    let config = Config::parse(&tagged, "chatops.toml").unwrap();
    let ask = DeployRequest {
        git_ref: branch("tag:v1.2.3"),
        job: job("test"),
        ..request()
    };
    assert_snapshot!(planned(ask, None, &config), @"
    (to the requester)
    *Plan:* would start: `test` on tag `v1.2.3` → *web/production*
    No deploy to it is on record yet.
    All rules allow it. It takes no lock: other deploys may run at the same time.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on tag `v1.2.3` with `job=test`.
    Its workflow `test` decides how it ends.
    Other workflows of the pipeline may run, too. On a tag CircleCI runs only jobs whose `filters` allow tags, and only if those of the jobs that they require do, too.
    To start it: `/chatops tag:v1.2.3 test`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}
