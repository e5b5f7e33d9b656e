//! Stories of runs that take long, and of CircleCI's webhooks.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_core::id::PipelineId;
use chatops_core::ports::Clock;
use chatops_core::reply::Telling;
use chatops_sandbox::circleci::Script;

use super::{IN_DOUBT, Scenario, main_deploy};
use crate::outside::WEBHOOK;
use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

/// The product's own limits, with looks and sweeps that are far apart.
fn patient(world: &mut World, between: Duration) {
    world.change_times(|times| {
        times.reply_for = 29 * MINUTE;
        times.track_for = 24 * 60 * MINUTE;
        times.poll_longest = between;
        times.sweep_every = between;
    });
}

/// Everything has ended and was told by now, if nobody crashed.
fn over(world: &mut World) {
    let open = world.deploys().iter().any(|h| !h.state.is_terminal());
    let told = world.slack.shown();
    let told = told.iter().any(|m| m.text.contains("*Succeeded:*"));
    if (open || !told) && world.points.crashes() == 0 {
        let why = "the event came, and the final word did not";
        world.broken.push(why.to_owned());
    }
}

/// Nobody was told how it ended, and the record says so, if nobody crashed.
fn nobody_told(world: &mut World) {
    let replies = world.store.replies();
    let said_so = replies
        .iter()
        .all(|reply| matches!(reply.last, Telling::Undeliverable { .. }));
    if !said_so && world.points.crashes() == 0 {
        let why = "nobody was told, and the record does not say so";
        world.broken.push(why.to_owned());
    }
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "45 minutes, and nobody can be told",
        play: |world| {
            patient(world, 10 * MINUTE);
            world.circleci.script(Script::success(45 * MINUTE));
            main_deploy(world);
            world.settle();
            nobody_told(world);
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "45 minutes, and the bot is not in the conversation",
        play: |world| {
            patient(world, 10 * MINUTE);
            world.bot = true;
            world.slack.install_bot("C0009");
            world.circleci.script(Script::success(45 * MINUTE));
            main_deploy(world);
            world.settle();
            nobody_told(world);
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "45 minutes, and the bot's token is replaced",
        play: |world| {
            patient(world, 10 * MINUTE);
            world.bot = true;
            world.slack.install_bot("C0001");
            world.circleci.script(Script::success(45 * MINUTE));
            main_deploy(world);
            world.slack.replace_bot_token();
            world.settle();
            over(world);
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "5 hours, told by the bot",
        play: |world| {
            patient(world, 60 * MINUTE);
            world.bot = true;
            world.slack.install_bot("C0001");
            world.circleci.script(Script::success(300 * MINUTE));
            main_deploy(world);
            world.settle();
            over(world);
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "an event instead of the next look",
        play: |world| {
            world.change_times(|times| {
                times.poll_first = 60 * MINUTE;
                times.poll_longest = 60 * MINUTE;
            });
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.settle_for(Duration::from_secs(8));
            world.webhooks();
            world.settle_now();
            over(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        // Looks this far apart meet the tracking limit when the event is lost in a crash.
        also: &[State::Unresolved, State::LostTrack],
        golden: false,
    },
    Scenario {
        name: "forged, early and doubled events",
        play: |world| {
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.webhooks();
            world.settle_now();
            world.webhooks();
            let pipelines = world.circleci.created();
            for pipeline in pipelines {
                world.webhook(PipelineId(pipeline.id), "somebody else's secret");
            }
            let nobodys = PipelineId(uuid::Uuid::from_u128(7));
            world.webhook(nobodys, WEBHOOK);
            world.webhooks();
            world.settle_for(Duration::from_secs(8));
            world.webhooks();
            world.webhooks();
            world.settle();
            world.webhooks();
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "waits for an approval",
        play: |world| {
            world
                .circleci
                .script(Script::on_hold_then(MINUTE, "success"));
            main_deploy(world);
            world.settle();
            let shown = world.slack.shown();
            let holds = shown
                .iter()
                .filter(|m| m.text.contains("*Waiting for approval:*"));
            if holds.count() != 1 && world.points.crashes() == 0 {
                let at = world.clock.now();
                world
                    .broken
                    .push(format!("the hold was not told once by {at}"));
            }
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
];
