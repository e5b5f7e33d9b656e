//! Scenarios of the form: a plan is pressed into a deploy, once or more often.

use chatops_core::deploy::DeployState::{Rejected, Succeeded, Unresolved};
use chatops_core::text::MessageKind;

use super::{SOON, Scenario, main_deploy, script, script_success};
use crate::outside::mark_of;
use crate::people::Person;
use crate::world::World;

const ANA: Person = Person::at_home("U0001", "C0001");
const BO: Person = Person::at_home("U0002", "C0001");

fn plan(world: &mut World, branch: &str) {
    world.press_plan(ANA, "web deploy", branch);
    world.run_for(SOON);
}

/// Whether the press was answered in place of a plan.
fn is_answered(world: &World) -> bool {
    let shown = world.slack.shown_messages().into_iter();
    let mut marks = shown
        .filter(|message| !message.replaced_by.is_empty())
        .filter_map(|m| mark_of(&m));
    marks.any(|mark| mark.kind == MessageKind::Accepted)
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("a plan is deployed by its button", |world| {
        world.go_live();
        plan(world, "main");
        script_success(world);
        world.press_planned(ANA, 1);
        world.run_to_rest();
        world.expect_undisturbed(is_answered(world), "the press was not answered");
    })
    .ends(&[Succeeded]),
    Scenario::new("a plan's button is pressed twice", |world| {
        world.go_live();
        plan(world, "main");
        script_success(world);
        world.press_planned(ANA, 2);
        world.run_to_rest();
        world.press_planned(ANA, 1);
        world.run_to_rest();
        let shown = world.slack.shown_messages();
        let answers: usize = shown.iter().map(|message| message.replaced_by.len()).sum();
        world.expect_undisturbed(answers > 1, "a later press was not answered");
    })
    .ends(&[Succeeded]),
    Scenario::new(
        "a plan's button is pressed by another person as well",
        |world| {
            world.go_live();
            plan(world, "main");
            script_success(world);
            world.press_planned(ANA, 1);
            world.press_planned(BO, 1);
            world.run_to_rest();
        },
    )
    .ends(&[Succeeded, Rejected])
    .also(&[Unresolved, Succeeded, Rejected]),
    Scenario::new(
        "a plan is deployed when somebody else has the target",
        |world| {
            world.go_live();
            plan(world, "main");
            script(
                world,
                chatops_sandbox::circleci::RunScript::success(SOON * 4),
            );
            main_deploy(world);
            world.run_for(SOON);
            world.press_planned(BO, 1);
            world.run_to_rest();
        },
    )
    .ends(&[Succeeded, Rejected])
    .also(&[Unresolved, Succeeded, Rejected]),
];
