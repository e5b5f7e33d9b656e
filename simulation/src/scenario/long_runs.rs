//! Scenarios of runs that take long, and of CircleCI's webhooks.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Failed, LostTrack, Succeeded, Unresolved};
use chatops_core::id::PipelineId;
use chatops_core::notification::DeliveryStatus;
use chatops_core::text::MessageKind;
use chatops_sandbox::circleci::{JobScript, RunScript};

use super::{SOON, Scenario, main_deploy, run_deploy, script, script_success};
use crate::outside::{ChatFault, WEBHOOK_SECRET, mark_of};
use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

/// The product's own limits, with polls and sweeps that are far apart.
fn set_long_limits(world: &mut World, between: Duration) {
    world.change_timeouts(|timeouts| {
        timeouts.response_url_ttl = 29 * MINUTE;
        timeouts.follow_timeout = 24 * 60 * MINUTE;
        timeouts.poll_interval_max = between;
        timeouts.sweep_interval = between;
    });
}

/// How many messages of a kind were shown.
fn count_shown(world: &World, kind: MessageKind) -> usize {
    let shown = world.slack.shown_messages();
    let marks = shown.iter().filter_map(mark_of);
    marks.filter(|mark| mark.kind == kind).count()
}

/// A workflow that goes on hold again at the moment when its first approval is given.
fn two_approvals() -> RunScript {
    let (first, second, end) = (MINUTE, 2 * MINUTE, 3 * MINUTE);
    let mut script = RunScript::held(first, end, end + MINUTE, "success");
    script.workflows[0].jobs = vec![
        JobScript::approval("migrate?", &[(first, "on_hold"), (second, "success")]),
        JobScript::approval("release?", &[(second, "on_hold"), (end, "success")])
            .requires(&["migrate?"]),
        JobScript::new("deploy", &[(end, "running"), (end + MINUTE, "success")])
            .requires(&["release?"]),
    ];
    script
}

/// Every deploy has ended and its final status was shown by now.
fn check_is_over(world: &mut World) {
    let ended = world
        .deploys()
        .iter()
        .all(|record| record.state.is_terminal());
    let shown = count_shown(world, MessageKind::Final) > 0;
    world.expect_undisturbed(ended && shown, "the final status is not shown yet");
}

/// The final status could not be shown, and the record says so.
fn check_not_notified(world: &mut World) {
    let notifications = world.ledger.notifications();
    let failed = notifications
        .iter()
        .all(|notification| matches!(notification.final_status, DeliveryStatus::Failed { .. }));
    world.expect_undisturbed(failed, "the record does not say that nobody was notified");
}

/// Ends are announced in two channels besides the one of the deploys; the bot is in the first.
fn follow_in_two_channels(world: &mut World) {
    world.announce_in(&["C0FEED", "C0NEWS", "C0001"]);
    world.has_bot = true;
    world.slack.install_bot("C0FEED");
}

/// Its end was announced that often.
fn check_announced(world: &mut World, times: usize) {
    let count = count_shown(world, MessageKind::Announcement);
    world.expect_undisturbed(count == times, "the end was not announced as often");
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("45 minutes, and nobody can be notified", |world| {
        set_long_limits(world, 10 * MINUTE);
        script(world, RunScript::success(45 * MINUTE));
        run_deploy(world);
        check_not_notified(world);
    })
    .ends(&[Succeeded]),
    Scenario::new(
        "45 minutes, and the bot is not in the conversation",
        |world| {
            set_long_limits(world, 10 * MINUTE);
            world.has_bot = true;
            world.slack.install_bot("C0009");
            script(world, RunScript::success(45 * MINUTE));
            run_deploy(world);
            check_not_notified(world);
        },
    )
    .ends(&[Succeeded]),
    Scenario::new(
        "D1: the response URL is refused early, and the bot tells",
        |world| {
            world.has_bot = true;
            world.slack.install_bot("C0001");
            world.slack.fail_post(ChatFault::Refused);
            script_success(world);
            run_deploy(world);
            let told = |kind| count_shown(world, kind) == 1;
            let all = told(MessageKind::Progress) && told(MessageKind::Final);
            world.expect_undisturbed(all, "the bot did not tell what the response URL refused");
        },
    )
    .ends(&[Succeeded]),
    Scenario::new(
        "announced in two channels, and the bot is in one",
        |world| {
            follow_in_two_channels(world);
            script_success(world);
            run_deploy(world);
            check_announced(world, 1);
        },
    )
    .ends(&[Succeeded])
    .golden(),
    Scenario::new("announced, and Slack fails at first", |world| {
        follow_in_two_channels(world);
        world.slack.invite_bot("C0NEWS");
        script(world, RunScript::failure(SOON));
        main_deploy(world);
        world.run_for(SOON);
        world.slack.fail_post(ChatFault::AnswerLost);
        world.slack.fail_post(ChatFault::NotSent);
        world.slack.fail_post(ChatFault::AnswerLost);
        world.slack.fail_post(ChatFault::Limited(MINUTE));
        world.slack.fail_post(ChatFault::ErrorBefore);
        world.slack.replace_bot_token();
        world.run_to_rest();
    })
    .ends(&[Failed]),
    Scenario::new("announced without a bot", |world| {
        world.announce_in(&["C0FEED"]);
        script_success(world);
        run_deploy(world);
        check_announced(world, 0);
    })
    .ends(&[Succeeded]),
    Scenario::new("45 minutes, and the bot's token is replaced", |world| {
        set_long_limits(world, 10 * MINUTE);
        world.has_bot = true;
        world.slack.install_bot("C0001");
        script(world, RunScript::success(45 * MINUTE));
        main_deploy(world);
        world.slack.replace_bot_token();
        world.run_to_rest();
        check_is_over(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("5 hours, notified by the bot", |world| {
        set_long_limits(world, 60 * MINUTE);
        world.has_bot = true;
        world.slack.install_bot("C0001");
        script(world, RunScript::success(300 * MINUTE));
        run_deploy(world);
        check_is_over(world);
    })
    .ends(&[Succeeded]),
    // Polls this far apart meet the follow timeout when the webhook is lost in a crash.
    Scenario::new("a webhook instead of the next poll", |world| {
        world.change_timeouts(|timeouts| {
            timeouts.poll_interval_min = 60 * MINUTE;
            timeouts.poll_interval_max = 60 * MINUTE;
        });
        script_success(world);
        main_deploy(world);
        world.run_for(SOON);
        world.send_all_webhooks();
        world.run_now();
        check_is_over(world);
        world.run_to_rest();
    })
    .ends(&[Succeeded])
    .also(&[Unresolved, LostTrack]),
    Scenario::new("forged, early and repeated webhooks", |world| {
        script_success(world);
        main_deploy(world);
        world.send_all_webhooks();
        world.run_now();
        world.send_all_webhooks();
        let pipelines = world.circleci.created_pipelines();
        for pipeline in pipelines {
            world.send_webhook(PipelineId(pipeline.id), "somebody else's secret");
        }
        let nobodys = PipelineId(uuid::Uuid::from_u128(7));
        world.send_webhook(nobodys, WEBHOOK_SECRET);
        world.send_all_webhooks();
        world.run_for(SOON);
        world.send_all_webhooks();
        world.send_all_webhooks();
        world.run_to_rest();
        world.send_all_webhooks();
        world.run_to_rest();
    })
    .ends(&[Succeeded]),
    Scenario::new("waits for an approval", |world| {
        script(world, RunScript::on_hold_then(MINUTE, "success"));
        run_deploy(world);
        let holds = count_shown(world, MessageKind::Hold);
        world.expect_undisturbed(holds == 1, "the approval was not announced once");
    })
    .ends(&[Succeeded]),
    Scenario::new("waits for two approvals", |world| {
        // A response URL has one use for a hold; the bot tells what comes later.
        world.has_bot = true;
        world.slack.install_bot("C0001");
        script(world, two_approvals());
        run_deploy(world);
        let holds = count_shown(world, MessageKind::Hold);
        world.expect_undisturbed(holds == 2, "each approval was not announced once");
    })
    .ends(&[Succeeded]),
];
