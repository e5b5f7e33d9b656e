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

use self::operator::OperatorCli;
use self::stack::DeployedStack;

/// One stack for all: it takes longer to deploy than to use. The stories share nothing but it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployed_template_does_what_is_promised() {
    let stack = DeployedStack::deploy().await;
    stories::the_whole_story(&stack).await;
    let price = rights::read_calls(&stack);
    stories::slack_is_busy(&stack).await;
    let operator = OperatorCli::new(&stack);
    tokio::join!(
        stories::retried_in_slack(&stack),
        operator::retries_one(&stack, &operator),
        operator::cancels(&stack, &operator),
        stories::redriven_by_hand(&stack),
        stories::poison_is_buried(&stack),
        stories::an_event_ends_the_wait(&stack),
        stories::nothing_unsigned_is_accepted(&stack),
        stories::a_query(&stack),
        stories::a_press(&stack),
    );
    operator::retries_all(&stack, &operator).await;
    operator::reads_everything(&operator);
    rights::print_costs(&price);
    rights::every_call_was_allowed_and_every_right_is_used(&stack);
    operator::is_refused_what_is_not_theirs(&stack, &operator).await;
}
