//! Every post as a person reads it, and what Slack takes of it.

mod answers;
mod ends;
mod grammar;
mod help;
mod intake;
mod layout;
mod limits;
mod lists;
mod plan;
mod refusals;
mod status;

use super::*;
use crate::audit::{Actor, Change};
use crate::command::{self, Command};
use crate::config::Config;
use crate::deploy::{By, CancelWish, Head, Reason, State};
use crate::fixtures::{CONFIG, at, channel, config, head_in, id, me, user};
use crate::id::{ChannelId, DeployId, UserId};
use crate::machine;

/// A post as a person sees it: moments in the reader's time, spaces as spaces.
fn read(post: &Post) -> String {
    let who = match post.audience {
        Audience::Channel => "to all",
        Audience::Asker => "to the asker",
    };
    let text = post.to_lines().join("\n").replace('\u{a0}', " ");
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
               branches = [\"release/**\", \"release/*\"]\nchannels = [\"*\"]\npeople = [\"*\"]\n";
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

/// The last word about a deploy that came to `state` by that reason, three minutes later.
fn ended(state: State, reason: Reason) -> Post {
    last(&head_ended(state, reason), false, &config())
}

fn head_ended(state: State, reason: Reason) -> Head {
    let from = match state {
        State::Refused => State::Requested,
        State::Canceled if matches!(reason, Reason::CanceledBefore { .. }) => State::Requested,
        State::TriggerFailed | State::Unresolved => State::Armed,
        State::CiErrored => State::Triggered,
        State::NothingRan if reason == Reason::NoWorkflow => State::Triggered,
        _ => State::Running,
    };
    let change = Change::Ended { state, reason };
    let by = Actor::Worker(me());
    machine::apply(&head_in(from), change, by, at(192))
        .unwrap()
        .0
}

fn workflows(all: &[(&str, &str)]) -> Reason {
    let decided_by = all.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned()));
    Reason::Workflows {
        decided_by: decided_by.collect(),
    }
}

fn trigger_refused() -> Head {
    let message = "Branch not found".to_owned();
    let reason = Reason::TriggerRefused {
        status: 400,
        message,
    };
    head_ended(State::TriggerFailed, reason)
}

fn unproven(candidates: Vec<crate::deploy::Pipeline>) -> Head {
    let doubt = "503 Service Unavailable".to_owned();
    head_ended(State::Unresolved, Reason::Unproven { doubt, candidates })
}

fn wished_by(head: Head, by: UserId) -> Head {
    let cancel = Some(CancelWish {
        by: By::Person(by),
        at: at(60),
    });
    Head { cancel, ..head }
}

/// Every command that stands ready in a text, without the installed name.
fn ready(text: &str, config: &Config) -> Vec<String> {
    let start = format!("`{} ", config.slack.command);
    let plain = |part: &str| {
        let text = part.split('`').next().unwrap();
        text.replace("&lt;", "<").replace("&gt;", ">")
    };
    text.split(&start).skip(1).map(plain).collect()
}

/// That every ready command is one; forms with places to fill in are none.
fn check_ready(post: &Post, config: &Config) {
    for text in ready(&read(post), config) {
        if !text.contains(['<', '[']) {
            assert!(command::parse(&text).is_ok(), "{text}: {}", read(post));
        }
    }
}
