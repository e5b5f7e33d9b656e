//! Calls of the bot that Slack carries out late. Calls carry no version, so a late edit wins over a
//! newer one.

use chrono::TimeDelta;

use super::bot::BotMethod;
use super::{PostAttempt, SlackModel};
use crate::server::Time;

/// A call that Slack took and has not carried out.
#[derive(Debug, Clone)]
pub(super) struct LateCall {
    /// When it is carried out; `None` means when told.
    due: Option<Time>,
    method: BotMethod,
    token: Option<String>,
    json: Vec<u8>,
}

impl SlackModel {
    /// Takes a call that is carried out `after` some time, or when told. Whether it is valid shows
    /// only then.
    pub fn hold_bot_call(
        &mut self,
        now: Time,
        after: Option<TimeDelta>,
        method: BotMethod,
        token: Option<&str>,
        json: &[u8],
    ) {
        self.late_calls.push(LateCall {
            due: after.map(|after| now + after),
            method,
            token: token.map(str::to_owned),
            json: json.to_owned(),
        });
    }

    /// Carries out the late calls that are due, in the order in which they are due. Nobody waits for
    /// the responses.
    pub fn carry_out_due(&mut self, now: Time) -> &[PostAttempt] {
        self.carry_out(now, |call| call.due.is_some_and(|due| due <= now))
    }

    /// Carries out every late call, due or not.
    pub fn carry_out_late(&mut self, now: Time) -> &[PostAttempt] {
        self.carry_out(now, |_| true)
    }

    /// How many calls are still to be carried out.
    pub fn late_count(&self) -> usize {
        self.late_calls.len()
    }

    fn carry_out(&mut self, now: Time, is_due: impl Fn(&LateCall) -> bool) -> &[PostAttempt] {
        let held = std::mem::take(&mut self.late_calls);
        let (mut due, later): (Vec<_>, Vec<_>) = held.into_iter().partition(is_due);
        self.late_calls = later;
        due.sort_by_key(|call| call.due);
        let before = self.attempts.len();
        for call in due {
            self.call_bot(now, call.method, call.token.as_deref(), &call.json);
        }
        self.attempts.get(before..).unwrap_or_default()
    }
}
