//! The emulator, or whatever `AWS_ENDPOINT_URL` names.
//!
//! Each test binary starts one of its own, bound to the loopback interface, from a virtual
//! environment in the build directory that the first of them makes. It ends when its standard input
//! does, which is when the test binary ends in whatever way.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chatops_aws::client::{AwsSdk, AwsSettings};

use crate::WAIT_TIMEOUT;
use crate::address::free_address;
use crate::python::{self, build_directory};

const EMULATOR_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/emulator.py");

/// What the tests talk to.
#[derive(Debug)]
pub struct AwsEndpoint {
    /// Its address, without a path.
    pub url: String,
    /// Whether it is ours, so that the clock of its queues can be moved.
    pub is_ours: bool,
}

/// Starts it, once.
pub fn endpoint() -> &'static AwsEndpoint {
    static ENDPOINT: OnceLock<AwsEndpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| match env_var("AWS_ENDPOINT_URL") {
        Some(url) => AwsEndpoint {
            url: url.into_string().unwrap(),
            is_ours: false,
        },
        None => AwsEndpoint {
            url: start_emulator(EMULATOR_SCRIPT, &[]),
            is_ours: true,
        },
    })
}

/// Clients of the endpoint, or of another address in front of it.
pub fn aws_clients(url: &str) -> AwsSdk {
    let emulated = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let settings = AwsSettings::read(|name| {
        let ours = || emulated.iter().find(|(known, _)| *known == name);
        match name {
            "AWS_ENDPOINT_URL" => Some(url.into()),
            _ if endpoint().is_ours => ours().map(|(_, value)| value.into()),
            _ => env_var(name).or_else(|| ours().map(|(_, value)| value.into())),
        }
    });
    let mut settings = settings.unwrap();
    // One emulator on a busy machine answers many tests at a time.
    settings.call_timeout = Duration::from_mins(2);
    settings.attempt_timeout = Duration::from_mins(1);
    AwsSdk::new(&settings).unwrap()
}

/// A name that nobody else has; of letters and digits.
pub fn unique() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    static RUN: OnceLock<u64> = OnceLock::new();
    let run = RUN.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    let n = LAST.fetch_add(1, Ordering::Relaxed);
    format!("chatops{run:016x}n{n}")
}

fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Starts the emulator; its address.
pub fn start_emulator(launcher: &str, settings: &[(&str, &str)]) -> String {
    // A port is free when it is chosen; somebody else may be quicker.
    let python = python::python_path();
    let (tmp, mut said) = (build_directory(), String::new());
    for _ in 0..5 {
        let address = free_address();
        let (port, url) = (address.port(), format!("http://{address}"));
        let log = tmp.join(format!("ministack-{port}.log"));
        let file = File::create(&log).unwrap();
        let mut child = Command::new(&python)
            .arg(launcher)
            .env_clear()
            .envs(env_var("PATH").map(|path| ("PATH", path)))
            .env("AWS_ENDPOINT_URL", &url)
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("LAMBDA_EXECUTOR", "local")
            .env("LOG_LEVEL", "ERROR")
            .envs(settings.iter().copied())
            .env("HOME", &tmp)
            .env("STATE_DIR", &tmp)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        if is_up(&mut child, port) {
            // Its standard input is open as long as this process lives.
            std::mem::forget(child.stdin.take());
            let _ = fs::remove_file(log);
            return url;
        }
        let _ = child.kill();
        let _ = child.wait();
        said = fs::read_to_string(&log).unwrap_or_default();
    }
    panic!("the emulator does not start: {said}")
}

fn is_up(child: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < WAIT_TIMEOUT {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(answer) = send_request(port, "GET", "/_ministack/health", "", "")
            && answer.starts_with("HTTP/1.1 200")
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Sets the clock of the queues whose names begin with that name.
pub fn set_clock(name: &str, micros: i64) {
    let port = endpoint().url.rsplit(':').next().unwrap();
    let body = format!(r#"{{"Clock":"{name}","Micros":{micros}}}"#);
    let target = "X-Amz-Target: AmazonSQS.SetClock\r\n";
    let answer = send_request(port.parse().unwrap(), "POST", "/", target, &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn send_request(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(WAIT_TIMEOUT))?;
    let length = body.len();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
