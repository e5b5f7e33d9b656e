//! Slack: the port over the sandbox's model, with faults before and after the message is shown.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::notification::PostResult;
use chatops_core::ports::{ChatClient, Clock, PostTarget, SecretError};
use chatops_core::posted::PostedMessage;
use chatops_core::text::{Audience, MessageMark, SlackMessage};
use chatops_sandbox::slack::{self as model, BotMethod};
use serde_json::json;

use super::{Dependency, Outages};
use chatops_testkit::memory::{ManualClock, lock_mutex};

/// Where the model's response URLs are.
pub const SLACK_ORIGIN: &str = "https://hooks.slack.com";

/// What happens to the next post instead of what should.
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
    /// The message is shown and the connection breaks.
    AnswerLost,
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

    /// A person types a command: its response URL and trigger id.
    #[must_use]
    pub fn start_command(&self, user: &str, channel: &str) -> (String, String) {
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        let path = state.model.issue_response_url(now, user, channel);
        (
            format!("{SLACK_ORIGIN}{path}"),
            state.model.next_trigger_id(),
        )
    }

    /// The app has a bot from now on, and it is in this conversation.
    pub fn install_bot(&self, channel: &str) {
        let mut state = lock_mutex(&self.state);
        state.model.install_bot(&bot_token(0));
        state.model.invite_bot(channel);
    }

    /// The bot is in this conversation, too.
    pub fn invite_bot(&self, channel: &str) {
        lock_mutex(&self.state).model.invite_bot(channel);
    }

    /// The bot's token is replaced behind the notifier's back.
    pub fn replace_bot_token(&self) {
        let state = &mut *lock_mutex(&self.state);
        state.token_counts.0 += 1;
        state.model.install_bot(&bot_token(state.token_counts.0));
    }

    /// Queues a fault for a post.
    pub fn fail_post(&self, fault: ChatFault) {
        lock_mutex(&self.state).faults.push_back(fault);
    }

    /// Everything that was shown.
    #[must_use]
    pub fn shown_messages(&self) -> Vec<model::ShownMessage> {
        lock_mutex(&self.state).model.messages().to_vec()
    }

    /// Every use of a response URL.
    #[must_use]
    pub fn post_attempts(&self) -> Vec<model::PostAttempt> {
        lock_mutex(&self.state).model.attempts().to_vec()
    }

    /// How many answers got lost.
    #[must_use]
    pub fn lost_responses(&self) -> usize {
        lock_mutex(&self.state).lost_responses
    }
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
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        let is_out = self.outages.is_out(Dependency::Slack);
        let fault = state.faults.pop_front();
        let fault = fault.or(is_out.then_some(ChatFault::ErrorBefore));
        match fault {
            Some(ChatFault::NotSent) => {
                return PostResult::NotSent {
                    reason: "could not connect".to_owned(),
                    after: None,
                };
            }
            Some(ChatFault::Limited(after)) => return PostResult::Later { after: Some(after) },
            Some(ChatFault::ErrorBefore) => {
                state.lost_responses += 1;
                return PostResult::Unknown;
            }
            Some(ChatFault::AnswerLost | ChatFault::Refused) | None => {}
        }
        if let PostTarget::ResponseUrl(address) = to {
            if matches!(fault, Some(ChatFault::Refused)) {
                state.refused.insert(address.expose().to_owned());
            }
            if state.refused.contains(address.expose()) {
                return PostResult::Refused {
                    reason: "expired_url".to_owned(),
                };
            }
        }
        let mut body = message.to_json();
        let answer = match to {
            PostTarget::ResponseUrl(address) => {
                let path = address
                    .expose()
                    .strip_prefix(SLACK_ORIGIN)
                    .unwrap_or_default();
                state
                    .model
                    .post_to_url(now, path, body.to_string().as_bytes())
            }
            PostTarget::Conversation { channel, user } => {
                body["channel"] = json!(channel.as_str());
                body["user"] = json!(user.as_str());
                let method = match message.audience {
                    Audience::Channel => BotMethod::PostMessage,
                    Audience::Requester => BotMethod::PostEphemeral,
                };
                let (body, known) = (body.to_string(), bot_token(state.token_counts.1));
                state
                    .model
                    .call_bot(now, method, Some(&known), body.as_bytes())
            }
            PostTarget::Thread { .. } | PostTarget::Edit(_) => {
                return PostResult::Refused {
                    reason: "message_not_found".to_owned(),
                };
            }
        };
        if matches!(fault, Some(ChatFault::AnswerLost)) {
            state.lost_responses += 1;
            return PostResult::Unknown;
        }
        match answer.status {
            // The Web API says so in the body.
            200 if answer.body.contains("invalid_auth") => PostResult::Unauthorized {
                reason: answer.body,
            },
            200 if answer.body.contains("\"ok\":false") => PostResult::Refused {
                reason: answer.body,
            },
            200 => PostResult::Delivered(None),
            429 => PostResult::Later { after: None },
            _ => PostResult::Refused {
                reason: answer.body,
            },
        }
    }

    async fn delete(&self, _message: &PostedMessage) -> PostResult {
        PostResult::Refused {
            reason: "message_not_found".to_owned(),
        }
    }

    async fn renew_token(&self) {
        let tokens = &mut lock_mutex(&self.state).token_counts;
        tokens.1 = tokens.0;
    }
}
