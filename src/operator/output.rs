//! The standard output of the commands: buffered, colours only on a terminal, and no error when the
//! reader closes it.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use chatops_core::Time;
use chrono::SecondsFormat;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

/// Where a command writes.
pub(super) struct CommandOutput {
    writer: BufWriter<Box<dyn Write>>,
    is_closed: bool,
}

impl CommandOutput {
    pub(super) fn stdout() -> Self {
        Self::to_writer(Box::new(anstream::stdout()))
    }

    pub(super) fn to_writer(to: Box<dyn Write>) -> Self {
        Self {
            writer: BufWriter::new(to),
            is_closed: false,
        }
    }

    /// Whether the reader has closed it; further output is dropped, and that is no error.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes a value as one line of JSON.
    pub(super) fn write_json(&mut self, value: &impl Serialize) -> io::Result<()> {
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
pub(super) fn print_remark(text: &str) {
    // Standard error may be closed, too.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A progress bar on standard error; it draws nothing where that is no terminal.
pub(super) fn progress_bar(total: Option<u64>) -> ProgressBar {
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
pub(super) fn iso_time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time in exports: RFC 3339, UTC, always with six digits of microseconds.
pub(super) fn micros_time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The keys of times in an audit entry.
const TIME_KEYS: [&str; 8] = [
    "at",
    "again_at",
    "send_by",
    "since",
    "until",
    "requested_at",
    "due_at",
    "delivered_at",
];

/// Gives every time of an audit entry's JSON six digits of microseconds.
pub(super) fn unify_times(json: &mut Value) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(unify_times),
        Value::Object(fields) => {
            for (key, value) in fields {
                let text = value.as_str().filter(|_| TIME_KEYS.contains(&key.as_str()));
                let time = text.and_then(|text| text.parse().ok()).map(micros_time);
                match time {
                    Some(time) => *value = Value::String(time),
                    None => unify_times(value),
                }
            }
        }
        _ => {}
    }
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

    #[test]
    fn times_in_exports_have_six_digits() {
        let (_, entries) = super::super::example::canceled_with_audit();
        let mut json = serde_json::to_value(&entries[2]).unwrap();
        json["note"] = "2027-01-15T08:00:00Z".into();
        unify_times(&mut json);
        assert_eq!(json["at"], "2027-01-15T08:00:01.000000Z");
        let again_at = &json["change"]["again_at"];
        assert_eq!(again_at, "2027-01-15T08:00:06.000000Z", "{json}");
        assert_eq!(json["note"], "2027-01-15T08:00:00Z");
    }
}
