//! A command of Slack's, from its form to one message in the queue and its acknowledgement.
//!
//! Help and what is not a command are answered at once. The log says which command came and from
//! whom, by id; it says nothing of what was typed, and no reply address.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::command::{self, Command, Deploy, Question, Verb, Wish};
use chatops_core::id::{DeployId, RequestId, ShortId};
use chatops_core::message::{
    Asker, Body, DeployMessage, QuestionMessage, WishMessage, Wisher, WorkMessage,
};
use chatops_core::policy;
use chatops_core::ports::{Lane, Queue, SendError};
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{self, Post};
use tracing::{info, warn};

use crate::Ingest;
use crate::form::{BadForm, Form};

/// What a command is answered with at once.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A post.
    Shown(Box<Post>),
    /// Nothing that anybody sees.
    Nothing,
}

impl From<Post> for Answer {
    fn from(post: Post) -> Self {
        Answer::Shown(Box::new(post))
    }
}

/// What became of a command. Where it ended early, nothing was queued, and the post says why.
type Done = Result<Answer, Box<Post>>;

impl<Q: Queue, X, K> Ingest<Q, X, K> {
    /// Takes the command of a signed form, and says what to answer.
    pub(crate) async fn answer(&self, form: &Form, asked_at: Time) -> Result<Answer, BadForm> {
        let asker = Asker {
            team: form.team()?,
            channel: form.channel()?,
            user: form.user()?,
            user_name: form.user_name(),
            reply_to: None,
        };
        let done = self.take(form, asker, asked_at).await;
        Ok(done.unwrap_or_else(Answer::Shown))
    }

    async fn take(&self, form: &Form, asker: Asker, asked_at: Time) -> Done {
        let config = &*self.config;
        let command = command::parse(form.get("text").unwrap_or_default());
        // A deploy is put on record even where it will be refused; nothing else is listened to.
        if !matches!(command, Ok(Command::Deploy(_))) {
            policy::listens(config, &asker.team)
                .map_err(|refusal| words::not_listened_to(&refusal))?;
        }
        match command.map_err(|error| words::bad_command(&error, config))? {
            Command::Help(topic) => {
                Ok(words::help(topic, &asker.user, &asker.channel, config).into())
            }
            Command::Deploy(deploy) => self.deploy(form, asker, deploy, asked_at).await,
            Command::Ask(question) => self.ask(form, asker, question, asked_at).await,
            Command::Wish(wish) => self.wish(form, asker, wish, asked_at).await,
        }
    }

    async fn deploy(&self, form: &Form, asker: Asker, deploy: Deploy, asked_at: Time) -> Done {
        let asker = self.answerable(form, asker)?;
        let (team, app, occasion) = identity(form, &asker)?;
        let message = DeployMessage {
            id: DeployId::of_request(team, app, occasion),
            asker,
            deploy,
            asked_at,
        };
        let ask = message.ask(&self.config);
        let id = message.id;
        let short = id.short(ShortId::USUAL);
        let (user, verb) = (&ask.user, Verb::Deploy.word());
        let sent = self.send(&WorkMessage::Deploy(Box::new(message))).await;
        let post = match sent {
            Ok(()) => {
                info!(deploy.id = %id, %user, verb, "command queued");
                match policy::decide(&self.config, &ask) {
                    Ok(_) => words::accepted(&ask, &short),
                    Err(_) => words::checking(&ask, &short),
                }
            }
            Err(error @ SendError::NotSent(_)) => {
                warn!(deploy.id = %id, %user, verb, %error, "command not accepted");
                words::not_accepted()
            }
            Err(error @ SendError::Unknown(_)) => {
                warn!(deploy.id = %id, %user, verb, %error, "command not confirmed");
                words::cannot_confirm(&ask, &short)
            }
        };
        Ok(post.into())
    }

    /// A question is acknowledged with nothing to see: its answer follows in one hop.
    async fn ask(&self, form: &Form, asker: Asker, question: Question, asked_at: Time) -> Done {
        let asker = self.answerable(form, asker)?;
        if asker.reply_to.is_none() {
            return Err(words::nowhere_to_answer().into());
        }
        let (user, verb) = (asker.user.clone(), verb(&question).word());
        let message = QuestionMessage {
            asker,
            question,
            asked_at,
        };
        match self.send(&WorkMessage::Question(Box::new(message))).await {
            Ok(()) => info!(%user, verb, "command queued"),
            Err(error @ SendError::NotSent(_)) => {
                warn!(%user, verb, %error, "command not accepted");
                return Err(words::not_accepted().into());
            }
            // It may be answered; whoever gets no answer can ask again.
            Err(error @ SendError::Unknown(_)) => {
                warn!(%user, verb, %error, "command not confirmed");
            }
        }
        Ok(Answer::Nothing)
    }

    async fn wish(&self, form: &Form, asker: Asker, wish: Wish, asked_at: Time) -> Done {
        let asker = self.answerable(form, asker)?;
        let (team, app, occasion) = identity(form, &asker)?;
        let id = RequestId::of_request(team, app, occasion);
        let (user, verb) = (asker.user.clone(), wish.verb().word());
        let message = WishMessage {
            id,
            from: Wisher::Person(asker),
            wish: wish.clone(),
            asked_at,
        };
        let post = match self.send(&WorkMessage::Wish(Box::new(message))).await {
            Ok(()) => {
                info!(%user, verb, "command queued");
                words::noted(&wish)
            }
            Err(error @ SendError::NotSent(_)) => {
                warn!(%user, verb, %error, "command not accepted");
                words::not_accepted()
            }
            Err(error @ SendError::Unknown(_)) => {
                warn!(%user, verb, %error, "command not confirmed");
                words::cannot_confirm_wish(&wish)
            }
        };
        Ok(post.into())
    }

    /// Adds the reply address, if there is one.
    fn answerable(&self, form: &Form, asker: Asker) -> Result<Asker, Box<Post>> {
        let origins = &self.config.slack.reply_origins;
        let reply_to = form
            .get("response_url")
            .map(|text| ResponseUrl::parse(text, origins))
            .transpose()
            .map_err(|_| words::not_slacks())?;
        Ok(Asker { reply_to, ..asker })
    }

    /// Sends the one message.
    async fn send(&self, message: &WorkMessage) -> Result<(), SendError> {
        let body = Body::encode(message).map_err(|error| SendError::NotSent(error.to_string()))?;
        self.queue.send(Lane::Work, &body, Duration::ZERO).await
    }
}

/// What makes a request unlike any other, and the same as its repetition: the workspace, the app
/// and the occasion, which is Slack's `trigger_id` or, where there is none, the reply address.
fn identity<'a>(
    form: &'a Form,
    asker: &'a Asker,
) -> Result<(&'a str, &'a str, &'a str), Box<Post>> {
    let address = asker.reply_to.as_ref().map(ResponseUrl::expose);
    let occasion = form.get("trigger_id").or(address);
    let occasion = occasion.ok_or_else(words::no_identity)?;
    let app = form.get("api_app_id").unwrap_or_default();
    Ok((asker.team.as_str(), app, occasion))
}

/// The command that a question was typed as.
fn verb(question: &Question) -> Verb {
    match question {
        Question::Plan(_) => Verb::Plan,
        Question::Status { .. } | Question::Open => Verb::Status,
        Question::History(_) => Verb::History,
        Question::Failed { .. } => Verb::Failed,
    }
}
