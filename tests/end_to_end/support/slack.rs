//! Slack's side: what somebody types, and what is shown.

use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::slack::{ButtonPress, CommandAck, CommandRequest, ShownMessage, TypedCommand};

use super::process::ServerProcess;
use super::world::ServeWorld;

pub(crate) const BOT_TOKEN: &str = "xoxb-canary4-bot4-token4";

impl ServeWorld {
    /// A server whose app has a bot, which is in the channel of the deploys.
    pub(crate) async fn serve_with_bot(&self) -> ServerProcess {
        {
            let mut slack = self.sandbox.slack().lock();
            slack.install_bot(BOT_TOKEN);
            slack.invite_bot("C0001");
        }
        self.serve_with_env("SLACK_BOT_TOKEN", BOT_TOKEN).await
    }

    /// Somebody types a command in the channel of the deploys.
    pub(crate) async fn type_command(&self, server: &ServerProcess, text: &str) -> CommandAck {
        self.send_as(server, TypedCommand::new(text)).await.1
    }

    /// The signed request for a command, not sent yet.
    pub(crate) fn compose(&self, server: &ServerProcess, text: &str) -> CommandRequest {
        self.compose_as(server, &TypedCommand::new(text))
    }

    pub(crate) fn compose_as(
        &self,
        server: &ServerProcess,
        typed: &TypedCommand,
    ) -> CommandRequest {
        let sender = self.sandbox.command_sender();
        sender.prepare_command(&server.url, typed)
    }

    /// Types a command whose acknowledgement is of no interest.
    pub(crate) async fn send(&self, server: &ServerProcess, text: &str) -> CommandRequest {
        self.send_as(server, TypedCommand::new(text)).await.0
    }

    pub(crate) async fn send_as(
        &self,
        server: &ServerProcess,
        typed: TypedCommand,
    ) -> (CommandRequest, CommandAck) {
        let sent = self.compose_as(server, &typed);
        let ack = self.sandbox.command_sender().send(&sent).await;
        (sent, ack)
    }

    /// The latest message of that kind.
    pub(crate) fn latest(&self, kind: MessageKind) -> ShownMessage {
        self.shown(kind).pop().unwrap()
    }

    /// Every message of that kind, the latest last.
    pub(crate) fn shown(&self, kind: MessageKind) -> Vec<ShownMessage> {
        let slack = self.sandbox.slack().lock();
        let is = |message: &&ShownMessage| mark(message).is_some_and(|mark| mark.kind == kind);
        slack.messages().iter().filter(is).cloned().collect()
    }

    /// The signed request for a press, not sent yet.
    pub(crate) fn compose_press(
        &self,
        server: &ServerProcess,
        press: &ButtonPress,
    ) -> CommandRequest {
        let url = server.url.replace("/slack/commands", "/slack/interactions");
        self.sandbox.command_sender().prepare_press(&url, press)
    }

    /// Somebody presses a button.
    pub(crate) async fn press(
        &self,
        server: &ServerProcess,
        press: &ButtonPress,
    ) -> CommandRequest {
        let sent = self.compose_press(server, press);
        let status = self.sandbox.command_sender().send_press(&sent).await;
        assert_eq!(status, Some(200));
        sent
    }

    /// What came through the response URL of one command, in order.
    pub(crate) fn delivered_to(&self, sent: &CommandRequest) -> Vec<ShownMessage> {
        let model = self.sandbox.slack().lock();
        let posted = |m: &&ShownMessage| m.response_path == sent.response_path && m.nth_use > 0;
        model.messages().iter().filter(posted).cloned().collect()
    }
}

/// What a message in Slack is.
pub(crate) fn mark(message: &ShownMessage) -> Option<MessageMark> {
    MessageMark::parse(&message.block_id()?)
}

/// What kind of message the immediate answer is.
pub(crate) fn ack_kind(ack: &CommandAck) -> Option<MessageKind> {
    let block_id = ack.body.as_ref()?.block_id()?;
    Some(MessageMark::parse(&block_id)?.kind)
}

/// A command of another person.
pub(crate) fn typed_by(user_id: &str, text: &str) -> TypedCommand {
    TypedCommand {
        user_id: user_id.to_owned(),
        ..TypedCommand::new(text)
    }
}
