//! Secrets that are added while a function is warm are found by the process that runs.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_sandbox::slack::ShownMessage;
use chatops_testkit::wait_until;
use serde_json::json;

use crate::gateway::PayloadFormat;
use crate::mapping::DeliveryMode;
use crate::world::{LambdaWorld, SIGNING_SECRET, WEBHOOK_SECRET};

const BOT_TOKEN: &str = "xoxb-canary5bot5token5of5slack";

/// CircleCI's webhook reaches a process that has answered commands without its secret.
#[tokio::test]
async fn a_webhook_secret_that_is_added_is_found_by_a_warm_ingest() {
    let world = LambdaWorld::new().await;
    let signing = json!({"slack_signing_secret": SIGNING_SECRET});
    world.put_secret(&world.inbound_secret, &signing).await;
    let url = world.url(PayloadFormat::V2, "/circleci/webhook");
    world.sandbox.set_webhook(&url, Some(WEBHOOK_SECRET));
    let sent = world.request_deploy("main deploy").await;
    let both = json!({
        "slack_signing_secret": SIGNING_SECRET, "circleci_webhook_secret": WEBHOOK_SECRET,
    });
    world.put_secret(&world.inbound_secret, &both).await;
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    let answered = wait_until("the answer to the webhook", async || {
        world.webhook_answers().first().copied()
    });
    assert_eq!(answered.await, 200);
    assert_eq!(world.ingest.starts(), 1);
    world.check_logs();
}

/// The response URL is over when the deploy ends, so that only the bot can say how.
#[tokio::test]
async fn a_bot_token_that_is_added_is_found_by_a_warm_notifier() {
    let world = LambdaWorld::new().await;
    let lease = r#"delivery_lease = "5s""#;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replace(lease, &format!("{lease}\nresponse_url_ttl = \"1s\""));
    std::fs::write(world.config(), config).unwrap();
    world.builds_take(Duration::from_secs(3));
    world.notifier.warm_up().await;
    let token = json!({"slack_bot_token": BOT_TOKEN});
    world.put_secret(&world.bot_secret, &token).await;
    let sent = world.request_deploy("main deploy").await;
    {
        let mut slack = world.sandbox.slack().lock();
        slack.install_bot(BOT_TOKEN);
        slack.invite_bot("C0001");
    }
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    let slack = world.sandbox.slack().lock();
    let by_bot = |shown: &&ShownMessage| shown.response_path.starts_with("/api/");
    let shown: Vec<_> = slack.messages().iter().filter(by_bot).collect();
    assert!(
        shown
            .iter()
            .any(|one| one.shown_text().contains("*Succeeded:*")),
        "{shown:#?}"
    );
    drop(slack);
    assert_eq!(world.notifier.starts(), 1);
    world.check_logs();
}
