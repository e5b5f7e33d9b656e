//! The wire forms, reading them back, and what is never printed.

use chrono::NaiveDate;

use super::*;
use crate::command::{
    self, ChatCommand, DeployCommand, FormInput, HistoryFilter, SinceFilter, StatusFilter,
    UserFilter, Verb,
};
use crate::deploy::DeployState;
use crate::fixtures::{
    RESPONSE_URL, action, at, id, job, message, project, requester, response_url, start, team, user,
};
use crate::id::{DeployRef, RequestId};
use crate::posted::MessageTs;
use crate::text;

fn wire<M: Serialize>(message: &M) -> String {
    MessageBody::encode(message).unwrap().as_wire().to_owned()
}

/// A message from before `user_name`.
const OLD: &str = r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","deploy":{"project":null,"branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"}"#;

fn query(query: Query) -> WorkMessage {
    WorkMessage::Query(Box::new(QueryMessage {
        requester: requester(),
        query,
        requested_at: start(),
        id: None,
        in_place: false,
    }))
}

fn short() -> DeployRef {
    DeployRef::Short(id().short_id(8))
}

fn retry() -> WorkMessage {
    WorkMessage::Action(Box::new(action(
        ActionRequester::User(requester()),
        DeployAction::Retry {
            deploy: short(),
            confirm: true,
            force: false,
        },
    )))
}

fn operators_cancel() -> WorkMessage {
    let name = "root".to_owned();
    let deploy = DeployRef::Full(id());
    let action = action(
        ActionRequester::Operator { name },
        DeployAction::Cancel { deploy },
    );
    WorkMessage::Action(Box::new(action))
}

fn posted() -> PostedMessage {
    PostedMessage {
        channel: requester().channel,
        ts: MessageTs::parse("1503435956.000247").unwrap(),
    }
}

fn pressed_cancel() -> WorkMessage {
    let deploy = DeployRef::Full(id());
    let action = action(
        ActionRequester::User(requester()),
        DeployAction::Cancel { deploy },
    );
    WorkMessage::Action(Box::new(ActionMessage {
        card: Some(posted()),
        ..action
    }))
}

/// A plan's button was pressed.
fn pressed_deploy() -> WorkMessage {
    WorkMessage::Deploy(Box::new(DeployMessage {
        press: Some(RequestId::of_request("T1", "A1", "1")),
        ..message()
    }))
}

/// Plan was pressed in the form.
fn pressed_plan() -> WorkMessage {
    WorkMessage::Query(Box::new(QueryMessage {
        requester: requester(),
        query: Query::Plan(message().deploy),
        requested_at: start(),
        id: Some(RequestId::of_request("T1", "A1", "1")),
        in_place: true,
    }))
}

fn form_queries() -> [Query; 5] {
    let deploy = DeployCommand::from_words("web main deploy version=v1").unwrap();
    [
        Query::Form(FormInput::of(&deploy)),
        Query::Form(FormInput::default()),
        Query::FormMenu,
        Query::Help,
        Query::UnknownButton,
    ]
}

fn card_pressed() -> NotifyMessage {
    NotifyMessage::CardPressed {
        deploy: id(),
        card: posted(),
    }
}

fn webhook() -> WorkMessage {
    let pipeline = crate::fixtures::pipeline(7).id;
    WorkMessage::Webhook { pipeline }
}

fn query_reply() -> NotifyMessage {
    NotifyMessage::QueryReply(Box::new(QueryReply {
        response_url: response_url(),
        message: text::not_accepted(),
        expires_at: at(1_740),
        attempts: 1,
        in_place: false,
    }))
}

fn filter() -> HistoryFilter {
    let text = "history user:@ana branch:main job:deploy project:web status:failed since:1h limit:5 \
                before:f643ce10";
    match command::parse(text) {
        Ok(ChatCommand::Query(Query::History(filter))) => filter,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wire_forms_do_not_change() {
    // The next version reads what this one has sent, so these forms never change.
    let deploy = WorkMessage::Deploy(Box::new(message()));
    insta::assert_snapshot!(wire(&deploy), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","deploy":{"project":null,"branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z"}"#);
    let mut bare = message();
    (bare.requester.user_name, bare.requester.response_url) = (None, None);
    bare.deploy.project = Some(project("web"));
    insta::assert_snapshot!(wire(&WorkMessage::Deploy(Box::new(bare))), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","response_url":null,"deploy":{"project":"web","branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&WorkMessage::Poll { deploy: id() }), @r#"{"type":"poll.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&WorkMessage::Retry { deploy: id() }), @r#"{"type":"retry.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&webhook()), @r#"{"type":"webhook.v1","pipeline":"00000000-0000-0000-0000-000000000007"}"#);
    insta::assert_snapshot!(wire(&NotifyMessage::Notify { deploy: id() }), @r#"{"type":"notify.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&query(Query::Plan(message().deploy))), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"plan","project":null,"branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&query(Query::Status { deploy: short() })), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"status","deploy":{"short":"f643ce10"}},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&query(Query::InProgress)), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"in_progress"},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&query(Query::History(filter()))), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"history","user":{"name":"ana"},"branch":"main","job":"deploy","project":"web","status":{"outcome":"failed"},"since":{"ago":{"secs":3600,"nanos":0}},"limit":5,"before":{"short":"f643ce10"}},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&query(Query::Failed { before: None })), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"failed","before":null},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&retry()), @r#"{"type":"action.v1","id":"023042db-6fb9-5944-84b9-81d29a9d0c8b","requested_by":{"kind":"user","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"},"action":{"kind":"retry","deploy":{"short":"f643ce10"},"confirm":true,"force":false},"requested_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&pressed_cancel()), @r#"{"type":"action.v1","id":"023042db-6fb9-5944-84b9-81d29a9d0c8b","requested_by":{"kind":"user","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"},"action":{"kind":"cancel","deploy":{"full":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}},"requested_at":"2027-01-15T08:00:00Z","card":{"channel":"C012ABCDEF","ts":"1503435956.000247"}}"#);
    insta::assert_snapshot!(wire(&pressed_deploy()), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","deploy":{"project":null,"branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z","press":"a0265239-bd95-5a72-8e7e-0b3e7888565c"}"#);
    insta::assert_snapshot!(wire(&pressed_plan()), @r#"{"type":"query.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","query":{"kind":"plan","project":null,"branch":"main","job":"deploy"},"requested_at":"2027-01-15T08:00:00Z","id":"a0265239-bd95-5a72-8e7e-0b3e7888565c","in_place":true}"#);
    let forms = form_queries().map(|form| serde_json::to_string(&form).unwrap());
    insta::assert_snapshot!(forms.join("\n"), @r#"
    {"kind":"form","job":"web deploy","branch":"main","parameters":"version=v1"}
    {"kind":"form"}
    {"kind":"form_menu"}
    {"kind":"help"}
    {"kind":"unknown_button"}
    "#);
    insta::assert_snapshot!(wire(&card_pressed()), @r#"{"type":"card_pressed.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","card":{"channel":"C012ABCDEF","ts":"1503435956.000247"}}"#);
    insta::assert_snapshot!(wire(&operators_cancel()), @r#"{"type":"action.v1","id":"023042db-6fb9-5944-84b9-81d29a9d0c8b","requested_by":{"kind":"operator","name":"root"},"action":{"kind":"cancel","deploy":{"full":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}},"requested_at":"2027-01-15T08:00:00Z"}"#);
}

#[test]
fn the_wire_form_of_a_query_reply_is_its_url_and_its_message() {
    // The text may change; the rest may not.
    let post = serde_json::to_string(&text::not_accepted()).unwrap();
    let wire = wire(&query_reply()).replace(&post, "POST");
    insta::assert_snapshot!(wire, @r#"{"type":"query_reply.v1","response_url":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","message":POST,"expires_at":"2027-01-15T08:29:00Z","attempts":1}"#);
}

#[test]
fn a_message_is_read_back_unchanged() {
    let mut filters = [HistoryFilter::default(), filter(), filter()];
    let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
    filters[2].since = Some(SinceFilter::Day(day));
    filters[2].user = Some(UserFilter::Id(user()));
    filters[2].status = Some(StatusFilter::State(DeployState::TriggerFailed));
    let mut all = vec![
        WorkMessage::Deploy(Box::new(message())),
        WorkMessage::Poll { deploy: id() },
        WorkMessage::Retry { deploy: id() },
        webhook(),
        query(Query::Plan(message().deploy)),
        query(Query::Status { deploy: short() }),
        query(Query::InProgress),
        query(Query::Failed {
            before: Some(DeployRef::Full(id())),
        }),
        pressed_deploy(),
        pressed_plan(),
        retry(),
        operators_cancel(),
        pressed_cancel(),
    ];
    all.extend(filters.map(|filter| query(Query::History(filter))));
    for sent in all {
        let back: WorkMessage = MessageBody::from_wire(wire(&sent)).decode().unwrap();
        assert_eq!(wire(&back), wire(&sent));
    }
    let back: NotifyMessage = MessageBody::from_wire(wire(&query_reply()))
        .decode()
        .unwrap();
    assert_eq!(wire(&back), wire(&query_reply()));
    let back: NotifyMessage = MessageBody::from_wire(wire(&card_pressed()))
        .decode()
        .unwrap();
    assert_eq!(wire(&back), wire(&card_pressed()));
}

#[test]
fn a_webhook_names_a_pipeline_and_nothing_else() {
    let seven = crate::fixtures::pipeline(7).id;
    let more = wire(&webhook()).replace('}', r#","status":"success"}"#);
    let Ok(WorkMessage::Webhook { pipeline }) = MessageBody::from_wire(more).decode() else {
        panic!("it is not read back");
    };
    assert_eq!(pipeline, seven);
    for wrong in [
        r#"{"type":"webhook.v1"}"#,
        r#"{"type":"webhook.v1","pipeline":"7"}"#,
        r#"{"type":"webhook.v1","pipeline":7}"#,
        r#"{"type":"webhook.v1","pipeline":null}"#,
        r#"{"type":"webhook.v2","pipeline":"00000000-0000-0000-0000-000000000007"}"#,
    ] {
        let body = MessageBody::from_wire(wrong.to_owned());
        assert!(body.decode::<WorkMessage>().is_err(), "{wrong}");
    }
}

#[test]
fn a_query_has_the_requester_and_the_response_url() {
    let sent = wire(&query(Query::History(filter())));
    let Ok(WorkMessage::Query(back)) = MessageBody::from_wire(sent).decode() else {
        panic!("it is not read back");
    };
    assert_eq!(back.query, Query::History(filter()));
    assert_eq!((back.requester.user, back.requester.team), (user(), team()));
    assert_eq!(back.requester.user_name.as_deref(), Some("ana"));
    assert_eq!(back.requester.response_url.unwrap().expose(), RESPONSE_URL);
}

#[test]
fn an_action_says_who_requests_it() {
    let by = |message: &WorkMessage| match MessageBody::from_wire(wire(message)).decode() {
        Ok(WorkMessage::Action(action)) => (action.requested_by.acted_by(), action.action),
        other => panic!("{other:?}"),
    };
    let (who, what) = by(&retry());
    assert_eq!(who, crate::fixtures::request().requested_by());
    assert!(matches!(
        what,
        DeployAction::Retry {
            confirm: true,
            force: false,
            ..
        }
    ));
    let (who, what) = by(&operators_cancel());
    assert_eq!(
        who,
        ActedBy::Operator {
            name: "root".into()
        }
    );
    assert_eq!(
        (what.verb(), what.deploy_ref()),
        (Verb::Cancel, Some(&DeployRef::Full(id())))
    );
}

#[test]
fn only_what_is_unsigned_says_so() {
    let unsigned = Requester {
        unsigned: true,
        ..crate::fixtures::requester()
    };
    let wire = serde_json::to_string(&unsigned).unwrap();
    assert!(wire.ends_with(r#","unsigned":true}"#), "{wire}");
    let back: Requester = serde_json::from_str(&wire).unwrap();
    assert!(back.unsigned);
    let who = ActionRequester::User(back).acted_by();
    let user = crate::fixtures::qualified_user();
    assert_eq!(
        who,
        ActedBy::UnsignedUser(SlackUser {
            id: user.clone(),
            name: Some("ana".into())
        })
    );
    assert_eq!(who.user(), Some(&user));
    let signed = serde_json::to_string(&crate::fixtures::requester()).unwrap();
    assert!(!signed.contains("unsigned"), "{signed}");
}

#[test]
fn messages_of_an_earlier_version_are_read() {
    let Ok(WorkMessage::Deploy(old)) = MessageBody::from_wire(OLD.to_owned()).decode() else {
        panic!("it is not read");
    };
    let mut message = message();
    message.requester.user_name = None;
    assert_eq!(wire(&old), wire(&message));
    // Without `force`, an action has none.
    let sent = wire(&retry()).replace(r#","force":false"#, "");
    assert!(!sent.contains("force"));
    let Ok(WorkMessage::Action(action)) = MessageBody::from_wire(sent).decode() else {
        panic!("it is not read");
    };
    assert!(matches!(
        action.action,
        DeployAction::Retry { force: false, .. }
    ));
}

#[test]
fn a_new_field_is_ignored_and_a_new_message_is_refused() {
    let added = MessageBody::from_wire(format!(
        r#"{{"type":"poll.v1","deploy":"{}","new":true}}"#,
        id()
    ));
    assert!(added.decode::<WorkMessage>().is_ok());
    for wrong in [
        r#"{"type":"poll.v2","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#,
        r#"{"type":"poll.v1"}"#,
        "{}",
        "",
    ] {
        let body = MessageBody::from_wire(wrong.to_owned());
        assert!(body.decode::<WorkMessage>().is_err(), "{wrong}");
    }
}

#[test]
fn names_are_checked_again_when_a_message_is_read() {
    for (sent, name, bad) in [
        (WorkMessage::Deploy(Box::new(message())), "main", "$(id)"),
        (query(Query::Plan(message().deploy)), "main", "$(id)"),
        (query(Query::InProgress), "U012ABCDEF", "<!channel>"),
        (retry(), "U012ABCDEF", "<!channel>"),
    ] {
        let forged = wire(&sent).replace(name, bad);
        assert!(forged.contains(bad));
        assert!(
            MessageBody::from_wire(forged)
                .decode::<WorkMessage>()
                .is_err(),
            "{bad}"
        );
    }
}

#[test]
fn the_response_url_is_sent_and_never_printed() {
    let message = message();
    let work = WorkMessage::Deploy(Box::new(message.clone()));
    let body = MessageBody::encode(&work).unwrap();
    assert!(body.as_wire().contains(RESPONSE_URL));
    let printed = [
        format!("{message:?}"),
        format!("{message:#?}"),
        format!("{work:?}"),
        format!("{body:?}"),
        format!("{:?}", message.requester.response_url),
        format!("{:?}", query(Query::InProgress)),
        format!("{:?}", retry()),
        format!("{:?}", query_reply()),
    ];
    for text in printed {
        assert!(
            !text.contains("canary") && !text.contains("hooks.slack"),
            "{text}"
        );
    }
    assert!(format!("{body:?}").ends_with("bytes)"));
}

#[test]
fn a_missing_project_is_the_default_one_and_an_alias_is_its_name() {
    let mut config = crate::fixtures::config();
    let mut message = message();
    assert_eq!(
        message.deploy_request(&config).project,
        Some(project("web"))
    );
    message.deploy.project = Some(project("api"));
    assert_eq!(
        message.deploy_request(&config).project,
        Some(project("api"))
    );
    (message.deploy.project, message.deploy.job) = (Some(project("site")), job("ship"));
    let request = message.deploy_request(&config);
    assert_eq!(
        (request.project, request.job),
        (Some(project("web")), job("deploy"))
    );
    config.default_project = None;
    message.deploy.project = None;
    assert_eq!(message.deploy_request(&config).project, None);
}
