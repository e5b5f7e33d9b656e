//! What is queued for a deploy, and how it is acknowledged.

use chatops_core::id::{ChannelId, DeployId, TeamId, UserId};
use chatops_core::name::ProjectName;
use chatops_core::secret::ResponseUrl;
use chatops_core::words;
use serde_json::json;

use crate::requests::{ADDRESS, NOW, SECRET, Sent, TRIGGER, USER_NAME, changed, command};
use crate::support::{Keys, Stage, only};

#[test]
fn the_message_says_who_what_where_and_when() {
    // Slack's clock is behind: the message carries the moment that Slack signed.
    let stage = Stage::at(NOW + 120, Keys::new(only(SECRET)));
    let answer = stage.ask(command("  release/1   deploy ").to("/slack/commands"));
    answer.is_in_channel("Accepted");
    let message = stage.message();
    assert_eq!(
        message.id,
        DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER)
    );
    assert_eq!(message.asker.team, TeamId::parse("T1DC2JH3J").unwrap());
    assert_eq!(
        message.asker.channel,
        ChannelId::parse("G8PSS9T3V").unwrap()
    );
    assert_eq!(message.asker.user, UserId::parse("U2CERLKJA").unwrap());
    assert_eq!(message.deploy.project, None);
    assert_eq!(message.deploy.branch.as_str(), "release/1");
    assert_eq!(message.deploy.job.as_str(), "deploy");
    assert_eq!(message.asked_at.timestamp(), NOW);
    assert_eq!(
        message.asker.reply_to.as_ref().map(ResponseUrl::expose),
        Some(ADDRESS)
    );
    let post = answer.post()["text"].as_str().unwrap().to_owned();
    assert!(post.contains(message.id.short(8).as_str()), "{post}");
    assert!(post.contains("<@U2CERLKJA>"), "{post}");
    // The reply address is a secret and the token is nobody's business.
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
        let stage = Stage::new();
        let sent = changed(name, Some(value)).and("X-User-Id", "U2CERLKJA");
        let answer = stage.ask(sent.to("/chatops"));
        answer.is_to_asker("Checking");
        let message = stage.message();
        let of = [
            message.asker.user.as_str(),
            message.asker.channel.as_str(),
            message.asker.team.as_str(),
        ];
        assert!(of.contains(&value), "{of:?}");
    }
}

#[test]
fn what_the_policy_would_refuse_is_queued_and_only_the_asker_hears() {
    for text in [
        "main unknown-job",
        "feature/x deploy",
        "deploy elsewhere main deploy",
    ] {
        let stage = Stage::new();
        stage
            .ask(command(text).to("/chatops"))
            .is_to_asker("Checking");
        stage.message();
    }
}

#[test]
fn without_a_trigger_id_the_reply_address_stands_in() {
    let stage = Stage::new();
    let answer = stage.ask(changed("trigger_id", None).to("/chatops"));
    answer.is_in_channel("Accepted");
    assert_eq!(
        stage.message().id,
        DeployId::of_request("T1DC2JH3J", "A0001", ADDRESS)
    );

    let stage = Stage::new();
    stage
        .ask(changed("response_url", None).to("/chatops"))
        .is_in_channel("Accepted");
    let message = stage.message();
    assert_eq!(
        message.id,
        DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER)
    );
    assert!(message.asker.reply_to.is_none());
}

#[test]
fn older_requests_without_an_app_id_are_taken() {
    let stage = Stage::new();
    stage
        .ask(changed("api_app_id", None).to("/chatops"))
        .is_in_channel("Accepted");
    assert_eq!(
        stage.message().id,
        DeployId::of_request("T1DC2JH3J", "", TRIGGER)
    );
}

#[test]
fn a_repeated_request_is_the_same_deploy_and_a_new_one_is_not() {
    let id = |sent: &Sent| {
        let stage = Stage::new();
        stage.ask(sent.to("/chatops"));
        stage.message().id
    };
    let first = id(&command("main deploy"));
    assert_eq!(id(&command("main deploy")), first);
    // Typed again, Slack gives it another trigger id.
    assert_ne!(id(&changed("trigger_id", Some("1.2.3"))), first);
    assert_ne!(id(&changed("team_id", Some("T0002"))), first);
    assert_ne!(id(&changed("api_app_id", Some("A0002"))), first);
}

#[test]
fn the_message_in_its_wire_form() {
    let stage = Stage::new();
    stage.hears(&command("deploy web release/1 deploy"));
    let expected = json!({
        "type": "deploy.v1",
        "id": DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER),
        "team": "T1DC2JH3J",
        "channel": "G8PSS9T3V",
        "user": "U2CERLKJA",
        "user_name": USER_NAME,
        "reply_to": ADDRESS,
        "deploy": {"project": "web", "branch": "release/1", "job": "deploy"},
        "asked_at": "2018-07-12T18:36:58Z",
    });
    assert_eq!(stage.wire(), expected);
}

#[test]
fn ids_stay_what_they_were() {
    // A changed derivation would let a replayed request start a second deploy.
    let stage = Stage::new();
    stage.hears(&command("main deploy"));
    insta::assert_snapshot!(stage.message().id, @"9a4b65e1-e046-567c-83e6-af70c99ebc12");
}

#[test]
fn an_alias_is_acknowledged_by_the_name_it_stands_for() {
    for text in [
        "main ship",
        "deploy site main deploy",
        "deploy site main ship",
    ] {
        let stage = Stage::new();
        let answer = stage.hears(&command(text));
        answer.is_in_channel("Accepted");
        let post = answer.post()["text"].as_str().unwrap().to_owned();
        assert!(
            post.contains("`deploy`") && post.contains("`web`"),
            "{post}"
        );
        assert!(!post.contains("ship") && !post.contains("site"), "{post}");
        // As typed: the worker resolves it by the configuration of its moment.
        let deploy = stage.message().deploy;
        let typed = deploy.project.iter().map(ProjectName::as_str);
        let typed: Vec<_> = typed.chain(["main", deploy.job.as_str()]).collect();
        assert!(text.ends_with(&typed.join(" ")), "{text}: {typed:?}");
    }
    // The answer is the one to the name itself.
    let answer = |text| Stage::new().hears(&command(text)).text;
    assert_eq!(answer("deploy site main ship"), answer("main deploy"));
    let refused = Stage::new().hears(&command("feature/x ship"));
    refused.is_to_asker("Checking");
    assert!(!refused.text.contains("ship"), "{}", refused.text);
}

#[test]
fn the_acknowledgement_is_the_words_own() {
    for (text, right) in [("main deploy", true), ("feature/x deploy", false)] {
        let stage = Stage::new();
        let answer = stage.hears(&command(text));
        let message = stage.message();
        let (ask, short) = (message.ask(&stage.0.config), message.id.short(8));
        let post = if right {
            words::accepted
        } else {
            words::checking
        };
        answer.says(&post(&ask, &short));
    }
}
