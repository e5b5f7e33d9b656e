//! A queue that did not take the message, or did not say so.

use chatops_core::id::DeployId;
use chatops_core::ports::SendError;
use chatops_core::words;

use crate::requests::{TRIGGER, command};
use crate::support::Stage;
use crate::wishes::{WISHES, wish};

const QUESTIONS: [&str; 4] = ["plan main deploy", "status", "history", "failed"];

#[test]
fn a_queue_that_took_nothing_is_said_so() {
    let stage = Stage::failing(SendError::NotSent("no connection".to_owned()));
    for text in ["main deploy", "main unknown"]
        .into_iter()
        .chain(QUESTIONS)
        .chain(WISHES)
    {
        let answer = stage.turns_down(&command(text), 200);
        answer.is_to_asker("Not accepted");
        answer.says(&words::not_accepted());
        assert!(!answer.text.contains("no connection"));
        assert!(answer.log.contains("no connection"), "{}", answer.log);
    }
}

#[test]
fn a_queue_that_did_not_answer_is_said_so() {
    let stage = Stage::failing(SendError::Unknown("timed out".to_owned()));
    let answer = stage.turns_down(&command("main deploy"), 200);
    answer.is_to_asker("Could not confirm");
    let short = DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER).short(8);
    assert!(answer.text.contains(short.as_str()), "{}", answer.text);
    assert!(!answer.text.contains("timed out"));
    assert!(answer.log.contains("timed out"), "{}", answer.log);
}

#[test]
fn a_wish_that_may_be_queued_is_said_so() {
    let stage = Stage::failing(SendError::Unknown("timed out".to_owned()));
    for text in WISHES {
        let answer = stage.turns_down(&command(text), 200);
        answer.is_to_asker("Could not confirm");
        answer.says(&words::cannot_confirm_wish(&wish(text)));
        // Where to look before it is typed again.
        let look = format!("status {}", wish(text).deploy());
        assert!(answer.text.contains(&look), "{}", answer.text);
        assert!(!answer.text.contains("timed out"));
        assert!(answer.log.contains("timed out"), "{}", answer.log);
    }
}

#[test]
fn a_question_that_may_be_queued_is_only_logged() {
    let stage = Stage::failing(SendError::Unknown("timed out".to_owned()));
    for text in QUESTIONS {
        let answer = stage.turns_down(&command(text), 200);
        answer.shows_nothing();
        assert!(
            answer.log.contains("command not confirmed"),
            "{}",
            answer.log
        );
        assert!(answer.log.contains("timed out"), "{}", answer.log);
    }
}
