//! Every message as a person reads it, and what Slack accepts of it.

mod acks;
mod actions;
mod buttons;
mod cards;
mod commit;
mod ends;
mod form;
mod grammar;
mod help;
mod layout;
mod limits;
mod lists;
mod notices;
mod person;
mod plan;
mod reading;
mod rejections;
mod status;

use super::*;
use crate::audit::{AuditActor, AuditChange};
use crate::command::{self, ChatCommand};
use crate::config::Config;
use crate::deploy::machine;
use crate::deploy::{ActedBy, CancelRequest, DeployRecord, DeployState, EndReason};
use crate::fixtures::{CONFIG, at, channel, config, id, me, record_in, user};
use crate::id::{ChannelId, DeployId, UserId};

/// A message as a person sees it: moments in UTC, spaces as spaces.
fn rendered(message: &SlackMessage) -> String {
    person::check_mentions(message);
    let who = match message.audience {
        Audience::Channel => "to all",
        Audience::Requester => "to the requester",
    };
    let text = message.to_lines().join("\n").replace('\u{a0}', " ");
    let mut parts = text.split("<!date^");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        let (token, rest) = part.split_once('>').unwrap();
        let (_, fallback) = token.split_once('|').unwrap();
        shown.push_str(fallback);
        shown.push_str(rest);
    }
    format!("({who})\n{shown}")
}

/// Somebody else.
fn other() -> UserId {
    UserId::parse("U034GHIJKL").unwrap()
}

/// Another deploy.
fn another() -> DeployId {
    DeployId::of_request("T012ABCDEF", "A012ABCDEF", "4.5.6")
}

/// The configuration with a second project, `api`.
fn two_projects() -> Config {
    let api = "\n[projects.api]\nslug = \"gh/acme/api\"\n[projects.api.jobs.e2e]\n\
               branches = [\"release/**\", \"release/*\"]\nchannels = [\"*\"]\nusers = [\"*\"]\n";
    let text = format!("{CONFIG}{api}").replace("[slack]", "[slack]\ncommand = \"/ship-it\"");
    Config::parse(&text, "chatops.toml").unwrap()
}

/// The same without a default project.
fn no_default() -> Config {
    Config {
        default_project: None,
        ..two_projects()
    }
}

/// The final status of a deploy that ended in `state` for that reason, three minutes later.
fn final_message(state: DeployState, reason: EndReason) -> SlackMessage {
    final_status(&head_ended(state, reason), false, &config())
}

fn head_ended(state: DeployState, reason: EndReason) -> DeployRecord {
    let from = match state {
        DeployState::Rejected => DeployState::Requested,
        DeployState::Canceled if matches!(reason, EndReason::CanceledBeforeTrigger { .. }) => {
            DeployState::Requested
        }
        DeployState::Canceled if matches!(reason, EndReason::CanceledBeforeWorkflow { .. }) => {
            DeployState::Triggered
        }
        DeployState::TriggerFailed | DeployState::Unresolved => DeployState::Triggering,
        DeployState::CiError => DeployState::Triggered,
        DeployState::NothingRan if reason == EndReason::NoWorkflow => DeployState::Triggered,
        _ => DeployState::Running,
    };
    let change = AuditChange::Ended { state, reason };
    let by = AuditActor::Worker(me());
    machine::apply_change(&record_in(from), change, by, at(192))
        .unwrap()
        .0
}

fn workflows(all: &[(&str, &str)]) -> EndReason {
    let decided_by = all.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned()));
    EndReason::Workflows {
        decided_by: decided_by.collect(),
        beside: vec![],
        jobs: vec![],
    }
}

fn trigger_rejected() -> DeployRecord {
    let message = "Branch not found".to_owned();
    let reason = EndReason::TriggerRefused {
        status: 400,
        message,
    };
    head_ended(DeployState::TriggerFailed, reason)
}

/// What a person can mend without a new command.
fn trigger_forbidden() -> DeployRecord {
    let reason = EndReason::TriggerRefused {
        status: 403,
        message: "Permission denied".to_owned(),
    };
    head_ended(DeployState::TriggerFailed, reason)
}

fn outcome_unknown(candidates: Vec<crate::deploy::CiPipeline>) -> DeployRecord {
    let reason = EndReason::OutcomeUnknown {
        because: "503 Service Unavailable".to_owned(),
        candidates,
    };
    head_ended(DeployState::Unresolved, reason)
}

fn with_cancel_request(record: DeployRecord, by: UserId) -> DeployRecord {
    let cancel = Some(CancelRequest {
        by: ActedBy::User(crate::fixtures::qualify(by).into()),
        at: at(60),
    });
    DeployRecord { cancel, ..record }
}

/// Every ready command of a text, without the installed name.
fn ready_commands(text: &str, config: &Config) -> Vec<String> {
    let start = format!("`{} ", config.slack.command);
    let plain = |part: &str| {
        let text = part.split('`').next().unwrap();
        text.replace("&lt;", "<").replace("&gt;", ">")
    };
    text.split(&start).skip(1).map(plain).collect()
}

/// Asserts that every ready command is valid, except forms with places to fill in.
fn check_ready_commands(message: &SlackMessage, config: &Config) {
    for text in ready_commands(&rendered(message), config) {
        if !text.contains(['<', '[']) {
            let shown = rendered(message);
            assert!(command::parse(&text).is_ok(), "{text}: {shown}");
        }
    }
}
