//! The notifier with its bot: when it posts, and what happens when its token is refused.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Actor;
use chatops_core::deploy::{Ask, Head, State};
use chatops_core::id::{ChannelId, DeployId, ShortId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::message::{Body, NoticeMessage};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{
    Clock, CommitError, Conflict, Delivery, Lane, Queue, QueueError, Receipt, Replies, SendError,
    StoreError,
};
use chatops_core::reply::{Kind, Reply, Telling};
use chatops_notifier::{Notifier, SlackClient};
use chrono::{DateTime, TimeDelta};
use tokio::net::TcpListener;

use crate::bot::{TOKEN, Tokens, slack};
use crate::log;
use crate::support::{PATH, answer, config, is_left_alone, serve};

fn at(seconds: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn id() -> DeployId {
    DeployId::of_request("T0001", "A0001", "1.2.3")
}

fn head() -> Head {
    let ask = Ask {
        team: TeamId::parse("T0001").unwrap(),
        channel: ChannelId::parse("C0001").unwrap(),
        user: UserId::parse("U0001").unwrap(),
        user_name: None,
        project: Some(ProjectName::parse("web").unwrap()),
        branch: BranchName::parse("main").unwrap(),
        job: JobName::parse("deploy").unwrap(),
        asked_at: at(0),
    };
    let by = Actor::Person(ask.user.clone());
    let name = (id(), id().short(ShortId::USUAL));
    let (head, _) = machine::begin(name, ask, None, at(600), by, at(0));
    Head {
        state: State::Running,
        ..head
    }
}

/// One deploy's item, and the time.
#[derive(Debug)]
struct Desk {
    item: Mutex<Reply>,
    now: Mutex<Time>,
    /// How long the reminders wait.
    reminders: Mutex<Vec<Duration>>,
}

impl Desk {
    fn telling(&self, kind: Kind) -> Telling {
        self.item.lock().unwrap().telling(kind).clone()
    }
}

impl Replies for &Desk {
    async fn told_head(&self, _: DeployId) -> Result<Option<Head>, StoreError> {
        Ok(Some(head()))
    }

    async fn reply(&self, _: DeployId) -> Result<Option<Reply>, StoreError> {
        Ok(Some(self.item.lock().unwrap().clone()))
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let mut item = self.item.lock().unwrap();
        if reply.version != item.version + 1 {
            return Err(CommitError::Conflict(Conflict::Version));
        }
        *item = reply;
        Ok(())
    }
}

impl Clock for &Desk {
    fn now(&self) -> Time {
        *self.now.lock().unwrap()
    }
}

impl Queue for &Desk {
    async fn send(&self, lane: Lane, _: &Body, delay: Duration) -> Result<(), SendError> {
        assert_eq!(lane, Lane::Notice);
        self.reminders.lock().unwrap().push(delay);
        Ok(())
    }

    async fn receive(&self, _: Lane, _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        panic!("the notifier receives nothing")
    }

    async fn delete(&self, _: Lane, _: &Receipt) -> Result<(), QueueError> {
        panic!("the notifier deletes nothing")
    }

    async fn release(&self, _: Lane, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        panic!("the notifier releases nothing")
    }
}

/// A Slack, what the notifier keeps, and its token.
struct Stage {
    listener: TcpListener,
    origin: String,
    desk: Desk,
    tokens: Tokens,
}

impl Stage {
    /// `kind` is owed; the address lasts for 29 minutes.
    async fn new(kind: Kind, tokens: Tokens) -> Self {
        log::listen();
        let (listener, origin) = slack().await;
        let address = serde_json::from_value(format!("{origin}{PATH}").into()).unwrap();
        let mut item = Reply::open(id(), Some(address), at(1_740));
        item.owe(kind, at(0));
        Self {
            listener,
            origin,
            desk: Desk {
                item: Mutex::new(item),
                now: Mutex::new(at(0)),
                reminders: Mutex::default(),
            },
            tokens,
        }
    }

    /// Deals with a notice at that moment, `bot` or not; Slack answers these calls, and no others.
    /// What was asked of it: the first line of each, and the token.
    async fn tell(&self, now: Time, bot: bool, answers: &[&str]) -> Vec<(String, Option<String>)> {
        *self.desk.now.lock().unwrap() = now;
        let config = config(&self.origin, "");
        let notifier = Notifier {
            replies: &self.desk,
            queue: &self.desk,
            chat: SlackClient::new(&config.slack, &config.times, &self.tokens).unwrap(),
            clock: &self.desk,
            config: Arc::new(config),
            bot,
        };
        let body = Body::encode(&NoticeMessage::Tell { deploy: id() }).unwrap();
        let calls = async {
            let mut calls = vec![];
            for answer in answers {
                calls.push(serve(&self.listener, answer).await);
            }
            calls
        };
        let (handled, calls) = tokio::join!(notifier.handle(&body), calls);
        handled.unwrap();
        log::heard();
        calls.iter().map(|call| asked(call)).collect()
    }
}

fn asked(call: &str) -> (String, Option<String>) {
    let (head, _) = call.split_once("\r\n\r\n").unwrap();
    let token = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let is_token = name.eq_ignore_ascii_case("authorization");
        is_token.then(|| value.to_owned())
    };
    let first = head.lines().next().unwrap().to_owned();
    (first, head.lines().find_map(token))
}

fn yes() -> String {
    answer("200 OK", "", r#"{"ok":true}"#)
}

fn no(error: &str) -> String {
    answer(
        "200 OK",
        "",
        &format!(r#"{{"ok":false,"error":"{error}"}}"#),
    )
}

const BY_ADDRESS: &str = "POST /commands/T0001/1/canary HTTP/1.1";
const BY_BOT: &str = "POST /api/chat.postMessage HTTP/1.1";

/// The call of the bot with this token.
fn by_bot(token: &str) -> (String, Option<String>) {
    (BY_BOT.to_owned(), Some(format!("Bearer {token}")))
}

#[tokio::test]
async fn while_the_address_lasts_the_bot_is_silent() {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, Tokens::new(Some(TOKEN), None)).await;
        let asked = stage.tell(at(1_739), true, &[&yes()]).await;
        assert_eq!(asked, [(BY_ADDRESS.to_owned(), None)]);
        let told = Telling::Told { at: at(1_739) };
        assert_eq!(stage.desk.telling(kind), told);
        is_left_alone(stage.listener);
    }
}

#[tokio::test]
async fn then_it_is_the_bots_or_nobodys() {
    for kind in Kind::ALL {
        let stage = Stage::new(kind, Tokens::new(Some(TOKEN), None)).await;
        let asked = stage.tell(at(1_740), true, &[&yes()]).await;
        assert_eq!(asked, [by_bot(TOKEN)]);
        assert_eq!(stage.desk.telling(kind), Telling::Told { at: at(1_740) });
        is_left_alone(stage.listener);

        let stage = Stage::new(kind, Tokens::new(None, None)).await;
        assert!(stage.tell(at(1_740), false, &[]).await.is_empty());
        let why = "the reply address has expired".to_owned();
        assert_eq!(stage.desk.telling(kind), Telling::Undeliverable { why });
        is_left_alone(stage.listener);
    }
}

#[tokio::test]
async fn an_address_that_is_used_up_leaves_it_to_the_bot() {
    let stage = Stage::new(Kind::Final, Tokens::new(Some(TOKEN), None)).await;
    stage.desk.item.lock().unwrap().uses = 5;
    let asked = stage.tell(at(9), true, &[&yes()]).await;
    assert_eq!(asked, [by_bot(TOKEN)]);
    assert_eq!(stage.desk.item.lock().unwrap().bot_uses, 1);
    is_left_alone(stage.listener);
}

#[tokio::test]
async fn a_refused_token_is_read_afresh_and_the_post_tried_again_after_thirty_seconds() {
    for word in ["invalid_auth", "token_revoked"] {
        for kind in Kind::ALL {
            let tokens = Tokens::new(Some("xoxb-old-canary"), Some(TOKEN));
            let stage = Stage::new(kind, tokens).await;
            let asked = stage.tell(at(1_800), true, &[&no(word)]).await;
            assert_eq!(asked, [by_bot("xoxb-old-canary")]);
            let owed = Telling::Owed { from: at(1_830) };
            assert_eq!(stage.desk.telling(kind), owed);
            let reminders = stage.desk.reminders.lock().unwrap().clone();
            assert_eq!(reminders, [Duration::from_secs(30)]);
            // A reminder that comes early finds nothing to do.
            assert!(stage.tell(at(1_829), true, &[]).await.is_empty());
            assert_eq!(stage.tokens.refreshes.load(Ordering::Relaxed), 0);
            // It is read as late as can be, by whichever process posts.
            let asked = stage.tell(at(1_830), true, &[&yes()]).await;
            assert_eq!(asked, [by_bot(TOKEN)]);
            assert_eq!(stage.tokens.refreshes.load(Ordering::Relaxed), 1);
            assert_eq!(stage.desk.telling(kind), Telling::Told { at: at(1_830) });
            is_left_alone(stage.listener);
        }
    }
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_given_up() {
    // Whether reading it afresh finds the same one or fails.
    for stored in [Some(TOKEN), None] {
        let stage = Stage::new(Kind::Final, Tokens::new(Some(TOKEN), stored)).await;
        stage.tell(at(1_800), true, &[&no("token_revoked")]).await;
        let asked = stage.tell(at(1_830), true, &[&no("token_revoked")]).await;
        assert_eq!(asked, [by_bot(TOKEN)]);
        assert_eq!(stage.tokens.refreshes.load(Ordering::Relaxed), 1);
        let why = "token_revoked".to_owned();
        let end = Telling::Undeliverable { why };
        assert_eq!(stage.desk.telling(Kind::Final), end);
        assert!(stage.tell(at(9_999), true, &[]).await.is_empty());
        is_left_alone(stage.listener);
    }
}

#[tokio::test]
async fn a_conversation_that_takes_no_bot_is_on_record() {
    for word in ["channel_not_found", "not_in_channel", "is_archived"] {
        let stage = Stage::new(Kind::Final, Tokens::new(Some(TOKEN), None)).await;
        stage.tell(at(1_800), true, &[&no(word)]).await;
        let why = word.to_owned();
        let end = Telling::Undeliverable { why };
        assert_eq!(stage.desk.telling(Kind::Final), end);
        assert!(stage.desk.reminders.lock().unwrap().is_empty());
        is_left_alone(stage.listener);
    }
}

#[tokio::test]
async fn the_bot_waits_as_long_as_slack_asks() {
    let busy = answer("429 Too Many Requests", "retry-after: 45\r\n", "");
    let stage = Stage::new(Kind::Final, Tokens::new(Some(TOKEN), None)).await;
    stage.tell(at(1_800), true, &[&busy]).await;
    let owed = Telling::Owed { from: at(1_845) };
    assert_eq!(stage.desk.telling(Kind::Final), owed);
    stage.tell(at(1_845), true, &[&yes()]).await;
    let told = Telling::Told { at: at(1_845) };
    assert_eq!(stage.desk.telling(Kind::Final), told);
    is_left_alone(stage.listener);
}
