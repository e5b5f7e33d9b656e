//! Measures the ingest function, cold and warm, against a minimal function.
//!
//! A cold start ends with the first response: what a function defers in its init, it does in its
//! first event, with less processor time.

mod aws;
mod runtime_api;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use chatops_sandbox::slack::{SignedForm, TypedCommand};
use chatops_sandbox::{Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};

use self::runtime_api::FunctionTimes;

/// As long as Slack's secrets.
const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Measures `cold` starts, and `warm` events in each.
pub(crate) async fn run(bin: &Path, cold: u32, warm: usize) -> Result<()> {
    let dir = Path::new("target/bench");
    std::fs::create_dir_all(dir)?;
    let (config, authority) = (dir.join("functions.toml"), dir.join("functions.pem"));
    let sandbox = Sandbox::start(SandboxSettings::new(SIGNING_SECRET, vec![])).await?;
    let small_team = TestConfig::new().slack(sandbox.slack_url());
    let small_team = small_team.project("web", &[TestJob::open("deploy")]);
    std::fs::write(&config, small_team.text())?;
    let endpoint = aws::start_endpoint(SIGNING_SECRET, &authority)?;
    let text = |path: &PathBuf| path.display().to_string();
    let environment: Vec<(String, String)> = [
        ("AWS_LAMBDA_FUNCTION_NAME", "f".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.clone()),
        ("CHATOPS_AWS_ROOTS", "system".to_owned()),
        ("SSL_CERT_FILE", text(&authority)),
        ("CHATOPS_CONFIG", text(&config)),
        ("CHATOPS_SECRETS", "inbound".to_owned()),
        ("CHATOPS_WORK_QUEUE_URL", format!("{endpoint}/1/work")),
        ("CHATOPS_POLLS_QUEUE_URL", format!("{endpoint}/1/polls")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let event = || {
        let typed = TypedCommand::new("main deploy");
        let sender = sandbox.command_sender();
        http_event(&sender.prepare_command("http://127.0.0.1", &typed).signed)
    };
    let programs = ["floor", "chatops-ingest"].map(|name| bin.join(name));
    let mut measured: [Vec<FunctionTimes>; 2] = Default::default();
    // Alternating, so that other load on the machine affects both.
    for _ in 0..cold {
        for (program, measured) in programs.iter().zip(&mut measured) {
            let times = runtime_api::measure_function(program, &environment, event, warm)?;
            measured.push(times);
        }
    }
    print_report(&programs, &measured)
}

/// The request as an event of the HTTP API.
fn http_event(sent: &SignedForm) -> String {
    let headers = sent.headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), value.clone().into()));
    let headers: serde_json::Map<_, _> = headers.collect();
    serde_json::json!({
        "version": "2.0", "rawPath": "/slack/commands", "rawQueryString": "", "headers": headers,
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "body": sent.body, "isBase64Encoded": false,
    })
    .to_string()
}

fn print_report(programs: &[PathBuf; 2], measured: &[Vec<FunctionTimes>; 2]) -> Result<()> {
    anstream::println!(
        "function           first ms    ratio   cpu ms    warm µs     p99 µs   RSS MB       MB"
    );
    let mut floor = None;
    for (program, measured) in programs.iter().zip(measured) {
        let first = median(measured.iter().map(|times| times.first));
        let cpu = median(measured.iter().map(|times| times.cpu));
        let warm = measured.iter().flat_map(|times| &times.warm);
        let mut warm: Vec<_> = warm.copied().collect();
        warm.sort();
        let p99 = warm.get(warm.len() * 99 / 100).copied().unwrap_or_default();
        let memory = measured.iter().map(|times| times.memory).max();
        let size = std::fs::metadata(program)?.len();
        let floor = *floor.get_or_insert(first.as_secs_f64());
        anstream::println!(
            "{:16} {:10.2} {:8.2} {:8.2} {:10.0} {:10.0} {:8.1} {:8.1}",
            program.file_name().context("no name")?.display(),
            first.as_secs_f64() * 1e3,
            first.as_secs_f64() / floor,
            cpu.as_secs_f64() * 1e3,
            median(warm.into_iter()).as_secs_f64() * 1e6,
            p99.as_secs_f64() * 1e6,
            megabytes(memory.unwrap_or_default()),
            megabytes(size),
        );
    }
    Ok(())
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
