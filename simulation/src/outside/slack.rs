//! Slack: the port over the sandbox's model, with faults before and after the message is shown.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatops_core::ports::{Chat, Clock, To};
use chatops_core::reply::Posted;
use chatops_core::words::{Audience, Post};
use chatops_sandbox::slack::{self as model, Method};
use serde_json::json;

use crate::memory::ManualClock;

/// Where the model's reply addresses are.
pub const ORIGIN: &str = "https://hooks.slack.com";

/// What happens to the next post instead of what should.
#[derive(Debug, Clone)]
pub enum ChatFault {
    /// No byte leaves.
    NotSent,
    /// 429.
    Limited(Duration),
    /// 503, and nothing is shown.
    ErrorBefore,
    /// The message is shown and the connection breaks.
    AnswerLost,
}

#[derive(Default)]
struct State {
    model: model::Model,
    faults: VecDeque<ChatFault>,
    lost: usize,
    /// How often the bot's token was replaced, and as of which time the notifier knows it.
    tokens: (usize, usize),
}

/// The bot's token after so many replacements.
fn token(nth: usize) -> String {
    format!("the-bot-{nth}")
}

/// Slack in memory.
pub struct Slack {
    state: Mutex<State>,
    clock: ManualClock,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

impl Slack {
    /// A workspace in which nothing has been said.
    #[must_use]
    pub fn new(clock: &ManualClock) -> Self {
        Self {
            state: Mutex::default(),
            clock: clock.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A person types a command: the reply address and the trigger id that come with it.
    #[must_use]
    pub fn typed(&self, user: &str, channel: &str) -> (String, String) {
        let now = self.clock.now();
        let mut state = self.lock();
        let path = state.model.issue_response_url(now, user, channel);
        (format!("{ORIGIN}{path}"), state.model.trigger_id())
    }

    /// The app has a bot from now on, and it is in this conversation.
    pub fn install_bot(&self, channel: &str) {
        let mut state = self.lock();
        state.model.install_bot(&token(0));
        state.model.invite_bot(channel);
    }

    /// The bot's token is replaced behind the notifier's back.
    pub fn replace_bot_token(&self) {
        let state = &mut *self.lock();
        state.tokens.0 += 1;
        state.model.install_bot(&token(state.tokens.0));
    }

    /// Queues a fault for a post.
    pub fn fail_post(&self, fault: ChatFault) {
        self.lock().faults.push_back(fault);
    }

    /// Everything that was shown.
    #[must_use]
    pub fn shown(&self) -> Vec<model::Message> {
        self.lock().model.messages().to_vec()
    }

    /// Every use of a reply address.
    #[must_use]
    pub fn attempts(&self) -> Vec<model::Attempt> {
        self.lock().model.attempts().to_vec()
    }

    /// How many answers got lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lock().lost
    }
}

impl Chat for Slack {
    async fn post(&self, to: &To, post: &Post) -> Posted {
        let now = self.clock.now();
        let mut state = self.lock();
        let fault = state.faults.pop_front();
        match fault {
            Some(ChatFault::NotSent) => {
                return Posted::NotSent {
                    why: "could not connect".to_owned(),
                };
            }
            Some(ChatFault::Limited(after)) => return Posted::Later { after: Some(after) },
            Some(ChatFault::ErrorBefore) => {
                state.lost += 1;
                return Posted::Unknown;
            }
            Some(ChatFault::AnswerLost) | None => {}
        }
        let mut body = post.to_json();
        let answer = match to {
            To::Address(address) => {
                let path = address.expose().strip_prefix(ORIGIN).unwrap_or_default();
                state.model.post(now, path, body.to_string().as_bytes())
            }
            To::Conversation { channel, user } => {
                body["channel"] = json!(channel.as_str());
                body["user"] = json!(user.as_str());
                let method = match post.audience {
                    Audience::Channel => Method::PostMessage,
                    Audience::Asker => Method::PostEphemeral,
                };
                let (body, known) = (body.to_string(), token(state.tokens.1));
                state.model.call(now, method, Some(&known), body.as_bytes())
            }
        };
        if matches!(fault, Some(ChatFault::AnswerLost)) {
            state.lost += 1;
            return Posted::Unknown;
        }
        match answer.status {
            // The Web API says so in the body.
            200 if answer.body.contains("invalid_auth") => {
                Posted::Unauthorized { why: answer.body }
            }
            200 if answer.body.contains("\"ok\":false") => Posted::Refused { why: answer.body },
            200 => Posted::Shown,
            429 => Posted::Later { after: None },
            _ => Posted::Refused { why: answer.body },
        }
    }

    async fn renew_token(&self) {
        let tokens = &mut self.lock().tokens;
        tokens.1 = tokens.0;
    }
}
