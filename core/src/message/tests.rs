//! The wire forms, what comes back from them, and what is never printed.

use chrono::NaiveDate;

use super::*;
use crate::command::{self, Command, HistoryFilter, Since, Status, Verb, Who};
use crate::deploy::State;
use crate::fixtures::{
    ADDRESS, address, asker, at, id, job, message, project, start, team, user, wish,
};
use crate::id::DeployRef;
use crate::words;

fn wire<M: Serialize>(message: &M) -> String {
    Body::encode(message).unwrap().as_wire().to_owned()
}

/// A command before people were asked for by name.
const OLD: &str = r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","deploy":{"project":null,"branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"}"#;

fn question(question: Question) -> WorkMessage {
    WorkMessage::Question(Box::new(QuestionMessage {
        asker: asker(),
        question,
        asked_at: start(),
    }))
}

fn short() -> DeployRef {
    DeployRef::Short(id().short(8))
}

fn retry() -> WorkMessage {
    WorkMessage::Wish(Box::new(wish(
        Wisher::Person(asker()),
        Wish::Retry {
            deploy: short(),
            confirm: true,
            force: false,
        },
    )))
}

fn operators_cancel() -> WorkMessage {
    let name = "root".to_owned();
    let deploy = DeployRef::Full(id());
    let wish = wish(Wisher::Operator { name }, Wish::Cancel { deploy });
    WorkMessage::Wish(Box::new(wish))
}

fn event() -> WorkMessage {
    let pipeline = crate::fixtures::pipeline(7).id;
    WorkMessage::Event { pipeline }
}

fn answer() -> NoticeMessage {
    NoticeMessage::Answer(Box::new(AnswerMessage {
        to: address(),
        post: words::not_accepted(),
        until: at(1_740),
        tries: 1,
    }))
}

fn filter() -> HistoryFilter {
    let text = "history user:@ana branch:main job:deploy project:web status:failed since:1h limit:5 \
                before:f643ce10";
    match command::parse(text) {
        Ok(Command::Ask(Question::History(filter))) => filter,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wire_forms_stay_what_they_were() {
    // What lies in a queue is read by the next version; so these only ever get company.
    let deploy = WorkMessage::Deploy(Box::new(message()));
    insta::assert_snapshot!(wire(&deploy), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","deploy":{"project":null,"branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z"}"#);
    let mut bare = message();
    (bare.asker.user_name, bare.asker.reply_to) = (None, None);
    bare.deploy.project = Some(project("web"));
    insta::assert_snapshot!(wire(&WorkMessage::Deploy(Box::new(bare))), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","reply_to":null,"deploy":{"project":"web","branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&WorkMessage::Look { deploy: id() }), @r#"{"type":"look.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&WorkMessage::Retry { deploy: id() }), @r#"{"type":"retry.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&event()), @r#"{"type":"event.v1","pipeline":"00000000-0000-0000-0000-000000000007"}"#);
    insta::assert_snapshot!(wire(&NoticeMessage::Tell { deploy: id() }), @r#"{"type":"tell.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    insta::assert_snapshot!(wire(&question(Question::Plan(message().deploy))), @r#"{"type":"question.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","question":{"ask":"plan","project":null,"branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&question(Question::Status { deploy: short() })), @r#"{"type":"question.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","question":{"ask":"status","deploy":{"short":"f643ce10"}},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&question(Question::Open)), @r#"{"type":"question.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","question":{"ask":"open"},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&question(Question::History(filter()))), @r#"{"type":"question.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","question":{"ask":"history","user":{"name":"ana"},"branch":"main","job":"deploy","project":"web","status":{"standing":"failed"},"since":{"ago":{"secs":3600,"nanos":0}},"limit":5,"before":{"short":"f643ce10"}},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&question(Question::Failed { before: None })), @r#"{"type":"question.v1","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","question":{"ask":"failed","before":null},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&retry()), @r#"{"type":"wish.v1","id":"60f700be-f03a-5777-8749-494b089c4805","from":{"kind":"person","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"},"wish":{"wish":"retry","deploy":{"short":"f643ce10"},"confirm":true,"force":false},"asked_at":"2027-01-15T08:00:00Z"}"#);
    insta::assert_snapshot!(wire(&operators_cancel()), @r#"{"type":"wish.v1","id":"60f700be-f03a-5777-8749-494b089c4805","from":{"kind":"operator","name":"root"},"wish":{"wish":"cancel","deploy":{"full":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}},"asked_at":"2027-01-15T08:00:00Z"}"#);
}

#[test]
fn an_answers_wire_form_is_its_address_and_its_post() {
    // What is said is the words' own; here it matters that the rest stays as it is.
    let post = serde_json::to_string(&words::not_accepted()).unwrap();
    let wire = wire(&answer()).replace(&post, "POST");
    insta::assert_snapshot!(wire, @r#"{"type":"answer.v1","to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary","post":POST,"until":"2027-01-15T08:29:00Z","tries":1}"#);
}

#[test]
fn a_message_comes_back_as_it_went() {
    let mut filters = [HistoryFilter::default(), filter(), filter()];
    let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
    filters[2].since = Some(Since::Day(day));
    filters[2].user = Some(Who::Id(user()));
    filters[2].status = Some(Status::State(State::TriggerFailed));
    let mut all = vec![
        WorkMessage::Deploy(Box::new(message())),
        WorkMessage::Look { deploy: id() },
        WorkMessage::Retry { deploy: id() },
        event(),
        question(Question::Plan(message().deploy)),
        question(Question::Status { deploy: short() }),
        question(Question::Open),
        question(Question::Failed {
            before: Some(DeployRef::Full(id())),
        }),
        retry(),
        operators_cancel(),
    ];
    all.extend(filters.map(|filter| question(Question::History(filter))));
    for sent in all {
        let back: WorkMessage = Body::from_wire(wire(&sent)).decode().unwrap();
        assert_eq!(wire(&back), wire(&sent));
    }
    let back: NoticeMessage = Body::from_wire(wire(&answer())).decode().unwrap();
    assert_eq!(wire(&back), wire(&answer()));
}

#[test]
fn an_event_names_a_pipeline_and_nothing_else() {
    let seven = crate::fixtures::pipeline(7).id;
    let more = wire(&event()).replace('}', r#","status":"success"}"#);
    let Ok(WorkMessage::Event { pipeline }) = Body::from_wire(more).decode() else {
        panic!("it does not come back");
    };
    assert_eq!(pipeline, seven);
    for wrong in [
        r#"{"type":"event.v1"}"#,
        r#"{"type":"event.v1","pipeline":"7"}"#,
        r#"{"type":"event.v1","pipeline":7}"#,
        r#"{"type":"event.v1","pipeline":null}"#,
        r#"{"type":"event.v2","pipeline":"00000000-0000-0000-0000-000000000007"}"#,
    ] {
        let body = Body::from_wire(wrong.to_owned());
        assert!(body.decode::<WorkMessage>().is_err(), "{wrong}");
    }
}

#[test]
fn a_question_says_who_asks_what_and_where_to_answer() {
    let sent = wire(&question(Question::History(filter())));
    let Ok(WorkMessage::Question(back)) = Body::from_wire(sent).decode() else {
        panic!("it does not come back");
    };
    assert_eq!(back.question, Question::History(filter()));
    assert_eq!((back.asker.user, back.asker.team), (user(), team()));
    assert_eq!(back.asker.user_name.as_deref(), Some("ana"));
    assert_eq!(back.asker.reply_to.unwrap().expose(), ADDRESS);
}

#[test]
fn a_wish_says_who_wishes() {
    let by = |message: &WorkMessage| match Body::from_wire(wire(message)).decode() {
        Ok(WorkMessage::Wish(wish)) => (wish.from.by(), wish.wish),
        other => panic!("{other:?}"),
    };
    let (who, what) = by(&retry());
    assert_eq!(who, By::Person(user()));
    assert!(matches!(
        what,
        Wish::Retry {
            confirm: true,
            force: false,
            ..
        }
    ));
    let (who, what) = by(&operators_cancel());
    assert_eq!(who, By::Operator("root".into()));
    assert_eq!(
        (what.verb(), what.deploy()),
        (Verb::Cancel, &DeployRef::Full(id()))
    );
}

#[test]
fn what_an_earlier_version_sent_is_still_read() {
    let Ok(WorkMessage::Deploy(old)) = Body::from_wire(OLD.to_owned()).decode() else {
        panic!("it is not read");
    };
    let mut message = message();
    message.asker.user_name = None;
    assert_eq!(wire(&old), wire(&message));
    // A wish that does not speak of force does not have it.
    let sent = wire(&retry()).replace(r#","force":false"#, "");
    assert!(!sent.contains("force"));
    let Ok(WorkMessage::Wish(wish)) = Body::from_wire(sent).decode() else {
        panic!("it is not read");
    };
    assert!(matches!(wish.wish, Wish::Retry { force: false, .. }));
}

#[test]
fn what_a_later_version_adds_is_no_hindrance_and_a_new_message_is_refused() {
    let added = Body::from_wire(format!(
        r#"{{"type":"look.v1","deploy":"{}","new":true}}"#,
        id()
    ));
    assert!(added.decode::<WorkMessage>().is_ok());
    for wrong in [
        r#"{"type":"look.v2","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#,
        r#"{"type":"look.v1"}"#,
        "{}",
        "",
    ] {
        let body = Body::from_wire(wrong.to_owned());
        assert!(body.decode::<WorkMessage>().is_err(), "{wrong}");
    }
}

#[test]
fn names_are_checked_again_when_a_message_is_read() {
    for (sent, name, bad) in [
        (WorkMessage::Deploy(Box::new(message())), "main", "$(id)"),
        (question(Question::Plan(message().deploy)), "main", "$(id)"),
        (question(Question::Open), "U012ABCDEF", "<!channel>"),
        (retry(), "U012ABCDEF", "<!channel>"),
    ] {
        let forged = wire(&sent).replace(name, bad);
        assert!(forged.contains(bad));
        assert!(
            Body::from_wire(forged).decode::<WorkMessage>().is_err(),
            "{bad}"
        );
    }
}

#[test]
fn the_address_travels_and_is_never_printed() {
    let message = message();
    let work = WorkMessage::Deploy(Box::new(message.clone()));
    let body = Body::encode(&work).unwrap();
    assert!(body.as_wire().contains(ADDRESS));
    let printed = [
        format!("{message:?}"),
        format!("{message:#?}"),
        format!("{work:?}"),
        format!("{body:?}"),
        format!("{:?}", message.asker.reply_to),
        format!("{:?}", question(Question::Open)),
        format!("{:?}", retry()),
        format!("{:?}", answer()),
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
    assert_eq!(message.ask(&config).project, Some(project("web")));
    message.deploy.project = Some(project("api"));
    assert_eq!(message.ask(&config).project, Some(project("api")));
    (message.deploy.project, message.deploy.job) = (Some(project("site")), job("ship"));
    let ask = message.ask(&config);
    assert_eq!(
        (ask.project, ask.job),
        (Some(project("web")), job("deploy"))
    );
    config.default_project = None;
    message.deploy.project = None;
    assert_eq!(message.ask(&config).project, None);
}
