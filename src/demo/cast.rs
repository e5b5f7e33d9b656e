//! Who and what there is in the demo's Slack: names and ids.

use anyhow::{Context, Result};
use chatops_sandbox::slack::Typed;

/// The people. Everybody but the visitor may run everything.
pub(crate) const PEOPLE: &[(&str, &str)] = &[
    ("you", "U0001"),
    ("teammate", "U0002"),
    ("visitor", "U0003"),
];

/// The channels. Deploys are started from the first.
pub(crate) const CHANNELS: &[(&str, &str)] = &[("deploys", "C0001"), ("random", "C0002")];

/// The names of people or channels.
pub(crate) fn names(of: &'static [(&'static str, &'static str)]) -> Vec<&'static str> {
    of.iter().map(|(name, _)| *name).collect()
}

/// The id behind a name.
fn id(of: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    of.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// The name of an id.
pub(crate) fn name(id: &str) -> Option<&'static str> {
    let all = PEOPLE.iter().chain(CHANNELS);
    all.filter(|entry| entry.1 == id)
        .map(|entry| entry.0)
        .next()
}

/// Who sees something: everybody, or one person.
pub(crate) fn audience(visible_to: Option<&str>) -> String {
    match visible_to {
        None => "to all".to_owned(),
        Some(id) => format!("to {}", name(id).unwrap_or(id)),
    }
}

/// A text as somebody types it somewhere.
pub(crate) fn typed(user: &str, channel: &str, text: &str) -> Result<Typed> {
    let known = |of, name: &str| {
        let known = || format!("the demo has no '{name}'");
        id(of, name).map(str::to_owned).with_context(known)
    };
    Ok(Typed {
        user_id: known(PEOPLE, user)?,
        user_name: user.to_owned(),
        channel_id: known(CHANNELS, channel)?,
        channel_name: channel.to_owned(),
        text: text.to_owned(),
    })
}
