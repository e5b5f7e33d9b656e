//! The immediate replies of ingest.

use insta::assert_snapshot;

use super::*;
use crate::command::DeployAction;
use crate::fixtures::{request, team};
use crate::rejection::Rejection;

#[test]
fn a_command() {
    assert_snapshot!(rendered(&deploy_accepted(&request(), id(), &config())), @"
    (to all)
    :hourglass_flowing_sand: *Accepted:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    ");
    let refused = Rejection::User {
        project: request().project.unwrap(),
        job: request().job,
        user: request().user,
    };
    let refused = deploy_refused(&refused, &request(), id(), &config());
    assert_snapshot!(rendered(&refused), @"
    (to the requester)
    :no_entry: *Not allowed:* `deploy` on `main` → *web/production* · `f643ce10`
    You may not run this job (rule `projects.web.jobs.deploy.users`).
    An operator can add `U012ABCDEF` to its `users` in `chatops.toml`.
    ");
    assert_snapshot!(rendered(&not_accepted()), @"
    (to the requester)
    :warning: *Not accepted:* the command could not be queued. Nothing was started; try again in a minute.
    ");
    assert_snapshot!(rendered(&deploy_unconfirmed(&request(), id())), @"
    (to the requester)
    :warning: *Could not confirm:* `deploy` on `main` → *web/production* · `f643ce10`
    It may have been accepted: if it was, a message follows here. Wait for it before you type the command again.
    ");
    assert_snapshot!(rendered(&unknown_button(&config())), @"
    (to the requester)
    :information_source: *This button is of another version* of the app, so it did nothing.
    Type the command instead: `/chatops help` lists them.
    ");
    assert_snapshot!(rendered(&invalid_response_url()), @"
    (to the requester)
    :no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's (rule `slack.response_url_origins`). Nothing was started.
    ");
    assert_snapshot!(rendered(&no_request_id()), @"
    (to the requester)
    :no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a repeat of it could not be distinguished from a new command. Nothing was started.
    ");
    assert_snapshot!(rendered(&team_not_allowed(&Rejection::Team { team: team() }, &config())), @"
    (to the requester)
    :no_entry: *Not allowed:* commands from this workspace are not accepted (rule `slack.teams`).
    An operator can add `T012ABCDEF` to `teams` in `chatops.toml`.
    ");
}

#[test]
fn an_action() {
    let action = |text| match command::parse(text) {
        Ok(ChatCommand::Action(action)) => action,
        other => panic!("{other:?}"),
    };
    let read = |action: DeployAction| rendered(&action_accepted(&action));
    assert_snapshot!(read(action("retry 1a2b3c4d")), @"
    (to the requester)
    *Noted:* `retry 1a2b3c4d` · the answer follows.
    ");
    assert_snapshot!(read(action("cancel 1a2b3c4d")), @"
    (to the requester)
    *Noted:* `cancel 1a2b3c4d` · the answer follows.
    ");
}
