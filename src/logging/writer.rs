//! Writes the lines of the log, best effort: a full disk, a pipe that nobody reads or whose reader has gone
//! costs lines and nothing else. What is lost is counted, and said as soon as a line can be written.
//!
//! Who logs never waits: a thread of its own writes, and what it cannot keep up with is lost.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chatops_core::ports::Clock;
use chatops_local::clock::WallClock;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::{LogFormat, TIME_FORMAT};

/// How many lines may wait to be written.
const MAX_WAITING: usize = 8_192;

/// How long the end waits for lines that are not written yet.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two tries, where a pipe is full and does not wait by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// The thread that writes. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct LogWriter {
    lines: LogLines,
    ended: Receiver<()>,
}

/// Where lines are put that are to be written.
#[derive(Debug, Clone)]
pub(crate) struct LogLines {
    waiting: SyncSender<LogMessage>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum LogMessage {
    Line(Vec<u8>),
    End,
}

impl LogWriter {
    /// Starts the thread, which writes to standard output.
    pub(crate) fn start(format: LogFormat) -> Result<Self> {
        // Not by way of the buffer of standard output, which keeps what could not be written.
        let out = io::stdout().as_fd().try_clone_to_owned();
        Self::start_on(out.map(File::from).ok(), format)
    }

    fn start_on(out: Option<File>, format: LogFormat) -> Result<Self> {
        let (waiting, received) = mpsc::sync_channel(MAX_WAITING);
        let (end, ended) = mpsc::sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let mut output = LogOutput {
            out,
            format,
            lost: Arc::clone(&lost),
            said: 0,
            is_cut: false,
            has_failed: false,
        };
        let write = move || {
            while let Ok(LogMessage::Line(line)) = received.recv() {
                output.write_line(&line);
            }
            let _ = end.send(());
        };
        let thread = thread::Builder::new().name("log".to_owned()).spawn(write);
        thread.context("no thread can be started for the log")?;
        Ok(Self {
            lines: LogLines { waiting, lost },
            ended,
        })
    }

    /// Where to put lines.
    pub(crate) fn lines(&self) -> LogLines {
        self.lines.clone()
    }

    /// How many lines could not be written.
    pub(crate) fn lost_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lines.lost)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < END_TIMEOUT {
            match self.lines.waiting.try_send(LogMessage::End) {
                Err(TrySendError::Full(_)) => thread::sleep(RETRY_PAUSE),
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
            }
        }
        let left = END_TIMEOUT.saturating_sub(begun.elapsed());
        match self.ended.recv_timeout(left) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLines;

    fn make_writer(&'a self) -> LogLines {
        self.clone()
    }
}

impl Write for LogLines {
    /// Takes one line: the formatter hands over each as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = self.waiting.try_send(LogMessage::Line(line.to_vec()));
        if sent.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output.
struct LogOutput {
    /// `None` if it is closed.
    out: Option<File>,
    format: LogFormat,
    lost: Arc<AtomicU64>,
    /// How many of the lost lines were said.
    said: u64,
    /// Whether only the beginning of the last line was written.
    is_cut: bool,
    has_failed: bool,
}

impl LogOutput {
    fn write_line(&mut self, line: &[u8]) {
        if let Err(error) = self.write_whole(line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            if !self.has_failed {
                self.has_failed = true;
                // It may lead to the same place.
                let _ = writeln!(
                    io::stderr(),
                    "chatops: lines of the log cannot be written to standard output: {error}"
                );
            }
            return;
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.said && self.write_whole(&self.loss_line(lost - self.said)).is_ok() {
            self.said = lost;
            self.has_failed = false;
        }
    }

    fn write_whole(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_cut {
            self.write_bytes(b"\n")?;
            self.is_cut = false;
        }
        self.write_bytes(line)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(ErrorKind::BrokenPipe);
        let mut left = bytes;
        while !left.is_empty() {
            match self.out.as_mut().ok_or_else(closed)?.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    left = &left[written..];
                    self.is_cut = !left.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn loss_line(&self, lines: u64) -> Vec<u8> {
        let at = WallClock.now().format(TIME_FORMAT);
        let message = "lines of the log could not be written";
        let target = module_path!();
        let line = match self.format {
            LogFormat::Text => format!("{at}  WARN {target}: {message} lines={lines}"),
            LogFormat::Json => json!({
                "timestamp": at.to_string(),
                "level": "WARN",
                "message": message,
                "lines": lines,
                "target": target,
            })
            .to_string(),
        };
        (line + "\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;

    use super::*;

    fn start(out: OwnedFd) -> LogWriter {
        LogWriter::start_on(Some(File::from(out)), LogFormat::Text).unwrap()
    }

    fn put(lines: &mut LogLines, line: &str) {
        lines.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Until there is room for it.
    fn put_patiently(lines: &mut LogLines, writer: &LogWriter, line: &str) {
        loop {
            let lost = writer.lost_lines().load(Ordering::Relaxed);
            put(lines, line);
            if writer.lost_lines().load(Ordering::Relaxed) == lost {
                return;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn what_a_slow_reader_misses_is_said_once_it_reads() {
        const LINES: usize = 3 * MAX_WAITING;
        let (read, write) = io::pipe().unwrap();
        let writer = start(write.into());
        let mut lines = writer.lines();
        for number in 0..LINES {
            // Nobody reads, and this does not wait.
            put(
                &mut lines,
                &format!("line {number} of the log that nobody reads"),
            );
        }
        let lost = writer.lost_lines().load(Ordering::Relaxed);
        assert!(lost > 0);
        let reader = thread::spawn(move || {
            let lines = BufReader::new(read).lines();
            lines.map(Result::unwrap).collect::<Vec<String>>()
        });
        // What waited is written now, and what is missing is said in between.
        put_patiently(&mut lines, &writer, "the last");
        drop((writer, lines));
        let read = reader.join().unwrap();
        assert!(read.iter().any(|line| line == "the last"));
        let said = read.iter().filter_map(|line| {
            let (_, count) = line.split_once("could not be written lines=")?;
            count.parse::<u64>().ok()
        });
        assert!(said.sum::<u64>() >= lost, "{lost}");
    }

    #[test]
    fn a_reader_that_has_gone_is_counted() {
        let (read, write) = io::pipe().unwrap();
        drop(read);
        let writer = start(write.into());
        put(&mut writer.lines(), "one");
        put(&mut writer.lines(), "two");
        let lost = writer.lost_lines();
        drop(writer);
        assert_eq!(lost.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_that_does_not_read() {
        let (read, write) = io::pipe().unwrap();
        let writer = start(write.into());
        for _ in 0..2 * MAX_WAITING {
            put(&mut writer.lines(), "a line of the log that nobody reads");
        }
        drop(writer);
        drop(read);
    }
}
