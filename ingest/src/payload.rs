//! What Slack sends of a press, as far as it is read. Unknown fields are ignored.

use chatops_core::command::{ButtonVerb, FormField, FormInput};
use chatops_core::id::{ChannelId, DeployId};
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::text::{MessageKind, MessageMark};
use serde::Deserialize;
use serde_json::Value;

/// The payload of an interaction.
#[derive(Debug, Deserialize)]
pub(crate) struct Payload {
    #[serde(rename = "type")]
    kind: String,
    pub(crate) team: Option<Named>,
    pub(crate) user: Option<Presser>,
    pub(crate) channel: Option<Named>,
    #[serde(default)]
    pub(crate) api_app_id: String,
    pub(crate) trigger_id: Option<String>,
    pub(crate) response_url: Option<String>,
    #[serde(default)]
    actions: Vec<PressedElement>,
    /// Where the button is, and in which message; an ephemeral one is left out.
    #[serde(default)]
    container: Value,
    #[serde(default)]
    message: Value,
    /// What stands in the fields of the message.
    #[serde(default)]
    state: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Presser {
    pub(crate) id: String,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) team_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PressedElement {
    #[serde(default)]
    action_id: String,
    value: Option<String>,
    /// Of a menu.
    #[serde(default)]
    selected_option: Value,
}

impl Payload {
    /// The button or menu, and what it says; `None` if it is none of ours.
    pub(crate) fn pressed(&self) -> Option<(ButtonVerb, &str)> {
        let element = self.actions.first()?;
        let verb = ButtonVerb::parse(&element.action_id)?;
        let chosen = element.selected_option["value"].as_str();
        let value = element.value.as_deref().or(chosen);
        (self.kind == "block_actions").then(|| (verb, value.unwrap_or_default()))
    }

    /// Whether it is a button or menu whose name is not known.
    pub(crate) fn is_unknown_button(&self) -> bool {
        let known = |element: &PressedElement| ButtonVerb::parse(&element.action_id).is_some();
        let element = self.actions.first();
        self.kind == "block_actions" && element.is_some_and(|element| !known(element))
    }

    /// What stands in the form; `None` if Slack says nothing of it.
    pub(crate) fn form(&self) -> Option<FormInput> {
        let field = |name: FormField| {
            let field = &self.state["values"][name.as_str()][name.as_str()];
            let typed = field["value"].as_str();
            let value = typed.or_else(|| field["selected_option"]["value"].as_str());
            (!field.is_null()).then(|| value.map(str::to_owned))
        };
        let [job, branch] = [FormField::Job, FormField::Branch].map(field);
        if job.is_none() && branch.is_none() {
            return None;
        }
        Some(FormInput {
            job: job.flatten(),
            branch: branch.flatten(),
            parameters: field(FormField::Parameters).flatten(),
        })
    }

    /// The message, if it is a card of this deploy. What it says of itself decides nothing but which of the
    /// bot's own messages is looked at again.
    pub(crate) fn pressed_card(&self, deploy: DeployId) -> Option<PostedMessage> {
        let block_id = self.message["blocks"][0]["block_id"].as_str()?;
        let mark = MessageMark::parse(block_id)?;
        let is_card = mark.kind == MessageKind::Card && mark.deploy == Some(deploy);
        is_card.then_some(PostedMessage {
            channel: ChannelId::parse(self.container["channel_id"].as_str()?)?,
            ts: MessageTs::parse(self.container["message_ts"].as_str()?)?,
        })
    }
}
