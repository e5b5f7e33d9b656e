//! The HTTP client: requests to loopback alone, without redirects, a connection for each.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::{Bytes, BytesMut};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Response, Url, redirect, retry};
use sha2::Sha256;

/// The longest line that is read from a stream, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// How long a connection may take; every request has a limit of its own for the rest.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shared by all, also across runtimes, since it keeps no connection open.
#[expect(
    clippy::expect_used,
    reason = "no setting of the client depends on its surroundings"
)]
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    // A client needs a TLS provider even if it never uses TLS. An earlier one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .pool_max_idle_per_host(0)
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client for plain HTTP")
});

/// Why there is no complete response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is not `http` on loopback.
    #[error("{0} is not http on loopback")]
    NotLoopback(String),
    /// The URL or a header is malformed.
    #[error(transparent)]
    Malformed(#[from] axum::http::Error),
    /// The time limit passed.
    #[error("the time limit passed")]
    TimedOut,
    /// There was no connection, or it closed before the response was complete.
    #[error("the connection broke: {0}")]
    Broken(#[source] reqwest::Error),
    /// A line of a stream is too long.
    #[error("a line has no end")]
    EndlessLine,
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken(error)
        }
    }
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl HttpReply {
    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        lossy_text(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// Posts a body with these headers.
pub(crate) async fn post(
    url: &str,
    headers: &[(&'static str, String)],
    body: &str,
    limit: Duration,
) -> Result<HttpReply, HttpError> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    send_request(request.body(body.to_owned())?, limit).await
}

/// Sends a request and reads the complete response within `limit`.
pub async fn send_request(
    request: Request<String>,
    limit: Duration,
) -> Result<HttpReply, HttpError> {
    let response = send(request, Some(limit)).await?;
    Ok(HttpReply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await?,
    })
}

/// Sends a request and waits for the head of the response.
async fn send(request: Request<String>, limit: Option<Duration>) -> Result<Response, HttpError> {
    let mut request = reqwest::Request::try_from(request)?;
    if !is_loopback(request.url()) {
        return Err(HttpError::NotLoopback(request.url().to_string()));
    }
    *request.timeout_mut() = limit;
    Ok(CLIENT.execute(request).await?)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
    url.scheme() == "http" && (host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback()))
}

/// A response that is read line by line. Dropping it closes the connection.
#[derive(Debug)]
pub struct LineStream {
    response: Response,
    buffer: BytesMut,
}

/// Sends a request and waits for the head of the response. There is no time limit.
pub async fn open_lines(request: Request<String>) -> Result<LineStream, HttpError> {
    Ok(LineStream {
        response: send(request, None).await?,
        buffer: BytesMut::new(),
    })
}

impl LineStream {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The next line without its end, with what is not UTF-8 replaced; `None` after the last one.
    pub async fn next_line(&mut self) -> Result<Option<String>, HttpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(Some(lossy_text(&line[..end])));
            }
            match self.response.chunk().await? {
                Some(data) if self.buffer.len() <= MAX_LINE => self.buffer.extend(data),
                Some(_) => return Err(HttpError::EndlessLine),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Ok(Some(lossy_text(&self.buffer.split()))),
            }
        }
    }
}

/// Whether a body is declared as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()?.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The HMAC-SHA256 of a message in lower-case hexadecimal.
pub(crate) fn hmac_hex(secret: &str, message: &str) -> String {
    // HMAC takes a key of any length; the error exists only in the trait.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    base16ct::lower::encode_string(&mac.finalize().into_bytes())
}

fn lossy_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
