//! Pressed buttons: what a press means. It is the command that a person could have typed instead.

use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{DeployAction, DeployCommand, FormInput, Query};
use crate::id::{DeployId, DeployRef, RequestId};

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
    /// `plan` of what stands in the form.
    Plan,
    /// `plan` of what was chosen in a menu.
    Choose,
    /// The deploy that a plan is about.
    Deploy,
    /// From a plan to the form.
    Back,
    /// `help`.
    Help,
}

/// What a press asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PressMeaning {
    /// An action on the deploy.
    Action(DeployId, DeployAction),
    /// An answer from the configuration or the ledger.
    Query(Query),
    /// The deploy that was planned.
    Deploy {
        /// The request of the plan.
        plan: RequestId,
        /// What it starts.
        deploy: DeployCommand,
    },
}

/// The value of a pressed button is not one that we gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not that of such a button")]
pub struct InvalidPress;

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

    /// The value of the button that starts what was planned.
    #[must_use]
    pub fn planned(plan: RequestId, deploy: &DeployCommand) -> String {
        format!("{plan} {}", deploy.words())
    }

    /// What a press of it asks for; `None` where Slack has only opened an address. `value` is the button's or the chosen option's, and `fields` what stands in
    /// the form; `None` if Slack sent nothing of it.
    pub fn meaning(
        self,
        value: &str,
        fields: Option<FormInput>,
    ) -> Result<Option<PressMeaning>, InvalidPress> {
        let act = |action: fn(DeployRef) -> DeployAction| {
            let deploy = DeployId::parse(value).map_err(|_| InvalidPress)?;
            let action = action(DeployRef::Full(deploy));
            Ok(Some(PressMeaning::Action(deploy, action)))
        };
        let planned = |words| DeployCommand::from_words(words).ok_or(InvalidPress);
        let query = match self {
            Self::Open => return Ok(None),
            Self::Cancel => return act(|deploy| DeployAction::Cancel { deploy }),
            Self::Dismiss => return act(|deploy| DeployAction::Dismiss { deploy }),
            Self::Retry => return act(|deploy| retry(deploy, false)),
            Self::RetryConfirm => return act(|deploy| retry(deploy, true)),
            Self::Deploy => {
                let (plan, words) = value.split_once(' ').ok_or(InvalidPress)?;
                let plan = RequestId::parse(plan).ok_or(InvalidPress)?;
                let deploy = planned(words)?;
                return Ok(Some(PressMeaning::Deploy { plan, deploy }));
            }
            Self::Plan => match fields {
                None => Query::FormMenu,
                Some(fields) => fields.deploy().map_or(Query::Form(fields), Query::Plan),
            },
            Self::Choose => Query::Plan(planned(value)?),
            Self::Back => Query::Form(FormInput::of(&planned(value)?)),
            Self::Help => Query::Help,
        };
        Ok(Some(PressMeaning::Query(query)))
    }
}

fn retry(deploy: DeployRef, confirm: bool) -> DeployAction {
    DeployAction::Retry {
        deploy,
        confirm,
        force: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{ChatCommand, parse};
    use crate::fixtures::id;

    fn meaning(verb: ButtonVerb, value: &str) -> Result<Option<PressMeaning>, InvalidPress> {
        verb.meaning(value, None)
    }

    fn words(text: &str) -> DeployCommand {
        DeployCommand::from_words(text).unwrap()
    }

    #[test]
    fn a_press_is_a_typed_command() {
        for verb in ButtonVerb::VARIANTS {
            assert_eq!(ButtonVerb::parse(verb.as_str()), Some(*verb));
        }
        for (verb, typed) in [
            (ButtonVerb::Cancel, format!("cancel {}", id())),
            (ButtonVerb::Retry, format!("retry {}", id())),
            (ButtonVerb::RetryConfirm, format!("retry {} confirm", id())),
            (ButtonVerb::Dismiss, format!("dismiss {}", id())),
        ] {
            let Ok(Some(PressMeaning::Action(deploy, action))) = meaning(verb, &id().to_string())
            else {
                panic!("{verb:?}");
            };
            assert_eq!(deploy, id());
            assert_eq!(parse(&typed), Ok(ChatCommand::Action(action)));
        }
        assert_eq!(meaning(ButtonVerb::Open, ""), Ok(None));
        for other in ["", "Cancel", "approve", "open "] {
            assert_eq!(ButtonVerb::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_form_asks_for_a_plan_and_the_plan_for_its_deploy() {
        let deploy = words("web main deploy version=v1.2");
        let fields = FormInput::of(&deploy);
        let ask =
            |verb: ButtonVerb, value: &str, fields| verb.meaning(value, fields).unwrap().unwrap();
        let plan = PressMeaning::Query(Query::Plan(deploy.clone()));
        assert_eq!(ask(ButtonVerb::Plan, "", Some(fields.clone())), plan);
        assert_eq!(ask(ButtonVerb::Choose, &deploy.words(), None), plan);
        let back = PressMeaning::Query(Query::Form(fields.clone()));
        assert_eq!(ask(ButtonVerb::Back, &deploy.words(), None), back);
        let slip = FormInput {
            branch: None,
            ..fields
        };
        let again = PressMeaning::Query(Query::Form(slip.clone()));
        assert_eq!(ask(ButtonVerb::Plan, "", Some(slip)), again);
        // A client that sends nothing of the fields is given a form without them.
        let menu = PressMeaning::Query(Query::FormMenu);
        assert_eq!(ask(ButtonVerb::Plan, "", None), menu);
        let plan = RequestId::of_request("T1", "A1", "1");
        let value = ButtonVerb::planned(plan, &deploy);
        let starts = PressMeaning::Deploy { plan, deploy };
        assert_eq!(ask(ButtonVerb::Deploy, &value, None), starts);
    }

    #[test]
    fn a_foreign_value_is_refused() {
        for verb in ButtonVerb::VARIANTS {
            let takes_none = [ButtonVerb::Open, ButtonVerb::Plan, ButtonVerb::Help];
            for value in ["", "x", "main", "1a2b3c4d", "a sentence of five words"] {
                let found = meaning(*verb, value);
                assert_eq!(found.is_ok(), takes_none.contains(verb), "{verb:?} {value}");
            }
        }
    }
}
