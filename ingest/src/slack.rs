//! Slack's requests, commands and presses: verified, and answered in Slack's form.

use bytes::Bytes;
use chatops_core::ports::{GetSecret, IngestPorts, SecretError, SecretName};
use chatops_core::text::SlackMessage;
use http::{Request, Response, StatusCode, header};
use tracing::warn;

use crate::command::CommandResponse;
use crate::form::{Form, FormError};
use crate::press::MAX_PRESS_BYTES;
use crate::verify::{self, SignatureHeaders, Unauthenticated, VerifiedBody};
use crate::{Ingest, MAX_BODY_BYTES, plain};

/// Why a request is not verified.
#[derive(Debug, thiserror::Error)]
enum AuthError {
    #[error(transparent)]
    Sender(#[from] Unauthenticated),
    /// Whoever the sender is: the secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl<P: IngestPorts> Ingest<P> {
    pub(crate) async fn handle_slack_command(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > MAX_BODY_BYTES {
            let text = "The body is larger than 16 KiB.\n";
            return plain(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        match self.verify_request(request).await {
            Ok(verified) => self.handle_form(request, &verified).await,
            Err(AuthError::Sender(_)) if is_bare_ssl_check(request) => plain(StatusCode::OK, ""),
            Err(error) => self.auth_error_response(&error),
        }
    }

    /// A press is always signed: the legacy token is for commands alone.
    pub(crate) async fn handle_slack_press(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > MAX_PRESS_BYTES {
            let text = "The body is larger than 256 KiB.\n";
            return plain(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        match self.verify_signature(request).await {
            Ok(verified) => match self.handle_press(request, &verified).await {
                Ok(response) => response,
                Err(error) => bad_form_response("press", &error),
            },
            Err(AuthError::Sender(_)) if is_bare_ssl_check(request) => plain(StatusCode::OK, ""),
            Err(error) => self.auth_error_response(&error),
        }
    }

    fn auth_error_response(&self, error: &AuthError) -> Response<Bytes> {
        let now = self.clock.now();
        match error {
            AuthError::Sender(reason) => {
                self.refusals.not_slack(*reason, now);
                let text = "The request is not signed by Slack.\n";
                plain(StatusCode::UNAUTHORIZED, text)
            }
            AuthError::Secret(error) => {
                self.refusals
                    .no_secret(SecretName::SlackSigning, error, now);
                let text = "The signing secret cannot be read; the log says why.\n";
                plain(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }

    async fn verify_request<'r>(
        &self,
        request: &'r Request<Bytes>,
    ) -> Result<VerifiedBody<'r>, AuthError> {
        if verify::is_unsigned(request.headers())
            && let Some(verified) = self.verify_by_token(request).await
        {
            return Ok(verified?);
        }
        self.verify_signature(request).await
    }

    async fn verify_signature<'r>(
        &self,
        request: &'r Request<Bytes>,
    ) -> Result<VerifiedBody<'r>, AuthError> {
        let now = self.clock.now();
        let headers = SignatureHeaders::parse(request.headers(), request.body(), now)?;
        let name = SecretName::SlackSigning;
        let verified = self
            .check_with(name, |secret| headers.verify(secret))
            .await?;
        Ok(verified.ok_or(Unauthenticated::WrongSignature)?)
    }

    /// Verifies an unsigned request of a legacy command; `None` unless an operator has opted in to
    /// those and the form has a token.
    async fn verify_by_token<'r>(
        &self,
        request: &'r Request<Bytes>,
    ) -> Option<Result<VerifiedBody<'r>, Unauthenticated>> {
        let form = Form::parse(request.headers(), request.body()).ok()?;
        let (token, now) = (form.get("token")?, self.clock.now());
        let check = |expected: &_| verify::verify_token(request.body(), token, expected, now);
        let verified = self.check_with(SecretName::SlackVerification, check).await;
        let verified = verified.ok()?.ok_or(Unauthenticated::WrongToken);
        if verified.is_ok()
            && self
                .ports
                .perform(GetSecret(SecretName::SlackSigning))
                .await
                .is_ok()
        {
            self.refusals.unsigned(now);
        }
        Some(verified)
    }

    async fn handle_form(
        &self,
        request: &Request<Bytes>,
        body: &VerifiedBody<'_>,
    ) -> Response<Bytes> {
        let form = match Form::parse(request.headers(), body.bytes) {
            Ok(form) => form,
            Err(error) => return bad_form_response("command", &error),
        };
        if form.get("ssl_check") == Some("1") {
            return plain(StatusCode::OK, "");
        }
        match self.handle_command(&form, body).await {
            Ok(CommandResponse::Message(message)) => message_response(&message),
            Ok(CommandResponse::Empty) => plain(StatusCode::OK, ""),
            Err(error) => bad_form_response("command", &error),
        }
    }
}

/// Slack tests the certificate without a signature. The answer is empty, and nothing else in the
/// body is read.
fn is_bare_ssl_check(request: &Request<Bytes>) -> bool {
    verify::is_unsigned(request.headers())
        && Form::parse(request.headers(), request.body())
            .is_ok_and(|form| form.get("ssl_check") == Some("1"))
}

fn bad_form_response(what: &str, error: &FormError) -> Response<Bytes> {
    warn!(reason = %error, "signed request rejected");
    let mut response = plain(StatusCode::BAD_REQUEST, "");
    *response.body_mut() = Bytes::from(format!("Not a {what}: {error}.\n"));
    response
}

fn message_response(message: &SlackMessage) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(message.to_json().to_string()));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
