//! The notifier's run over its ports: when the bot posts, and what follows a rejected token.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::AuditActor;
use chatops_core::deploy::{DeployRecord, DeployRequest, DeployState, machine};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::{MessageBody, NotifyMessage};
use chatops_core::notification::NotificationKind::{self, Final};
use chatops_core::notification::{DeliveryStatus, NotificationRecord, PostResult};
use chatops_core::ports::{
    Clock, CommitError, Conflict, DeletePosted, FindBot, LedgerError, Perform, PortErrorKind,
    PostMessage, PostTarget, QueueName, ReadDeploy, ReadNotification, RenewToken, SaveNotification,
    SecretError, SendError, SendMessage,
};
use chatops_notifier::{Notifier, NotifyError};
use chatops_testkit::config::TestConfig;
use chrono::{DateTime, TimeDelta};
use serde_json::json;

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

/// What the notifier asks of Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// A post through the response URL.
    ResponseUrl,
    /// A post as the bot.
    Bot,
    /// To read the bot's token anew.
    RenewToken,
}

/// One deploy's notification record, the time, and Slack.
#[derive(Debug)]
struct FakePorts {
    record: Mutex<NotificationRecord>,
    now: Mutex<Time>,
    /// The delays of the wake-ups.
    wake_ups: Mutex<Vec<Duration>>,
    /// Whether there is a bot, if that can be found out.
    bot: Mutex<Option<bool>>,
    /// What Slack answers next.
    answers: Mutex<VecDeque<PostResult>>,
    calls: Mutex<Vec<Call>>,
}

impl FakePorts {
    fn delivery(&self, kind: NotificationKind) -> DeliveryStatus {
        self.record.lock().unwrap().delivery(kind).clone()
    }
}

/// The ports of one run.
struct TestPorts(Arc<FakePorts>);

type Stored<T> = Result<Option<T>, LedgerError>;

impl Perform<ReadDeploy> for TestPorts {
    async fn perform(&self, _: ReadDeploy) -> Stored<DeployRecord> {
        Ok(Some(deploy_record()))
    }
}

impl Perform<ReadNotification> for TestPorts {
    async fn perform(&self, _: ReadNotification) -> Stored<NotificationRecord> {
        Ok(Some(self.0.record.lock().unwrap().clone()))
    }
}

impl Perform<SaveNotification> for TestPorts {
    async fn perform(&self, SaveNotification(next): SaveNotification) -> Result<(), CommitError> {
        let mut record = self.0.record.lock().unwrap();
        if next.version != record.version + 1 {
            return Err(CommitError::Conflict(Conflict::StaleVersion));
        }
        *record = next;
        Ok(())
    }
}

impl Perform<SendMessage> for TestPorts {
    async fn perform(&self, send: SendMessage) -> Result<(), SendError> {
        assert_eq!(send.message.queue(), QueueName::Notify);
        self.0.wake_ups.lock().unwrap().push(send.delay);
        Ok(())
    }
}

impl Perform<PostMessage> for TestPorts {
    async fn perform(&self, post: PostMessage) -> PostResult {
        self.0.calls.lock().unwrap().push(match post.to {
            PostTarget::ResponseUrl(_) | PostTarget::Pressed(_) => Call::ResponseUrl,
            PostTarget::Conversation { .. } | PostTarget::Thread { .. } | PostTarget::Edit(_) => {
                Call::Bot
            }
        });
        let next = self.0.answers.lock().unwrap().pop_front();
        next.expect("a post that nobody expects")
    }
}

impl Perform<DeletePosted> for TestPorts {
    async fn perform(&self, _: DeletePosted) -> PostResult {
        unreachable!("nothing is deleted")
    }
}

impl Perform<FindBot> for TestPorts {
    async fn perform(&self, _: FindBot) -> Result<bool, SecretError> {
        let down = || SecretError::new(PortErrorKind::Unavailable, "the store is down");
        self.0.bot.lock().unwrap().ok_or_else(down)
    }
}

impl Perform<RenewToken> for TestPorts {
    async fn perform(&self, _: RenewToken) {
        self.0.calls.lock().unwrap().push(Call::RenewToken);
    }
}

impl Clock for FakePorts {
    fn now(&self) -> Time {
        *self.now.lock().unwrap()
    }
}

impl FakePorts {
    /// `kind` is pending; the response URL lasts for 29 minutes.
    fn with_pending(kind: NotificationKind) -> Arc<Self> {
        let url = json!("https://hooks.slack.com/commands/T0001/1/canary");
        let url = serde_json::from_value(url).unwrap();
        let mut record = NotificationRecord::open(deploy_id(), Some(url), time_at(1_740));
        record.request_delivery(kind, time_at(0));
        Arc::new(Self {
            record: Mutex::new(record),
            now: Mutex::new(time_at(0)),
            wake_ups: Mutex::default(),
            bot: Mutex::default(),
            answers: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    /// Handles a wake-up at that time, with a bot or not; Slack answers exactly these posts. Returns
    /// what Slack was asked.
    async fn notify(
        self: &Arc<Self>,
        now: i64,
        has_bot: bool,
        answers: &[PostResult],
    ) -> Vec<Call> {
        let handled = self.try_to_notify(now, Some(has_bot), answers).await;
        handled.unwrap();
        assert!(self.answers.lock().unwrap().is_empty());
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The same; without an answer whether there is a bot, nobody knows.
    async fn try_to_notify(
        self: &Arc<Self>,
        now: i64,
        bot: Option<bool>,
        answers: &[PostResult],
    ) -> Result<(), NotifyError> {
        *self.now.lock().unwrap() = time_at(now);
        *self.bot.lock().unwrap() = bot;
        self.answers.lock().unwrap().extend(answers.iter().cloned());
        let notifier = Notifier {
            ports: TestPorts(Arc::clone(self)),
            clock: Arc::clone(self) as Arc<dyn Clock>,
            config: Arc::new(TestConfig::new().parse()),
        };
        let deploy = deploy_id();
        let body = MessageBody::encode(&NotifyMessage::Notify { deploy }).unwrap();
        notifier.handle(&body).await
    }
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

fn token_rejected() -> PostResult {
    let reason = "token_revoked".to_owned();
    PostResult::Unauthorized { reason }
}

#[tokio::test]
async fn while_the_response_url_lasts_the_bot_does_not_post() {
    for kind in NotificationKind::ALL {
        let ports = FakePorts::with_pending(kind);
        let calls = ports
            .notify(1_739, true, &[PostResult::Delivered(None)])
            .await;
        assert_eq!(calls, [Call::ResponseUrl]);
        assert_eq!(ports.delivery(kind), delivered(1_739));
    }
}

#[tokio::test]
async fn then_the_bot_posts_or_nobody() {
    for kind in NotificationKind::ALL {
        let ports = FakePorts::with_pending(kind);
        let calls = ports
            .notify(1_740, true, &[PostResult::Delivered(None)])
            .await;
        assert_eq!(calls, [Call::Bot]);
        assert_eq!(ports.delivery(kind), delivered(1_740));

        let ports = FakePorts::with_pending(kind);
        assert!(ports.notify(1_740, false, &[]).await.is_empty());
        let end = failed("the response URL has expired");
        assert_eq!(ports.delivery(kind), end);
    }
}

#[tokio::test]
async fn what_the_bot_has_to_post_waits_until_it_is_known_whether_there_is_one() {
    let ports = FakePorts::with_pending(Final);
    // The response URL needs no bot, so nobody asks.
    ports
        .try_to_notify(0, None, &[PostResult::Unknown])
        .await
        .unwrap();
    assert_eq!(ports.calls.lock().unwrap().drain(..).count(), 1);
    let ports = FakePorts::with_pending(Final);
    assert!(ports.try_to_notify(1_740, None, &[]).await.is_err());
    assert_eq!(ports.delivery(Final), pending(0));
    // The token was added in the meantime.
    let calls = ports
        .notify(1_800, true, &[PostResult::Delivered(None)])
        .await;
    assert_eq!(calls, [Call::Bot]);
}

#[tokio::test]
async fn after_a_used_up_response_url_the_bot_posts() {
    let ports = FakePorts::with_pending(Final);
    ports.record.lock().unwrap().response_url_uses = 5;
    let calls = ports.notify(9, true, &[PostResult::Delivered(None)]).await;
    assert_eq!(calls, [Call::Bot]);
    assert_eq!(ports.record.lock().unwrap().bot_attempts, 1);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_and_the_post_retried_after_thirty_seconds() {
    for kind in NotificationKind::ALL {
        let ports = FakePorts::with_pending(kind);
        let calls = ports.notify(1_800, true, &[token_rejected()]).await;
        assert_eq!(calls, [Call::Bot]);
        assert_eq!(ports.delivery(kind), pending(1_830));
        let wake_ups = ports.wake_ups.lock().unwrap().clone();
        assert_eq!(wake_ups, [Duration::from_secs(30)]);
        // An early wake-up finds nothing to do.
        assert!(ports.notify(1_829, true, &[]).await.is_empty());
        // It is renewed just before the post, by whichever process posts.
        let calls = ports
            .notify(1_830, true, &[PostResult::Delivered(None)])
            .await;
        assert_eq!(calls, [Call::RenewToken, Call::Bot]);
        assert_eq!(ports.delivery(kind), delivered(1_830));
    }
}

#[tokio::test]
async fn a_token_that_is_rejected_again_is_given_up() {
    let ports = FakePorts::with_pending(Final);
    ports.notify(1_800, true, &[token_rejected()]).await;
    let calls = ports.notify(1_830, true, &[token_rejected()]).await;
    assert_eq!(calls, [Call::RenewToken, Call::Bot]);
    assert_eq!(ports.delivery(Final), failed("token_revoked"));
    assert!(ports.notify(9_999, true, &[]).await.is_empty());
}

#[tokio::test]
async fn a_conversation_without_the_bot_is_on_record() {
    let ports = FakePorts::with_pending(Final);
    let reason = "not_in_channel".to_owned();
    ports
        .notify(1_800, true, &[PostResult::Refused { reason }])
        .await;
    assert_eq!(ports.delivery(Final), failed("not_in_channel"));
    assert!(ports.wake_ups.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_bot_waits_as_long_as_slack_asks() {
    let after = Some(Duration::from_secs(45));
    let ports = FakePorts::with_pending(Final);
    ports
        .notify(1_800, true, &[PostResult::Later { after }])
        .await;
    assert_eq!(ports.delivery(Final), pending(1_845));
    ports
        .notify(1_845, true, &[PostResult::Delivered(None)])
        .await;
    assert_eq!(ports.delivery(Final), delivered(1_845));
}
