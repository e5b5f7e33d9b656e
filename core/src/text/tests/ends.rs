//! While it runs, and every end with its reasons.

use insta::assert_snapshot;

use super::*;
use crate::deploy::Hold;
use crate::fixtures::{branch, pipeline, qualified_channel, qualified_user};
use crate::ports::{PipelineError, PipelineErrorKind};
use crate::rejection::Rejection;

/// Errors of the configuration with these messages.
fn errors(messages: &[&str]) -> Vec<PipelineError> {
    let error = |message: &&str| PipelineError {
        kind: PipelineErrorKind::Config,
        message: (*message).to_owned(),
    };
    messages.iter().map(error).collect()
}

#[test]
fn while_it_runs() {
    assert_snapshot!(rendered(&deploy_running(&record_in(DeployState::Running), &config())), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let retry = DeployRecord {
        retry_of: Some(another()),
        ..record_in(DeployState::Running)
    };
    assert_snapshot!(rendered(&deploy_running(&retry, &config())), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10`, retry of `706068c7` · ana
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn while_it_waits_for_an_approval() {
    assert_snapshot!(rendered(&waiting_for_approval(&record_in(DeployState::Running), &config())), @"
    (to all)
    :raised_hand: *Waiting for approval:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    A workflow is on hold at CircleCI: approve it there, or cancel the deploy here.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let hold = |job: &str, waits| Hold {
        workflow: "w".to_owned(),
        job: Some(job.to_owned()),
        waits,
    };
    let mut named = record_in(DeployState::Running);
    named.holds = vec![hold("migrate", false), hold("release", true)];
    assert_snapshot!(waiting_for_approval(&named, &config()).headline, @":raised_hand: *Waiting for approval:* `deploy` on `main` → *web/production* · `f643ce10` · job `release` · ana");
    named.holds = vec![hold("eu", true), hold("us", true)];
    assert_snapshot!(waiting_for_approval(&named, &config()).headline, @":raised_hand: *Waiting for approval:* `deploy` on `main` → *web/production* · `f643ce10` · jobs `eu`, `us` · ana");
    let retry = DeployRecord {
        retry_of: Some(another()),
        ..record_in(DeployState::Running)
    };
    assert_snapshot!(waiting_for_approval(&retry, &config()).headline, @":raised_hand: *Waiting for approval:* `deploy` on `main` → *web/production* · `f643ce10`, retry of `706068c7` · ana");
}

#[test]
fn what_ran() {
    assert_snapshot!(rendered(&final_message(DeployState::Succeeded, workflows(&[("build", "success")]))), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&final_message(DeployState::Failed, workflows(&[("build", "failed"), ("lint", "error")]))), @"
    (to all)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Workflows `build` failed, `lint` error
    To deploy it again: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let many: Vec<_> = (0..12).map(|_| ("w", "failed")).collect();
    assert_snapshot!(final_message(DeployState::Failed, workflows(&many)).details[0], @"Workflows `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, `w` failed, … and more");
    assert_snapshot!(rendered(&final_message(DeployState::LostTrack, EndReason::Unreadable { error: "401 Invalid token".into() })), @"
    (to all)
    :warning: *Lost track:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI could not be read for too long; last error: `401 Invalid token`
    Look there for how it ended.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_ran_nothing() {
    let mut tagged = head_ended(DeployState::NothingRan, EndReason::NoWorkflow);
    tagged.request.git_ref = branch("tag:v1.2.3");
    assert_snapshot!(rendered(&final_status(&tagged, false, &config())), @"
    (to all)
    :no_entry: *Nothing ran:* `deploy` on tag `v1.2.3` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    On a tag CircleCI runs only jobs whose `filters` allow tags, and only if those of the jobs that they require do, too.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&final_message(DeployState::NothingRan, EndReason::NoWorkflow)), @"
    (to all)
    :no_entry: *Nothing ran:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&final_message(DeployState::NothingRan, workflows(&[("build", "not_run")]))), @"
    (to all)
    :no_entry: *Nothing ran:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Workflow `build` not run
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let errors = errors(&["Job 'x' is `missing`", "b", "c"]);
    assert_snapshot!(rendered(&final_message(DeployState::CiError, EndReason::PipelineErrors { errors })), @"
    (to all)
    :x: *Config error:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI says: `Job 'x' is 'missing'`
    CircleCI says: `b`
    … and 1 more.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&final_message(DeployState::CiError, EndReason::PipelineErrors { errors: vec![] })), @"
    (to all)
    :x: *Config error:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI could not make a workflow of the project's configuration, and did not say why.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_was_canceled() {
    let before = |by| {
        let reason = EndReason::CanceledBeforeTrigger { by };
        rendered(&final_message(DeployState::Canceled, reason))
    };
    assert_snapshot!(before(ActedBy::User(crate::fixtures::qualified_user().into())), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by the requester.
    ");
    assert_snapshot!(before(ActedBy::User(crate::fixtures::qualify(other()).into())), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by U034GHIJKL.
    ");
    assert_snapshot!(before(ActedBy::Operator { name: "root <!here>".into() }), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by operator root &lt;!here&gt;.
    ");
    let end = |state, status| {
        let record = head_ended(state, workflows(&[("build", status)]));
        let record = with_cancel_request(record, other());
        rendered(&final_status(&record, false, &config()))
    };
    assert_snapshot!(end(DeployState::Canceled, "canceled"), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Workflow `build` canceled
    Canceled at CircleCI by U034GHIJKL.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(end(DeployState::Succeeded, "success"), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Cancel sent by U034GHIJKL, too late.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(end(DeployState::Failed, "failed"), @"
    (to all)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Workflow `build` failed
    Cancel sent by U034GHIJKL.
    To deploy it again: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let alone = head_ended(DeployState::Canceled, workflows(&[("build", "canceled")]));
    assert_snapshot!(final_status(&with_cancel_request(alone.clone(), user()), false, &config()).details[1], @"Canceled at CircleCI by the requester.");
    assert_snapshot!(rendered(&final_status(&alone, false, &config())), @"
    (to all)
    :no_entry: *Canceled:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    Workflow `build` canceled
    Nobody canceled it from here. The usual causes: somebody at CircleCI, a newer pipeline of the branch (auto-cancel), or a job that stops the others.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn what_was_not_started() {
    assert_snapshot!(rendered(&final_status(&trigger_rejected(), false, &config())), @"
    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (400): `Branch not found`
    The usual causes: a branch or tag that does not exist, or an undeclared parameter.
    ");
    let no = |status, message: &str| {
        let message = message.to_owned();
        let reason = EndReason::TriggerRefused { status, message };
        let message = final_message(DeployState::TriggerFailed, reason);
        let lines: Vec<_> = message.details.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    assert_snapshot!(no(404, "Project not found"), @"
    CircleCI said no (404): `Project not found`
    The usual causes: the project's slug in `chatops.toml`, a token that may not see the project, or a parameter that the project does not declare.
    ");
    assert_snapshot!(no(401, "Invalid token provided."), @"
    CircleCI said no (401): `Invalid token provided.`
    The CircleCI token is not valid, or no longer: an operator has to renew it.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(no(403, ""), @"
    CircleCI said no (403).
    The usual cause: the token's user may not run this project. Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    let gave_up = |attempts, last: &str| {
        let last_error = last.to_owned();
        let reason = EndReason::TriggerGivenUp {
            attempts,
            last_error,
        };
        rendered(&final_message(DeployState::TriggerFailed, reason))
    };
    assert_snapshot!(gave_up(1, "429 Too Many Requests"), @"
    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Tried 1 time until the request expired; last error: `429 Too Many Requests`
    Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
    assert_snapshot!(gave_up(12, "the connection was refused"), @"
    (to all)
    :x: *Trigger failed:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Tried 12 times until the request expired; last error: `the connection was refused`
    Nothing was started at CircleCI.
    To try again: `/chatops retry f643ce10` (within 24 hours).
    ");
}

#[test]
fn the_time_for_a_retry_is_the_configured_one() {
    let text = format!("{CONFIG}\n[timeouts]\nretry_window = \"90m\"\n");
    let config = Config::parse(&text, "chatops.toml").unwrap();
    let message = final_status(&trigger_forbidden(), false, &config);
    let advice = message.details.last().unwrap().to_string();
    assert!(advice.ends_with("(within 90 minutes)."), "{advice}");
}

#[test]
fn when_nobody_knows() {
    assert_snapshot!(rendered(&final_status(&outcome_unknown(vec![]), false, &config())), @"
    (to all)
    :warning: *Unresolved:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Could not find out whether CircleCI started it: `503 Service Unavailable`
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
    let candidates = vec![pipeline(7), pipeline(8)];
    assert_snapshot!(rendered(&final_status(&outcome_unknown(candidates), false, &config())), @"
    (to all)
    :warning: *Unresolved:* `deploy` on `main` → *web/production* · `f643ce10` · <@U012ABCDEF>
    Could not find out whether CircleCI started it: `503 Service Unavailable`
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>, <https://app.circleci.com/pipelines/github/acme/web/8|pipeline 8>
    Look at CircleCI. If it did not start there: `/chatops retry f643ce10 confirm` (within 24 hours).
    ");
}

#[test]
fn a_retry_and_a_copy_say_that_they_are_one() {
    let record = DeployRecord {
        retry_of: Some(another()),
        ..head_ended(DeployState::Succeeded, workflows(&[("build", "success")]))
    };
    assert_snapshot!(rendered(&final_status(&record, true, &config())), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10`, retry of `706068c7` · after 3 min 12 s · _repeated in case the first message was lost_ · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn the_headline_carries_everything_and_mentions_the_requester_once_at_the_end() {
    for state in DeployState::ALL.into_iter().filter(|s| s.is_terminal()) {
        let message = final_status(&record_in(state), true, &config());
        let headline = message.headline.to_string();
        let short = id().short_id(8).to_string();
        for part in ["`deploy`", "`main`", "*web/production*", &short] {
            assert!(headline.contains(part), "{headline}");
        }
        assert!(headline.ends_with(" · <@U012ABCDEF>"), "{headline}");
        assert_eq!(headline.matches("<@").count(), 1);
        assert_eq!(message.mark.kind, MessageKind::Final, "{headline}");
    }
}

#[test]
fn an_announcement_is_the_headline_with_names_and_the_link() {
    let failed = head_ended(DeployState::Failed, workflows(&[("deploy", "failed")]));
    assert_snapshot!(rendered(&announcement(&failed, true, &config())), @"
    (to all)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · _repeated in case the first message was lost_ · ana
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let message = announcement(&failed, false, &config());
    assert_eq!(
        (message.mark.kind, message.mark.repeat),
        (MessageKind::Announcement, false)
    );
}

#[test]
fn a_message_says_what_it_is() {
    let config = config();
    let mark = |kind: MessageKind, deploy| {
        let mark = MessageMark::from(kind);
        MessageMark { deploy, ..mark }
    };
    let running = record_in(DeployState::Running);
    let by = ActedBy::User(crate::fixtures::qualified_user().into());
    let why = crate::deploy::decide::RetryDecision::InProgress;
    let page = crate::ports::DeployPage::default();
    let (own, none, request) = (Some(id()), None, &running.request);
    let refused = Rejection::Team {
        team: request.team.clone(),
    };
    let help = help_message(None, &qualified_user(), &qualified_channel(), &config);
    for (message, kind, deploy) in [
        (
            deploy_accepted(request, id(), &config),
            MessageKind::Accepted,
            own,
        ),
        (
            deploy_refused(&refused, request, id(), &config),
            MessageKind::Refused,
            own,
        ),
        (
            deploy_unconfirmed(request, id()),
            MessageKind::Unconfirmed,
            own,
        ),
        (not_accepted(), MessageKind::NotAccepted, none),
        (help, MessageKind::Help, none),
        (
            deploy_running(&running, &config),
            MessageKind::Progress,
            own,
        ),
        (
            waiting_for_approval(&running, &config),
            MessageKind::Hold,
            own,
        ),
        (
            deploy_status(&running, None, &config),
            MessageKind::Reply,
            own,
        ),
        (
            not_retried(&running, &why, &config),
            MessageKind::Reply,
            own,
        ),
        (
            cancel_requested(&running, &by, &config),
            MessageKind::Reply,
            own,
        ),
        (awaiting_retry(&page, &config), MessageKind::Reply, none),
        (in_progress(&page, &config), MessageKind::Reply, none),
    ] {
        assert_eq!(message.mark, mark(kind, deploy), "{}", message.headline);
        let block_id = message.to_json()["blocks"][0]["block_id"].clone();
        let read = MessageMark::parse(block_id.as_str().unwrap());
        assert_eq!(read, Some(message.mark));
    }
    for repeat in [false, true] {
        let last = final_status(&record_in(DeployState::Failed), repeat, &config).mark;
        let end = mark(MessageKind::Final, own);
        assert_eq!(last, MessageMark { repeat, ..end });
    }
}
