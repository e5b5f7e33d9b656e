//! A request at the command's address: whether it is Slack's, and the answer in Slack's form.

use bytes::Bytes;
use chatops_core::ports::{Clock, Queue, SecretName, Secrets, SecretsError};
use chatops_core::words::Post;
use http::{Request, Response, StatusCode, header};
use tracing::{error, warn};

use crate::command::Answer;
use crate::form::{BadForm, Form};
use crate::verify::{self, Claim, Forged, Verified};
use crate::{Ingest, LARGEST_BODY, plain};

/// Why a request is not acted on.
#[derive(Debug, thiserror::Error)]
enum Unverified {
    /// The sender's doing.
    #[error(transparent)]
    Forged(#[from] Forged),
    /// Our own trouble.
    #[error(transparent)]
    Secret(#[from] SecretsError),
}

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
            Err(Unverified::Forged(_)) if is_bare_ssl_check(request) => plain(StatusCode::OK, ""),
            Err(Unverified::Forged(forged)) => {
                warn!(reason = %forged, "request refused: it is not known to be Slack's");
                plain(
                    StatusCode::UNAUTHORIZED,
                    "The request is not signed by Slack.\n",
                )
            }
            Err(Unverified::Secret(error)) => {
                error!(%error, "the signing secret cannot be read: every command fails");
                plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The signing secret cannot be read; an operator has to look.\n",
                )
            }
        }
    }

    /// Verifies. Where that fails for want of the right secret, it is tried once more with the
    /// secret read afresh, since it may have been rotated.
    async fn verified<'r>(&self, request: &'r Request<Bytes>) -> Result<Verified<'r>, Unverified> {
        if verify::is_unsigned(request.headers())
            && let Some(verified) = self.by_token(request).await
        {
            return Ok(verified?);
        }
        let claim = Claim::read(request.headers(), request.body(), self.clock.now())?;
        let first = match self.secrets.get(SecretName::SlackSigning).await {
            Ok(secrets) => claim.verify(&secrets).map_err(Unverified::Forged),
            Err(error) => Err(Unverified::Secret(error)),
        };
        if first.is_ok() {
            return first;
        }
        if let Err(error) = self.secrets.refresh(SecretName::SlackSigning).await {
            warn!(%error, "the signing secret could not be read afresh");
            return first;
        }
        let secrets = self.secrets.get(SecretName::SlackSigning).await?;
        Ok(claim.verify(&secrets)?)
    }

    /// An unsigned request of a legacy command, where somebody has opted in to those. A token that
    /// does not fit is tried once more with the right one read afresh.
    async fn by_token<'r>(
        &self,
        request: &'r Request<Bytes>,
    ) -> Option<Result<Verified<'r>, Forged>> {
        let name = SecretName::SlackVerification;
        let expected = self.secrets.get(name).await.ok()?;
        let form = Form::parse(request.headers(), request.body()).ok()?;
        let token = form.get("token")?;
        let now = self.clock.now();
        let first = verify::by_token(request.body(), token, &expected, now);
        if first.is_ok() {
            return Some(first);
        }
        if let Err(error) = self.secrets.refresh(name).await {
            warn!(%error, "the verification token could not be read afresh");
            return Some(first);
        }
        let expected = self.secrets.get(name).await.ok()?;
        Some(verify::by_token(request.body(), token, &expected, now))
    }

    async fn signed(&self, request: &Request<Bytes>, body: &Verified<'_>) -> Response<Bytes> {
        let form = match Form::parse(request.headers(), body.body()) {
            Ok(form) => form,
            Err(bad) => return bad_form(&bad),
        };
        if form.get("ssl_check") == Some("1") {
            return plain(StatusCode::OK, "");
        }
        match self.answer(&form, body.signed_at()).await {
            Ok(Answer::Shown(post)) => shown(&post),
            Ok(Answer::Nothing) => plain(StatusCode::OK, ""),
            Err(bad) => bad_form(&bad),
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
