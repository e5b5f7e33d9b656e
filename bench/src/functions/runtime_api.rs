//! A stand-in for Lambda's Runtime API: it starts a function, hands it one event after another and
//! measures how long each answer takes.

use std::io::BufReader;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chatops::clock::SystemClock;
use chatops_core::ports::Clock;
use serde_json::Value;

use super::wire;

/// What one life of a function took.
pub(super) struct Life {
    /// From its start to its first answer.
    pub(super) first: Duration,
    /// The processor time of that, of its main thread.
    pub(super) cpu: Duration,
    /// Each of the answers after it.
    pub(super) warm: Vec<Duration>,
    /// The most memory that it had, in bytes.
    pub(super) memory: u64,
}

/// Starts a function, hands it `events`, and ends it.
pub(super) fn live(
    program: &Path,
    environment: &[(String, String)],
    mut events: impl FnMut() -> String,
    warm: usize,
) -> Result<Life> {
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
    hand(&mut stream, &events())?;
    let first = begun.elapsed();
    let cpu = processor_time(&child)?;
    let mut times = Vec::with_capacity(warm);
    for _ in 0..warm {
        let event = events();
        times.push(hand(&mut stream, &event)?);
    }
    let memory = peak_memory(&child)?;
    child.kill()?;
    child.wait()?;
    Ok(Life {
        first,
        cpu,
        warm: times,
        memory,
    })
}

/// Waits until the function asks, hands it the event, and waits for the answer; how long that took.
fn hand(stream: &mut BufReader<TcpStream>, event: &str) -> Result<Duration> {
    let asked = wire::read(stream)?.context("the function ended")?;
    if asked.method != "GET" {
        bail!(
            "{} {}: {}",
            asked.method,
            asked.path,
            String::from_utf8_lossy(&asked.body)
        );
    }
    let deadline = SystemClock.now().timestamp_millis() + 10_000;
    let headers = format!(
        "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n"
    );
    let begun = Instant::now();
    wire::answer(stream.get_mut(), &headers, event.as_bytes())?;
    let answer = wire::read(stream)?.context("the function ended")?;
    let took = begun.elapsed();
    let said: Value = serde_json::from_slice(&answer.body)?;
    // Whoever refuses a command has not sent it.
    let refused = said["body"]
        .as_str()
        .is_some_and(|body| body.contains("no_entry"));
    if said["statusCode"] != 200 || refused {
        bail!("the function answered {said}");
    }
    wire::answer(stream.get_mut(), "", b"{}")?;
    Ok(took)
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
