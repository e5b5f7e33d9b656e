//! Scenarios in which CircleCI surprises: ends that are not what they seem, and runs that come late.

use std::time::Duration;

use chatops_core::deploy::DeployState::{
    Canceled, CiError, Failed, LostTrack, NothingRan, Rejected, Succeeded, Unresolved,
};
use chatops_sandbox::circleci::RunScript;

use super::{Scenario, main_deploy, run_deploy, script};
use crate::outside::ScriptedRun;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The product's own limit for following, so that it ends nothing here.
pub(super) fn follow_for_a_day(world: &mut World) {
    world.change_timeouts(|timeouts| {
        timeouts.follow_timeout = 24 * 60 * MINUTE;
        // Few polls, so that crashes at every one of them take less time.
        timeouts.poll_interval_max = 5 * MINUTE;
        timeouts.sweep_interval = 5 * MINUTE;
    });
}

/// One deploy that goes as scripted.
fn surprise(world: &mut World, run: ScriptedRun) {
    follow_for_a_day(world);
    script(world, run);
    run_deploy(world);
}

/// One deploy, and somebody else's of the same target after a while.
fn surprise_and_another(world: &mut World, run: ScriptedRun, after: Duration) {
    script(world, run);
    main_deploy(world);
    world.run_for(after);
    script(world, RunScript::success(10 * SECOND));
    world.type_command("U0002", "C0001", "main deploy");
    world.run_to_rest();
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("A1: a setup that continues with nothing", |world| {
        surprise(world, ScriptedRun::setup_only(10 * SECOND));
    })
    .ends(&[NothingRan]),
    Scenario::new("A2: a continuation is rejected", |world| {
        surprise(world, ScriptedRun::continuation_rejected(10 * SECOND));
    })
    .ends(&[CiError]),
    Scenario::new("A3: only another workflow runs", |world| {
        surprise(world, ScriptedRun::only_another(10 * SECOND, "success"));
    })
    .ends(&[NothingRan]),
    Scenario::new("A3: only another workflow runs, for long", |world| {
        let run = ScriptedRun::only_another(30 * MINUTE, "success");
        follow_for_a_day(world);
        surprise_and_another(world, run, 20 * MINUTE);
    })
    .ends(&[NothingRan, Rejected]),
    Scenario::new("A3: another workflow fails beside a success", |world| {
        let run = ScriptedRun::beside_another(10 * SECOND, "failed", "success");
        surprise(world, run);
    })
    .ends(&[Succeeded]),
    Scenario::new("A3: another workflow is green beside a not_run", |world| {
        let run = ScriptedRun::beside_another(10 * SECOND, "success", "not_run");
        surprise(world, run);
    })
    .ends(&[NothingRan]),
    Scenario::new("A3: a green workflow without its deploy job", |world| {
        surprise(world, ScriptedRun::green_without_its_job(10 * SECOND));
    })
    .ends(&[Failed]),
    Scenario::new(
        "A9: a job runs on after its workflow was canceled",
        |world| {
            let run = ScriptedRun::canceled_while_its_job_runs(10 * SECOND, 5 * MINUTE);
            surprise_and_another(world, run, 3 * MINUTE);
        },
    )
    .ends(&[Canceled, Rejected]),
    Scenario::new("A4: the older of two runs still runs", |world| {
        let run = ScriptedRun::two_runs((5 * MINUTE, "success"), (10 * SECOND, "success"));
        surprise_and_another(world, run, 2 * MINUTE);
    })
    .ends(&[Succeeded, Rejected]),
    Scenario::new("A5: two runs at once, the newer succeeds", |world| {
        let run = ScriptedRun::two_runs_at_once(10 * SECOND, "failed", "success");
        surprise(world, run);
    })
    .ends(&[Succeeded]),
    Scenario::new("A5: two runs at once, the newer fails", |world| {
        let run = ScriptedRun::two_runs_at_once(10 * SECOND, "success", "failed");
        surprise(world, run);
    })
    .ends(&[Failed]),
    Scenario::new("A8: unauthorized", |world| {
        surprise(world, RunScript::ending(10 * SECOND, "unauthorized").into());
    })
    .ends(&[Failed]),
    Scenario::new("B1: a setup fails", |world| {
        surprise(world, ScriptedRun::setup_stays(10 * SECOND, "failed"));
    })
    .ends(&[Failed]),
    Scenario::new("B1: a setup is canceled at CircleCI", |world| {
        surprise(world, ScriptedRun::setup_stays(10 * SECOND, "canceled"));
    })
    .ends(&[Canceled]),
    Scenario::new("B1: a setup succeeds and stays", |world| {
        surprise(world, ScriptedRun::setup_stays(10 * SECOND, "success"));
    })
    .ends(&[NothingRan]),
    Scenario::new("B2: canceled while nothing has started", |world| {
        follow_for_a_day(world);
        script(world, RunScript::no_workflow());
        main_deploy(world);
        world.run_for(30 * SECOND);
        world.act_on_deploy("U0001", "cancel", 0);
        world.run_to_rest();
    })
    .ends(&[Canceled])
    .also(&[Unresolved, NothingRan]),
    Scenario::new("B3: an automatic rerun that never comes", |world| {
        surprise(world, ScriptedRun::rerun_never_comes(10 * SECOND));
    })
    .ends(&[Failed]),
    Scenario::new("B4: CircleCI refuses reads for three hours", |world| {
        world.change_timeouts(|timeouts| timeouts.follow_timeout = 60 * MINUTE);
        script(world, RunScript::success(MINUTE));
        main_deploy(world);
        world.run_for(20 * SECOND);
        world.refuse_reads(180 * MINUTE);
        world.run_to_rest();
    })
    .ends(&[LostTrack]),
    Scenario::new("C1: the workflow comes after 97 minutes", |world| {
        follow_for_a_day(world);
        let run = ScriptedRun::late_workflow(97 * MINUTE, 100 * MINUTE);
        surprise_and_another(world, run, 20 * MINUTE);
    })
    .ends(&[Succeeded, Rejected]),
    Scenario::new("C1: the only workflow comes after eight minutes", |world| {
        surprise(world, ScriptedRun::late_workflow(8 * MINUTE, 30 * MINUTE));
    })
    .ends(&[Succeeded]),
    // Said to have run nothing, and its lock lives longer than that.
    Scenario::new("C1: the workflow comes after nothing ran", |world| {
        follow_for_a_day(world);
        let run = ScriptedRun::late_beside_another(8 * MINUTE, 20 * MINUTE);
        surprise_and_another(world, run, 10 * MINUTE);
    })
    .ends(&[NothingRan, Rejected])
    // Crashes can put the polls off until the workflow is there.
    .also(&[Unresolved, Succeeded]),
    Scenario::new("C2: approved after the follow timeout", |world| {
        let run = ScriptedRun::approved_at(30 * SECOND, 10 * MINUTE, 12 * MINUTE);
        surprise_and_another(world, run, 6 * MINUTE);
    })
    .ends(&[Succeeded, Rejected]),
    Scenario::new("C2: runs longer than the follow timeout", |world| {
        script(world, RunScript::success(30 * MINUTE));
        run_deploy(world);
    })
    .ends(&[Succeeded]),
];
