//! The template, deployed to the emulator as it is deployed to AWS: its API and its mappings drive the
//! very programs, with rights enforced, and the sandbox stands on the other side.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod operator;
mod rights;
mod stack;
mod stories;

use self::operator::Operator;
use self::stack::Stack;

/// One stack for all: it takes longer to deploy than to use. The stories share nothing but it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployed_template_does_what_is_promised() {
    let stack = Stack::deploy().await;
    stories::the_whole_story(&stack).await;
    let price = rights::calls(&stack);
    stories::slack_is_busy(&stack).await;
    let operator = Operator::new(&stack);
    tokio::join!(
        stories::tried_again_in_slack(&stack),
        operator::tries_one_again(&stack, &operator),
        operator::cancels(&stack, &operator),
        stories::sent_back_by_hand(&stack),
        stories::poison(&stack),
        stories::an_event_ends_the_wait(&stack),
        stories::nobody_is_believed_without_a_signature(&stack),
        stories::a_question(&stack),
    );
    operator::tries_all_again(&stack, &operator).await;
    operator::looks_around(&operator);
    rights::print(&price);
    rights::every_call_was_allowed_and_every_right_is_used(&stack);
}
