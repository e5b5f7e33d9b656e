//! Who sent a request: signatures over the raw bytes, checked before anything is parsed.
//!
//! Slack signs `v0:`, the timestamp as received, `:` and the body with HMAC-SHA256 and the signing
//! secret as text; the timestamp is at most 300 seconds off in either direction.
//!
//! Legacy custom commands carry no signature, only a token in the form. Where an operator has opted
//! in by configuring that token, it replaces the signature.

use chatops_core::Time;
use chatops_core::ports::{
    GetSecret, IngestPorts, RefreshSecret, SecretError, SecretName, SecretVersions,
};
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::Ingest;

/// How far Slack's clock and ours may be apart, in seconds. Exactly this much is still accepted.
const MAX_SKEW_SECS: i64 = 300;

const SIGNATURE_HEADER: &str = "x-slack-signature";
const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";

/// An HMAC-SHA256.
pub(crate) type Tag = [u8; 32];

/// A body that Slack sent. Only [`SignatureHeaders::verify`] and [`verify_token`] make one.
#[derive(Debug)]
pub(crate) struct VerifiedBody<'a> {
    pub(crate) bytes: &'a [u8],
    /// When Slack signed it; of an unsigned request when it arrived.
    pub(crate) signed_at: Time,
    /// Whether only the verification token vouches for it.
    pub(crate) unsigned: bool,
}

/// Why Slack is not known to be the sender. For the log; the sender is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Unauthenticated {
    #[error("a signature header is missing or doubled")]
    HeaderCount,
    #[error("a signature header is malformed")]
    MalformedHeader,
    #[error("the timestamp is more than {MAX_SKEW_SECS} s off")]
    StaleTimestamp,
    #[error("the signature does not match")]
    WrongSignature,
    #[error("the verification token does not match")]
    WrongToken,
}

impl<P: IngestPorts> Ingest<P> {
    /// Runs `check` with a secret; if it fails, refreshes the secret, which may have been rotated or
    /// added, and runs it once more. The legacy token is not looked for.
    pub(crate) async fn check_with<T>(
        &self,
        name: SecretName,
        check: impl Fn(&SecretVersions) -> Option<T>,
    ) -> Result<Option<T>, SecretError> {
        let first = self
            .ports
            .perform(GetSecret(name))
            .await
            .map(|secret| check(&secret));
        match &first {
            Ok(Some(_)) => return first,
            // What is not signed anybody can send, so it costs no read.
            Err(_) if name == SecretName::SlackVerification => return first,
            Ok(None) | Err(_) => {}
        }
        if let Err(error) = self.ports.perform(RefreshSecret(name)).await {
            self.refusals.not_refreshed(name, &error, self.clock.now());
            // Of a secret that was not known this says more: it may exist.
            return first.map_err(|_| error);
        }
        Ok(check(&self.ports.perform(GetSecret(name)).await?))
    }
}

/// The versions of a secret that are accepted.
pub(crate) fn versions(secret: &SecretVersions) -> impl Iterator<Item = &str> {
    let versions = [Some(&secret.current), secret.previous.as_ref()];
    versions
        .into_iter()
        .flatten()
        .map(ExposeSecret::expose_secret)
}

/// Whether one of `tags` is the HMAC of `parts` under one of `keys`. Every pair is compared, each in
/// constant time, so that the time does not tell which one matched.
pub(crate) fn any_tag_matches<'k>(
    keys: impl IntoIterator<Item = &'k str>,
    parts: &[&[u8]],
    tags: &[Tag],
) -> bool {
    let mut any = false;
    for mac in keys.into_iter().filter_map(|key| hmac(key, parts)) {
        for tag in tags {
            any |= mac.clone().verify_slice(tag).is_ok();
        }
    }
    any
}

/// `None` if the key is empty: with that anybody could sign.
fn hmac(key: &str, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let key = Some(key).filter(|key| !key.is_empty())?;
    let mac = Hmac::new_from_slice(key.as_bytes()).ok()?;
    Some(parts.iter().fold(mac, Mac::chain_update))
}

/// Whether the request carries neither of the signature's headers.
pub(crate) fn is_unsigned(headers: &HeaderMap) -> bool {
    !headers.contains_key(SIGNATURE_HEADER) && !headers.contains_key(TIMESTAMP_HEADER)
}

/// Accepts an unsigned body by the token in its form.
pub(crate) fn verify_token<'a>(
    bytes: &'a [u8],
    token: &str,
    expected: &SecretVersions,
    now: Time,
) -> Option<VerifiedBody<'a>> {
    let expected = expected.current.expose_secret();
    // Both texts are hashed under the same key, since only tags are compared in constant time.
    let tag = hmac(expected, &[expected.as_bytes()])?
        .finalize()
        .into_bytes();
    let matches = any_tag_matches([expected], &[token.as_bytes()], &[tag.into()]);
    matches.then_some(VerifiedBody {
        bytes,
        signed_at: now,
        unsigned: true,
    })
}

/// What a request claims about its sender: well-formed and recent, but not verified.
#[derive(Debug)]
pub(crate) struct SignatureHeaders<'a> {
    timestamp: &'a str,
    signed_at: Time,
    tag: Tag,
    body: &'a [u8],
}

impl<'a> SignatureHeaders<'a> {
    /// Checks everything that needs no secret.
    pub(crate) fn parse(
        headers: &'a HeaderMap,
        body: &'a [u8],
        now: Time,
    ) -> Result<Self, Unauthenticated> {
        let malformed = Unauthenticated::MalformedHeader;
        let timestamp = single_header(headers, TIMESTAMP_HEADER)?;
        let is_digits =
            (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|b| b.is_ascii_digit());
        let seconds = timestamp
            .parse()
            .ok()
            .filter(|_| is_digits)
            .ok_or(malformed)?;
        let signed_at = DateTime::from_timestamp(seconds, 0).ok_or(malformed)?;
        let signature = single_header(headers, SIGNATURE_HEADER)?.strip_prefix("v0=");
        let tag = signature.and_then(decode_tag).ok_or(malformed)?;
        if (now.timestamp() - seconds).abs() > MAX_SKEW_SECS {
            return Err(Unauthenticated::StaleTimestamp);
        }
        Ok(Self {
            timestamp,
            signed_at,
            tag,
            body,
        })
    }

    pub(crate) fn verify(&self, secret: &SecretVersions) -> Option<VerifiedBody<'a>> {
        let parts = [b"v0:", self.timestamp.as_bytes(), b":", self.body];
        any_tag_matches(versions(secret), &parts, &[self.tag]).then_some(VerifiedBody {
            bytes: self.body,
            signed_at: self.signed_at,
            unsigned: false,
        })
    }
}

/// The header's value, if there is exactly one. An API gateway joins doubled headers with a comma,
/// which neither header may hold.
fn single_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Unauthenticated> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Unauthenticated::HeaderCount);
    };
    match value.to_str() {
        Err(_) => Err(Unauthenticated::MalformedHeader),
        Ok(value) if value.contains(',') => Err(Unauthenticated::HeaderCount),
        Ok(value) => Ok(value),
    }
}

/// Reads exactly 64 lower-case hexadecimal digits.
pub(crate) fn decode_tag(digits: &str) -> Option<Tag> {
    let mut tag = Tag::default();
    let decoded = base16ct::lower::decode(digits, &mut tag).ok()?.len();
    (decoded == tag.len()).then_some(tag)
}
