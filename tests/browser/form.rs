//! The form on the page: from the command alone to a deploy, by choosing and pressing.

use fantoccini::Locator;
use serde_json::json;

use crate::browser::{Browser, WIDE};
use crate::world::World;

#[tokio::test]
async fn a_deploy_is_picked_planned_and_started() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let world = World::start().await;
    browser.open(&world.page()).await;
    browser.click(Locator::Css("#suggestions button")).await;
    browser.wait_message("pick, then check the plan").await;
    let options =
        "[...document.querySelectorAll('.content select option')].map((it) => it.textContent)";
    let options = browser.value(options).await;
    assert!(options.to_string().contains("migrate"), "{options}");
    browser
        .documented_picture("form", Some("#messages .message:last-child"))
        .await;

    // What is not to be run is told, and what was entered stays.
    let field = browser
        .client
        .find(Locator::Css(".content input.field"))
        .await
        .unwrap();
    field.clear().await.unwrap();
    field.send_keys("two words").await.unwrap();
    let choice = "//main//select/option[contains(normalize-space(), 'deploy')]";
    browser.click(Locator::XPath(choice)).await;
    browser.press("Plan").await;
    browser.wait_message("cannot be a branch").await;
    let entered = browser
        .value("document.querySelector('.content input.field').value")
        .await;
    assert_eq!(entered, json!("two words"));

    let field = browser
        .client
        .find(Locator::Css(".content input.field"))
        .await
        .unwrap();
    field.clear().await.unwrap();
    field.send_keys("main").await.unwrap();
    browser.press("Plan").await;
    let plan = browser.wait_message("Plan:").await;
    assert!(
        plan.contains("(edited)") && plan.contains("Only visible to you"),
        "{plan}"
    );
    // In place of the form, not below it.
    assert!(!browser.has_message("pick, then check the plan").await);
    browser.picture("plan").await;
    browser.press("Deploy it").await;
    browser.answer("Yes").await;
    browser.wait_message("Succeeded:").await;
    assert!(!browser.has_message("Plan:").await);
}

/// A message is shown anew when it changes: whoever types in it must not notice.
#[tokio::test]
async fn what_one_types_stays_while_the_message_changes() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let sandbox = crate::world::without_app().await;
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let message = |title: &str| {
        let element =
            json!({"type": "plain_text_input", "action_id": "ref", "initial_value": "main"});
        json!({"text": title, "blocks": [
            {"type": "header", "text": plain(title)},
            {"type": "input", "block_id": "branch", "label": plain("Branch"), "element": element},
        ]})
    };
    let ts = crate::world::say(&sandbox, &message("Before"));
    browser.open(&format!("{}/", sandbox.slack_url())).await;
    browser.wait_message("Before").await;
    let field = browser
        .client
        .find(Locator::Css(".content input.field"))
        .await
        .unwrap();
    field.send_keys("tenance").await.unwrap();
    crate::world::edit(&sandbox, &ts, &message("After"));
    browser.wait_message("After").await;
    let kept =
        "(({value, labels}) => `${labels[0].textContent}: ${value}`)(document.activeElement)";
    assert_eq!(browser.value(kept).await, json!("Branch: maintenance"));
}
