//! Buttons, where the app has an address for presses.

use insta::assert_snapshot;

use super::*;
use crate::command::ButtonVerb;
use crate::deploy::decide::{NewerSuccess, RetryDecision};

fn interactive() -> Config {
    let mut config = config();
    config.slack.interactivity = true;
    config
}

/// The last lines of a message, which are its buttons.
fn buttons(message: &SlackMessage) -> String {
    assert_eq!(message.link, None, "the link is a button, too");
    let lines = message.to_lines();
    lines[lines.len() - message.buttons.len()..].join(" ")
}

fn standing(state: DeployState) -> String {
    let record = record_in(state);
    let status = deploy_status(&record, None, &interactive());
    if state.is_terminal() {
        let end = final_status(&record, false, &interactive());
        assert_eq!(end.buttons, status.buttons);
    }
    buttons(&status)
}

#[test]
fn each_state_has_its_own() {
    let all = DeployState::ALL.map(|state| format!("{state}: {}", standing(state)));
    assert_snapshot!(all.join("\n"), @"
    REQUESTED: [Cancel]
    TRIGGERING: [Cancel]
    TRIGGERED: [View build] https://app.circleci.com/pipelines/github/acme/web/7 [Cancel]
    RUNNING: [View build] https://app.circleci.com/pipelines/github/acme/web/7 [Cancel]
    SUCCEEDED: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    FAILED: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    CANCELED: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    NOTHING_RAN: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    CI_ERROR: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    TRIGGER_FAILED: [Retry] [Dismiss]
    REJECTED: 
    UNRESOLVED: [It did not start: retry] [Dismiss]
    LOST_TRACK: [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn a_run_and_a_hold_can_be_canceled_once() {
    let running = record_in(DeployState::Running);
    for message in [
        deploy_running(&running, &interactive()),
        waiting_for_approval(&running, &interactive()),
    ] {
        let build = "https://app.circleci.com/pipelines/github/acme/web/7";
        assert_eq!(buttons(&message), format!("[View build] {build} [Cancel]"));
    }
    let mut canceling = running;
    canceling.cancel = Some(CancelRequest {
        by: ActedBy::User(crate::fixtures::qualified_user().into()),
        at: at(60),
    });
    let message = deploy_status(&canceling, None, &interactive());
    assert!(!buttons(&message).contains("Cancel"));
}

#[test]
fn a_confirmation_is_asked_for_by_a_button() {
    let unresolved = record_in(DeployState::Unresolved);
    let config = interactive();
    let message = not_retried(&unresolved, &RetryDecision::NeedsConfirm, &config);
    assert_eq!(buttons(&message), "[It did not start: retry]");
    let newer = NewerSuccess {
        short_id: another().short_id(8),
        request: crate::fixtures::request(),
    };
    let failed = record_in(DeployState::TriggerFailed);
    let why = RetryDecision::Superseded(newer);
    let message = not_retried(&failed, &why, &config);
    assert_eq!(buttons(&message), "[Retry anyway]");
    assert_eq!(message.buttons[0].verb, ButtonVerb::RetryConfirm);
}

#[test]
fn a_deploy_that_was_retried_or_dismissed_has_none_for_it() {
    let mut retried = record_in(DeployState::TriggerFailed);
    retried.retried_by = Some(another());
    assert_eq!(buttons(&deploy_status(&retried, None, &interactive())), "");
}

#[test]
fn the_elements_are_slacks() {
    let unresolved = record_in(DeployState::Unresolved);
    let message = final_status(&unresolved, false, &interactive());
    let json = message.to_json();
    let actions = json["blocks"].as_array().unwrap().last().unwrap();
    assert_snapshot!(serde_json::to_string_pretty(actions).unwrap(), @r#"
    {
      "elements": [
        {
          "action_id": "retry_confirm",
          "confirm": {
            "confirm": {
              "emoji": false,
              "text": "Yes",
              "type": "plain_text"
            },
            "deny": {
              "emoji": false,
              "text": "No",
              "type": "plain_text"
            },
            "text": {
              "emoji": false,
              "text": "Have you looked at CircleCI? It must not run twice.",
              "type": "plain_text"
            },
            "title": {
              "emoji": false,
              "text": "It did not start: retry",
              "type": "plain_text"
            }
          },
          "style": "danger",
          "text": {
            "emoji": false,
            "text": "It did not start: retry",
            "type": "plain_text"
          },
          "type": "button",
          "value": "f643ce10-7507-5ba4-a5e5-a01266e1559c"
        },
        {
          "action_id": "dismiss",
          "text": {
            "emoji": false,
            "text": "Dismiss",
            "type": "plain_text"
          },
          "type": "button",
          "value": "f643ce10-7507-5ba4-a5e5-a01266e1559c"
        }
      ],
      "type": "actions"
    }
    "#);
}
