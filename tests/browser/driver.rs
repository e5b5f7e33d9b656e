//! The processes: a driver and the browser that it starts, on loopback and in a folder of their own. Nothing
//! is left of them, however a test ends.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The size of the window, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowSize {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A running driver.
pub(crate) struct Driver {
    process: Child,
    port: u16,
    /// The browser's profile, and its home.
    folder: TempDir,
}

impl Driver {
    /// Starts the driver; `None` if there is none on this machine.
    ///
    /// It takes a free port of `::1` and ends if a server of another test has the same one of `127.0.0.1`
    /// (SeleniumHQ/selenium#10974): then it is started again.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        for _ in 0..20 {
            let mut process = match spawn(folder.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                process => process.unwrap(),
            };
            let mut lines = BufReader::new(process.stdout.take().unwrap())
                .lines()
                .map_while(Result::ok);
            for line in lines.by_ref() {
                let Some(port) = port_of(&line) else {
                    said.push(line);
                    continue;
                };
                // Never waits for a full pipe.
                thread::spawn(move || lines.for_each(drop));
                return Some(Self {
                    process,
                    port,
                    folder,
                });
            }
            process.wait().unwrap();
            let in_use = |line: &String| line.contains("port not available");
            if !said.last().is_some_and(in_use) {
                break;
            }
        }
        panic!("the driver does not listen; it said: {said:#?}");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the browser is asked to be. It knows no address but those of this machine.
    pub(crate) fn capabilities(&self, size: WindowSize, more: &[&str]) -> Value {
        let profile = format!("--user-data-dir={}", self.profile().display());
        let mut arguments = vec![
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            // Nothing is seen half-way.
            "--force-prefers-reduced-motion",
            "--lang=en",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            &profile,
        ];
        if geteuid().is_root() {
            arguments.push("--no-sandbox");
        }
        arguments.extend(more);
        let WindowSize { width, height } = size;
        let metrics = json!({
            "width": width, "height": height, "pixelRatio": 1.0, "mobile": false, "touch": false,
        });
        let options = json!({"args": arguments, "mobileEmulation": {"deviceMetrics": metrics}});
        json!({"browserName": "chrome", "goog:chromeOptions": options})
    }

    fn profile(&self) -> std::path::PathBuf {
        self.folder.path().join("profile")
    }

    /// Asks the driver to end, with the browser; what became of that shows in the processes.
    fn ask_to_end(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let head = format!("Host: 127.0.0.1:{}\r\nConnection: close", self.port);
        write!(stream, "GET /shutdown HTTP/1.1\r\n{head}\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // If it does not answer, it is killed.
        let _ = self.ask_to_end();
        let _ = self.process.kill();
        let _ = self.process.wait();
        kill_processes_of(&self.profile());
    }
}

fn spawn(home: &Path) -> std::io::Result<Child> {
    Command::new("chromedriver")
        .arg("--port=0")
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// The port that a line of the driver says it listens on.
fn port_of(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

/// Kills what was started with this profile, which no other process has. There is nothing left after an
/// orderly end.
fn kill_processes_of(profile: &Path) {
    let profile = profile.display().to_string();
    let is_number = |name: &String| name.chars().all(|c| c.is_ascii_digit());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    for pid in names.filter(is_number) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&profile) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}
