//! The signature on every request from Slack.

use crate::http::hmac_hex;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Slack-Signature";

/// The header with the time of the request, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "X-Slack-Request-Timestamp";

/// A form as Slack sends it. A changed header or body makes it a forgery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedForm {
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The urlencoded form.
    pub body: String,
}

impl SignedForm {
    /// Replaces the value of a header.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        let known = |header: &&mut (&'static str, String)| header.0.eq_ignore_ascii_case(name);
        if let Some(header) = self.headers.iter_mut().find(known) {
            header.1 = value.into();
        }
    }

    /// Removes a header.
    pub fn remove_header(&mut self, name: &str) {
        self.headers
            .retain(|header| !header.0.eq_ignore_ascii_case(name));
    }
}

/// The signature of a body at a time: `v0=` and 64 lower-case hexadecimal digits.
pub fn sign_form(secret: &str, timestamp: i64, body: &str) -> String {
    let message = format!("v0:{timestamp}:{body}");
    format!("v0={}", hmac_hex(secret, &message))
}

/// The headers and the body of a signed request.
pub fn signed_request(secret: &str, timestamp: i64, body: String) -> SignedForm {
    let kind = "application/x-www-form-urlencoded";
    let agent = "Slackbot 1.0 (+https://api.slack.com/robots)";
    SignedForm {
        headers: vec![
            ("Content-Type", kind.to_owned()),
            ("User-Agent", agent.to_owned()),
            ("Accept", "application/json,*/*".to_owned()),
            (TIMESTAMP_HEADER, timestamp.to_string()),
            (SIGNATURE_HEADER, sign_form(secret, timestamp, &body)),
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
            sign_form("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, BODY),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn a_forgery_keeps_the_rest() {
        let mut forged = signed_request("secret", 1, "a=b".to_owned());
        forged.set_header("x-slack-signature", "v0=00");
        forged.remove_header("User-Agent");
        let signature = (SIGNATURE_HEADER, "v0=00".to_owned());
        assert!(forged.headers.contains(&signature));
        assert_eq!(forged.headers.len(), 4);
    }
}
