//! Who may call: pages of other sites reach a server on loopback, too, through the browser of whoever
//! opens them. Every refusal of such a call is here.
//!
//! A site can send a request to this address (`Origin` tells), or give its own name this address (DNS
//! rebinding: `Host` tells).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use crate::http;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What every answer of the page says to the browser.
const ANSWER_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// The names by which a browser on this machine calls this server.
#[derive(Debug, Clone)]
pub(crate) struct OwnAddress(Arc<[String; 2]>);

impl OwnAddress {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let hosts = [address.to_string(), format!("localhost:{}", address.port())];
        // A browser leaves out the usual port.
        Self(Arc::new(hosts.map(|host| match host.strip_suffix(":80") {
            Some(host) => host.to_owned(),
            None => host,
        })))
    }

    fn is_host(&self, name: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether the request names this server, and only this one.
    fn is_asked(&self, request: &Request) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let in_uri = request.uri().authority();
        hosts.next().is_none()
            && host.is_some_and(|host| self.is_host(host))
            && in_uri.is_none_or(|named| self.is_host(named.as_str()))
    }

    /// Whether a page of this server sends the request; `None` if no page says so.
    fn is_own_page(&self, headers: &HeaderMap) -> Option<bool> {
        let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
        origins.peek()?;
        Some(origins.all(|origin| {
            let origin = origin.to_str().ok();
            let host = origin.and_then(|origin| origin.strip_prefix("http://"));
            host.is_some_and(|host| self.is_host(host))
        }))
    }
}

/// Refuses what a page of another site sends, whatever it is.
pub(crate) fn refuse_foreign_pages(router: Router, own: &OwnAddress) -> Router {
    router.layer(from_fn_with_state(own.clone(), check_origin))
}

async fn check_origin(State(own): State<OwnAddress>, request: Request, next: Next) -> Response {
    if own.is_own_page(request.headers()) == Some(false) {
        let why = "a page of another site may not call this server";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

/// Refuses what is meant for a server of another name.
pub(crate) fn require_own_host(router: Router, own: &OwnAddress) -> Router {
    router.layer(from_fn_with_state(own.clone(), check_host))
}

async fn check_host(State(own): State<OwnAddress>, request: Request, next: Next) -> Response {
    if own.is_asked(&request) {
        return next.run(request).await;
    }
    let why = format!("open http://{}/ instead", own.0[0]);
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Takes changes from the page alone: its own origin, and JSON, which no form can send.
pub(super) fn require_own_page(router: Router, own: &OwnAddress) -> Router {
    router.layer(from_fn_with_state(own.clone(), check_own_page))
}

async fn check_own_page(State(own): State<OwnAddress>, request: Request, next: Next) -> Response {
    if own.is_own_page(request.headers()) != Some(true) {
        return (StatusCode::FORBIDDEN, "only the page itself may do this").into_response();
    }
    if !http::is_json(request.headers()) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json").into_response();
    }
    next.run(request).await
}

/// Sets the headers that keep a page to itself, and gives nothing to a page of another site that asks
/// without saying its origin.
pub(super) fn protect_page(router: Router) -> Router {
    router.layer(from_fn(protect))
}

async fn protect(request: Request, next: Next) -> Response {
    let mut response = if may_ask(request.headers()) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    };
    for (name, value) in ANSWER_HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Whether the browser says that this server's own page asks, or whoever opens the page.
fn may_ask(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    let is_own = matches!(value(SITE), None | Some(b"same-origin" | b"none"));
    // A link may lead here from anywhere.
    is_own || value(MODE) == Some(b"navigate")
}
