//! Scenarios of clocks that step, of long stops, and of waits that somebody outside asks for.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Rejected, Succeeded, TriggerFailed, Unresolved};
use chatops_sandbox::circleci::RunScript;
use chrono::TimeDelta;

use super::surprises::follow_for_a_day;
use super::{Scenario, main_deploy, run_deploy, script};
use crate::outside::{ReadFault, TriggerFault};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What some servers write into `Retry-After`: a date as seconds since 1970.
pub(crate) const EPOCH_RETRY_AFTER: Duration = Duration::from_secs(1_764_284_401);

/// A deploy, during which the clock of the process goes wrong for so long.
fn step_clock(world: &mut World, skew: TimeDelta, lasting: Duration) {
    follow_for_a_day(world);
    script(world, RunScript::success(3 * MINUTE));
    main_deploy(world);
    world.run_for(20 * SECOND);
    world.set_process_clock(skew);
    world.run_for(lasting);
    world.set_process_clock(TimeDelta::zero());
    world.run_to_rest();
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("F1: an epoch as the pause before the next poll", |world| {
        follow_for_a_day(world);
        script(world, RunScript::success(MINUTE));
        world
            .circleci
            .fail_read(ReadFault::Limited(EPOCH_RETRY_AFTER));
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("F1: an hour as the pause before the next poll", |world| {
        follow_for_a_day(world);
        script(world, RunScript::success(MINUTE));
        let hour = Duration::from_hours(1);
        world.circleci.fail_read(ReadFault::Limited(hour));
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new(
        "F1: an epoch as the pause before the next lookup",
        |world| {
            world.circleci.fail_trigger(TriggerFault::AnswerLost);
            world
                .circleci
                .fail_read(ReadFault::Limited(EPOCH_RETRY_AFTER));
            script(world, RunScript::success(MINUTE));
            run_deploy(world);
        },
    )
    .ends(&[Succeeded]),
    Scenario::new(
        "F1: an epoch as the pause before the next trigger",
        |world| {
            let limited = TriggerFault::Limited(Some(EPOCH_RETRY_AFTER));
            world.circleci.fail_trigger(limited);
            script(world, RunScript::success(MINUTE));
            run_deploy(world);
        },
    )
    .ends(&[Succeeded])
    // After that pause two crashes put the next attempt off until the request is too old.
    .also(&[Unresolved, TriggerFailed]),
    Scenario::new("G1: the clock goes two hours ahead and back", |world| {
        step_clock(world, TimeDelta::hours(2), 40 * SECOND);
    })
    .ends(&[Succeeded])
    // What a crash leaves to a clock that is ahead is too old by it, and nothing was sent.
    .also(&[Unresolved, Rejected]),
    Scenario::new("G1: the clock goes two days ahead and back", |world| {
        step_clock(world, TimeDelta::days(2), 40 * SECOND);
    })
    .ends(&[Succeeded])
    // What a crash leaves to a clock that is ahead is too old by it, and nothing was sent.
    .also(&[Unresolved, Rejected]),
    Scenario::new("G2: the clock goes back an hour and stays", |world| {
        step_clock(world, -TimeDelta::hours(1), Duration::from_hours(3));
    })
    .ends(&[Succeeded]),
    Scenario::new(
        "G3: a long stop during the trigger, one failed lookup",
        |world| {
            world.circleci.fail_trigger(TriggerFault::AnswerLost);
            script(world, RunScript::success(MINUTE));
            main_deploy(world);
            world.run_now();
            world.stand_still(Duration::from_hours(2));
            world.circleci.fail_read(ReadFault::Error);
            world.run_to_rest();
        },
    )
    .ends(&[Succeeded])
    // What a crash leaves over a long stop is too old after it.
    .also(&[Unresolved, Rejected]),
    Scenario::new("G3: a long stop during the run, one failed poll", |world| {
        script(world, RunScript::success(MINUTE));
        main_deploy(world);
        world.run_for(8 * SECOND);
        world.stand_still(Duration::from_hours(30));
        world.circleci.fail_read(ReadFault::Error);
        world.run_to_rest();
    })
    .ends(&[Succeeded])
    // What a crash leaves over a long stop is too old after it.
    .also(&[Unresolved, Rejected]),
];
