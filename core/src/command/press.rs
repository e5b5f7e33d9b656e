//! Pressed buttons: what a press means. It is the command that a person could have typed instead.

use strum::{EnumString, IntoStaticStr, VariantArray};

use super::DeployAction;
use crate::id::{DeployId, DeployRef};

/// What a button is for. Its name is Slack's `action_id`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    IntoStaticStr,
    EnumString,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ButtonVerb {
    /// Opens an address. Slack sends a press all the same, which means nothing.
    Open,
    /// `cancel <id>`.
    Cancel,
    /// `retry <id>`.
    Retry,
    /// `retry <id> confirm`.
    RetryConfirm,
    /// `dismiss <id>`.
    Dismiss,
}

impl ButtonVerb {
    /// Reads an `action_id`; `None` of a button that is none of these.
    #[must_use]
    pub fn parse(action_id: &str) -> Option<Self> {
        action_id.parse().ok()
    }

    /// The `action_id`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The command that a press of it stands for; `None` if it means nothing.
    #[must_use]
    pub fn action(self, deploy: DeployId) -> Option<DeployAction> {
        let deploy = DeployRef::Full(deploy);
        let retry = |deploy, confirm| DeployAction::Retry {
            deploy,
            confirm,
            force: false,
        };
        match self {
            Self::Open => None,
            Self::Cancel => Some(DeployAction::Cancel { deploy }),
            Self::Retry => Some(retry(deploy, false)),
            Self::RetryConfirm => Some(retry(deploy, true)),
            Self::Dismiss => Some(DeployAction::Dismiss { deploy }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{ChatCommand, parse};
    use crate::fixtures::id;

    #[test]
    fn a_press_is_a_typed_command() {
        for verb in ButtonVerb::VARIANTS {
            assert_eq!(ButtonVerb::parse(verb.as_str()), Some(*verb));
            let typed = match verb {
                ButtonVerb::Open => {
                    assert_eq!(verb.action(id()), None);
                    continue;
                }
                ButtonVerb::Cancel => format!("cancel {}", id()),
                ButtonVerb::Retry => format!("retry {}", id()),
                ButtonVerb::RetryConfirm => format!("retry {} confirm", id()),
                ButtonVerb::Dismiss => format!("dismiss {}", id()),
            };
            let action = verb.action(id()).unwrap();
            assert_eq!(parse(&typed), Ok(ChatCommand::Action(action)));
        }
        for other in ["", "Cancel", "approve", "open "] {
            assert_eq!(ButtonVerb::parse(other), None, "{other}");
        }
    }
}
