//! What people do on the page, from the command to the end.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, DARK, NARROW, WIDE};
use crate::world::World;

#[tokio::test]
async fn a_deploy_moves_to_its_end_before_ones_eyes() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser.type_line("main deploy").await;
    browser.wait_message("Accepted:").await;
    browser.wait_message("Running:").await;
    browser.wait_message("now test").await;
    browser.documented_picture("page", None).await;
    browser
        .documented_picture(
            "card",
            Some("#messages .message:has(.replies:empty):last-child"),
        )
        .await;
    let card = browser.wait_message("Succeeded:").await;
    assert!(card.contains("web/production"), "{card}");
    // One card, with the end in its thread.
    let replies = "document.querySelectorAll('.replies .message').length";
    browser
        .wait("the end in the thread", &format!("{replies} === 1"))
        .await;
    let cards = "document.querySelectorAll('#messages > .message:has(.button)').length";
    assert_eq!(browser.value(cards).await, json!(1));
    browser
        .wait(
            "CircleCI's end",
            "document.querySelector('.pipeline[data-status=success]')",
        )
        .await;
    browser.picture("succeeded").await;
    let sr = browser
        .value("document.getElementById('announced').textContent")
        .await;
    assert!(sr.as_str().unwrap().contains("Succeeded:"), "{sr}");
}

#[tokio::test]
async fn cancel_asks_before_it_is_pressed() {
    let Some(browser) = Browser::start(WIDE, &[DARK]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    // The arrow brings back what was typed before.
    browser.type_line("main e2e").await;
    browser.wait_message("Running:").await;
    browser.documented_picture("page-dark", None).await;
    browser.press("Cancel").await;
    browser
        .wait("the question", "document.querySelector('dialog[open]')")
        .await;
    browser.picture("confirm-dark").await;
    // Escape is a no, and the focus is back where it was.
    let field = browser.client.active_element().await.unwrap();
    field
        .send_keys(&char::from(Key::Escape).to_string())
        .await
        .unwrap();
    browser
        .wait("no question", "!document.querySelector('dialog')")
        .await;
    assert!(!browser.has_message("Cancel requested").await);
    browser.press("Cancel").await;
    browser.answer("Yes").await;
    browser.wait_message("Canceled:").await;
    browser
        .wait(
            "CircleCI's end",
            "document.querySelector('.pipeline[data-status=canceled]')",
        )
        .await;
}

#[tokio::test]
async fn what_failed_while_circleci_was_away_is_tried_again() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    let switch = Locator::Css("[data-switch=unreachable]");
    browser.click(switch).await;
    browser
        .wait(
            "it is away",
            "document.querySelector('[data-switch=unreachable][aria-checked=true]')",
        )
        .await;
    browser.type_line("main deploy").await;
    browser.wait_message("Trigger failed:").await;
    browser.picture("trigger-failed").await;
    browser.click(switch).await;
    browser
        .wait(
            "it is back",
            "document.querySelector('[data-switch=unreachable][aria-checked=false]')",
        )
        .await;
    browser.press("Retry").await;
    browser.wait_message("Succeeded:").await;
}

#[tokio::test]
async fn a_no_of_circleci_is_told_and_the_switch_goes_back() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser.click(Locator::Css("[data-switch=refuse]")).await;
    browser
        .wait(
            "it is set",
            "document.querySelector('[data-switch=refuse][aria-checked=true]')",
        )
        .await;
    browser.type_line("main deploy").await;
    browser.wait_message("Trigger failed:").await;
    browser
        .wait(
            "it is used",
            "document.querySelector('[data-switch=refuse][aria-checked=false]')",
        )
        .await;
}

#[tokio::test]
async fn a_run_waits_for_an_approval() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser
        .click(Locator::Css("#next-run option[value=waits_for_approval]"))
        .await;
    browser.type_line("main deploy").await;
    browser.wait_message("Waiting for approval:").await;
    browser.picture("approval").await;
    browser
        .click(Locator::XPath(
            "//aside//button[normalize-space()='Approve']",
        ))
        .await;
    browser.wait_message("Succeeded:").await;
    let next = browser
        .value("document.getElementById('next-run').value")
        .await;
    assert_eq!(next, json!("as_usual"));
}

#[tokio::test]
async fn only_its_person_sees_what_is_ephemeral() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser.choose("people", "visitor").await;
    browser.type_line("/chatops main migrate").await;
    let seen = browser.wait_message("Not allowed:").await;
    assert!(seen.contains("Only visible to you"), "{seen}");
    browser.choose("people", "ana").await;
    browser
        .wait(
            "who one is",
            "document.getElementById('acting').textContent === 'as ana'",
        )
        .await;
    assert!(!browser.has_message("Not allowed:").await);
    assert!(!browser.has_message("main migrate").await);
    // Not in the page at all, whatever is shown of it.
    let whole = browser.value("document.documentElement.outerHTML").await;
    assert!(!whole.as_str().unwrap().contains("Not allowed"));
    browser.choose("people", "visitor").await;
    browser.wait_message("Not allowed:").await;
    world.wait_streams(1).await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser.type_line("status").await;
    browser.type_line("help").await;
    let up = char::from(Key::Up);
    let field = browser.client.find(Locator::Id("words")).await.unwrap();
    field.send_keys(&format!("{up}{up}")).await.unwrap();
    assert_eq!(
        browser
            .value("document.getElementById('words').value")
            .await,
        json!("status")
    );
    // Everything that can be pressed has a name, and is reached without a mouse.
    let unnamed = "[...document.querySelectorAll('button, input, select, a')]
        .filter((it) => !(it.labels?.length || it.getAttribute('aria-label') || it.textContent.trim()) || it.tabIndex < 0)
        .map((it) => it.outerHTML)";
    assert_eq!(browser.value(unnamed).await, json!([]));
}

#[tokio::test]
async fn a_narrow_window_shows_everything_without_scrolling_sideways() {
    let Some(browser) = Browser::start(NARROW, &[]).await else {
        return;
    };
    let world = World::start().await;
    world.say(&json!({"text": format!("`{}` {}", "x".repeat(300), "y".repeat(300))}));
    browser.open(&world.page()).await;
    browser.type_line("main deploy").await;
    browser.wait_message("Running:").await;
    let widest = "Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.scroll')].map((it) => it.scrollWidth))";
    let fits = async |what: &str| {
        let width = browser.value(widest).await.as_u64().unwrap();
        assert!(width <= u64::from(NARROW.width), "{what}: {width}");
    };
    fits("Slack").await;
    browser.picture("narrow").await;
    browser.click(Locator::Css("[data-shows=circleci]")).await;
    browser
        .wait(
            "CircleCI",
            "document.querySelector('.pipeline').offsetWidth > 0",
        )
        .await;
    fits("CircleCI").await;
    browser.picture("narrow-circleci").await;
}
