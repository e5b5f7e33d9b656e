//! The signature on every request from Slack.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Slack-Signature";

/// The header with the time of the request, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "X-Slack-Request-Timestamp";

/// A form as Slack sends it: change a header or the body to send a forgery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The urlencoded form.
    pub body: String,
}

impl Signed {
    /// Replaces the value of a header.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let known = |header: &&mut (&'static str, String)| header.0.eq_ignore_ascii_case(name);
        if let Some(header) = self.headers.iter_mut().find(known) {
            header.1 = value.into();
        }
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.headers
            .retain(|header| !header.0.eq_ignore_ascii_case(name));
    }
}

/// The signature of a body at a time: `v0=` and 64 lower-case hexadecimal digits.
pub fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    let message = format!("v0:{timestamp}:{body}");
    // HMAC takes a key of any length; the error exists only in the trait.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    let digest = mac.finalize().into_bytes();
    let mut signature = String::from("v0=");
    for byte in digest {
        for digit in [byte >> 4, byte & 0xf] {
            signature.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    signature
}

/// The headers and the body of a signed request.
pub fn signed_request(secret: &str, timestamp: i64, body: String) -> Signed {
    Signed {
        headers: vec![
            (
                "Content-Type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
            (
                "User-Agent",
                "Slackbot 1.0 (+https://api.slack.com/robots)".to_owned(),
            ),
            ("Accept", "application/json,*/*".to_owned()),
            (TIMESTAMP_HEADER, timestamp.to_string()),
            (SIGNATURE_HEADER, sign(secret, timestamp, &body)),
        ],
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in Slack's documentation.
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121\
        .803a0bc887a14d10d2c447fce8b6703c";

    #[test]
    fn the_signature_is_slacks() {
        assert_eq!(
            sign("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, BODY),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn a_forgery_keeps_the_rest() {
        let mut forged = signed_request("secret", 1, "a=b".to_owned());
        forged.set("x-slack-signature", "v0=00");
        forged.remove("User-Agent");
        assert!(
            forged
                .headers
                .contains(&(SIGNATURE_HEADER, "v0=00".to_owned()))
        );
        assert_eq!(forged.headers.len(), 4);
    }
}
