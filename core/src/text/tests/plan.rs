//! What a deploy would do.

use insta::assert_snapshot;

use super::*;
use crate::deploy::DeployRequest;
use crate::deploy::decide;
use crate::fixtures::{branch, job, project, request, start};
use crate::ports::TargetLock;

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

fn words_plan(
    ask: DeployRequest,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> SlackMessage {
    super::super::plan_report(&decide::plan_deploy(config, ask), holder, config)
}

#[test]
fn would_start() {
    assert_snapshot!(planned(request(), None, &config()), @"
    (to the requester)
    *Plan:* would start: `deploy` on `main` → *web/production*
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job can be run from this channel (`channels`).
    :white_check_mark: You may run it (`users`).
    :white_check_mark: It can be run on `main` (`branches`).
    :white_check_mark: `web/production` is free (`exclusive`).
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
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `test` (`jobs`).
    :white_check_mark: The job can be run from this channel (`channels`).
    :white_check_mark: You may run it (`users`).
    :white_check_mark: It can be run on `main` (`branches`).
    :white_check_mark: It takes no lock: other deploys may run at the same time (`exclusive`).
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
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job can be run from this channel (`channels`).
    :x: You may not run this job (rule `projects.web.jobs.deploy.users`).
    › An operator can add `U034GHIJKL` to its `users` in `chatops.toml`.
    :x: This job cannot be run on `wild` (rule `projects.web.jobs.deploy.branches`).
    › It runs on `main`, `release/*`; or an operator can add `wild` to its `branches` in `chatops.toml`.
    :white_check_mark: `web/production` is free (`exclusive`).
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let unknown = DeployRequest {
        job: job("deplyo"),
        ..request()
    };
    assert_snapshot!(planned(unknown, None, &config()), @"
    (to the requester)
    *Plan:* would not start: `deplyo` on `main` → *web/production*
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
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
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
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
    :white_check_mark: Commands from this workspace are accepted (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job can be run from this channel (`channels`).
    :white_check_mark: You may run it (`users`).
    :white_check_mark: It can be run on `main` (`branches`).
    :x: `web/production` is taken by deploy `f643ce10` of ana, since 2027-01-15 08:00 UTC (rule `exclusive`).
    › Type `/chatops main deploy` again when that one has ended, or cancel it: `/chatops cancel f643ce10`.
    CircleCI would be asked for a pipeline (`pipeline/run`) of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`.
    Its workflow `deploy` decides how it ends.
    Other workflows of the pipeline may run, too. On a branch other than the default one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}
