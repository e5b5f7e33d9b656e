//! Requests as Slack sends them, and forged ones.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request};
use sha2::Sha256;

/// The example in Slack's documentation.
pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const NOW: i64 = 1_531_420_618;
pub(crate) const PUBLISHED: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
    &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
    %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121\
    .803a0bc887a14d10d2c447fce8b6703c";
pub(crate) const PUBLISHED_SIGNATURE: &str =
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

/// Never logged.
pub(crate) const TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";
pub(crate) const USER_NAME: &str = "roadrunner";
pub(crate) const RESPONSE_URL: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXa";
pub(crate) const TRIGGER: &str = "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

pub(crate) const SIGNATURE: &str = "X-Slack-Signature";
pub(crate) const TIMESTAMP: &str = "X-Slack-Request-Timestamp";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A request without its route.
#[derive(Clone)]
pub(crate) struct SlackRequest {
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for SlackRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.headers {
            write!(f, "{name}: {}; ", value.escape_ascii())?;
        }
        write!(f, "{}", self.body.escape_ascii())
    }
}

impl SlackRequest {
    pub(crate) fn to_route(&self, route: &str) -> Request<Bytes> {
        let mut request = Request::post(route);
        for (name, value) in &self.headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        request.body(Bytes::from(self.body.clone())).unwrap()
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|header| header.0 != name);
        self
    }

    /// Adds a header beside those of the same name.
    pub(crate) fn and(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Without either header of the signature.
    pub(crate) fn unsigned(self) -> Self {
        self.without(SIGNATURE).without(TIMESTAMP)
    }

    pub(crate) fn header(&self, name: &str) -> Vec<u8> {
        let (_, value) = self.headers.iter().find(|header| header.0 == name).unwrap();
        value.clone()
    }

    pub(crate) fn set(self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// Slack's signature, computed independently.
pub(crate) fn sign(secret: &str, timestamp: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [b"v0:", timestamp, b":", body] {
        mac.update(part);
    }
    let tag = mac.finalize().into_bytes();
    format!("v0={}", base16ct::lower::encode_string(&tag))
}

pub(crate) fn signed_by(secret: &str, timestamp: &[u8], body: impl Into<Vec<u8>>) -> SlackRequest {
    let body = body.into();
    let signature = sign(secret, timestamp, &body);
    SlackRequest {
        headers: vec![("Content-Type", FORM.into())],
        body,
    }
    .and(TIMESTAMP, timestamp)
    .and(SIGNATURE, signature)
}

pub(crate) fn sign_now(secret: &str, body: &[u8]) -> String {
    sign(secret, NOW.to_string().as_bytes(), body)
}

pub(crate) fn signed_with(secret: &str, body: impl Into<Vec<u8>>) -> SlackRequest {
    signed_by(secret, NOW.to_string().as_bytes(), body)
}

pub(crate) fn signed(body: impl Into<Vec<u8>>) -> SlackRequest {
    signed_with(SECRET, body)
}

pub(crate) fn unsigned(body: &str) -> SlackRequest {
    signed(body).unsigned()
}

/// The fields of a command; tests change or remove some.
pub(crate) fn fields(text: &str) -> Vec<(&'static str, String)> {
    [
        ("token", TOKEN),
        ("team_id", "T1DC2JH3J"),
        ("channel_id", "G8PSS9T3V"),
        ("user_id", "U2CERLKJA"),
        ("user_name", USER_NAME),
        ("command", "/chatops"),
        ("text", text),
        ("api_app_id", "A0001"),
        ("response_url", RESPONSE_URL),
        ("trigger_id", TRIGGER),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

pub(crate) fn form(fields: &[(&'static str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

pub(crate) fn deploy_form() -> String {
    form(&fields("main deploy"))
}

pub(crate) fn command(text: &str) -> SlackRequest {
    signed(form(&fields(text)))
}

/// A command with some fields replaced, or left out.
pub(crate) fn command_with(text: &str, changes: &[(&str, Option<&str>)]) -> SlackRequest {
    let mut fields = fields(text);
    for (name, value) in changes {
        fields.retain_mut(|field| {
            if field.0 == *name {
                value.unwrap_or_default().clone_into(&mut field.1);
            }
            field.0 != *name || value.is_some()
        });
    }
    signed(form(&fields))
}

/// `main deploy` with one field replaced, or left out.
pub(crate) fn changed_form(name: &str, value: Option<&str>) -> SlackRequest {
    command_with("main deploy", &[(name, value)])
}
