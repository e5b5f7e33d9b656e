//! Every text that a person reads in Slack, and the shape it is posted in.
//!
//! The first line of a message carries everything; people are named, and the final status mentions the requester. Text is built
//! only by [`Mrkdwn`], which escapes foreign text. Commands are shown under the installed name, ready
//! to be pasted (`usage`).

mod ack;
mod action;
mod button;
mod card;
mod commit;
mod deploy;
mod end_reason;
mod example;
mod field;
mod form;
mod grammar;
mod help;
mod label;
mod list;
mod mark;
mod mrkdwn;
mod notice;
mod parameters;
mod person;
mod plan;
mod reading;
mod rejection;
mod slack_message;
mod suggest;
mod unlock;
mod untold;
mod usage;

pub use self::ack::{
    action_accepted, action_unconfirmed, deploy_accepted, deploy_refused, deploy_unconfirmed,
    invalid_response_url, no_request_id, no_response_url, not_accepted, nothing_named,
    press_answer, team_not_allowed, unknown_button,
};
pub use self::action::{
    action_buried, already_canceling, already_dismissed, already_ended, cancel_denied,
    cancel_requested, dismiss_denied, dismissed, not_retried, nothing_to_dismiss, query_buried,
    too_many_actions, unknown_deploy,
};
pub use self::button::{Button, ButtonSubject};
pub use self::card::card;
pub use self::deploy::{
    announcement, deploy_running, deploy_status, final_status, waiting_for_approval,
};
pub use self::field::{Field, FieldKind, MenuGroup, MenuOption};
pub use self::form::{deploy_form, deploy_menu, new_form};
pub use self::grammar::bad_command;
pub use self::help::help_message;
pub use self::list::{awaiting_retry, deploy_history, in_progress, untold_deploys};
pub use self::mark::{MessageKind, MessageMark};
pub use self::mrkdwn::Mrkdwn;
pub use self::notice::deploy_notice;
pub use self::plan::{PlanRequest, plan_report};
pub use self::reading::{listed_projects, nothing_readable, plan_not_readable};
pub use self::slack_message::{Audience, MessageLink, SlackMessage};
pub use self::unlock::{
    not_locked, unknown_target, unlock_denied, unlock_in_progress, unlock_needs_confirm, unlocked,
};
pub use self::untold::untold_kind;

#[cfg(test)]
mod tests;
