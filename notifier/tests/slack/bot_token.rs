//! The notifier with its bot: when it posts, and what it does after a rejected token.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::AuditActor;
use chatops_core::deploy::machine;
use chatops_core::deploy::{DeployRecord, DeployRequest, DeployState};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::{MessageBody, NotifyMessage};
use chatops_core::notification::NotificationKind::{self, Final};
use chatops_core::notification::{DeliveryStatus, NotificationRecord, PostResult};
use chatops_core::ports::{
    Clock, CommitError, Conflict, LedgerError, Perform, PostMessage, QueueName, ReadDeploy,
    ReadNotification, RenewToken, SaveNotification, SendError, SendMessage,
};
use chatops_notifier::{Notifier, SlackClient};
use chrono::{DateTime, TimeDelta};
use serde_json::json;
use tokio::net::TcpListener;

use crate::bot::{FakeTokens, TOKEN, listen_as_slack, usual_token};
use crate::log;
use crate::support::{
    PATH, assert_no_call, config, error_response, ok_response, raw_response, serve_once,
};

fn time_at(seconds: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn deploy_id() -> DeployId {
    DeployId::of_request("T0001", "A0001", "1.2.3")
}

fn deploy_record() -> DeployRecord {
    let request: DeployRequest = serde_json::from_value(json!({
        "team": "T0001", "channel": "C0001", "user": "U0001", "requested_at": time_at(0),
        "project": "web", "branch": "main", "job": "deploy",
    }))
    .unwrap();
    let by = AuditActor::User(request.qualified_user());
    let name = (deploy_id(), deploy_id().short_id(ShortId::USUAL));
    let (record, _) = machine::begin_deploy(name, request, None, time_at(600), by, time_at(0));
    DeployRecord {
        state: DeployState::Running,
        ..record
    }
}

/// One deploy's notification record, and the time.
#[derive(Debug)]
struct FakePorts {
    record: Mutex<NotificationRecord>,
    now: Mutex<Time>,
    /// The delays of the wake-ups.
    wake_ups: Mutex<Vec<Duration>>,
}

impl FakePorts {
    fn delivery(&self, kind: NotificationKind) -> DeliveryStatus {
        self.record.lock().unwrap().delivery(kind).clone()
    }
}

/// The ports of one run: the deploy and its record, and Slack over HTTP.
struct TestPorts<'a> {
    fake: Arc<FakePorts>,
    slack: SlackClient<&'a FakeTokens>,
}

type Stored<T> = Result<Option<T>, LedgerError>;

impl Perform<ReadDeploy> for TestPorts<'_> {
    async fn perform(&self, _: ReadDeploy) -> Stored<DeployRecord> {
        Ok(Some(deploy_record()))
    }
}

impl Perform<ReadNotification> for TestPorts<'_> {
    async fn perform(&self, _: ReadNotification) -> Stored<NotificationRecord> {
        Ok(Some(self.fake.record.lock().unwrap().clone()))
    }
}

impl Perform<SaveNotification> for TestPorts<'_> {
    async fn perform(&self, SaveNotification(next): SaveNotification) -> Result<(), CommitError> {
        let mut record = self.fake.record.lock().unwrap();
        if next.version != record.version + 1 {
            return Err(CommitError::Conflict(Conflict::StaleVersion));
        }
        *record = next;
        Ok(())
    }
}

impl Perform<SendMessage> for TestPorts<'_> {
    async fn perform(&self, send: SendMessage) -> Result<(), SendError> {
        assert_eq!(send.message.queue(), QueueName::Notify);
        self.fake.wake_ups.lock().unwrap().push(send.delay);
        Ok(())
    }
}

impl Perform<PostMessage> for TestPorts<'_> {
    async fn perform(&self, post: PostMessage) -> PostResult {
        self.slack.perform(post).await
    }
}

impl Perform<RenewToken> for TestPorts<'_> {
    async fn perform(&self, renew: RenewToken) {
        self.slack.perform(renew).await;
    }
}

impl Clock for FakePorts {
    fn now(&self) -> Time {
        *self.now.lock().unwrap()
    }
}

/// Slack, and the ports and tokens of the notifier.
struct TestNotifier {
    listener: TcpListener,
    origin: String,
    ports: Arc<FakePorts>,
    tokens: FakeTokens,
}

impl TestNotifier {
    /// `kind` is pending; the response URL lasts for 29 minutes.
    async fn new(kind: NotificationKind, tokens: FakeTokens) -> Self {
        log::capture_log();
        let (listener, origin) = listen_as_slack().await;
        let address = serde_json::from_value(format!("{origin}{PATH}").into()).unwrap();
        let mut record = NotificationRecord::open(deploy_id(), Some(address), time_at(1_740));
        record.request_delivery(kind, time_at(0));
        Self {
            listener,
            origin,
            ports: Arc::new(FakePorts {
                record: Mutex::new(record),
                now: Mutex::new(time_at(0)),
                wake_ups: Mutex::default(),
            }),
            tokens,
        }
    }

    /// Handles a wake-up at that time, with a bot or not; Slack answers exactly these calls. Returns
    /// the first line of each call, and its token.
    async fn notify(&self, now: i64, has_bot: bool, answers: &[&str]) -> Vec<Call> {
        *self.ports.now.lock().unwrap() = time_at(now);
        let config = config(&self.origin, "");
        let notifier = Notifier {
            ports: TestPorts {
                fake: Arc::clone(&self.ports),
                slack: SlackClient::new(&config.slack, &config.timeouts, &self.tokens).unwrap(),
            },
            clock: Arc::clone(&self.ports) as Arc<dyn Clock>,
            config: Arc::new(config),
            has_bot,
        };
        let deploy = deploy_id();
        let body = MessageBody::encode(&NotifyMessage::Notify { deploy }).unwrap();
        let mut calls = vec![];
        let served = async {
            for answer in answers {
                calls.push(request_and_token(&serve_once(&self.listener, answer).await));
            }
        };
        tokio::join!(notifier.handle(&body), served).0.unwrap();
        log::take_log();
        calls
    }
}

/// The first line of a call, and its token.
type Call = (String, Option<String>);

fn request_and_token(call: &str) -> Call {
    let (head, _) = call.split_once("\r\n\r\n").unwrap();
    let token = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let is_token = name.eq_ignore_ascii_case("authorization");
        is_token.then(|| value.to_owned())
    };
    let first = head.lines().next().unwrap().to_owned();
    (first, head.lines().find_map(token))
}

fn delivered(seconds: i64) -> DeliveryStatus {
    let at = time_at(seconds);
    DeliveryStatus::Delivered { at }
}

fn pending(seconds: i64) -> DeliveryStatus {
    let from = time_at(seconds);
    DeliveryStatus::Pending { from }
}

fn failed(reason: &str) -> DeliveryStatus {
    let reason = reason.to_owned();
    DeliveryStatus::Failed { reason }
}

const BY_RESPONSE_URL: &str = "POST /commands/T0001/1/canary HTTP/1.1";
const BY_BOT: &str = "POST /api/chat.postMessage HTTP/1.1";

/// The call of the bot with this token.
fn bot_call(token: &str) -> Call {
    (BY_BOT.to_owned(), Some(format!("Bearer {token}")))
}

#[tokio::test]
async fn while_the_response_url_lasts_the_bot_does_not_post() {
    for kind in NotificationKind::ALL {
        let notifier = TestNotifier::new(kind, usual_token()).await;
        let calls = notifier.notify(1_739, true, &[&ok_response()]).await;
        assert_eq!(calls, [(BY_RESPONSE_URL.to_owned(), None)]);
        assert_eq!(notifier.ports.delivery(kind), delivered(1_739));
        assert_no_call(notifier.listener);
    }
}

#[tokio::test]
async fn then_the_bot_posts_or_nobody() {
    for kind in NotificationKind::ALL {
        let notifier = TestNotifier::new(kind, usual_token()).await;
        let calls = notifier.notify(1_740, true, &[&ok_response()]).await;
        assert_eq!(calls, [bot_call(TOKEN)]);
        assert_eq!(notifier.ports.delivery(kind), delivered(1_740));
        assert_no_call(notifier.listener);

        let notifier = TestNotifier::new(kind, FakeTokens::new(None, None)).await;
        assert!(notifier.notify(1_740, false, &[]).await.is_empty());
        let end = failed("the response URL has expired");
        assert_eq!(notifier.ports.delivery(kind), end);
        assert_no_call(notifier.listener);
    }
}

#[tokio::test]
async fn after_a_used_up_response_url_the_bot_posts() {
    let notifier = TestNotifier::new(Final, usual_token()).await;
    notifier.ports.record.lock().unwrap().response_url_uses = 5;
    let calls = notifier.notify(9, true, &[&ok_response()]).await;
    assert_eq!(calls, [bot_call(TOKEN)]);
    assert_eq!(notifier.ports.record.lock().unwrap().bot_attempts, 1);
    assert_no_call(notifier.listener);
}

#[tokio::test]
async fn a_rejected_token_is_refreshed_and_the_post_retried_after_thirty_seconds() {
    for word in ["invalid_auth", "token_revoked"] {
        for kind in NotificationKind::ALL {
            let tokens = FakeTokens::new(Some("xoxb-old-canary"), Some(TOKEN));
            let notifier = TestNotifier::new(kind, tokens).await;
            let calls = notifier.notify(1_800, true, &[&error_response(word)]).await;
            assert_eq!(calls, [bot_call("xoxb-old-canary")]);
            assert_eq!(notifier.ports.delivery(kind), pending(1_830));
            let wake_ups = notifier.ports.wake_ups.lock().unwrap().clone();
            assert_eq!(wake_ups, [Duration::from_secs(30)]);
            // An early wake-up finds nothing to do.
            assert!(notifier.notify(1_829, true, &[]).await.is_empty());
            assert_eq!(notifier.tokens.refreshes.load(Ordering::Relaxed), 0);
            // It is refreshed just before the post, by whichever process posts.
            let calls = notifier.notify(1_830, true, &[&ok_response()]).await;
            assert_eq!(calls, [bot_call(TOKEN)]);
            assert_eq!(notifier.tokens.refreshes.load(Ordering::Relaxed), 1);
            assert_eq!(notifier.ports.delivery(kind), delivered(1_830));
            assert_no_call(notifier.listener);
        }
    }
}

#[tokio::test]
async fn a_token_that_is_rejected_again_is_given_up() {
    // The refresh finds the same one, or fails.
    for stored in [Some(TOKEN), None] {
        let tokens = FakeTokens::new(Some(TOKEN), stored);
        let notifier = TestNotifier::new(Final, tokens).await;
        let revoked = error_response("token_revoked");
        notifier.notify(1_800, true, &[&revoked]).await;
        let calls = notifier.notify(1_830, true, &[&revoked]).await;
        assert_eq!(calls, [bot_call(TOKEN)]);
        assert_eq!(notifier.tokens.refreshes.load(Ordering::Relaxed), 1);
        assert_eq!(notifier.ports.delivery(Final), failed("token_revoked"));
        assert!(notifier.notify(9_999, true, &[]).await.is_empty());
        assert_no_call(notifier.listener);
    }
}

#[tokio::test]
async fn a_conversation_without_the_bot_is_on_record() {
    for word in ["channel_not_found", "not_in_channel", "is_archived"] {
        let notifier = TestNotifier::new(Final, usual_token()).await;
        notifier.notify(1_800, true, &[&error_response(word)]).await;
        assert_eq!(notifier.ports.delivery(Final), failed(word));
        assert!(notifier.ports.wake_ups.lock().unwrap().is_empty());
        assert_no_call(notifier.listener);
    }
}

#[tokio::test]
async fn the_bot_waits_as_long_as_slack_asks() {
    let busy = raw_response("429 Too Many Requests", "retry-after: 45\r\n", "");
    let notifier = TestNotifier::new(Final, usual_token()).await;
    notifier.notify(1_800, true, &[&busy]).await;
    assert_eq!(notifier.ports.delivery(Final), pending(1_845));
    notifier.notify(1_845, true, &[&ok_response()]).await;
    assert_eq!(notifier.ports.delivery(Final), delivered(1_845));
    assert_no_call(notifier.listener);
}
