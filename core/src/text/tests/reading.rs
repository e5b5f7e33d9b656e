//! What is said to somebody who may not read.

use insta::assert_snapshot;

use super::*;
use crate::command::DeployCommand;
use crate::fixtures::{branch, job, project, request, requester};
use crate::message::Requester;
use crate::parameters::Parameters;
use crate::policy;

/// Who may run nothing, where nothing is run.
fn stranger() -> Requester {
    Requester {
        channel: ChannelId::parse("C99").unwrap(),
        user: other(),
        ..requester()
    }
}

#[test]
fn nothing_to_read() {
    let config = two_projects();
    assert_snapshot!(rendered(&nothing_readable(&stranger(), &config)), @"
    (to the requester)
    *Nothing to show:* there is no project whose deploys you may read here.
    You may read those of a project that you may run a job of, and in a channel of one of its jobs those of that project (rules `users` and `channels`).
    An operator can add `U034GHIJKL` to the `read` of a project in `chatops.toml`.
    ");
}

#[test]
fn of_some_projects() {
    let config = two_projects();
    let all = policy::readable_projects(
        &config,
        &requester().qualified_user(),
        &requester().qualified_channel(),
    );
    assert_eq!(listed_projects(&all, &config), None);
    let one = [project("api")].into();
    let line = listed_projects(&one, &config).unwrap();
    let message = in_progress(&crate::ports::DeployPage::default(), &config).details([line]);
    assert_snapshot!(rendered(&message), @"
    (to the requester)
    *Nothing is running.*
    What was deployed: `/ship-it history`
    Listed are the projects that you may read here: `api`.
    ");
}

#[test]
fn the_plan_of_what_may_not_be_read() {
    let config = two_projects();
    let typed = DeployCommand {
        project: Some(project("web")),
        git_ref: branch("main"),
        job: job("ship"),
        parameters: Parameters::default(),
    };
    let reply = plan_not_readable(&typed, &stranger(), &project("web"), &request(), &config);
    assert_snapshot!(rendered(&reply), @"
    (to the requester)
    *Plan:* would not start: `ship` on `main` → *web*
    :x: You may run no job of `web` (rule `users` of each job), and this is no channel of its jobs, so you may not read more here (rule `projects.web.read`).
    An operator can add `U034GHIJKL` to the `users` of a job, or to that `read`, in `chatops.toml`.
    Nothing was triggered.
    ");
}
