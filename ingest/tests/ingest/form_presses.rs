//! The form: what its presses ask for, and who is believed.

use chatops_core::command::{ButtonVerb, DeployCommand};
use chatops_core::id::{DeployId, QualifiedUser, RequestId};
use chatops_ingest::PRESS_PATH;
use serde_json::{Value, json};

use crate::presses::{PRESS_URL, payload, press_of};
use crate::requests::{TRIGGER, command};
use crate::support::TestIngest;

fn queued(payload: &Value) -> Value {
    let ingest = TestIngest::new();
    let answer = ingest.send(press_of(payload).to_route(PRESS_PATH));
    answer.shows_nothing();
    ingest.queued_json()
}

/// A press in the form, which only its person sees: Slack leaves the message out.
fn form_press(action_id: &str, value: &str) -> Value {
    let mut payload = payload(action_id);
    payload["message"] = Value::Null;
    payload["container"]["is_ephemeral"] = json!(true);
    payload["actions"][0]["value"] = json!(value);
    payload
}

fn filled(job: &Value, branch: &Value) -> Value {
    let option = json!({"text": {"type": "plain_text", "text": "x"}, "value": job});
    let option = if job.is_null() { Value::Null } else { option };
    json!({"values": {
        "job": {"job": {"type": "static_select", "selected_option": option}},
        "branch": {"branch": {"type": "plain_text_input", "value": branch}},
        "other": {"x": {"type": "plain_text_input", "value": "y"}},
    }})
}

fn plan_with(state: Value) -> Value {
    let mut payload = form_press("plan", "");
    payload["state"] = state;
    queued(&payload)
}

fn planned(plan: RequestId, words: &str) -> Value {
    let deploy = DeployCommand::from_words(words).unwrap();
    form_press("deploy", &ButtonVerb::planned(plan, &deploy))
}

fn any_plan() -> RequestId {
    RequestId::of_request("T1DC2JH3J", "A0001", "1.2.3")
}

#[test]
fn what_stands_in_the_form_is_planned() {
    let sent = plan_with(filled(&json!("web deploy"), &json!(" release/2 ")));
    let deploy = json!({"kind": "plan", "project": "web", "branch": "release/2", "job": "deploy"});
    assert_eq!(sent["query"], deploy);
    assert_eq!(sent["in_place"], true);
    assert_eq!(sent["response_url"], PRESS_URL);
    let id = RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER);
    assert_eq!(sent["id"], json!(id));
}

#[test]
fn a_slip_asks_for_the_form_again() {
    for (job, branch) in [
        (Value::Null, json!("main")),
        (json!("web deploy"), Value::Null),
        (json!("web deploy"), json!("two words")),
        (json!(17), json!({})),
    ] {
        let sent = plan_with(filled(&job, &branch));
        assert_eq!(sent["query"]["kind"], "form", "{job} {branch}");
        let typed = branch.as_str();
        assert_eq!(sent["query"]["branch"].as_str(), typed, "{branch}");
    }
}

#[test]
fn a_client_that_says_nothing_of_the_fields_gets_a_menu() {
    for state in [
        Value::Null,
        json!({}),
        json!({"values": {}}),
        json!({"values": {"b": {"job": 1}}}),
        json!("x"),
    ] {
        assert_eq!(
            plan_with(state.clone())["query"],
            json!({"kind": "form_menu"}),
            "{state}"
        );
    }
    // A choice in that menu is a press.
    let mut chosen = form_press("choose", "");
    chosen["actions"][0] = json!({
        "action_id": "choose", "type": "static_select",
        "selected_option": {"value": "web main deploy"},
    });
    let sent = queued(&chosen);
    assert_eq!(sent["query"]["kind"], "plan");
    assert_eq!(sent["query"]["project"], "web");
}

#[test]
fn the_way_back_and_help() {
    let back = queued(&form_press("back", "web main deploy version=v1"));
    let form = json!({
        "kind": "form", "job": "web deploy", "branch": "main", "parameters": "version=v1",
    });
    assert_eq!((&back["query"], &back["in_place"]), (&form, &json!(true)));
    // Help leaves the form where it is.
    let help = queued(&form_press("help", ""));
    assert_eq!(help["query"], json!({"kind": "help"}));
    assert_eq!(help["in_place"], Value::Null);
}

#[test]
fn a_plan_starts_one_deploy_for_its_person() {
    let plan = any_plan();
    let sent = queued(&planned(plan, "web main deploy"));
    let user = QualifiedUser::parse("T1DC2JH3J/U2CERLKJA").unwrap();
    let id = DeployId::of_plan(plan, &user, "web main deploy");
    assert_eq!(sent["type"], "deploy.v1");
    let press = RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER);
    assert_eq!((&sent["id"], &sent["press"]), (&json!(id), &json!(press)));
    assert_eq!(sent["refused"], Value::Null);
    let mut again = planned(plan, "web main deploy");
    again["trigger_id"] = json!("another.trigger");
    again["response_url"] = json!(format!("{PRESS_URL}2"));
    assert_eq!(queued(&again)["id"], sent["id"]);
    // Another plan, another person, and other words are other deploys.
    let mut by_another = planned(plan, "web main deploy");
    by_another["user"]["id"] = json!("U0666");
    let later = RequestId::of_request("T1DC2JH3J", "A0001", "4.5.6");
    for other in [
        by_another,
        planned(later, "web main deploy"),
        planned(plan, "web release/2 deploy"),
    ] {
        assert_ne!(queued(&other)["id"], sent["id"]);
    }
}

#[test]
fn what_the_button_says_is_decided_for_the_presser() {
    let mut stranger = planned(any_plan(), "web main deploy");
    stranger["user"]["id"] = json!("U0666");
    let refused = queued(&stranger);
    assert_eq!(refused["type"], "deploy.v1");
    assert!(refused["refused"].is_object(), "{refused}");
    let branch = queued(&planned(any_plan(), "web hotfix deploy"));
    assert!(branch["refused"].is_object(), "{branch}");
    // What is no longer configured is on no record: the plan says so.
    let gone = queued(&planned(any_plan(), "web main removed"));
    assert_eq!(gone["query"]["kind"], "plan");
}

#[test]
fn what_no_button_of_ours_says_is_refused() {
    for (action_id, value) in [
        ("deploy", ""),
        ("deploy", "web main deploy"),
        ("deploy", "0668e443-29ad-5564-9021-3d84198fbb4b"),
        ("deploy", "0668e443-29ad-5564-9021-3d84198fbb4b two"),
        ("back", ""),
        ("choose", "main; rm"),
    ] {
        let ingest = TestIngest::new();
        let sent = press_of(&form_press(action_id, value));
        let answer = ingest.send(sent.to_route(PRESS_PATH));
        assert_eq!(
            (answer.status.as_u16(), ingest.queued_count()),
            (400, 0),
            "{value}"
        );
    }
}

#[test]
fn nothing_typed_is_answered_with_the_form_where_presses_arrive() {
    let ingest = TestIngest::interactive();
    for text in ["", " ", "/chatops"] {
        let shown = ingest.run(&command(text)).message_json();
        assert_eq!(shown["response_type"], "ephemeral");
        assert_eq!(shown["blocks"][0]["block_id"], "form");
        assert_eq!(
            shown["blocks"][1]["element"]["initial_option"]["value"],
            "web deploy"
        );
        assert_eq!(shown["blocks"][2]["element"]["initial_value"], "main");
    }
    assert_eq!(ingest.queued_count(), 0);
}
