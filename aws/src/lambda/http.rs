//! Requests as API Gateway hands them to a function, in both of its formats: payload 2.0 of the
//! HTTP API and payload 1.0, which is the REST API's.
//!
//! Everything in them is the outside's, so that nothing here may panic; that, and the twenty crates
//! it would bring for eight fields, is why no ready-made reader is used. What the gateway encoded is
//! decoded by its flag, never by guess: Slack's forms come as base64 through the HTTP API and as
//! text through the REST API.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

/// A request in either format.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRequest {
    #[serde(default)]
    request_context: GatewayContext,
    /// In payload 1.0.
    http_method: Option<String>,
    /// In payload 2.0, as it was sent.
    raw_path: Option<String>,
    /// In payload 1.0.
    path: Option<String>,
    /// In payload 2.0, as it was sent.
    raw_query_string: Option<String>,
    /// In payload 1.0.
    query_string_parameters: Option<BTreeMap<String, String>>,
    /// In payload 2.0 repeated ones are joined by commas.
    headers: Option<BTreeMap<String, String>>,
    /// In payload 1.0, each value on its own.
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Default, Deserialize)]
struct GatewayContext {
    /// In payload 2.0.
    http: Option<GatewayHttp>,
    stage: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GatewayHttp {
    method: String,
}

/// Why an event is not a request that can be answered by a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is no request at all: the function is wired to something else.
    #[error("the event is not a request of API Gateway's, in payload format 1.0 or 2.0")]
    NotHttp,
    /// The sender gets an error response.
    #[error("the request cannot be read")]
    Malformed,
}

impl GatewayRequest {
    /// The request as it was sent.
    pub fn request(self) -> Result<Request<Bytes>, RequestError> {
        let method = self.request_context.http.map(|http| http.method);
        let method = method.or(self.http_method).ok_or(RequestError::NotHttp)?;
        let path = match (&self.raw_path, &self.path) {
            (Some(raw), _) => strip_stage(raw, self.request_context.stage.as_deref()),
            (None, Some(path)) => path,
            (None, None) => return Err(RequestError::NotHttp),
        };
        let query = self.raw_query_string.unwrap_or_else(|| {
            let pairs = self.query_string_parameters.iter().flatten();
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(pairs).finish()
        });
        let target = match query.as_str() {
            "" => path.to_owned(),
            query => format!("{path}?{query}"),
        };
        let headers = match self.multi_value_headers.filter(|all| !all.is_empty()) {
            Some(all) => read_headers(flatten(&all)),
            None => read_headers(self.headers.iter().flatten()),
        };
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| RequestError::Malformed)?
        } else {
            body.into_bytes()
        };
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() =
            Method::from_bytes(method.as_bytes()).map_err(|_| RequestError::Malformed)?;
        let target: PathAndQuery = target.parse().map_err(|_| RequestError::Malformed)?;
        *request.uri_mut() = target.into();
        *request.headers_mut() = headers.ok_or(RequestError::Malformed)?;
        Ok(request)
    }
}

/// A path without the name of the stage that it begins with, if the stage has one.
fn strip_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| *stage != "$default");
    let below = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    below.filter(|below| below.starts_with('/')).unwrap_or(path)
}

fn flatten(all: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (&String, &String)> {
    all.iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
}

fn read_headers<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Option<HeaderMap> {
    let headers = headers.into_iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for header in headers {
        let (name, value) = header?;
        map.append(name, value);
    }
    Some(map)
}

/// A response; both formats read it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Response<Bytes>> for GatewayResponse {
    /// Bodies are text; header values that are no text are left out.
    fn from(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        let headers = head.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Self {
            status_code: head.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
            is_base64_encoded: false,
        }
    }
}

impl GatewayResponse {
    /// The response to a request that cannot be read.
    #[must_use]
    pub fn bad_request() -> Self {
        let text = "The request cannot be read.\n";
        let mut response = Response::new(Bytes::from_static(text.as_bytes()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.into()
    }
}

#[cfg(test)]
mod tests;
