//! Slack's commands: from the form to one message in the queue and the acknowledgement.
//!
//! Help and usage errors are answered at once. The log has the command's verb and the user's id, and
//! never what was typed or a response URL.

use chatops_core::Time;
use chatops_core::command::{self, ChatCommand, DeployAction, DeployCommand, Query, Verb};
use chatops_core::id::{DeployId, RequestId, TeamId, UserId};
use chatops_core::message::{
    ActionMessage, ActionRequester, DeployMessage, QueryMessage, Requester, WorkMessage,
};
use chatops_core::policy;
use chatops_core::ports::{IngestPorts, SendError};
use chatops_core::secret::ResponseUrl;
use chatops_core::text::{self, SlackMessage};
use tracing::field::display;
use tracing::{info, warn};

use crate::Ingest;
use crate::form::{Form, FormError};
use crate::verify::VerifiedBody;

/// The immediate answer to a command.
#[derive(Debug)]
pub(crate) enum CommandResponse {
    Message(Box<SlackMessage>),
    /// Slack shows nothing.
    Empty,
}

impl From<SlackMessage> for CommandResponse {
    fn from(message: SlackMessage) -> Self {
        CommandResponse::Message(Box::new(message))
    }
}

/// Who sent a command, for the log.
#[derive(Debug)]
struct Sender {
    user: UserId,
    /// `Some(true)` of an unsigned command; otherwise the log has no such field.
    unsigned: Option<bool>,
}

impl Sender {
    fn of(requester: &Requester) -> Self {
        Self {
            user: requester.user.clone(),
            unsigned: requester.unsigned.then_some(true),
        }
    }
}

/// The result of a command. On an error nothing was queued, and the message says why.
type CommandResult = Result<CommandResponse, Box<SlackMessage>>;

impl<P: IngestPorts> Ingest<P> {
    /// Handles the command of a verified form.
    pub(crate) async fn handle_command(
        &self,
        form: &Form,
        body: &VerifiedBody<'_>,
    ) -> Result<CommandResponse, FormError> {
        let requester = Requester {
            team: form.team_id()?,
            channel: form.channel_id()?,
            user: form.user_id()?,
            user_name: form.user_name(),
            response_url: None,
            unsigned: body.unsigned,
        };
        let result = self.dispatch_command(form, requester, body.signed_at).await;
        Ok(result.unwrap_or_else(CommandResponse::Message))
    }

    async fn dispatch_command(
        &self,
        form: &Form,
        requester: Requester,
        requested_at: Time,
    ) -> CommandResult {
        let config = &*self.config;
        let text = form.get("text").unwrap_or_default();
        let command = command::parse_pasted(text, &config.slack.command);
        // From other workspaces only deploys are queued, since each is put on record and rejected.
        if !matches!(command, Ok(ChatCommand::Deploy(_))) {
            policy::check_team(config, &requester.team)
                .map_err(|rejection| text::team_not_allowed(&rejection, config))?;
        }
        match command.map_err(|error| text::bad_command(&error, config))? {
            ChatCommand::Help(topic) => Ok(text::help_message(
                topic,
                &requester.qualified_user(),
                &requester.qualified_channel(),
                config,
            )
            .into()),
            ChatCommand::Deploy(deploy) => {
                self.queue_deploy(form, requester, deploy, requested_at)
                    .await
            }
            ChatCommand::Form => Ok(text::new_form(
                &requester.qualified_user(),
                &requester.qualified_channel(),
                config,
            )
            .into()),
            ChatCommand::Query(query) => {
                self.queue_query(form, requester, query, requested_at).await
            }
            ChatCommand::Action(action) => {
                self.queue_action(form, requester, action, requested_at)
                    .await
            }
        }
    }

    async fn queue_deploy(
        &self,
        form: &Form,
        requester: Requester,
        deploy: DeployCommand,
        requested_at: Time,
    ) -> CommandResult {
        let request = requester.deploy_request(&deploy, requested_at, &self.config);
        let refused = policy::authorize_deploy(&self.config, &request).err();
        let refused = refused.map(Box::new);
        if let Some(rejection) = refused.as_ref().filter(|refused| refused.names_nothing()) {
            return Err(text::nothing_named(rejection, &request, &self.config).into());
        }
        let requester = self.with_response_url(form, requester)?;
        let message = DeployMessage {
            id: request_identity(form, &requester)?.deploy(),
            requester,
            deploy,
            requested_at,
            refused: refused.clone(),
            press: None,
        };
        let (id, sender) = (message.id, Sender::of(&message.requester));
        let message = WorkMessage::Deploy(Box::new(message));
        let sent = self.queue_command(message, Some(id), sender, Verb::Deploy);
        let reply = match (sent.await, &refused) {
            // Whether or not it gets on record, it will not start.
            (_, Some(rejection)) => text::deploy_refused(rejection, &request, id, &self.config),
            (Ok(()), None) => text::deploy_accepted(&request, id, &self.config),
            (Err(SendError::NotSent(_)), None) => text::not_accepted(),
            (Err(SendError::Unknown(_)), None) => text::deploy_unconfirmed(&request, id),
        };
        Ok(reply.into())
    }

    /// Acknowledges a query with an empty answer: the reply follows in one message.
    async fn queue_query(
        &self,
        form: &Form,
        requester: Requester,
        query: Query,
        requested_at: Time,
    ) -> CommandResult {
        let requester = self.with_response_url(form, requester)?;
        if requester.response_url.is_none() {
            return Err(text::no_response_url().into());
        }
        let (sender, verb) = (Sender::of(&requester), query_verb(&query));
        let id = request_identity(form, &requester)?;
        let message = WorkMessage::Query(Box::new(QueryMessage {
            id: Some(id.request()),
            requester,
            query,
            requested_at,
            in_place: false,
        }));
        match self.queue_command(message, None, sender, verb).await {
            // Where it is unknown, a reply may follow; otherwise the user types it again.
            Ok(()) | Err(SendError::Unknown(_)) => Ok(CommandResponse::Empty),
            Err(SendError::NotSent(_)) => Err(text::not_accepted().into()),
        }
    }

    async fn queue_action(
        &self,
        form: &Form,
        requester: Requester,
        action: DeployAction,
        requested_at: Time,
    ) -> CommandResult {
        let requester = self.with_response_url(form, requester)?;
        let id = request_identity(form, &requester)?.request();
        let sender = Sender::of(&requester);
        let message = WorkMessage::Action(Box::new(ActionMessage {
            id,
            requested_by: ActionRequester::User(requester),
            action: action.clone(),
            requested_at,
            card: None,
        }));
        let sent = self.queue_command(message, None, sender, action.verb());
        let reply = match sent.await {
            Ok(()) => text::action_accepted(&action),
            Err(SendError::NotSent(_)) => text::not_accepted(),
            Err(SendError::Unknown(_)) => text::action_unconfirmed(&action),
        };
        Ok(reply.into())
    }

    /// Queues the message of a command and logs how that went.
    async fn queue_command(
        &self,
        message: WorkMessage,
        id: Option<DeployId>,
        Sender { user, unsigned }: Sender,
        verb: Verb,
    ) -> Result<(), SendError> {
        let (deploy, verb) = (id.map(display), verb.as_str());
        let sent = self.send_message(message).await;
        match &sent {
            Ok(()) => info!(deploy.id = deploy, %user, verb, unsigned, "command queued"),
            Err(error @ SendError::NotSent(_)) => {
                warn!(deploy.id = deploy, %user, verb, unsigned, %error, "command not accepted");
            }
            Err(error @ SendError::Unknown(_)) => {
                warn!(deploy.id = deploy, %user, verb, unsigned, %error, "command not confirmed");
            }
        }
        sent
    }

    fn with_response_url(
        &self,
        form: &Form,
        requester: Requester,
    ) -> Result<Requester, Box<SlackMessage>> {
        let origins = &self.config.slack.response_url_origins;
        let response_url = form
            .get("response_url")
            .map(|text| ResponseUrl::parse(text, origins))
            .transpose()
            .map_err(|_| text::invalid_response_url())?;
        Ok(Requester {
            response_url,
            ..requester
        })
    }
}

/// What identifies a request and its repetitions.
#[derive(Debug, Clone, Copy)]
struct RequestIdentity<'a> {
    team: &'a TeamId,
    app: &'a str,
    /// The idempotency key: Slack's `trigger_id` or, if that is missing, the response URL.
    key: &'a str,
}

impl RequestIdentity<'_> {
    fn deploy(&self) -> DeployId {
        DeployId::of_request(self.team.as_str(), self.app, self.key)
    }

    fn request(&self) -> RequestId {
        RequestId::of_request(self.team.as_str(), self.app, self.key)
    }
}

fn request_identity<'a>(
    form: &'a Form,
    requester: &'a Requester,
) -> Result<RequestIdentity<'a>, Box<SlackMessage>> {
    let url = requester.response_url.as_ref().map(ResponseUrl::expose);
    let key = form.get("trigger_id").or(url);
    let key = key.ok_or_else(text::no_request_id)?;
    let app = form.get("api_app_id").unwrap_or_default();
    let team = &requester.team;
    Ok(RequestIdentity { team, app, key })
}

fn query_verb(query: &Query) -> Verb {
    match query {
        Query::Plan(_) => Verb::Plan,
        Query::Form(_) | Query::FormMenu => Verb::Deploy,
        Query::Help | Query::UnknownButton => Verb::Help,
        Query::Status { .. } | Query::InProgress => Verb::Status,
        Query::History(_) => Verb::History,
        Query::Failed { .. } => Verb::Failed,
    }
}
