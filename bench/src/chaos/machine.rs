//! The machine of the process: where it runs, what its disk and clock do, and how it ends.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use url::Url;

use super::{SIGNING_SECRET, TOKEN};

/// What is preloaded into the process.
const FAULTS: &str = include_str!("faults.c");

/// What a write to the disk fails with.
#[derive(Debug, Clone, Copy)]
pub(super) enum DiskTrouble {
    Full,
    ReadOnly,
}

/// Where the process runs.
#[derive(Debug)]
pub(super) struct Machine {
    program: PathBuf,
    dir: PathBuf,
    library: PathBuf,
    /// What the preloaded library reads: the error of writes and the seconds that the clock is off.
    trouble: File,
}

impl Machine {
    /// Compiles what makes trouble.
    pub(super) fn prepare(program: &Path, dir: &Path) -> Result<Self> {
        let source = dir.join("faults.c");
        std::fs::write(&source, FAULTS)?;
        let library = dir.join("faults.so");
        let compiled = std::process::Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status()
            .context("the C compiler `cc` is needed")?;
        ensure!(compiled.success(), "faults.c cannot be compiled");
        let trouble = File::create(dir.join("trouble"))?;
        trouble.write_all_at(&[0; 16], 0)?;
        Ok(Self {
            program: program.to_owned(),
            dir: dir.to_owned(),
            library,
            trouble,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("chatops.db")
    }

    /// Whether `chatops audit verify` finds nothing.
    pub(super) fn verify_audit(&self) -> Result<bool> {
        let verify = std::process::Command::new(&self.program)
            .args(["audit", "verify", "--data"])
            .arg(self.data())
            .env_clear()
            .stdout(Stdio::null())
            .status()?;
        Ok(verify.success())
    }

    /// What the last server said of its errors.
    pub(super) fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.join("errors")).unwrap_or_default()
    }

    pub(super) fn fail_writes(&self, with: Option<DiskTrouble>) -> Result<()> {
        let error = with.map_or(0, |with| match with {
            DiskTrouble::Full => rustix::io::Errno::NOSPC.raw_os_error(),
            DiskTrouble::ReadOnly => rustix::io::Errno::ROFS.raw_os_error(),
        });
        Ok(self
            .trouble
            .write_all_at(&i64::from(error).to_ne_bytes(), 0)?)
    }

    pub(super) fn set_clock(&self, seconds: i64) -> Result<()> {
        Ok(self.trouble.write_all_at(&seconds.to_ne_bytes(), 8)?)
    }

    /// Starts the server; it may end by itself at once.
    pub(super) fn spawn(&self, descriptors: Option<u32>) -> Result<Server> {
        // The shell limits itself, and becomes the server.
        let mut command = Command::new("/bin/sh");
        let limit = descriptors.map(|most| format!("ulimit -n {most}; "));
        let script = format!("{}exec \"$0\" \"$@\"", limit.unwrap_or_default());
        command
            .args(["-c", &script])
            .arg(&self.program)
            .arg("serve");
        command
            .arg("--config")
            .arg(self.dir.join("chatops.toml"))
            .arg("--data")
            .arg(self.data())
            .args(["--listen", "127.0.0.1:0"])
            .env_clear()
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("CIRCLECI_TOKEN", TOKEN)
            .env("LD_PRELOAD", &self.library)
            .env("CHATOPS_CHAOS", self.dir.join("trouble"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.dir.join("errors"))?)
            .kill_on_drop(true);
        let mut child = command.spawn().context("the server cannot be started")?;
        let lines = child.stdout.take().context("it has no output")?;
        Ok(Server {
            child,
            lines: Some(BufReader::new(lines).lines()),
            log: JoinSet::new(),
            clients: Vec::new(),
        })
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    log: JoinSet<()>,
    /// Connections that say nothing.
    pub(super) clients: Vec<TcpStream>,
}

impl Server {
    /// Where commands go, once it serves; `None` if it has ended instead.
    pub(super) async fn serving(&mut self) -> Option<Url> {
        let mut lines = self.lines.take()?;
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, after)) = line.split_once("serving address=") {
                let address = after.split_whitespace().next()?;
                // Its log is read on, so that it never waits for a full pipe.
                let read_on = async move { while let Ok(Some(_)) = lines.next_line().await {} };
                self.log.spawn(read_on);
                return format!("http://{address}/slack/commands").parse().ok();
            }
        }
        None
    }

    /// No handler runs.
    pub(super) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// The polite request; what it is in the middle of may end with an error, if the disk does not let it.
    pub(super) async fn stop(mut self) -> Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        self.child.wait().await?;
        Ok(())
    }
}
