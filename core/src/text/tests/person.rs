//! How people are called, and that nobody is notified but by the final status.

use super::*;
use crate::command::{FormInput, Verb, parse};
use crate::deploy::DeployRequest;
use crate::deploy::decide::{RetryDecision, UnlockCause, plan_deploy};
use crate::deploy::{Notice, SlackUser};
use crate::fixtures::{
    qualified_channel, qualified_user, qualify, request, requester, start, target,
};
use crate::id::{DeployRef, QualifiedUser, RequestId};
use crate::notification::{NotificationKind, Undelivered};
use crate::ports::{DeployPage, TargetLock};
use crate::rejection::Rejection;
use crate::target::TargetRef;
use insta::assert_snapshot;

/// Asserts that it mentions nobody, or is a final status that mentions one person in its headline.
pub(super) fn check_mentions(message: &SlackMessage) {
    let is_final = message.mark.kind == MessageKind::Final;
    let text = message.to_lines().join("\n");
    assert!(
        text.matches("<@").count() <= usize::from(is_final),
        "{text}"
    );
    let headline = message.headline.to_string();
    assert_eq!(
        headline.matches("<@").count(),
        text.matches("<@").count(),
        "{text}"
    );
}

/// The configuration with these users.
fn with_users(users: &str) -> Config {
    Config::parse(&format!("{CONFIG}\n[users]\n{users}"), "chatops.toml").unwrap()
}

#[test]
fn people_are_called_as_the_configuration_names_them_else_as_slack_did() {
    let config = with_users(
        "Zoe = 'U012ABCDEF'\nAda = 'U012ABCDEF'\nteam = ['U034GHIJKL']\nBo = 'U056MNOPQR'",
    );
    let call = |id: &str, name: Option<&str>| {
        let user = SlackUser {
            id: qualify(UserId::parse(id).unwrap()),
            name: name.map(str::to_owned),
        };
        Mrkdwn::default().person(&user, &config).to_string()
    };
    // The first that is written, as it is written.
    assert_eq!(call("U012ABCDEF", Some("ana")), "Zoe");
    assert_eq!(call("U012ABCDEF", None), "Zoe");
    // A list names a group, even of one.
    assert_eq!(call("U034GHIJKL", None), "U034GHIJKL");
    assert_eq!(call("U034GHIJKL", Some("grace")), "grace");
    // A name in Slack that is somebody else's in the file.
    assert_eq!(call("U034GHIJKL", Some("bo")), "U034GHIJKL");
    assert_eq!(call("U034GHIJKL", Some("Team")), "U034GHIJKL");
    // Another workspace's user of that id is another person.
    let stranger = SlackUser {
        id: QualifiedUser::parse("T099ZZZZZZ/U012ABCDEF").unwrap(),
        name: Some("eve".to_owned()),
    };
    assert_eq!(
        Mrkdwn::default().person(&stranger, &config).to_string(),
        "eve"
    );
    let evil = call("U034GHIJKL", Some("<!channel> *bo* `x` <@U056MNOPQR>"));
    assert_snapshot!(evil.replace('\u{200b}', "\\"), @r"&lt;!channel&gt; \*bo\* 'x' …");
    let long = call("U034GHIJKL", Some(&"n".repeat(80)));
    assert!(long.chars().count() <= 32 && long.ends_with('…'), "{long}");
}

/// Every text, about a deploy and by people whose names try to mention somebody.
#[expect(clippy::too_many_lines, reason = "each text once")]
fn every_text(config: &Config) -> Vec<SlackMessage> {
    let evil = || Some("<@U0EVIL00> @here <!channel>".to_owned());
    let mut requester = requester();
    requester.user_name = evil();
    let request = DeployRequest {
        user_name: evil(),
        ..request()
    };
    let mut record = record_in(DeployState::Running);
    record.request = request.clone();
    let user = SlackUser {
        id: qualify(other()),
        name: evil(),
    };
    let by = ActedBy::User(user.clone());
    let cancel = CancelRequest {
        by: by.clone(),
        at: at(1),
    };
    record.cancel = Some(cancel.clone());
    let rejection = Rejection::Busy {
        target: target(),
        holder: another(),
        short_id: another().short_id(8),
        user: other(),
        held_by: Some(Box::new(crate::rejection::TargetHolder {
            requester: user,
            git_ref: crate::fixtures::branch("release/2"),
            build: Some(crate::fixtures::pipeline(7).url),
        })),
        since: start(),
        until: None,
        unlockable: false,
    };
    let blocked = DeployRecord {
        request: request.clone(),
        ..head_ended(
            DeployState::Rejected,
            EndReason::Rejected(rejection.clone()),
        )
    };
    let undelivered = Undelivered {
        deploy: record.id,
        kind: NotificationKind::Final,
        reason: "channel_not_found".to_owned(),
        at: at(1),
        told_later: false,
        channels: vec![],
    };
    let lock = TargetLock {
        deploy: record.id,
        since: start(),
        until: None,
    };
    let page = DeployPage {
        deploys: vec![record.clone(), blocked.clone()],
        more: None,
    };
    let typed = parse("cancel f643ce10").unwrap();
    let ChatCommand::Action(action) = typed else {
        panic!("{typed:?}")
    };
    let named = DeployRef::Short(record.short_id.clone());
    let place = TargetRef::parse("web/production").unwrap();
    let unlocked_notice = DeployRecord {
        notice: Some(Notice::Unlocked { by: by.clone() }),
        ..record.clone()
    };
    let busy = RetryDecision::NotAllowed {
        rejection: rejection.clone(),
    };
    let cause = UnlockCause::NotCanceled;
    let me = qualified_user();
    vec![
        action_accepted(&action),
        action_unconfirmed(&action),
        deploy_accepted(&request, record.id, config),
        deploy_refused(&rejection, &request, record.id, config),
        deploy_unconfirmed(&request, record.id),
        invalid_response_url(),
        no_request_id(),
        no_response_url(),
        not_accepted(),
        nothing_named(&rejection, &request, config),
        team_not_allowed(&rejection, config),
        unknown_button(config),
        action_buried(&action, config),
        already_canceling(&record, &cancel, config),
        already_dismissed(&record, &by, config),
        already_ended(&blocked, config),
        cancel_denied(&record, &rejection, config),
        cancel_requested(&record, &by, config),
        dismiss_denied(&record, &rejection, config),
        dismissed(&record, &by, config),
        not_retried(&record, &busy, config),
        nothing_to_dismiss(&record, config),
        query_buried(),
        too_many_actions(&action, 1, at(1)),
        unknown_deploy(&named, config),
        deploy_running(&record, config),
        deploy_status(&record, Some(&undelivered), config),
        deploy_status(&blocked, None, config),
        announcement(&record, true, config),
        card(&record, true, config),
        final_status(&record, true, config),
        final_status(&blocked, false, config),
        waiting_for_approval(&record, config),
        bad_command(&parse("retry").unwrap_err(), config),
        help_message(Some(Verb::Deploy), &me, &qualified_channel(), config),
        press_answer(&record, config),
        press_answer(&blocked, config),
        new_form(&me, &qualified_channel(), config),
        deploy_form(&FormInput::default(), &me, &qualified_channel(), config),
        deploy_menu(&me, &qualified_channel(), config),
        awaiting_retry(&page, config)
            .details(untold_deploys(&[(undelivered, record.clone())], config)),
        deploy_history(&crate::command::HistoryFilter::default(), &page, config),
        in_progress(&page, config),
        deploy_notice(&unlocked_notice, config),
        plan_report(
            &plan_deploy(config, request.clone()),
            Some((&lock, &record)),
            &crate::fixtures::released(&record),
            Some(PlanRequest {
                id: RequestId::of_request("T", "A", "1"),
                from_form: true,
            }),
            config,
        ),
        nothing_readable(&requester, config).details(listed_projects(&[].into(), config)),
        plan_not_readable(
            &crate::fixtures::message().deploy,
            &requester,
            &crate::fixtures::project("web"),
            &request,
            config,
        ),
        not_locked(&target(), config),
        unknown_target(&place, config),
        unlock_denied(&target(), &rejection, config),
        unlock_in_progress(&target(), &record, config),
        unlock_needs_confirm(&target(), &record, cause, config),
        unlocked(&target(), &record, cause, &by, config),
    ]
}

#[test]
fn nobody_is_mentioned_but_the_requester_in_the_final_status() {
    let config = with_users("'<@U0EVIL00>' = 'U034GHIJKL'");
    for config in [config, crate::fixtures::config()] {
        for message in every_text(&config) {
            check_mentions(&message);
        }
    }
    // Each text that there is, is among them.
    let exports = include_str!("../mod.rs").split("pub use self::").skip(1);
    let exports = exports.map(|list| list.split(';').next().unwrap());
    let exports = exports.flat_map(|list| list.split_once("::").unwrap().1.split(','));
    let names = exports.map(|name| name.trim_matches(|c: char| !c.is_alphanumeric()));
    let is_text = |name: &&str| name.starts_with(char::is_lowercase) && *name != "untold_kind";
    let here = include_str!("person.rs");
    for name in names.filter(is_text) {
        assert!(here.contains(&format!("{name}(")), "{name} is missing");
    }
}
