//! A plain HTTP client for loopback: no TLS, no redirects, one connection per request.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The longest line that is read from a stream, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// Why no whole answer arrived.
#[derive(Debug)]
pub enum Error {
    /// Not a request to an `http` address on loopback.
    Address(String),
    /// The time limit passed.
    TimedOut,
    /// No connection, or it closed before the answer was complete.
    Broken(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address} is not http on loopback"),
            Self::TimedOut => f.write_str("the time limit passed"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// Sends a request and reads the whole answer within `limit`.
pub async fn send(request: Request<String>, limit: Duration) -> Result<Reply, Error> {
    let exchange = exchange(request);
    tokio::time::timeout(limit, exchange)
        .await
        .unwrap_or(Err(Error::TimedOut))
}

async fn exchange(request: Request<String>) -> Result<Reply, Error> {
    let (mut sender, connection, request) = connect(request).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        // The sender must live until the body is read: dropping it closes the connection.
        let body = body.collect().await?.to_bytes();
        drop(sender);
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    };
    // The connection only drives the exchange; its own error shows in the answer, too.
    let (answer, _driven) = tokio::join!(answer, connection);
    answer.map_err(broken)
}

/// An answer that is read line by line as it comes. Dropping it hangs up.
#[derive(Debug)]
pub struct Lines {
    status: StatusCode,
    body: Incoming,
    read: BytesMut,
    _sender: SendRequest<Full<Bytes>>,
    // Drives the connection, and ends with this.
    _connection: JoinSet<()>,
}

/// Sends a request and waits for the head of the answer.
pub async fn lines(request: Request<String>) -> Result<Lines, Error> {
    let (mut sender, connection, request) = connect(request).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Its error shows in the answer, too.
        let _ = connection.await;
    });
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(broken)?
        .into_parts();
    Ok(Lines {
        status: head.status,
        body,
        read: BytesMut::new(),
        _sender: sender,
        _connection: driver,
    })
}

impl Lines {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The next line without its end, with what is not UTF-8 replaced; nothing after the last.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end);
                self.read.advance(1);
                return Ok(Some(text(&line)));
            }
            if self.read.len() > LONGEST_LINE {
                return Err(Error::Broken(io::Error::other("a line has no end")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(broken(error)),
                None if self.read.is_empty() => return Ok(None),
                None => return Ok(Some(text(&self.read.split()))),
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Connects, and makes the request one of the kind that goes over a connection.
async fn connect(
    request: Request<String>,
) -> Result<
    (
        SendRequest<Full<Bytes>>,
        Connection<TokioIo<TcpStream>, Full<Bytes>>,
        Request<Full<Bytes>>,
    ),
    Error,
> {
    let (mut head, body) = request.into_parts();
    let authority = loopback(&head.uri)?.to_owned();
    let host = authority
        .parse()
        .map_err(|_| Error::Address(authority.clone()))?;
    head.headers.insert(hyper::header::HOST, host);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path
        .parse()
        .map_err(|_| Error::Address(authority.clone()))?;

    let stream = TcpStream::connect(&authority)
        .await
        .map_err(Error::Broken)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::from_parts(head, Full::new(Bytes::from(body)));
    Ok((sender, connection, request))
}

fn broken(error: hyper::Error) -> Error {
    Error::Broken(io::Error::other(error))
}

/// The host and port, if the address is `http` on loopback with a port.
fn loopback(uri: &Uri) -> Result<&str, Error> {
    let is_loopback = |host: &str| {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
        host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    uri.authority()
        .filter(|_| uri.scheme_str() == Some("http"))
        .filter(|authority| authority.port().is_some() && is_loopback(authority.host()))
        .map(hyper::http::uri::Authority::as_str)
        .ok_or_else(|| Error::Address(uri.to_string()))
}
