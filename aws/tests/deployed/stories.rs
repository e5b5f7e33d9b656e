//! What happens on the deployed stack, story by story.

use chatops_core::deploy::DeployState;
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{DeployFilter, DeployReader};
use chatops_sandbox::HttpFault;
use chatops_sandbox::slack::{ButtonPress, CommandRequest, TypedCommand};
use chatops_testkit::{deploy_id, wait_until};
use serde_json::json;

use crate::stack::{DeployedStack, WEBHOOK_SECRET};

/// Command, acknowledgement, trigger, the build's URL, the end.
pub(crate) async fn the_whole_story(stack: &DeployedStack) {
    let (sent, ack) = stack.types("main deploy").await;
    assert_eq!(ack.status, Some(200));
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    let running = stack.notified(&sent, "*Running:*").await;
    assert!(running.contains("View build"), "{running}");
    stack.notified(&sent, "*Succeeded:*").await;
    let record = stack.reach(deploy_id(&sent), DeployState::Succeeded).await;
    assert_eq!(stack.count_pipelines("deploy"), 1);
    // Slack repeats a request: the same deploy, and nothing twice.
    let again = stack.sandbox.command_sender().resend(&sent).await;
    assert_eq!(again.status, Some(200));
    let quiet = async || (stack.queue_depth("WorkQueueUrl").await == 0).then_some(());
    wait_until("the work queue to be empty", quiet).await;
    assert_eq!(stack.count_pipelines("deploy"), 1);
    assert_eq!(stack.count_deploys().await, 1);
    assert_eq!(stack.reach(record.id, DeployState::Succeeded).await, record);
}

/// A deploy of a project whose newest commit skips CI, with its retry ticket in the dead-letter queue; then
/// the project has another commit.
pub(crate) async fn failed_deploy(stack: &DeployedStack, name: &str) -> CommandRequest {
    let (sent, _) = stack.types(&format!("deploy {name} main {name}")).await;
    stack.notified(&sent, "*Trigger failed:*").await;
    let id = deploy_id(&sent);
    stack.reach(id, DeployState::TriggerFailed).await;
    let placed = async || {
        let record = stack.ledger().read_deploy(id).await.unwrap()?;
        (!record.owes_ticket).then_some(())
    };
    wait_until("the ticket in the dead-letter queue", placed).await;
    stack.mend_project(name);
    sent
}

/// The sweep removes the ticket once the deploy was retried in another way.
pub(crate) async fn retried_in_slack(stack: &DeployedStack) {
    let sent = failed_deploy(stack, "press").await;
    let old = deploy_id(&sent);
    let short = stack.reach(old, DeployState::TriggerFailed).await.short_id;
    let (pressed, ack) = stack.types(&format!("retry {short}")).await;
    assert!(ack.shown.contains("Noted"), "{}", ack.shown);
    stack.notified(&pressed, "*Succeeded:*").await;
    stack.retry_of(old, DeployState::Succeeded).await;
    assert_eq!(stack.count_pipelines("press"), 1);
}

/// What SQS's own redrive does: the message goes back as it is. (The emulator has no
/// `StartMessageMoveTask`.)
pub(crate) async fn redriven_by_hand(stack: &DeployedStack) {
    let sent = failed_deploy(stack, "redrive").await;
    let old = deploy_id(&sent);
    let sqs = stack.aws.sqs();
    let dead = stack.output("WorkDlqUrl");
    let ticket = async || {
        let request = sqs.receive_message().queue_url(dead);
        let request = request.max_number_of_messages(10);
        let received = request.visibility_timeout(1).send().await.unwrap();
        let mut messages = received.messages.unwrap_or_default().into_iter();
        messages.find(|message| {
            let body = MessageBody::from_wire(message.body.clone().unwrap());
            let ticket = body.decode().ok();
            matches!(ticket, Some(WorkMessage::Retry { deploy }) if deploy == old)
        })
    };
    let ticket = wait_until("the retry ticket", ticket).await;
    let work = stack.output("WorkQueueUrl");
    let redriver = stack.redriver().sqs();
    for _ in 0..2 {
        let request = redriver.send_message().queue_url(work);
        let request = request.set_message_body(ticket.body.clone());
        request.send().await.unwrap();
    }
    let delete = sqs.delete_message().queue_url(dead);
    let delete = delete.set_receipt_handle(ticket.receipt_handle);
    delete.send().await.unwrap();
    stack.retry_of(old, DeployState::Succeeded).await;
    assert_eq!(stack.count_pipelines("redrive"), 1);
}

/// An unreadable message ends in the dead-letter queue and delays no other.
pub(crate) async fn poison_is_buried(stack: &DeployedStack) {
    let sqs = stack.aws.sqs();
    let redriver = stack.redriver().sqs();
    for (sender, queue) in [(&redriver, "WorkQueueUrl"), (&sqs, "NotifyQueueUrl")] {
        let request = sender.send_message().queue_url(stack.output(queue));
        request.message_body("poison").send().await.unwrap();
    }
    let notified = async || (stack.queue_depth("NotifyDlqUrl").await == 1).then_some(());
    wait_until("the poison in the notify-dlq", notified).await;
    let worked = async || {
        let request = sqs.receive_message().max_number_of_messages(10);
        let request = request.queue_url(stack.output("WorkDlqUrl"));
        let received = request.visibility_timeout(1).send().await.unwrap();
        let mut messages = received.messages.unwrap_or_default().into_iter();
        let found = messages.any(|message| message.body.as_deref() == Some("poison"));
        found.then_some(())
    };
    wait_until("the poison in the work-dlq", worked).await;
}

/// Slack is rate limited: the final status is posted later.
pub(crate) async fn slack_is_busy(stack: &DeployedStack) {
    let busy = HttpFault::Reject {
        status: 429,
        retry_after_s: Some(1),
        message: "rate_limited".to_owned(),
    };
    stack.sandbox.slack().fail_next(busy);
    let (sent, _) = stack.types("main status").await;
    stack.notified(&sent, "*Succeeded:*").await;
}

/// CircleCI's webhooks arrive, are verified, and only cause a poll.
pub(crate) async fn an_event_ends_the_wait(stack: &DeployedStack) {
    let url = stack.url("/circleci/webhook");
    stack.sandbox.set_webhook(&url, Some(WEBHOOK_SECRET));
    let (sent, _) = stack.types("main long").await;
    stack.notified(&sent, "*Succeeded:*").await;
    stack.reach(deploy_id(&sent), DeployState::Succeeded).await;
    let heard = async || (!stack.webhooks().is_empty()).then_some(());
    wait_until("an event", heard).await;
    let taken = stack.webhooks().iter().all(|status| *status == Some(200));
    assert!(taken, "{:?}", stack.webhooks());
}

/// Without a signature nothing is queued.
pub(crate) async fn nothing_unsigned_is_accepted(stack: &DeployedStack) {
    let client = stack.sandbox.command_sender();
    for path in ["/slack/commands", "/chatops"] {
        let typed = TypedCommand::new("main unsigned");
        let mut sent = client.prepare_command(&stack.url(path), &typed);
        sent.signed.remove_header("X-Slack-Signature");
        assert_eq!(client.send(&sent).await.status, Some(401), "{path}");
    }
    assert_eq!(stack.count_pipelines("unsigned"), 0);
}

/// A press is acknowledged as a command is, and answered to the presser.
pub(crate) async fn a_press(stack: &DeployedStack) {
    let press = ButtonPress {
        user_id: "U0001".to_owned(),
        user_name: "ada".to_owned(),
        channel_id: "C0001".to_owned(),
        message_ts: None,
        blocks: json!([]),
        action_id: "cancel".to_owned(),
        value: Some("0668e443-29ad-5564-9021-3d84198fbb4b".to_owned()),
        state: serde_json::json!({}),
    };
    let sender = stack.sandbox.command_sender();
    let sent = sender.prepare_press(&stack.url("/slack/interactions"), &press);
    assert_eq!(sender.send_press(&sent).await, Some(200));
    stack.notified(&sent, "*Not found:*").await;
}

/// Ingest answers help at once, the worker a query.
pub(crate) async fn a_query(stack: &DeployedStack) {
    let (_, ack) = stack.types("help").await;
    assert!(ack.shown.contains("/chatops"), "{}", ack.shown);
    let (sent, _) = stack.types("history job:deploy").await;
    stack.notified(&sent, "deploy on main → web/deploy").await;
    let (ledger, all) = (stack.ledger(), DeployFilter::default());
    let page = ledger.list_deploys(&all, None, 1).await.unwrap();
    let short = &page.deploys[0].short_id;
    let (sent, _) = stack.types(&format!("status {short}")).await;
    stack.notified(&sent, &format!("`{short}`")).await;
}
