//! What a deploy would do.

use insta::assert_snapshot;

use super::*;
use crate::decide;
use crate::deploy::Ask;
use crate::fixtures::{ask, branch, job, project, start};
use crate::ports::Lock;

fn planned(ask: Ask, holder: Option<(&Lock, &Head)>, config: &Config) -> String {
    let post = words_plan(ask, holder, config);
    assert_eq!(post.audience, Audience::Asker);
    check_ready(&post, config);
    read(&post)
}

fn words_plan(ask: Ask, holder: Option<(&Lock, &Head)>, config: &Config) -> Post {
    super::super::plan(&decide::plan(config, ask), holder, config)
}

#[test]
fn would_start() {
    assert_snapshot!(planned(ask(), None, &config()), @"
    (to the asker)
    :mag: *Plan:* would start: `deploy` on `main` of `web`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job is run from here (`channels`).
    :white_check_mark: You may run it (`people`).
    :white_check_mark: It is run on `main` (`branches`).
    :white_check_mark: `web/production` is free (`exclusive`).
    CircleCI would be asked for a pipeline of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`.
    To start it: `/chatops main deploy`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let test = Ask {
        job: job("test"),
        ..ask()
    };
    let without = CONFIG.replace(
        "exclusive = false",
        "exclusive = false\njob_parameter = false",
    );
    let bare = Config::parse(&without, "chatops.toml").unwrap();
    assert_snapshot!(planned(test, None, &bare), @"
    (to the asker)
    :mag: *Plan:* would start: `test` on `main` of `web`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `test` (`jobs`).
    :white_check_mark: The job is run from here (`channels`).
    :white_check_mark: You may run it (`people`).
    :white_check_mark: It is run on `main` (`branches`).
    :white_check_mark: It takes no lock: others may run beside it (`exclusive`).
    CircleCI would be asked for a pipeline of `gh/acme/web` on `main`, without parameters.
    To start it: `/chatops main test`
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let long = format!(
        "[projects.web.jobs.deploy.parameters]\nwhat = '{}'\n",
        "x".repeat(400)
    );
    let long = Config::parse(&format!("{CONFIG}{long}"), "chatops.toml").unwrap();
    assert_snapshot!(words_plan(ask(), None, &long).details[0], @"CircleCI would be asked for a pipeline of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`, `what=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`.");
}

#[test]
fn would_be_refused() {
    let wild = Ask {
        branch: branch("wild"),
        user: other(),
        ..ask()
    };
    assert_snapshot!(planned(wild, None, &config()), @"
    (to the asker)
    :mag: *Plan:* would be refused: `deploy` on `wild` of `web`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job is run from here (`channels`).
    :x: You may not run this job (rule `projects.web.jobs.deploy.people`).
    › An operator can add `U034GHIJKL` to its `people` in `chatops.toml`.
    :x: This job is not run on `wild` (rule `projects.web.jobs.deploy.branches`).
    › It runs on `main`, `release/*`; or an operator can add `wild` to its `branches` in `chatops.toml`.
    :white_check_mark: `web/production` is free (`exclusive`).
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let unknown = Ask {
        job: job("deplyo"),
        ..ask()
    };
    assert_snapshot!(planned(unknown, None, &config()), @"
    (to the asker)
    :mag: *Plan:* would be refused: `deplyo` on `main` of `web`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :x: Project `web` has no job `deplyo` (rule `projects.web.jobs`).
    › Did you mean `/chatops main deploy`?
    › Here you may run `deploy`, `test`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
    let nowhere = Ask {
        project: Some(project("wep")),
        ..ask()
    };
    assert_snapshot!(planned(nowhere, None, &config()), @"
    (to the asker)
    :mag: *Plan:* would be refused: `deploy` on `main` of `wep`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :x: There is no project `wep` (rule `projects`).
    › Did you mean `/chatops main deploy`?
    › The projects are `web`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}

#[test]
fn would_find_the_target_taken() {
    let mut holder = head_in(State::Running);
    holder.ask.user = other();
    let lock = Lock {
        deploy: holder.id,
        since: start(),
        until: None,
    };
    assert_snapshot!(planned(ask(), Some((&lock, &holder)), &config()), @"
    (to the asker)
    :mag: *Plan:* would be refused: `deploy` on `main` of `web`
    :white_check_mark: This workspace is listened to (`slack.teams`).
    :white_check_mark: There is a project `web` (`projects`).
    :white_check_mark: It has a job `deploy` (`jobs`).
    :white_check_mark: The job is run from here (`channels`).
    :white_check_mark: You may run it (`people`).
    :white_check_mark: It is run on `main` (`branches`).
    :x: `web/production` is taken by deploy `f643ce10` of <@U034GHIJKL>, since 2027-01-15 08:00 UTC (rule `exclusive`).
    › Type `/chatops main deploy` again when that one has ended, or cancel it: `/chatops cancel f643ce10`.
    CircleCI would be asked for a pipeline of `gh/acme/web` on `main` with `deploy_id=(the deploy's id)`, `job=deploy`.
    Nothing was triggered. Which commit would be built is decided when it starts.
    ");
}
