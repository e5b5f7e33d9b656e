//! A stand-in for Lambda's Runtime API: it starts a function, sends it one event after another and
//! measures how long each response takes.

use std::io::BufReader;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chatops_core::ports::Clock;
use chatops_core::text::{MessageKind, MessageMark};
use chatops_local::clock::WallClock;
use serde_json::Value;

use super::wire;

/// The measurements of one function process.
pub(super) struct FunctionTimes {
    /// From its start to its first response.
    pub(super) first: Duration,
    /// The processor time of its main thread until then.
    pub(super) cpu: Duration,
    /// Each later response.
    pub(super) warm: Vec<Duration>,
    /// The peak memory, in bytes.
    pub(super) memory: u64,
}

/// Starts a function, sends it `events`, and kills it.
pub(super) fn measure_function(
    program: &Path,
    environment: &[(String, String)],
    mut events: impl FnMut() -> String,
    warm: usize,
) -> Result<FunctionTimes> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    let begun = Instant::now();
    let mut child = Command::new(program)
        .env_clear()
        .envs(environment.iter().cloned())
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let (connection, _) = listener.accept()?;
    let mut stream = BufReader::new(connection);
    send_event(&mut stream, &events())?;
    let first = begun.elapsed();
    let cpu = processor_time(&child)?;
    let responses = (0..warm).map(|_| send_event(&mut stream, &events()));
    let warm = responses.collect::<Result<_>>()?;
    let memory = peak_memory(&child)?;
    child.kill()?;
    child.wait()?;
    Ok(FunctionTimes {
        first,
        cpu,
        warm,
        memory,
    })
}

/// Waits until the function requests an event, sends it, and returns how long the response takes.
fn send_event(stream: &mut BufReader<TcpStream>, event: &str) -> Result<Duration> {
    let next = wire::read_request(stream)?.context("the function ended")?;
    if next.method != "GET" {
        let body = String::from_utf8_lossy(&next.body);
        bail!("{} {}: {body}", next.method, next.path);
    }
    let deadline = WallClock.now().timestamp_millis() + 10_000;
    let headers = format!(
        "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n"
    );
    let begun = Instant::now();
    wire::write_response(stream.get_mut(), &headers, event.as_bytes())?;
    let posted = wire::read_request(stream)?.context("the function ended")?;
    let took = begun.elapsed();
    let response: Value = serde_json::from_slice(&posted.body)?;
    if response["statusCode"] != 200 || is_rejection(&response) {
        bail!("the function responded with {response}");
    }
    wire::write_response(stream.get_mut(), "", b"{}")?;
    Ok(took)
}

/// Whether the command was not queued, which is less work. The floor has no message.
fn is_rejection(response: &Value) -> bool {
    let body = response["body"].as_str().unwrap_or_default();
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    let block_id = message["blocks"][0]["block_id"].as_str();
    let mark = block_id.and_then(MessageMark::parse);
    !body.is_empty() && mark.is_none_or(|mark| mark.kind != MessageKind::Accepted)
}

fn processor_time(child: &Child) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id()))?;
    let nanos = stat.split_whitespace().next().context("no schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn peak_memory(child: &Child) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("no VmHWM")?.parse::<u64>()? * 1024)
}
