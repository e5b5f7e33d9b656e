//! Ids: they are derived from what they identify, not random.
//!
//! A request that arrives twice is the same deploy, and a repeated retry is the same retry, because
//! both derive the same id. The exception is [`InvocationId`], which tells two runs of a handler apart;
//! the runtime that starts the run creates it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of the derived UUIDs (v5). The value is arbitrary but must never change, or a
/// replayed request would become a second deploy.
const DEPLOYS: Uuid = Uuid::from_u128(0x8d0c_5be0_63f4_5a1c_9f27_3e1f_6b7a_40d1);

/// One deploy, from the command to its final status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeployId(Uuid);

impl DeployId {
    /// The id of the deploy that one Slack request asks for.
    ///
    /// The idempotency key is Slack's `trigger_id`, or the `response_url` where there is none.
    #[must_use]
    pub fn of_request(team: &str, app: &str, idempotency_key: &str) -> Self {
        Self(derive_uuid(&["request", team, app, idempotency_key]))
    }

    /// The id of a retry of `old`: the one that an action asks for, or a retry ticket.
    ///
    /// There is one retry of a deploy at a time, whoever asks for it: that is a condition of its
    /// transaction.
    #[must_use]
    pub fn of_retry(old: DeployId, action: Option<RequestId>) -> Self {
        let key = action.map_or_else(|| "ticket".to_owned(), |action| action.0.to_string());
        Self(derive_uuid(&["retry", &old.to_string(), &key]))
    }

    /// The id of the deploy that a person starts from a plan: one, however often they press.
    #[must_use]
    pub fn of_plan(plan: RequestId, user: &QualifiedUser, words: &str) -> Self {
        let (plan, user) = (plan.to_string(), user.to_string());
        Self(derive_uuid(&["plan", &plan, &user, words]))
    }

    /// The short form that people see: the first `length` hexadecimal digits.
    #[must_use]
    pub fn short_id(self, length: usize) -> ShortId {
        let mut digits = self.0.simple().to_string();
        digits.truncate(length);
        ShortId(digits)
    }

    /// The id as a UUID.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// Reads an id from its usual text form.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Each part is prefixed with its length, so that different lists never give the same bytes.
fn derive_uuid(parts: &[&str]) -> Uuid {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&DEPLOYS, &bytes)
}

impl fmt::Display for DeployId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for DeployId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first digits of a deploy's id, which people read and type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShortId(String);

impl ShortId {
    /// The usual number of digits.
    pub const USUAL: usize = 8;
    /// The number of digits when another deploy has the usual ones.
    pub const LONGER: usize = 16;

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a typed or pasted short id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let usual = matches!(text.len(), Self::USUAL | Self::LONGER);
        let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
        (usual && digits).then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One request for an action on a stored deploy: a retry or a cancel. A repeated request has the same
/// id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The id of one Slack request; the idempotency key as in [`DeployId::of_request`].
    #[must_use]
    pub fn of_request(team: &str, app: &str, idempotency_key: &str) -> Self {
        Self(derive_uuid(&["action", team, app, idempotency_key]))
    }

    /// Reads what a button says of the request that it belongs to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The id of one call of the command line, which is random.
    #[must_use]
    pub fn of_call(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A deploy by its short or its full id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployRef {
    /// The short id.
    Short(ShortId),
    /// The full id.
    Full(DeployId),
}

impl DeployRef {
    /// Reads a typed or pasted id, with or without backticks.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches('`');
        let full = || DeployId::parse(text).ok().map(Self::Full);
        ShortId::parse(text).map(Self::Short).or_else(full)
    }
}

impl fmt::Display for DeployRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(short) => fmt::Display::fmt(short, f),
            Self::Full(id) => fmt::Display::fmt(id, f),
        }
    }
}

/// One run of a handler over one message. It identifies who stored a trigger intent, so it differs
/// for every run, also for two deliveries of the same message in one batch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationId(String);

impl InvocationId {
    /// An invocation with the name that its runtime gives it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! slack_id {
    ($(#[$doc:meta])* $name:ident, $prefixes:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads an id in Slack's form: a letter for the kind, then capital letters and
            /// digits.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let prefixes: &[char] = &$prefixes;
                let fits = text.len() <= 32
                    && text.len() >= 3
                    && text.starts_with(prefixes)
                    && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
                fits.then(|| Self(text.to_owned()))
            }

            /// The id as Slack writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| format!("'{text}' is not a Slack id of this kind"))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slack_id!(
    /// A Slack workspace (`T…`).
    TeamId,
    ['T', 'E']
);
slack_id!(
    /// A Slack conversation: a channel (`C…`), an older private channel (`G…`) or a direct
    /// message (`D…`).
    ChannelId,
    ['C', 'G', 'D']
);
slack_id!(
    /// A Slack user (`U…`, `W…` in Enterprise organisations).
    UserId,
    ['U', 'W']
);

/// A Slack id with the workspace that it belongs to, written `T…/U…` or `T…/C…`: an id alone is unique
/// only within its workspace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(
    try_from = "String",
    into = "String",
    bound(
        deserialize = "I: TryFrom<String>",
        serialize = "I: Clone + fmt::Display"
    )
)]
pub struct Qualified<I> {
    /// The workspace.
    pub team: TeamId,
    /// The id within it.
    pub id: I,
}

/// A user with their workspace, `T…/U…`.
pub type QualifiedUser = Qualified<UserId>;

/// A conversation with its workspace, `T…/C…`.
pub type QualifiedChannel = Qualified<ChannelId>;

impl<I: TryFrom<String>> Qualified<I> {
    /// Reads `T…/U…` or `T…/C…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (team, id) = text.split_once('/')?;
        Some(Self {
            team: TeamId::parse(team)?,
            id: I::try_from(id.to_owned()).ok()?,
        })
    }
}

impl<I: TryFrom<String>> TryFrom<String> for Qualified<I> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is not a workspace and an id, T…/U…"))
    }
}

impl<I: fmt::Display> From<Qualified<I>> for String {
    fn from(qualified: Qualified<I>) -> String {
        qualified.to_string()
    }
}

impl<I: fmt::Display> fmt::Display for Qualified<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.team, self.id)
    }
}

/// A CircleCI pipeline, or a single build of API v1.1, which has no id of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PipelineId(pub Uuid);

impl PipelineId {
    /// The id of a single build, derived from the project's slug in CircleCI's long form and the
    /// build's number.
    #[must_use]
    pub fn of_build(slug: &str, number: u64) -> Self {
        Self(derive_uuid(&["build", slug, &number.to_string()]))
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_is_the_same_deploy() {
        let one = DeployId::of_request("T1", "A1", "1.2.3");
        assert_eq!(one, DeployId::of_request("T1", "A1", "1.2.3"));
        assert_ne!(one, DeployId::of_request("T1", "A1", "1.2.4"));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(
            DeployId::of_request("T1", "A", "12"),
            DeployId::of_request("T1", "A1", "2")
        );
    }

    #[test]
    fn derived_ids_do_not_change() {
        // A changed derivation would let a replayed request start a second deploy.
        insta::assert_snapshot!(DeployId::of_request("T0001", "A0001", "13345224609.738474920.8088930838d88f008e0"), @"0668e443-29ad-5564-9021-3d84198fbb4b");
        insta::assert_snapshot!(DeployId::of_retry(DeployId::of_request("T1", "A1", "x"), None), @"04f66ab4-8ddb-5386-a6fb-5361b6ee82b2");
    }

    #[test]
    fn a_pasted_id_names_a_deploy() {
        let id = DeployId::of_request("T1", "A1", "x");
        for text in [
            id.short_id(8).to_string(),
            id.short_id(16).to_string().to_uppercase(),
        ] {
            assert!(
                matches!(DeployRef::parse(&text), Some(DeployRef::Short(_))),
                "{text}"
            );
        }
        let short = DeployRef::Short(id.short_id(8));
        assert_eq!(DeployRef::parse(&format!("`{short}`")), Some(short));
        assert_eq!(DeployRef::parse(&id.to_string()), Some(DeployRef::Full(id)));
        for wrong in ["", "1234567", "123456789", "1234567g", "main", "12345678\n"] {
            assert_eq!(DeployRef::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_action_id_is_no_deploy_id() {
        let deploy = DeployId::of_request("T1", "A1", "x").uuid();
        assert_ne!(RequestId::of_request("T1", "A1", "x").0, deploy);
    }

    #[test]
    fn a_qualified_id_names_its_workspace() {
        let user = QualifiedUser::parse("T1A/U2B").unwrap();
        assert_eq!((user.team.as_str(), user.id.as_str()), ("T1A", "U2B"));
        assert_eq!(user.to_string(), "T1A/U2B");
        for wrong in [
            "",
            "U2B",
            "T1A",
            "T1A/",
            "/U2B",
            "T1A/C2B",
            "U2B/T1A",
            "T1A/U2B/U2B",
        ] {
            assert!(QualifiedUser::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn slack_ids_have_a_form() {
        assert!(UserId::parse("U012ABCDEF").is_some());
        for wrong in ["", "U", "C012ABCDEF", "U012abc", "U012<@x>", "U 12"] {
            assert!(UserId::parse(wrong).is_none(), "{wrong}");
        }
    }
}
