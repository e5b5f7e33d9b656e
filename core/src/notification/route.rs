//! Which way a notification takes to the deploy's conversation, and why there may be none.

use super::decide::{
    BOT_ATTEMPTS, BOT_ATTEMPTS_KEPT_FOR_FINAL, LONGEST_PAUSE, RESPONSE_URL_USES,
    USES_KEPT_FOR_FINAL, is_ahead,
};
use super::{DeliveryRoute, NotificationKind, NotificationRecord};
use crate::Time;

/// Why there is no way to the conversation.
pub(super) enum NoRoute {
    /// Only uses that are kept for the final status are left.
    UsedUp,
    /// None works.
    Failed(String),
}

/// The way that this delivery takes. A refused response URL is tried again only where nothing else is
/// left, and not with what it has refused.
pub(super) fn choose_route(
    record: &NotificationRecord,
    kind: NotificationKind,
    now: Time,
    bot: bool,
) -> Result<DeliveryRoute, NoRoute> {
    let has_attempts = bot && record.bot_attempts < bot_limit(record, kind);
    let is_paused = record
        .bot_from
        .is_some_and(|from| is_ahead(from, now, LONGEST_PAUSE));
    let problem = response_url_problem(record, kind, now);
    if has_attempts && record.standing_card().is_some() && (!is_paused || problem.is_some()) {
        return Ok(DeliveryRoute::Thread);
    }
    if problem.is_none() && record.refusal.is_none() {
        return Ok(DeliveryRoute::ResponseUrl);
    }
    if has_attempts {
        return Ok(DeliveryRoute::Bot);
    }
    match (&record.refusal, problem) {
        (Some(refusal), _) if refusal.kind == kind => Err(NoRoute::Failed(refusal.reason.clone())),
        (_, None) => Ok(DeliveryRoute::ResponseUrl),
        (_, Some(UrlProblem::UsedUp)) if kind != NotificationKind::Final => Err(NoRoute::UsedUp),
        (_, Some(problem)) => Err(NoRoute::Failed(problem.as_str().to_owned())),
    }
}

/// How many attempts of the bot may have been made before one of this kind. However many notices there
/// are, the final status is delivered.
fn bot_limit(record: &NotificationRecord, kind: NotificationKind) -> u8 {
    if kind == NotificationKind::Notice && !record.final_status.is_settled() {
        BOT_ATTEMPTS - BOT_ATTEMPTS_KEPT_FOR_FINAL
    } else {
        BOT_ATTEMPTS
    }
}

/// Why the response URL cannot be used.
enum UrlProblem {
    Missing,
    Expired,
    UsedUp,
}

impl UrlProblem {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "there is no response URL",
            Self::Expired => "the response URL has expired",
            Self::UsedUp => "the response URL is used up",
        }
    }
}

fn response_url_problem(
    record: &NotificationRecord,
    kind: NotificationKind,
    now: Time,
) -> Option<UrlProblem> {
    let uses = match kind {
        NotificationKind::Final => RESPONSE_URL_USES,
        NotificationKind::Progress | NotificationKind::Hold | NotificationKind::Notice => {
            RESPONSE_URL_USES - USES_KEPT_FOR_FINAL
        }
    };
    if record.response_url.is_none() {
        Some(UrlProblem::Missing)
    } else if now >= record.expires_at {
        Some(UrlProblem::Expired)
    } else if record.response_url_uses >= uses {
        Some(UrlProblem::UsedUp)
    } else {
        None
    }
}
