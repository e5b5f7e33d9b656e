//! Scenarios of the card: its answers get lost, it is edited late, it is deleted, and its buttons are
//! pressed.

use std::time::Duration;

use chatops_core::deploy::DeployState::{
    Canceled, Failed, Rejected, Succeeded, TriggerFailed, Unresolved,
};
use chatops_core::text::MessageKind;
use chatops_sandbox::circleci::RunScript;

use super::{SOON, Scenario, main_deploy, run_deploy, script, script_success};
use crate::outside::{ChatFault, TriggerFault, mark_of};
use crate::people::Person;
use crate::world::World;

const ANA: Person = Person::at_home("U0001", "C0001");
const BO: Person = Person::at_home("U0002", "C0001");
const STRANGER: Person = Person::at_home("U0666", "C0001");

/// Long enough to be met while it runs.
const LONG: Duration = Duration::from_mins(1);

fn live_deploy(world: &mut World) {
    world.go_live();
    script(world, RunScript::success(LONG));
    main_deploy(world);
}

/// How many messages of this kind stand.
fn count_standing(world: &World, kind: MessageKind) -> usize {
    let shown = world.slack.shown_messages();
    let standing = shown.iter().filter(|message| message.stands());
    let marks = standing.filter_map(mark_of);
    marks.filter(|mark| mark.kind == kind).count()
}

/// Runs until so many stand: a fault may hold one up for as long as its call is reserved.
fn wait_for_cards(world: &mut World, count: usize) {
    for _ in 0..10 {
        if count_standing(world, MessageKind::Card) < count {
            world.run_for(SOON);
        }
    }
}

/// One card, the end in its thread, and nothing beside it.
fn check_one_card(world: &mut World) {
    let count = |kind| count_standing(world, kind);
    let told = [
        count(MessageKind::Card),
        count(MessageKind::Progress),
        count(MessageKind::Final),
    ];
    world.expect_undisturbed(told == [1, 0, 1], "not one card and one end in its thread");
    let shown = world.slack.shown_messages();
    let mut ends = shown
        .iter()
        .filter(|message| mark_of(message).is_some_and(|mark| mark.kind == MessageKind::Final));
    let in_thread = ends.all(|end| end.thread_ts.is_some());
    world.expect_undisturbed(in_thread, "the end is not in the card's thread");
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("one card", |world| {
        live_deploy(world);
        world.run_to_rest();
        check_one_card(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("one card, and it waits for an approval", |world| {
        world.go_live();
        script(world, RunScript::on_hold_then(SOON, "failed"));
        run_deploy(world);
        check_one_card(world);
    })
    .ends(&[Failed]),
    Scenario::new("a rejected deploy has no card", |world| {
        world.go_live();
        world.type_command("U0001", "C0001", "hotfix deploy");
        world.run_to_rest();
        let none = count_standing(world, MessageKind::Card) == 0;
        world.expect_undisturbed(none, "a rejected deploy has a card");
    })
    .ends(&[Rejected])
    .also(&[]),
    Scenario::new("the card's answer is lost", |world| {
        world.slack.fail_post(ChatFault::AnswerLost);
        live_deploy(world);
        world.run_to_rest();
        let two = count_standing(world, MessageKind::Card) == 2;
        world.expect_undisturbed(two, "no second card was posted");
    })
    .ends(&[Succeeded]),
    Scenario::new("the answers to both cards are lost", |world| {
        world.slack.fail_post(ChatFault::AnswerLost);
        world.slack.fail_post(ChatFault::AnswerLost);
        live_deploy(world);
        world.run_to_rest();
        let told = count_standing(world, MessageKind::Final) == 1;
        world.expect_undisturbed(told, "the end was not told without a card");
    })
    .ends(&[Succeeded]),
    Scenario::new("the card that does not count is pressed", |world| {
        world.slack.fail_post(ChatFault::AnswerLost);
        world.go_live();
        script(world, RunScript::success(LONG * 3));
        main_deploy(world);
        wait_for_cards(world, 2);
        world.press_first_card(BO, "cancel");
        world.run_to_rest();
        let one = count_standing(world, MessageKind::Card) == 1;
        world.expect_undisturbed(one, "the card that does not count still stands");
    })
    .ends(&[Canceled])
    .also(&[Unresolved, Succeeded, Canceled]),
    Scenario::new("an edit is carried out late", |world| {
        live_deploy(world);
        world.run_for(SOON);
        world
            .slack
            .fail_post(ChatFault::Late(Duration::from_secs(50)));
        world.run_to_rest();
        check_one_card(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("the last edit is carried out late", |world| {
        live_deploy(world);
        world.run_for(LONG.saturating_sub(SOON));
        world
            .slack
            .fail_post(ChatFault::Late(Duration::from_secs(55)));
        world.slack.fail_post(ChatFault::AnswerLost);
        world.run_to_rest();
        check_one_card(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("a person deletes the card", |world| {
        live_deploy(world);
        world.run_for(SOON);
        world.delete_card(0);
        world.run_to_rest();
        let told = count_standing(world, MessageKind::Final) == 1;
        world.expect_undisturbed(told, "the end was not told without a card");
    })
    .ends(&[Succeeded]),
    Scenario::new("the bot is removed while it runs", |world| {
        live_deploy(world);
        world.run_for(SOON);
        world.slack.remove_bot("C0001");
        world.run_to_rest();
        let told = count_standing(world, MessageKind::Final) == 1;
        world.expect_undisturbed(told, "the end was not told without the bot");
    })
    .ends(&[Succeeded]),
    Scenario::new("a card, and the bot is not in the channel", |world| {
        world.go_live();
        world.slack.remove_bot("C0001");
        script_success(world);
        run_deploy(world);
        let told = count_standing(world, MessageKind::Final) == 1;
        let progress = count_standing(world, MessageKind::Progress) == 1;
        world.expect_undisturbed(told && progress, "it is not told as without a card");
    })
    .ends(&[Succeeded]),
    Scenario::new("a card, and its answers are put off", |world| {
        world.slack.fail_post(ChatFault::NotSent);
        world
            .slack
            .fail_post(ChatFault::Limited(Duration::from_secs(90)));
        live_deploy(world);
        world.run_for(LONG);
        world.slack.fail_post(ChatFault::ErrorBefore);
        world.slack.fail_post(ChatFault::ErrorBefore);
        world.slack.replace_bot_token();
        world.run_to_rest();
    })
    .ends(&[Succeeded]),
    Scenario::new("a press cancels", |world| {
        world.go_live();
        script(world, RunScript::success(LONG * 2));
        main_deploy(world);
        wait_for_cards(world, 1);
        world.press(BO, "cancel", 0);
        world.press(ANA, "cancel", 0);
        world.run_to_rest();
        check_one_card(world);
    })
    .ends(&[Canceled])
    .also(&[Unresolved, Succeeded, Canceled]),
    Scenario::new("a stranger presses", |world| {
        live_deploy(world);
        world.run_for(SOON);
        world.press(STRANGER, "cancel", 0);
        world.run_to_rest();
        check_one_card(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("a press retries, and the old card says so", |world| {
        world.go_live();
        let forbidden = TriggerFault::Rejected(403, "Forbidden");
        world.circleci.fail_trigger(forbidden);
        run_deploy(world);
        script_success(world);
        world.press(BO, "retry", 0);
        world.run_to_rest();
        let cards = count_standing(world, MessageKind::Card) == 2;
        world.expect_undisturbed(cards, "not one card for each deploy");
    })
    .ends(&[TriggerFailed, Succeeded]),
];
