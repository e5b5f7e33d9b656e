//! API Gateway: requests become events in either payload format, replies become responses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::function::{InvokeOutcome, LambdaFunction};

/// How long API Gateway waits for a function; the function's own deadline is this one.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a request is put into an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadFormat {
    /// The REST API's.
    V1,
    /// The HTTP API's.
    V2,
}

impl PayloadFormat {
    pub(crate) const ALL: [PayloadFormat; 2] = [PayloadFormat::V1, PayloadFormat::V2];

    /// A request as an event. `base64` says how the body is written.
    pub(crate) fn encode_event(
        self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
        base64: bool,
    ) -> Value {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = if base64 {
            STANDARD.encode(body)
        } else {
            String::from_utf8_lossy(body).into_owned()
        };
        match self {
            Self::V1 => {
                let mut each: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for (name, value) in headers {
                    each.entry(name).or_default().push(value);
                }
                let last: BTreeMap<_, _> = headers.iter().map(|(n, v)| (n, v)).collect();
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let pairs: BTreeMap<_, _> = pairs.collect();
                json!({
                    "version": "1.0", "resource": "/{proxy+}", "path": path, "httpMethod": method,
                    "headers": last, "multiValueHeaders": each,
                    "queryStringParameters": if pairs.is_empty() { Value::Null } else { json!(pairs) },
                    "requestContext": {"stage": "prod", "httpMethod": method, "path": target},
                    "body": if body.is_empty() { Value::Null } else { json!(body) },
                    "isBase64Encoded": base64,
                })
            }
            Self::V2 => {
                let mut joined: BTreeMap<String, String> = BTreeMap::new();
                for (name, value) in headers {
                    let all = joined.entry(name.to_ascii_lowercase()).or_default();
                    if !all.is_empty() {
                        all.push(',');
                    }
                    all.push_str(value);
                }
                let mut event = json!({
                    "version": "2.0", "routeKey": "$default", "rawPath": path,
                    "rawQueryString": query, "headers": joined,
                    "requestContext": {
                        "stage": "$default",
                        "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
                    },
                    "isBase64Encoded": base64,
                });
                if !body.is_empty() {
                    event["body"] = json!(body);
                }
                event
            }
        }
    }
}

/// A front door of a function. It closes when it is dropped.
#[derive(Debug)]
pub(crate) struct ApiGateway {
    pub(crate) url: String,
    _server: JoinSet<()>,
}

impl ApiGateway {
    pub(crate) async fn open(function: &Arc<LambdaFunction>, payload: PayloadFormat) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward_request);
        let router = router.with_state((Arc::clone(function), payload));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            _server: server,
        }
    }
}

async fn forward_request(
    State((function, payload)): State<(Arc<LambdaFunction>, PayloadFormat)>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10 << 20).await.unwrap();
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter();
    let headers: Vec<_> = headers.map(|(n, v)| (n.to_string(), value(v))).collect();
    let kind = head.headers.get(header::CONTENT_TYPE).map(value);
    // The HTTP API passes JSON as text, and forms encoded.
    let text = payload == PayloadFormat::V1 || kind.is_some_and(|kind| kind.contains("json"));
    let (method, target) = (head.method.as_str(), head.uri.to_string());
    let event = payload.encode_event(method, &target, &headers, &body, !text);
    match function.invoke(&event, GATEWAY_TIMEOUT).await {
        InvokeOutcome::Answer(answer) => http_response(&answer),
        InvokeOutcome::TimedOut => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        InvokeOutcome::Error(_) | InvokeOutcome::Died(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn http_response(answer: &Value) -> Response {
    let status = answer["statusCode"].as_u64().unwrap();
    let status = StatusCode::from_u16(status.try_into().unwrap()).unwrap();
    assert_eq!(answer["isBase64Encoded"], false);
    let body = answer["body"].as_str().unwrap().to_owned();
    let headers = answer["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_str(value.as_str().unwrap());
        (name, value.unwrap())
    });
    (status, headers.collect::<HeaderMap>(), Bytes::from(body)).into_response()
}
