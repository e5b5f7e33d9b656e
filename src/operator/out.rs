//! Standard output as the commands use it: buffered, without colours where nobody sees them, and
//! closed without a fuss when the reader has had enough.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use chatops_core::Time;
use chrono::SecondsFormat;
use serde::Serialize;

/// Where a command writes.
pub(super) struct Out {
    to: BufWriter<Box<dyn Write>>,
    closed: bool,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        Self::to(Box::new(anstream::stdout()))
    }

    pub(super) fn to(to: Box<dyn Write>) -> Self {
        Self {
            to: BufWriter::new(to),
            closed: false,
        }
    }

    /// Whether nobody reads any more; what is written from now on is lost, and that is no error.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// One value as one line of JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        writeln!(self, "{line}")
    }

    fn heard<T: Default>(&mut self, done: io::Result<T>) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(T::default())
            }
            done => done,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.closed {
            let done = self.to.write_all(bytes);
            self.heard(done)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let done = self.to.flush();
        self.heard(done)
    }
}

/// A remark beside the output, on standard error: a file that the output goes to stays clean.
pub(super) fn remark(text: &str) {
    // Where even that is closed, there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// How far something has come, on standard error's one line, in the place of what stood there.
pub(super) fn progress(text: &str) {
    // Nobody misses it where it cannot be shown.
    let _ = write!(io::stderr(), "\r{text}\u{1b}[K");
}

/// A moment as people and programs read it: ISO 8601, UTC, to the second.
pub(super) fn iso(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The words of others without what would move a terminal's cursor, colour it or turn its text
/// round.
pub(crate) fn plain(text: &str) -> String {
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

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let mut out = Out::to(Box::new(Gone));
        writeln!(out, "one").unwrap();
        assert!(!out.is_closed());
        out.flush().unwrap();
        assert!(out.is_closed());
        writeln!(out, "two").unwrap();
        out.flush().unwrap();
    }

    #[test]
    fn words_of_others_do_not_drive_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mred\nb"), r"a\u{1b}[31mred\nb");
        assert_eq!(plain("abc\u{202e}def \u{9b}1m"), r"abc\u{202e}def \u{9b}1m");
        assert_eq!(plain("Grüße, 世界"), "Grüße, 世界");
    }
}
