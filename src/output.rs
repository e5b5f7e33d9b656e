//! The standard output of the commands: buffered, colours only on a terminal, and no error when the
//! reader closes it.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use chatops_core::Time;
use chrono::SecondsFormat;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Where a command writes.
pub(crate) struct CommandOutput {
    writer: BufWriter<Box<dyn Write>>,
    is_closed: bool,
}

impl CommandOutput {
    pub(crate) fn stdout() -> Self {
        Self::to_writer(Box::new(anstream::stdout()))
    }

    pub(crate) fn to_writer(to: Box<dyn Write>) -> Self {
        Self {
            writer: BufWriter::new(to),
            is_closed: false,
        }
    }

    /// Whether the reader has closed it; further output is dropped, and that is no error.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn write_json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        writeln!(self, "{line}")
    }

    fn note_closed<T: Default>(&mut self, done: io::Result<T>) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(T::default())
            }
            done => done,
        }
    }
}

impl Write for CommandOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_closed {
            let done = self.writer.write_all(bytes);
            self.note_closed(done)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let done = self.writer.flush();
        self.note_closed(done)
    }
}

/// A remark on standard error, so that redirected output stays clean.
pub(crate) fn print_remark(text: &str) {
    // Standard error may be closed, too.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Prints a line to standard output, as it comes; nobody may read it any more.
#[cfg(feature = "demo")]
pub(crate) fn print_line(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// A progress bar on standard error; it draws nothing where that is no terminal.
pub(crate) fn progress_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{prefix:<7} [{bar:20}] {pos} of {len}",
        ),
        None => (ProgressBar::no_length(), "{prefix:<7} {pos}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("##.")),
        Err(_) => bar,
    }
}

/// A time for people: ISO 8601, UTC, to the second.
pub(crate) fn iso_time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time in exports: RFC 3339, UTC, always with six digits of microseconds.
pub(crate) fn micros_time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Foreign text without characters that would move a terminal's cursor, colour it or reverse text.
pub(crate) fn sanitize(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => {
                let _ = write!(shown, "{}", c.escape_default());
            }
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "{}", c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_reader_is_no_error() {
        let mut out = CommandOutput::to_writer(Box::new(ClosedPipe));
        writeln!(out, "one").unwrap();
        assert!(!out.is_closed());
        out.flush().unwrap();
        assert!(out.is_closed());
        writeln!(out, "two").unwrap();
        out.flush().unwrap();
    }

    #[test]
    fn foreign_text_does_not_control_the_terminal() {
        assert_eq!(sanitize("a\u{1b}[31mred\nb"), r"a\u{1b}[31mred\nb");
        let hidden = "abc\u{202e}def \u{9b}1m";
        assert_eq!(sanitize(hidden), r"abc\u{202e}def \u{9b}1m");
        assert_eq!(sanitize("Grüße, 世界"), "Grüße, 世界");
    }
}
