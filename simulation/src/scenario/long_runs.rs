//! Stories of runs that take long, and of CircleCI's webhooks.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_core::id::PipelineId;
use chatops_core::notification::DeliveryStatus;
use chatops_core::ports::Clock;
use chatops_sandbox::circleci::RunScript;

use super::{Scenario, UNRESOLVED, main_deploy};
use crate::outside::WEBHOOK_SECRET;
use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

/// The product's own limits, with looks and sweeps that are far apart.
fn set_long_limits(world: &mut World, between: Duration) {
    world.change_timeouts(|timeouts| {
        timeouts.response_url_ttl = 29 * MINUTE;
        timeouts.follow_timeout = 24 * 60 * MINUTE;
        timeouts.poll_interval_max = between;
        timeouts.sweep_interval = between;
    });
}

/// Everything has ended and was told by now, if nobody crashed.
fn check_is_over(world: &mut World) {
    let open = world.deploys().iter().any(|h| !h.state.is_terminal());
    let delivered = world.slack.shown_messages();
    let delivered = delivered.iter().any(|m| m.text.contains("*Succeeded:*"));
    if (open || !delivered) && world.points.crash_count() == 0 {
        let why = "the event came, and the final word did not";
        world.violations.push(why.to_owned());
    }
}

/// Nobody was told how it ended, and the record says so, if nobody crashed.
fn check_not_notified(world: &mut World) {
    let notifications = world.ledger.notifications();
    let said_so = notifications
        .iter()
        .all(|notification| matches!(notification.final_status, DeliveryStatus::Failed { .. }));
    if !said_so && world.points.crash_count() == 0 {
        let why = "nobody was told, and the record does not say so";
        world.violations.push(why.to_owned());
    }
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "45 minutes, and nobody can be told",
        play: |world| {
            set_long_limits(world, 10 * MINUTE);
            world.circleci.script_next(RunScript::success(45 * MINUTE));
            main_deploy(world);
            world.run_to_rest();
            check_not_notified(world);
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "45 minutes, and the bot is not in the conversation",
        play: |world| {
            set_long_limits(world, 10 * MINUTE);
            world.has_bot = true;
            world.slack.install_bot("C0009");
            world.circleci.script_next(RunScript::success(45 * MINUTE));
            main_deploy(world);
            world.run_to_rest();
            check_not_notified(world);
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "45 minutes, and the bot's token is replaced",
        play: |world| {
            set_long_limits(world, 10 * MINUTE);
            world.has_bot = true;
            world.slack.install_bot("C0001");
            world.circleci.script_next(RunScript::success(45 * MINUTE));
            main_deploy(world);
            world.slack.replace_bot_token();
            world.run_to_rest();
            check_is_over(world);
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "5 hours, told by the bot",
        play: |world| {
            set_long_limits(world, 60 * MINUTE);
            world.has_bot = true;
            world.slack.install_bot("C0001");
            world.circleci.script_next(RunScript::success(300 * MINUTE));
            main_deploy(world);
            world.run_to_rest();
            check_is_over(world);
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "an event instead of the next look",
        play: |world| {
            world.change_timeouts(|timeouts| {
                timeouts.poll_interval_min = 60 * MINUTE;
                timeouts.poll_interval_max = 60 * MINUTE;
            });
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            main_deploy(world);
            world.run_for(Duration::from_secs(8));
            world.send_all_webhooks();
            world.run_now();
            check_is_over(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        // Looks this far apart meet the tracking limit when the event is lost in a crash.
        also_allowed: &[DeployState::Unresolved, DeployState::LostTrack],
        golden: false,
    },
    Scenario {
        name: "forged, early and doubled events",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
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
            world.run_for(Duration::from_secs(8));
            world.send_all_webhooks();
            world.send_all_webhooks();
            world.run_to_rest();
            world.send_all_webhooks();
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "waits for an approval",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::on_hold_then(MINUTE, "success"));
            main_deploy(world);
            world.run_to_rest();
            let shown = world.slack.shown_messages();
            let holds = shown
                .iter()
                .filter(|m| m.text.contains("*Waiting for approval:*"));
            if holds.count() != 1 && world.points.crash_count() == 0 {
                let at = world.clock.now();
                world
                    .violations
                    .push(format!("the hold was not told once by {at}"));
            }
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
];
