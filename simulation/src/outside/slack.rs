//! Slack: the port over the sandbox's model, with faults before and after the message is shown.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::id::ChannelId;
use chatops_core::notification::PostResult;
use chatops_core::ports::{ChatClient, Clock, PostTarget, SecretError};
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::text::{Audience, MessageMark, SlackMessage};
use chatops_sandbox::slack::{self as model, BotMethod};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Dependency, Outages};
use chatops_testkit::memory::{ManualClock, lock_mutex};

/// Where the model's response URLs are.
pub const SLACK_ORIGIN: &str = "https://hooks.slack.com";

/// What happens to the next post, edit or deletion instead of what should.
#[derive(Debug, Clone)]
pub enum ChatFault {
    /// No byte leaves.
    NotSent,
    /// 429.
    Limited(Duration),
    /// 503, and nothing is shown.
    ErrorBefore,
    /// The response URL is refused, and each further use of it.
    Refused,
    /// The message is shown, edited or deleted, and the connection breaks.
    AnswerLost,
    /// The connection breaks, and the bot's call takes effect after this time, over newer ones. A use of
    /// a response URL takes effect at once.
    Late(Duration),
}

#[derive(Debug, Default)]
struct MemorySlackState {
    model: model::SlackModel,
    faults: VecDeque<ChatFault>,
    lost_responses: usize,
    /// The response URLs that are refused, although they have uses and time left.
    refused: BTreeSet<String>,
    /// How often the bot's token was replaced, and which replacement the notifier knows.
    token_counts: (usize, usize),
}

/// Where a call goes, and its body.
struct ChatCall {
    to: CallTarget,
    body: Value,
}

enum CallTarget {
    /// The path of a response URL.
    ResponseUrl(String),
    Bot(BotMethod),
}

impl ChatCall {
    fn as_bot(method: BotMethod, body: Value, place: &Value) -> Self {
        let mut body = body;
        if let (Some(body), Value::Object(place)) = (body.as_object_mut(), place) {
            // Only response URLs have these keys.
            body.remove("response_type");
            body.remove("replace_original");
            body.extend(place.clone());
        }
        let to = CallTarget::Bot(method);
        Self { to, body }
    }

    fn of_post(to: &PostTarget, message: &SlackMessage) -> Self {
        let body = message.to_json();
        match to {
            PostTarget::ResponseUrl(address) | PostTarget::Pressed(address) => {
                let mut body = body;
                let in_place = matches!(to, PostTarget::Pressed(_));
                body["replace_original"] = in_place.into();
                let path = address.expose().strip_prefix(SLACK_ORIGIN);
                let to = CallTarget::ResponseUrl(path.unwrap_or_default().to_owned());
                Self { to, body }
            }
            PostTarget::Conversation { channel, user } => {
                let method = match message.audience {
                    Audience::Channel => BotMethod::PostMessage,
                    Audience::Requester => BotMethod::PostEphemeral,
                };
                let place = json!({"channel": channel.as_str(), "user": user.as_str()});
                Self::as_bot(method, body, &place)
            }
            PostTarget::Thread { parent, broadcast } => {
                let place = json!({
                    "channel": parent.channel.as_str(),
                    "thread_ts": parent.ts.as_str(),
                    "reply_broadcast": broadcast,
                });
                Self::as_bot(BotMethod::PostMessage, body, &place)
            }
            PostTarget::Edit(edited) => Self::as_bot(BotMethod::Update, body, &place_of(edited)),
        }
    }
}

fn place_of(message: &PostedMessage) -> Value {
    json!({"channel": message.channel.as_str(), "ts": message.ts.as_str()})
}

impl MemorySlackState {
    /// Makes a call, which a fault may have struck; Slack's answer, or the result without one.
    fn call(
        &mut self,
        now: Time,
        fault: Option<&ChatFault>,
        call: &ChatCall,
    ) -> Result<model::PostResponse, PostResult> {
        match fault {
            Some(ChatFault::NotSent) => {
                return Err(PostResult::NotSent {
                    reason: "could not connect".to_owned(),
                    after: None,
                });
            }
            Some(ChatFault::Limited(after)) => {
                return Err(PostResult::Later {
                    after: Some(*after),
                });
            }
            Some(ChatFault::ErrorBefore) => {
                self.lost_responses += 1;
                return Err(PostResult::Unknown);
            }
            Some(ChatFault::AnswerLost | ChatFault::Late(_) | ChatFault::Refused) | None => {}
        }
        let body = call.body.to_string();
        let known = bot_token(self.token_counts.1);
        let answer = match (&call.to, fault) {
            (CallTarget::ResponseUrl(path), fault) => {
                if matches!(fault, Some(ChatFault::Refused)) {
                    self.refused.insert(path.clone());
                }
                if self.refused.contains(path) {
                    return Err(refused("expired_url"));
                }
                self.model.post_to_url(now, path, body.as_bytes())
            }
            (CallTarget::Bot(method), Some(ChatFault::Late(after))) => {
                let after = TimeDelta::from_std(*after).ok();
                self.model
                    .hold_bot_call(now, after, *method, Some(&known), body.as_bytes());
                self.lost_responses += 1;
                return Err(PostResult::Unknown);
            }
            (CallTarget::Bot(method), _) => {
                self.model
                    .call_bot(now, *method, Some(&known), body.as_bytes())
            }
        };
        if matches!(fault, Some(ChatFault::AnswerLost | ChatFault::Late(_))) {
            self.lost_responses += 1;
            return Err(PostResult::Unknown);
        }
        Ok(answer)
    }
}

/// The bot's token after so many replacements.
fn bot_token(nth: usize) -> String {
    format!("the-bot-{nth}")
}

/// Slack in memory.
#[derive(Debug)]
pub struct MemorySlack {
    state: Mutex<MemorySlackState>,
    clock: ManualClock,
    outages: Arc<Outages>,
}

impl MemorySlack {
    /// A workspace in which nothing has been said.
    #[must_use]
    pub fn new(clock: &ManualClock, outages: &Arc<Outages>) -> Self {
        Self {
            state: Mutex::default(),
            clock: clock.clone(),
            outages: Arc::clone(outages),
        }
    }

    /// Slack as it is now, with the late calls that are due.
    fn lock(&self) -> MutexGuard<'_, MemorySlackState> {
        let mut state = lock_mutex(&self.state);
        state.model.carry_out_due(self.clock.now());
        state
    }

    /// A person types a command: its response URL and trigger id.
    #[must_use]
    pub fn start_command(&self, user: &str, channel: &str) -> (String, String) {
        let now = self.clock.now();
        let mut state = self.lock();
        let path = state.model.issue_response_url(now, user, channel);
        (
            format!("{SLACK_ORIGIN}{path}"),
            state.model.next_trigger_id(),
        )
    }

    /// The response URL and the trigger id of a press.
    pub fn start_press(&self, user: &str, channel: &str, ts: &str) -> (String, String) {
        let now = self.clock.now();
        let mut state = self.lock();
        let path = state.model.issue_action_url(now, user, channel, ts);
        (
            format!("{SLACK_ORIGIN}{path}"),
            state.model.next_trigger_id(),
        )
    }

    /// The app has a bot from now on, and it is in this conversation.
    pub fn install_bot(&self, channel: &str) {
        let mut state = self.lock();
        state.model.install_bot(&bot_token(0));
        state.model.invite_bot(channel);
    }

    /// The bot is in this conversation, too.
    pub fn invite_bot(&self, channel: &str) {
        self.lock().model.invite_bot(channel);
    }

    /// Somebody removes the bot from this conversation.
    pub fn remove_bot(&self, channel: &str) {
        self.lock().model.remove_bot(channel);
    }

    /// A person deletes a message; `false` if it does not stand.
    pub fn delete_message(&self, message: &PostedMessage) -> bool {
        let (channel, ts) = (message.channel.as_str(), message.ts.as_str());
        let now = self.clock.now();
        self.lock().model.delete_message(now, channel, ts)
    }

    /// The bot's token is replaced behind the notifier's back.
    pub fn replace_bot_token(&self) {
        let state = &mut *self.lock();
        state.token_counts.0 += 1;
        state.model.install_bot(&bot_token(state.token_counts.0));
    }

    /// Queues a fault for a post, an edit or a deletion.
    pub fn fail_post(&self, fault: ChatFault) {
        self.lock().faults.push_back(fault);
    }

    /// Everything that was shown, as it is now: with what it showed before, and when it was deleted.
    #[must_use]
    pub fn shown_messages(&self) -> Vec<model::ShownMessage> {
        self.lock().model.messages().to_vec()
    }

    /// Every use of a response URL.
    #[must_use]
    pub fn post_attempts(&self) -> Vec<model::PostAttempt> {
        self.lock().model.attempts().to_vec()
    }

    /// How many calls Slack will still carry out.
    #[must_use]
    pub fn late_count(&self) -> usize {
        self.lock().model.late_count()
    }

    /// How many answers got lost.
    #[must_use]
    pub fn lost_responses(&self) -> usize {
        self.lock().lost_responses
    }
}

impl MemorySlack {
    /// Makes a call, struck by the next fault or by the outage.
    fn call(&self, call: &ChatCall) -> PostResult {
        let mut state = self.lock();
        let is_out = self.outages.is_out(Dependency::Slack);
        let fault = state.faults.pop_front();
        let fault = fault.or(is_out.then_some(ChatFault::ErrorBefore));
        match state.call(self.clock.now(), fault.as_ref(), call) {
            Ok(answer) => result_of(&answer),
            Err(result) => result,
        }
    }
}

/// What Slack's answer means.
fn result_of(answer: &model::PostResponse) -> PostResult {
    match (answer.status, serde_json::from_str::<Value>(&answer.body)) {
        // The Web API says an error in the body.
        (200, Ok(body)) if body["ok"] == false => match body["error"].as_str() {
            Some("invalid_auth") => PostResult::Unauthorized {
                reason: "invalid_auth".to_owned(),
            },
            error => refused(error.unwrap_or_default()),
        },
        (200, Ok(body)) => PostResult::Delivered(posted_at(&body)),
        (200, Err(_)) => PostResult::Delivered(None),
        (429, _) => PostResult::Later { after: None },
        _ => refused(&answer.body),
    }
}

/// Where the bot's message is; an ephemeral one has no place.
fn posted_at(body: &Value) -> Option<PostedMessage> {
    Some(PostedMessage {
        channel: ChannelId::parse(body["channel"].as_str()?)?,
        ts: MessageTs::parse(body["ts"].as_str()?)?,
    })
}

fn refused(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::Refused { reason }
}

/// What a shown message is.
pub(crate) fn mark_of(message: &model::ShownMessage) -> Option<MessageMark> {
    MessageMark::parse(&message.block_id()?)
}

impl ChatClient for MemorySlack {
    /// The app has one; whether the services know its token is the world's.
    async fn has_bot(&self) -> Result<bool, SecretError> {
        Ok(true)
    }

    async fn post(&self, to: &PostTarget, message: &SlackMessage) -> PostResult {
        self.call(&ChatCall::of_post(to, message))
    }

    async fn delete(&self, message: &PostedMessage) -> PostResult {
        let none = Value::Object(serde_json::Map::new());
        let call = ChatCall::as_bot(BotMethod::Delete, none, &place_of(message));
        match self.call(&call) {
            PostResult::Refused { reason } if reason == "message_not_found" => {
                PostResult::Delivered(None)
            }
            result => result,
        }
    }

    async fn renew_token(&self) {
        let tokens = &mut self.lock().token_counts;
        tokens.1 = tokens.0;
    }
}

#[cfg(test)]
mod tests;
