//! A slash command, from the raw request to its acknowledgement.

use bytes::Bytes;
use chatops_core::command::{self, Command, Deploy};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::{Body, DeployMessage, WorkMessage};
use chatops_core::policy;
use chatops_core::ports::{Clock, Lane, Queue, SecretName, Secrets, SendError};
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{self, Post};
use http::{Request, Response, StatusCode, header};
use tracing::{info, warn};

use crate::form::{BadForm, Form};
use crate::verify::{self, Forged, Verified};
use crate::{Ingest, LARGEST_BODY, plain};

impl<Q: Queue, X: Secrets, K: Clock> Ingest<Q, X, K> {
    pub(crate) async fn slack_command(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > LARGEST_BODY {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than 16 KiB.\n",
            );
        }
        match self.verified(request).await {
            Ok(verified) => self.signed(request, &verified).await,
            Err(_) if is_bare_ssl_check(request) => plain(StatusCode::OK, ""),
            Err(forged) => {
                warn!(reason = %forged, "request refused: it is not known to be Slack's");
                plain(
                    StatusCode::UNAUTHORIZED,
                    "The request is not signed by Slack.\n",
                )
            }
        }
    }

    /// Verifies; a mismatch is tried once more with the secret read afresh, since it may have been
    /// rotated.
    async fn verified<'r>(&self, request: &'r Request<Bytes>) -> Result<Verified<'r>, Forged> {
        let (headers, body) = (request.headers(), request.body());
        let first = self.verified_by_current(headers, body).await;
        if !matches!(first, Err(Forged::Signature)) {
            return first;
        }
        if let Err(error) = self.secrets.refresh(SecretName::SlackSigning).await {
            warn!(%error, "the signing secret could not be read afresh");
            return first;
        }
        self.verified_by_current(headers, body).await
    }

    async fn verified_by_current<'r>(
        &self,
        headers: &http::HeaderMap,
        body: &'r Bytes,
    ) -> Result<Verified<'r>, Forged> {
        match self.secrets.get(SecretName::SlackSigning).await {
            Ok(secrets) => verify::verify(headers, body, &secrets, self.clock.now()),
            Err(error) => {
                warn!(%error, "the signing secret could not be read");
                Err(Forged::Signature)
            }
        }
    }

    async fn signed(&self, request: &Request<Bytes>, body: &Verified<'_>) -> Response<Bytes> {
        let form = match Form::parse(request.headers(), body.body()) {
            Ok(form) => form,
            Err(bad) => return bad_form(&bad),
        };
        if form.get("ssl_check") == Some("1") {
            return plain(StatusCode::OK, "");
        }
        match self.answer(&form, body).await {
            Ok(post) => shown(&post),
            Err(bad) => bad_form(&bad),
        }
    }

    async fn answer(&self, form: &Form, body: &Verified<'_>) -> Result<Post, BadForm> {
        let config = &*self.config;
        let (team, channel, user) = (form.team()?, form.channel()?, form.user()?);
        let deploy: Deploy = match command::parse(form.get("text").unwrap_or_default()) {
            Ok(Command::Deploy(deploy)) => deploy,
            Ok(Command::Help) => return Ok(words::help(&user, &channel, config)),
            Err(error) => return Ok(words::bad_command(&error, config)),
        };
        let reply_to = match form.get("response_url") {
            None => None,
            Some(text) => match ResponseUrl::parse(text, &config.slack.reply_origins) {
                Ok(url) => Some(url),
                Err(_) => return Ok(words::not_slacks()),
            },
        };
        let occasion = form
            .get("trigger_id")
            .or(reply_to.as_ref().map(ResponseUrl::expose));
        let Some(occasion) = occasion else {
            return Ok(words::no_identity());
        };
        let app = form.get("api_app_id").unwrap_or_default();
        let message = DeployMessage {
            id: DeployId::of_request(team.as_str(), app, occasion),
            team,
            channel,
            user,
            deploy,
            asked_at: body.signed_at(),
            reply_to,
        };
        Ok(self.queue(message).await)
    }

    /// Sends the one message, and says what became of it.
    async fn queue(&self, message: DeployMessage) -> Post {
        let ask = message.ask(self.config.default_project.as_ref());
        let id = message.id;
        let short = id.short(ShortId::USUAL);
        let body = Body::encode(&WorkMessage::Deploy(Box::new(message)));
        let sent = match &body {
            Ok(body) => {
                self.queue
                    .send(Lane::Work, body, std::time::Duration::ZERO)
                    .await
            }
            Err(error) => Err(SendError::NotSent(error.to_string())),
        };
        match sent {
            Ok(()) => {
                info!(deploy.id = %id, user = %ask.user, job = %ask.job, branch = %ask.branch,
                    "command queued");
                match policy::decide(&self.config, &ask) {
                    Ok(_) => words::accepted(&ask, &short),
                    Err(_) => words::checking(&ask, &short),
                }
            }
            Err(error @ SendError::NotSent(_)) => {
                warn!(deploy.id = %id, %error, "command not accepted");
                words::not_accepted()
            }
            Err(error @ SendError::Unknown(_)) => {
                warn!(deploy.id = %id, %error, "command not confirmed");
                words::cannot_confirm(&ask, &short)
            }
        }
    }
}

/// Slack's test of the certificate comes without a signature. It is answered with nothing, and
/// nothing else in the body is looked at.
fn is_bare_ssl_check(request: &Request<Bytes>) -> bool {
    verify::is_unsigned(request.headers())
        && Form::parse(request.headers(), request.body())
            .is_ok_and(|form| form.get("ssl_check") == Some("1"))
}

fn bad_form(bad: &BadForm) -> Response<Bytes> {
    warn!(reason = %bad, "signed request refused");
    let mut response = plain(StatusCode::BAD_REQUEST, "");
    *response.body_mut() = Bytes::from(format!("Not a command: {bad}.\n"));
    response
}

fn shown(post: &Post) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(post.to_json().to_string()));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
