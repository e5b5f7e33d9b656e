//! What goes wrong around the page: the app does not answer, the demo goes away and comes back, there
//! are many tabs.

use chatops_testkit::address::free_address;
use serde_json::json;

use crate::browser::{Browser, WIDE};
use crate::world::{World, say, without_app, without_app_at};

#[tokio::test]
async fn an_app_that_does_not_answer_is_told_where_it_was_asked() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let sandbox = without_app().await;
    let nobody = format!("http://{}/slack", free_address());
    sandbox.install_app(&nobody);
    sandbox.install_interactivity(&nobody);
    let button =
        json!({"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}});
    let blocks = json!([{"type": "actions", "elements": [button]}]);
    say(&sandbox, &json!({"text": "x", "blocks": blocks}));
    browser.open(&format!("{}/", sandbox.slack_url())).await;
    browser.press("Go").await;
    browser
        .wait("the warning", "document.querySelector('.actions .warning')")
        .await;
    browser.type_line("main deploy").await;
    let failed = "document.getElementById('failed').hidden ? null : document.getElementById('failed').innerText";
    let failed = browser.wait("the failure", failed).await;
    assert_eq!(
        failed,
        json!("⚠ /chatops failed with the error \"dispatch_failed\"")
    );
    browser.picture("failed").await;
}

#[tokio::test]
async fn a_demo_that_starts_again_is_shown_again() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let address = free_address();
    let sandbox = without_app_at(address).await;
    say(&sandbox, &json!({"text": "said before"}));
    browser.open(&format!("{}/", sandbox.slack_url())).await;
    browser.wait_message("said before").await;
    drop(sandbox);
    browser
        .wait("the banner", "!document.getElementById('lost').hidden")
        .await;
    let world = World::start_at(address).await;
    world.say(&json!({"text": "said after"}));
    browser.wait_message("said after").await;
    browser
        .wait("no banner", "document.getElementById('lost').hidden")
        .await;
    assert!(!browser.has_message("said before").await);
    world.say(&json!({"text": "said later"}));
    browser.wait_message("said later").await;
    // It connected again once, however often it tried.
    world.wait_streams(1).await;
}

/// A browser keeps six connections to a server, over all of its tabs.
#[tokio::test]
async fn eight_tabs_are_not_too_many() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    world.say(&json!({"text": "hello"}));
    browser.open(&world.page()).await;
    browser.wait_message("hello").await;
    for _ in 0..7 {
        let tab = browser.client.new_window(true).await.unwrap().handle;
        browser.client.switch_to_window(tab).await.unwrap();
        browser.open(&world.page()).await;
        browser.wait_message("hello").await;
    }
    // Only the one that is seen follows.
    world.wait_streams(1).await;
    world.say(&json!({"text": "and goodbye"}));
    browser.wait_message("and goodbye").await;
    let first = browser
        .client
        .windows()
        .await
        .unwrap()
        .into_iter()
        .next()
        .unwrap();
    browser.client.switch_to_window(first).await.unwrap();
    browser.wait_message("and goodbye").await;
    browser.type_line("help").await;
    browser.wait_message("Deploy from Slack").await;
}
