//! What happens on the deployed stack, story by story.

use chatops_core::deploy::State;
use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{Filter, Store};
use chatops_sandbox::Fault;
use chatops_sandbox::slack::{Sent, Typed};
use chatops_testbed::{deploy_id, until};

use crate::stack::{Stack, WEBHOOK_SECRET};

/// Command, acknowledgement, trigger, the build's address, the end.
pub(crate) async fn the_whole_story(stack: &Stack) {
    let (sent, ack) = stack.types("main deploy").await;
    assert_eq!(ack.status, Some(200));
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    let running = stack.told(&sent, "*Running:*").await;
    assert!(running.contains("View build"), "{running}");
    stack.told(&sent, "*Succeeded:*").await;
    let head = stack.head(deploy_id(&sent), State::Succeeded).await;
    assert_eq!(stack.pipelines("deploy"), 1);
    // Slack repeats a request: the same deploy, and nothing twice.
    let again = stack.sandbox.client().resend(&sent).await;
    assert_eq!(again.status, Some(200));
    let quiet = async || (stack.depth("WorkQueueUrl").await == 0).then_some(());
    until("the work queue to be empty", quiet).await;
    assert_eq!(stack.pipelines("deploy"), 1);
    assert_eq!(stack.deploys().await, 1);
    assert_eq!(stack.head(head.id, State::Succeeded).await, head);
}

/// A deploy of a project that CircleCI does not have yet, and whose order is in the dead-letter
/// queue; then CircleCI has it.
pub(crate) async fn failed(stack: &Stack, name: &str) -> Sent {
    let (sent, _) = stack.types(&format!("deploy {name} main {name}")).await;
    stack.told(&sent, "*Not started:*").await;
    let head = stack.head(deploy_id(&sent), State::TriggerFailed).await;
    let placed = async || {
        let head = stack.store().head(head.id).await.unwrap()?;
        (!head.owes_order).then_some(())
    };
    until("the order in the dead-letter queue", placed).await;
    stack.add_project(name);
    sent
}

/// The order is removed by the sweep once the deploy was tried again in another way.
pub(crate) async fn tried_again_in_slack(stack: &Stack) {
    let sent = failed(stack, "press").await;
    let old = deploy_id(&sent);
    let short = stack.head(old, State::TriggerFailed).await.short;
    let (pressed, ack) = stack.types(&format!("retry {short}")).await;
    assert!(ack.shown.contains("Noted"), "{}", ack.shown);
    stack.told(&pressed, "*Succeeded:*").await;
    stack.retry_of(old, State::Succeeded).await;
    assert_eq!(stack.pipelines("press"), 1);
}

/// What SQS's own redrive does: the message goes back as it is. (The emulator has no
/// `StartMessageMoveTask`.)
pub(crate) async fn sent_back_by_hand(stack: &Stack) {
    let sent = failed(stack, "redrive").await;
    let old = deploy_id(&sent);
    let sqs = stack.aws.sqs();
    let dead = stack.output("WorkDeadQueueUrl");
    let order = async || {
        let request = sqs
            .receive_message()
            .queue_url(dead)
            .max_number_of_messages(10);
        let received = request.visibility_timeout(1).send().await.unwrap();
        received
            .messages
            .unwrap_or_default()
            .into_iter()
            .find(|message| {
                let body = Body::from_wire(message.body.clone().unwrap());
                let order = body.decode().ok();
                matches!(order, Some(WorkMessage::Retry { deploy }) if deploy == old)
            })
    };
    let order = until("the order", order).await;
    let work = stack.output("WorkQueueUrl");
    for _ in 0..2 {
        let request = sqs.send_message().queue_url(work);
        request
            .set_message_body(order.body.clone())
            .send()
            .await
            .unwrap();
    }
    let delete = sqs.delete_message().queue_url(dead);
    delete
        .set_receipt_handle(order.receipt_handle)
        .send()
        .await
        .unwrap();
    stack.retry_of(old, State::Succeeded).await;
    assert_eq!(stack.pipelines("redrive"), 1);
}

/// What nobody can read ends in the dead-letter queue, and holds nobody up.
pub(crate) async fn poison(stack: &Stack) {
    let sqs = stack.aws.sqs();
    for queue in ["WorkQueueUrl", "NoticeQueueUrl"] {
        let request = sqs.send_message().queue_url(stack.output(queue));
        request.message_body("poison").send().await.unwrap();
    }
    let told = async || (stack.depth("NoticeDeadQueueUrl").await == 1).then_some(());
    until("the poison in the notices' dead-letter queue", told).await;
    let worked = async || {
        let request = sqs.receive_message().max_number_of_messages(10);
        let request = request.queue_url(stack.output("WorkDeadQueueUrl"));
        let received = request.visibility_timeout(1).send().await.unwrap();
        let received = received.messages.unwrap_or_default();
        let poison = |body: &str| body == "poison";
        received
            .iter()
            .any(|message| message.body.as_deref().is_some_and(poison))
            .then_some(())
    };
    until("the poison in the work's dead-letter queue", worked).await;
}

/// Slack has no time: the final word is said later.
pub(crate) async fn slack_is_busy(stack: &Stack) {
    let busy = Fault::Refuse {
        status: 429,
        retry_after_s: Some(1),
        message: "rate_limited".to_owned(),
    };
    stack.sandbox.slack().fail_next(busy);
    let (sent, _) = stack.types("main status").await;
    stack.told(&sent, "*Succeeded:*").await;
}

/// CircleCI's events arrive, are believed, and are only a reason to look.
pub(crate) async fn an_event_ends_the_wait(stack: &Stack) {
    let url = stack.url("/circleci/webhook");
    stack.sandbox.hear_circleci(&url, Some(WEBHOOK_SECRET));
    let (sent, _) = stack.types("main long").await;
    stack.told(&sent, "*Succeeded:*").await;
    stack.head(deploy_id(&sent), State::Succeeded).await;
    let heard = async || (!stack.webhooks().is_empty()).then_some(());
    until("an event", heard).await;
    let taken = stack.webhooks().iter().all(|status| *status == Some(200));
    assert!(taken, "{:?}", stack.webhooks());
}

/// Without a signature nothing is queued.
pub(crate) async fn nobody_is_believed_without_a_signature(stack: &Stack) {
    let client = stack.sandbox.client();
    for path in ["/slack/commands", "/chatops"] {
        let mut sent = client.compose(&stack.url(path), &Typed::new("main unsigned"));
        sent.signed.remove("X-Slack-Signature");
        assert_eq!(client.send(&sent).await.status, Some(401), "{path}");
    }
    assert_eq!(stack.pipelines("unsigned"), 0);
}

/// Help is answered at once, a question by the worker.
pub(crate) async fn a_question(stack: &Stack) {
    let (_, ack) = stack.types("help").await;
    assert!(ack.shown.contains("/chatops"), "{}", ack.shown);
    let (sent, _) = stack.types("history job:deploy").await;
    stack.told(&sent, "`deploy` `main`").await;
    let page = stack
        .store()
        .list(&Filter::default(), None, 1)
        .await
        .unwrap();
    let short = &page.deploys[0].short;
    let (sent, _) = stack.types(&format!("status {short}")).await;
    stack.told(&sent, &format!("`{short}`")).await;
}
