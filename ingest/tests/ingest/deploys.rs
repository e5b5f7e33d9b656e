//! What is queued for a deploy, and how it is acknowledged.

use chatops_core::id::DeployId;
use chatops_core::message::Requester;
use chatops_core::name::ProjectName;
use chatops_core::rejection::Rejection;
use chatops_core::secret::ResponseUrl;
use chatops_core::text;
use serde_json::json;

use crate::requests::{
    NOW, RESPONSE_URL, SECRET, SlackRequest, TRIGGER, USER_NAME, changed_form, command,
};
use crate::support::{FakeSecrets, TestIngest, one_version};

fn deploy_id(app: &str, key: &str) -> DeployId {
    DeployId::of_request("T1DC2JH3J", app, key)
}

#[test]
fn the_message_says_who_what_where_and_when() {
    // Slack's clock is behind: the message carries the moment that Slack signed.
    let ingest = TestIngest::at_time(NOW + 120, FakeSecrets::new(one_version(SECRET)));
    let answer = ingest.run(&command("  release/1   deploy "));
    answer.is_in_channel("Accepted");
    let message = ingest.queued_deploy();
    assert_eq!(message.id, deploy_id("A0001", TRIGGER));
    let requester = &message.requester;
    assert_eq!(requester.team.as_str(), "T1DC2JH3J");
    assert_eq!(requester.channel.as_str(), "G8PSS9T3V");
    assert_eq!(requester.user.as_str(), "U2CERLKJA");
    assert_eq!(message.deploy.project, None);
    assert_eq!(message.deploy.git_ref.name(), "release/1");
    assert_eq!(message.deploy.job.as_str(), "deploy");
    assert_eq!(message.requested_at.timestamp(), NOW);
    let url = requester.response_url.as_ref().map(ResponseUrl::expose);
    assert_eq!(url, Some(RESPONSE_URL));
    let post = answer.message_text();
    assert!(post.contains(message.id.short_id(8).as_str()), "{post}");
    // By name: a mention would notify whoever has just typed it.
    assert!(post.ends_with(" · roadrunner"), "{post}");
    // The response URL and the token are secret.
    assert!(!answer.text.contains("hooks.slack.com"));
    assert!(!answer.text.contains("gIkuvaNzQIHg97ATvDxqgjtO"));
}

#[test]
fn the_identity_is_the_form_that_was_signed() {
    for (name, value) in [
        ("user_id", "U0BAD"),
        ("channel_id", "C0BAD"),
        ("team_id", "T0BAD"),
    ] {
        let ingest = TestIngest::new();
        let sent = changed_form(name, Some(value)).and("X-User-Id", "U2CERLKJA");
        let answer = ingest.run_alias(&sent);
        answer.is_to_requester("Not allowed");
        let Requester {
            user,
            channel,
            team,
            ..
        } = ingest.queued_requester();
        let of = [user.as_str(), channel.as_str(), team.as_str()];
        assert!(of.contains(&value), "{of:?}");
    }
}

#[test]
fn what_the_policy_rejects_is_answered_at_once_and_queued_as_it_was_said() {
    let ingest = TestIngest::new();
    let answer = ingest.run_alias(&command("feature/x deploy"));
    answer.is_to_requester("Not allowed");
    let message = ingest.queued_deploy();
    assert!(
        matches!(message.refused, Some(refused) if matches!(*refused, Rejection::Branch { .. }))
    );
    let ingest = TestIngest::new();
    ingest.run_alias(&command("main deploy"));
    assert_eq!(ingest.queued_deploy().refused, None);
}

#[test]
fn what_names_no_project_or_job_is_answered_at_once_and_not_queued() {
    let ingest = TestIngest::new();
    for (text, meant) in [
        ("main deplyo", "/chatops main deploy"),
        ("deploy wep main deploy", "/chatops main deploy"),
        ("deploy main to production", "/chatops main deploy"),
        ("deploy elsewhere main deploy", "deploy web main deploy"),
        ("main nothing-like-it", "Here you may run"),
        ("statsu 1a2b3c4d", "/chatops status 1a2b3c4d"),
    ] {
        let answer = ingest.run_alias(&command(text));
        answer.is_to_requester("Nothing to start");
        assert!(answer.text.contains(meant), "{text}: {}", answer.text);
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn what_is_pasted_or_written_in_another_case_is_understood() {
    let plain = TestIngest::new().run(&command("main deploy")).text;
    for text in [
        "/chatops main deploy",
        "`/chatops main deploy`",
        "\u{201c}main deploy\u{201d}",
        "main DEPLOY",
        "Deploy WEB main Deploy",
        "DEPLOY Site main Ship",
    ] {
        assert_eq!(TestIngest::new().run(&command(text)).text, plain, "{text}");
    }
}

#[test]
fn without_a_trigger_id_the_response_url_identifies_the_request() {
    let ingest = TestIngest::new();
    let answer = ingest.run_alias(&changed_form("trigger_id", None));
    answer.is_in_channel("Accepted");
    assert_eq!(ingest.queued_deploy().id, deploy_id("A0001", RESPONSE_URL));

    let ingest = TestIngest::new();
    ingest
        .run_alias(&changed_form("response_url", None))
        .is_in_channel("Accepted");
    let message = ingest.queued_deploy();
    assert_eq!(message.id, deploy_id("A0001", TRIGGER));
    assert!(message.requester.response_url.is_none());
}

#[test]
fn older_requests_without_an_app_id_are_taken() {
    let ingest = TestIngest::new();
    ingest
        .run_alias(&changed_form("api_app_id", None))
        .is_in_channel("Accepted");
    assert_eq!(ingest.queued_deploy().id, deploy_id("", TRIGGER));
}

#[test]
fn a_repeated_request_is_the_same_deploy_and_a_new_one_is_not() {
    let id = |sent: &SlackRequest| {
        let ingest = TestIngest::new();
        ingest.run_alias(sent);
        ingest.queued_deploy().id
    };
    let first = id(&command("main deploy"));
    assert_eq!(id(&command("main deploy")), first);
    // Typed again, Slack gives it another trigger id.
    assert_ne!(id(&changed_form("trigger_id", Some("1.2.3"))), first);
    assert_ne!(id(&changed_form("team_id", Some("T0002"))), first);
    assert_ne!(id(&changed_form("api_app_id", Some("A0002"))), first);
}

#[test]
fn the_message_in_its_wire_form() {
    let ingest = TestIngest::new();
    ingest.run(&command("deploy web release/1 deploy"));
    let expected = json!({
        "type": "deploy.v1",
        "id": deploy_id("A0001", TRIGGER),
        "team": "T1DC2JH3J",
        "channel": "G8PSS9T3V",
        "user": "U2CERLKJA",
        "user_name": USER_NAME,
        "response_url": RESPONSE_URL,
        "deploy": {"project": "web", "branch": "release/1", "job": "deploy"},
        "requested_at": "2018-07-12T18:36:58Z",
    });
    assert_eq!(ingest.queued_json(), expected);
}

#[test]
fn ids_stay_what_they_were() {
    // With another derivation a replayed request would start a second deploy.
    let ingest = TestIngest::new();
    ingest.run(&command("main deploy"));
    insta::assert_snapshot!(ingest.queued_deploy().id, @"9a4b65e1-e046-567c-83e6-af70c99ebc12");
}

#[test]
fn an_alias_is_acknowledged_by_the_name_it_stands_for() {
    for text in [
        "main ship",
        "deploy site main deploy",
        "deploy site main ship",
    ] {
        let ingest = TestIngest::new();
        let answer = ingest.run(&command(text));
        answer.is_in_channel("Accepted");
        let post = answer.message_text();
        let named = post.contains("`deploy`") && post.contains("*web/production*");
        assert!(named, "{post}");
        assert!(!post.contains("ship") && !post.contains("site"), "{post}");
        // As typed: the worker resolves it by its own configuration.
        let deploy = ingest.queued_deploy().deploy;
        let typed = deploy.project.iter().map(ProjectName::as_str);
        let typed: Vec<_> = typed.chain(["main", deploy.job.as_str()]).collect();
        assert!(text.ends_with(&typed.join(" ")), "{text}: {typed:?}");
    }
    // The answer is the one to the name itself.
    let answer = |text| TestIngest::new().run(&command(text)).text;
    assert_eq!(answer("deploy site main ship"), answer("main deploy"));
    let rejected = TestIngest::new().run(&command("feature/x ship"));
    rejected.is_to_requester("Not allowed");
    assert!(!rejected.text.contains("ship"), "{}", rejected.text);
}

#[test]
fn the_acknowledgement_comes_from_the_text_module() {
    for (text, right) in [("main deploy", true), ("feature/x deploy", false)] {
        let ingest = TestIngest::new();
        let answer = ingest.run(&command(text));
        let message = ingest.queued_deploy();
        let request = message.deploy_request(&ingest.0.config);
        let (id, config) = (message.id, &ingest.0.config);
        let post = match &message.refused {
            None => text::deploy_accepted(&request, id, config),
            Some(refused) => text::deploy_refused(refused, &request, id, config),
        };
        assert_eq!(right, message.refused.is_none());
        answer.is_exactly(&post);
    }
}
