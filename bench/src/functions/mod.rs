//! How long the ingest function takes, cold and warm, beside the least that a function can be.
//!
//! A cold start is from the start of the process to its first answer, which is the one fair figure:
//! what a function puts off in its init it pays for in its first event, with less of a processor.

mod aws;
mod runtime_api;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use chatops_sandbox::slack::{Signed, Typed};
use chatops_sandbox::{Sandbox, Settings};

use self::runtime_api::Life;

/// As long as Slack's are.
const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Measures `cold` starts, and `warm` events in each.
pub(crate) async fn run(bin: &Path, cold: u32, warm: usize) -> Result<()> {
    let dir = Path::new("target/bench");
    std::fs::create_dir_all(dir)?;
    let (config, authority) = (dir.join("functions.toml"), dir.join("functions.pem"));
    let sandbox = Sandbox::start(Settings::new(SIGNING_SECRET, vec![])).await?;
    let origin = format!("reply_origins = [\"{}\"]", sandbox.slack_url());
    std::fs::write(&config, CONFIG.replace("REPLY_ORIGINS", &origin))?;
    let endpoint = aws::start(SIGNING_SECRET, &authority)?;
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
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let event = || {
        let sent = sandbox
            .client()
            .compose("http://127.0.0.1", &Typed::new("main deploy"));
        payload(&sent.signed)
    };
    let programs = ["floor", "chatops-ingest"].map(|name| bin.join(name));
    let mut lives: [Vec<Life>; 2] = Default::default();
    // One of each in turn, so that whatever else the machine does falls on both.
    for _ in 0..cold {
        for (program, lives) in programs.iter().zip(&mut lives) {
            lives.push(runtime_api::live(program, &environment, event, warm)?);
        }
    }
    report(&programs, &lives)
}

/// The request as the HTTP API hands it over.
fn payload(sent: &Signed) -> String {
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

fn report(programs: &[PathBuf; 2], lives: &[Vec<Life>; 2]) -> Result<()> {
    anstream::println!(
        "{:16} {:>10} {:>8} {:>8} {:>10} {:>10} {:>8} {:>8}",
        "function",
        "first ms",
        "ratio",
        "cpu ms",
        "warm µs",
        "p99 µs",
        "RSS MB",
        "MB"
    );
    let mut floor = None;
    for (program, lives) in programs.iter().zip(lives) {
        let first = median(lives.iter().map(|life| life.first));
        let cpu = median(lives.iter().map(|life| life.cpu));
        let mut warm: Vec<_> = lives.iter().flat_map(|life| &life.warm).copied().collect();
        warm.sort();
        let p99 = warm.get(warm.len() * 99 / 100).copied().unwrap_or_default();
        let memory = lives
            .iter()
            .map(|life| life.memory)
            .max()
            .unwrap_or_default();
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
            megabytes(memory),
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

#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A configuration of the size that a team has.
const CONFIG: &str = r#"
version = 1
default_project = "web"
[slack]
teams = ["T0001"]
REPLY_ORIGINS
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
channels = ["*"]
people = ["*"]
branches = ["*"]
"#;
