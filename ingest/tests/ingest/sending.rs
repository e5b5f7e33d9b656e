//! A queue that did not take the message, or did not answer.

use chatops_core::id::DeployId;
use chatops_core::ports::SendError;
use chatops_core::text;

use crate::actions::{ACTIONS, parse_action};
use crate::requests::{TRIGGER, command};
use crate::support::TestIngest;

const QUERIES: [&str; 4] = ["plan main deploy", "status", "history", "failed"];

#[test]
fn a_queue_that_took_nothing_is_reported() {
    let ingest = TestIngest::with_send_error(SendError::not_sent("no connection"));
    for text in ["main deploy"].into_iter().chain(QUERIES).chain(ACTIONS) {
        let answer = ingest.rejects_with(&command(text), 200);
        answer.is_to_requester("Not accepted");
        answer.is_exactly(&text::not_accepted());
        assert!(!answer.text.contains("no connection"));
        assert!(answer.log.contains("no connection"), "{}", answer.log);
    }
}

/// It will not start, whether or not it gets on record.
#[test]
fn what_a_rule_refuses_is_refused_whatever_the_queue_does() {
    for error in [SendError::not_sent("no"), SendError::unknown("no")] {
        let ingest = TestIngest::with_send_error(error);
        let answer = ingest.rejects_with(&command("feature/x deploy"), 200);
        answer.is_to_requester("Not allowed");
    }
}

#[test]
fn a_queue_that_did_not_answer_is_reported() {
    let ingest = TestIngest::with_send_error(SendError::unknown("timed out"));
    let answer = ingest.rejects_with(&command("main deploy"), 200);
    answer.is_to_requester("Could not confirm");
    let short = DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER).short_id(8);
    assert!(answer.text.contains(short.as_str()), "{}", answer.text);
    assert!(!answer.text.contains("timed out"));
    assert!(answer.log.contains("timed out"), "{}", answer.log);
}

#[test]
fn an_action_that_may_be_queued_is_reported() {
    let ingest = TestIngest::with_send_error(SendError::unknown("timed out"));
    for text in ACTIONS {
        let answer = ingest.rejects_with(&command(text), 200);
        answer.is_to_requester("Could not confirm");
        answer.is_exactly(&text::action_unconfirmed(&parse_action(text)));
        // The command to type before trying again.
        let status = format!("status {}", parse_action(text).subject());
        assert!(answer.text.contains(&status), "{}", answer.text);
        assert!(!answer.text.contains("timed out"));
        assert!(answer.log.contains("timed out"), "{}", answer.log);
    }
}

#[test]
fn a_query_that_may_be_queued_is_only_logged() {
    let ingest = TestIngest::with_send_error(SendError::unknown("timed out"));
    for text in QUERIES {
        let answer = ingest.rejects_with(&command(text), 200);
        answer.shows_nothing();
        for text in ["command not confirmed", "timed out"] {
            assert!(answer.log.contains(text), "{}", answer.log);
        }
    }
}
