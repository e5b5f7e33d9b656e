//! Slack's signature, over the raw bytes and before anything is parsed.
//!
//! HMAC-SHA256 with the signing secret as text, over `v0:`, the timestamp as received, `:` and the
//! body; the timestamp at most 300 seconds off in either direction.
//!
//! Legacy custom commands carry no signature, only a token in the form. Where an operator has opted
//! in by configuring that token, it stands in for the signature.

use chatops_core::Time;
use chatops_core::ports::Versions;
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::ExposeSecret;
use sha2::Sha256;

/// How far Slack's clock and ours may be apart, in seconds. Exactly this much is still accepted.
const WINDOW: i64 = 300;

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// A body whose sender is known to be Slack. Only [`Claim::verify`] and [`by_token`] make one.
#[derive(Debug)]
pub(crate) struct Verified<'a> {
    body: &'a [u8],
    signed_at: Time,
}

impl<'a> Verified<'a> {
    pub(crate) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The moment Slack signed; of an unsigned request the moment it arrived.
    pub(crate) fn signed_at(&self) -> Time {
        self.signed_at
    }
}

/// Why a request is not known to be Slack's. For the log; the sender learns none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forged {
    #[error("a signature header is missing or doubled")]
    Headers,
    #[error("a signature header is malformed")]
    Malformed,
    #[error("the timestamp is more than {WINDOW} s off")]
    Window,
    #[error("the signature does not fit the body")]
    Signature,
    #[error("the verification token does not fit")]
    Token,
}

/// Whether the request carries neither of the signature's headers.
pub(crate) fn is_unsigned(headers: &HeaderMap) -> bool {
    !headers.contains_key(SIGNATURE) && !headers.contains_key(TIMESTAMP)
}

/// Accepts an unsigned body by the token that stood in its form, compared in constant time.
pub(crate) fn by_token<'a>(
    body: &'a [u8],
    token: &str,
    expected: &Versions,
    now: Time,
) -> Result<Verified<'a>, Forged> {
    // Both are hashed under the same key, since only a hash is compared in constant time.
    let tag = |key: &str, text: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
        Some(mac.chain_update(text))
    };
    let fits = |expected: &str| {
        let mine = tag(expected, expected).map(|mac| mac.finalize().into_bytes());
        let theirs = tag(expected, token);
        match (mine, theirs) {
            (Some(mine), Some(theirs)) if !expected.is_empty() => {
                theirs.verify_slice(&mine).is_ok()
            }
            _ => false,
        }
    };
    if fits(expected.current.expose_secret()) {
        Ok(Verified {
            body,
            signed_at: now,
        })
    } else {
        Err(Forged::Token)
    }
}

/// What a request says of its sender: well-formed and of now, but not proven.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    timestamp: &'a str,
    signed_at: Time,
    signature: [u8; 32],
    body: &'a [u8],
}

impl<'a> Claim<'a> {
    /// Reads everything that can be judged without a secret.
    pub(crate) fn read(headers: &'a HeaderMap, body: &'a [u8], now: Time) -> Result<Self, Forged> {
        let timestamp = the_one(headers, TIMESTAMP)?;
        let digits =
            (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|b| b.is_ascii_digit());
        let seconds: i64 = timestamp
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(Forged::Malformed)?;
        let signed_at = DateTime::from_timestamp(seconds, 0).ok_or(Forged::Malformed)?;
        let signature = the_one(headers, SIGNATURE)?
            .strip_prefix("v0=")
            .and_then(unhex)
            .ok_or(Forged::Malformed)?;
        if (now.timestamp() - seconds).abs() > WINDOW {
            return Err(Forged::Window);
        }
        Ok(Self {
            timestamp,
            signed_at,
            signature,
            body,
        })
    }

    /// Checks the signature against every version of the secret that counts.
    pub(crate) fn verify(&self, secrets: &Versions) -> Result<Verified<'a>, Forged> {
        // Every secret is tried, so that the time tells nothing about which one is in use.
        let fits = [Some(&secrets.current), secrets.previous.as_ref()]
            .into_iter()
            .flatten()
            .map(|secret| {
                let secret = secret.expose_secret();
                fits(secret, self.timestamp, self.body, &self.signature)
            })
            .fold(false, |any, this| any | this);
        if fits {
            Ok(Verified {
                body: self.body,
                signed_at: self.signed_at,
            })
        } else {
            Err(Forged::Signature)
        }
    }
}

fn fits(secret: &str, timestamp: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    // An empty key would let anybody sign.
    let Some(mac) = Some(secret)
        .filter(|secret| !secret.is_empty())
        .and_then(|secret| Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok())
    else {
        return false;
    };
    mac.chain_update("v0:")
        .chain_update(timestamp)
        .chain_update(":")
        .chain_update(body)
        .verify_slice(signature)
        .is_ok()
}

/// The header's value, if there is exactly one. An API gateway joins doubled headers with a comma,
/// which neither header may hold.
fn the_one<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Forged> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Forged::Headers);
    };
    let value = value.to_str().map_err(|_| Forged::Malformed)?;
    if value.contains(',') {
        Err(Forged::Headers)
    } else {
        Ok(value)
    }
}

/// Exactly 64 lower-case hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let bytes: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut out = [0; 32];
    for (pair, byte) in bytes.chunks_exact(2).zip(&mut out) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}
