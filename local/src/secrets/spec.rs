//! What each secret is: its variable, what it is for, and when it has to be set. No value is here.

use chatops_core::ports::SecretName;

/// A secret: its variable, what it is, and its shortest length.
pub(super) struct SecretSpec {
    pub(super) secret: SecretName,
    pub(super) variable: &'static str,
    pub(super) description: &'static str,
    pub(super) min_len: usize,
    requirement: SecretRequirement,
}

/// When a secret has to be set.
pub(super) enum SecretRequirement {
    Always,
    Unless(SecretName),
    Never,
}

impl SecretSpec {
    /// An optional secret of at least 16 characters: a shorter key would be none.
    const fn optional(secret: SecretName, variable: &'static str, what: &'static str) -> Self {
        Self {
            secret,
            variable,
            description: what,
            min_len: 16,
            requirement: SecretRequirement::Never,
        }
    }

    /// Whether it has to be set, given which others are.
    pub(super) fn is_required(&self, has: impl Fn(SecretName) -> bool) -> bool {
        match self.requirement {
            SecretRequirement::Always => true,
            SecretRequirement::Unless(other) => !has(other),
            SecretRequirement::Never => false,
        }
    }
}

/// The one secret that has a second variable.
pub(super) static PREVIOUS_SIGNING: SecretSpec = SecretSpec::optional(
    SecretName::SlackSigning,
    "SLACK_SIGNING_SECRET_PREVIOUS",
    "the Slack app's signing secret before the last rotation",
);

/// Every other secret.
pub(super) static SECRET_SPECS: [SecretSpec; 5] = [
    SecretSpec {
        requirement: SecretRequirement::Unless(SecretName::SlackVerification),
        ..SecretSpec::optional(
            SecretName::SlackSigning,
            "SLACK_SIGNING_SECRET",
            "the Slack app's signing secret",
        )
    },
    SecretSpec::optional(
        SecretName::SlackVerification,
        "SLACK_VERIFICATION_TOKEN",
        "the verification token of a legacy slash command",
    ),
    SecretSpec::optional(
        SecretName::SlackBot,
        "SLACK_BOT_TOKEN",
        "the Slack app's bot token",
    ),
    SecretSpec {
        min_len: 1,
        requirement: SecretRequirement::Always,
        ..SecretSpec::optional(
            SecretName::CircleCiToken,
            "CIRCLECI_TOKEN",
            "a CircleCI personal API token",
        )
    },
    SecretSpec::optional(
        SecretName::CircleCiWebhook,
        "CIRCLECI_WEBHOOK_SECRET",
        "the signing secret of CircleCI's webhook",
    ),
];

/// What a secret is. Each has one.
pub(super) fn spec_of(name: SecretName) -> &'static SecretSpec {
    let spec = SECRET_SPECS.iter().find(|spec| spec.secret == name);
    spec.unwrap_or(&PREVIOUS_SIGNING)
}
