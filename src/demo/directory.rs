//! The users and channels of the demo's Slack: names and ids.

use anyhow::{Context, Result};
use chatops_sandbox::Workspace;
use chatops_sandbox::slack::TypedCommand;
use clap::builder::PossibleValuesParser;

/// The users. Everyone but the visitor may run everything.
pub(crate) const USERS: &[(&str, &str)] = &[
    ("you", "U0001"),
    ("teammate", "U0002"),
    ("visitor", "U0003"),
];

/// The channels. Deploys are started from the first.
pub(crate) const CHANNELS: &[(&str, &str)] = &[("deploys", "C0001"), ("random", "C0002")];

/// Commands to try on the page.
const SUGGESTIONS: &[&str] = &[
    "",
    "main deploy",
    "feature/login e2e",
    "plan main deploy",
    "status",
    "help",
];

/// What the page shows.
pub(crate) fn workspace() -> Workspace {
    let named = |of: &[(&str, &str)]| {
        let owned = |(name, id): &(&str, &str)| ((*name).to_owned(), (*id).to_owned());
        of.iter().map(owned).collect()
    };
    Workspace {
        people: named(USERS),
        channels: named(CHANNELS),
        suggestions: SUGGESTIONS.iter().map(|&text| text.to_owned()).collect(),
    }
}

/// Accepts the names of users or channels.
pub(crate) fn name_parser(of: &'static [(&'static str, &'static str)]) -> PossibleValuesParser {
    PossibleValuesParser::new(of.iter().map(|(name, _)| *name))
}

/// The id of a name.
fn find_id(of: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    of.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// The name of an id.
pub(crate) fn find_name(id: &str) -> Option<&'static str> {
    let mut all = USERS.iter().chain(CHANNELS);
    all.find(|entry| entry.1 == id).map(|entry| entry.0)
}

/// Who sees a message: everyone, or one user.
pub(crate) fn audience_label(visible_to: Option<&str>) -> String {
    match visible_to {
        None => "to all".to_owned(),
        Some(id) => format!("to {}", find_name(id).unwrap_or(id)),
    }
}

/// A command that a user types in a channel.
pub(crate) fn typed_command(user: &str, channel: &str, text: &str) -> Result<TypedCommand> {
    let known = |of, name: &str| {
        let known = || format!("the demo has no '{name}'");
        find_id(of, name).map(str::to_owned).with_context(known)
    };
    Ok(TypedCommand {
        user_id: known(USERS, user)?,
        user_name: user.to_owned(),
        channel_id: known(CHANNELS, channel)?,
        channel_name: channel.to_owned(),
        text: text.to_owned(),
    })
}
