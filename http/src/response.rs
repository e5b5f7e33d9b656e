//! An answer as it is read: its head at once, its body up to a limit, or as a stream.

use std::io::{self, BufReader, Read};
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use reqwest::{Response, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::describe_error;
use crate::retry_after::{parse_date, retry_after};

/// The most of an error's body that is read; what is behind that is not missed.
pub const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The most of any body that is read. An answer that CircleCI has for one build has passed one
/// mebibyte; a much larger one is no answer.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The most of a body that is kept to be parsed. What is larger is parsed while it arrives.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// An answer. What its head says is valid even if the body broke off.
#[derive(Debug, Clone)]
pub struct VendorResponse {
    /// The status.
    pub status: StatusCode,
    /// The pause that the vendor asks for, if it does; see [`MAX_ASKED_PAUSE`](chatops_core::ports::MAX_ASKED_PAUSE).
    pub retry_after: Option<Duration>,
    /// The vendor's clock.
    pub date: Option<Time>,
    /// The whole body, or why it could not be read; of an error the first [`MAX_ERROR_BYTES`].
    pub body: Result<Vec<u8>, String>,
}

impl VendorResponse {
    /// Reads an answer whose body has at most `limit` bytes, if it is a success.
    pub async fn read(mut response: Response, limit: usize) -> Self {
        let date = response.headers().get(header::DATE).and_then(parse_date);
        let status = response.status();
        Self {
            status,
            retry_after: pause(&response),
            date: date.map(Into::into),
            body: if status.is_success() {
                read_body(response, limit).await
            } else {
                let body = read_start(&mut response, limit.min(MAX_ERROR_BYTES)).await;
                body.map(|(body, _)| body)
            },
        }
    }

    /// The body in this form; `None` if it has another, or broke off.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.as_ref().ok()?).ok()
    }
}

/// An answer in JSON of which a few fields are needed, however large it is: only those are ever in
/// memory at once.
#[derive(Debug)]
pub struct JsonResponse {
    /// The status.
    pub status: StatusCode,
    /// The pause that the vendor asks for, if it does; see [`MAX_ASKED_PAUSE`](chatops_core::ports::MAX_ASKED_PAUSE).
    pub retry_after: Option<Duration>,
    /// The beginning of the body, or why it could not be read.
    start: Result<Vec<u8>, String>,
    /// What follows, if it is more than is kept.
    rest: Option<Response>,
}

impl JsonResponse {
    /// Reads the head and the beginning, which is all of a small answer.
    pub async fn read(mut response: Response) -> Self {
        let (status, retry_after) = (response.status(), pause(&response));
        let is_success = status.is_success();
        let kept = if is_success {
            MAX_KEPT_BYTES
        } else {
            MAX_ERROR_BYTES
        };
        let start = read_start(&mut response, kept).await;
        let is_whole = start.as_ref().map_or(true, |(_, is_whole)| *is_whole);
        Self {
            status,
            retry_after,
            start: start.map(|(start, _)| start),
            rest: (is_success && !is_whole).then_some(response),
        }
    }

    /// The beginning of the body: of an error all that is read. Or why it could not be read.
    pub fn start(&self) -> Result<&[u8], &str> {
        self.start.as_deref().map_err(String::as_str)
    }

    /// The body in this form, or why it could not be read. Fields that the form does not have are
    /// skipped.
    pub async fn parse<T>(self) -> Result<T, String>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let unreadable = |error| format!("the answer cannot be read: {error}");
        let start = self.start?;
        let Some(rest) = self.rest else {
            return serde_json::from_slice(&start).map_err(unreadable);
        };
        // The parser reads as from a file, so it gets a thread where it may wait.
        let (sender, chunks) = mpsc::channel(1);
        let length = start.len();
        let chunks = Chunks {
            current: start.into(),
            chunks,
        };
        let parser = tokio::task::spawn_blocking(move || {
            serde_json::from_reader(BufReader::new(chunks)).map_err(unreadable)
        });
        let (sent, parsed) = tokio::join!(send_rest(rest, length, sender), parser);
        // A body that broke off is no answer, even if what came of it can be parsed.
        sent?;
        parsed.map_err(|error| format!("the answer was not read: {error}"))?
    }

    #[cfg(test)]
    fn of(response: http::Response<Vec<u8>>) -> impl Future<Output = Self> {
        Self::read(response.into())
    }
}

/// The pause that an answer asks for.
fn pause(response: &Response) -> Option<Duration> {
    retry_after(response.headers(), response.url().host_str())
}

fn too_large(limit: usize) -> String {
    let kib = limit / 1024;
    match kib / 1024 {
        0 => format!("the answer is larger than {kib} KiB"),
        mib => format!("the answer is larger than {mib} MiB"),
    }
}

async fn next_chunk(response: &mut Response) -> Result<Option<Bytes>, String> {
    response.chunk().await.map_err(|e| describe_error(&e))
}

/// The body up to the limit, or why it could not be read.
async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, String> {
    let (body, is_whole) = read_start(&mut response, limit).await?;
    if is_whole {
        Ok(body)
    } else {
        Err(too_large(limit))
    }
}

/// The body up to the chunk that passes `length`, and whether that is all of it.
async fn read_start(response: &mut Response, length: usize) -> Result<(Vec<u8>, bool), String> {
    let mut start = Vec::new();
    while let Some(chunk) = next_chunk(response).await? {
        start.extend_from_slice(&chunk);
        if start.len() > length {
            return Ok((start, false));
        }
    }
    Ok((start, true))
}

/// Hands the rest of a body to the parser, for as long as it wants more; `length` bytes have been read.
async fn send_rest(
    mut rest: Response,
    mut length: usize,
    chunks: mpsc::Sender<Bytes>,
) -> Result<(), String> {
    while length <= MAX_BODY_BYTES {
        let Some(chunk) = next_chunk(&mut rest).await? else {
            return Ok(());
        };
        length += chunk.len();
        if chunks.send(chunk).await.is_err() {
            return Ok(());
        }
    }
    Err(too_large(MAX_BODY_BYTES))
}

/// The body as the parser reads it.
struct Chunks {
    current: Bytes,
    chunks: mpsc::Receiver<Bytes>,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wanted {
        before: u32,
        after: u32,
    }

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> http::Response<Vec<u8>> {
        let answer = http::Response::builder().status(status);
        answer.header("retry-after", "7").body(body.into()).unwrap()
    }

    fn padded(length: usize) -> String {
        let padding = "x".repeat(length);
        format!(r#"{{"before":1,"padding":["{padding}",{{"x":[]}}],"after":2}}"#)
    }

    #[tokio::test]
    async fn a_large_answer_is_read_for_its_few_fields() {
        for length in [
            0,
            1024,
            MAX_KEPT_BYTES,
            3 * MAX_KEPT_BYTES,
            MAX_BODY_BYTES - 1024,
        ] {
            let response = JsonResponse::of(answer(201, padded(length))).await;
            assert_eq!(response.status, StatusCode::CREATED);
            assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
            let wanted = Wanted {
                before: 1,
                after: 2,
            };
            assert_eq!(response.parse::<Wanted>().await, Ok(wanted), "{length}");
        }
    }

    #[tokio::test]
    async fn a_larger_answer_is_none() {
        let response = JsonResponse::of(answer(201, padded(MAX_BODY_BYTES))).await;
        let error = response.parse::<Wanted>().await.unwrap_err();
        assert_eq!(error, "the answer is larger than 32 MiB");
    }

    #[tokio::test]
    async fn an_error_is_read_up_to_a_few_kibibytes() {
        let body = "x".repeat(3 * MAX_KEPT_BYTES);
        let response = JsonResponse::of(answer(404, body.clone())).await;
        assert!(response.rest.is_none());
        assert!(response.start().unwrap().starts_with(b"xxx"));
        let response = VendorResponse::read(answer(404, body).into(), 1024).await;
        assert!(response.body.unwrap().starts_with(b"xxx"));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for body in [padded(0), padded(2 * MAX_KEPT_BYTES)] {
            // Broken off, followed by something, and of another form.
            for broken in [
                body[..body.len() - 1].to_owned(),
                body.clone() + "x",
                format!("[{body}]"),
            ] {
                let error = JsonResponse::of(answer(200, broken)).await;
                let error = error.parse::<Wanted>().await.unwrap_err();
                assert!(error.starts_with("the answer cannot be read: "), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_limit_holds_to_the_byte() {
        let read =
            async |length| VendorResponse::read(answer(200, "x".repeat(length)).into(), 1024).await;
        assert_eq!(read(1024).await.body.unwrap().len(), 1024);
        let error = read(1025).await.body.unwrap_err();
        assert_eq!(error, "the answer is larger than 1 KiB");
    }
}
