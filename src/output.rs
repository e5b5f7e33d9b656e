//! What the commands write: buffered, colours only on a terminal, wrapped between words where a terminal is
//! narrower than a line, and no error when the reader closes it. Errors of all commands are written here.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};

use chatops_core::Time;
use chrono::SecondsFormat;
use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;
use serde::Serialize;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Where a command writes.
pub(crate) struct CommandOutput {
    writer: BufWriter<Box<dyn Write>>,
    is_closed: bool,
    /// The columns of the terminal, if it is one.
    width: Option<usize>,
    /// The beginning of a line, as long as it may have to be wrapped.
    line: Vec<u8>,
}

impl CommandOutput {
    pub(crate) fn stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width = is_terminal.then(|| columns(&io::stdout())).flatten();
        Self {
            width,
            ..Self::to_writer(Box::new(anstream::stdout()))
        }
    }

    /// The columns of the terminal; `None` if the output goes elsewhere.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    pub(crate) fn to_writer(to: Box<dyn Write>) -> Self {
        Self {
            writer: BufWriter::new(to),
            is_closed: false,
            width: None,
            line: vec![],
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

    /// Writes what stands of a line, wrapped.
    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let done = match (self.width, str::from_utf8(&line)) {
            (Some(width), Ok(text)) => self.writer.write_all(wrap_line(text, width).as_bytes()),
            _ => self.writer.write_all(&line),
        };
        self.note_closed(done)
    }
}

impl Write for CommandOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        if self.width.is_none() {
            let done = self.writer.write_all(bytes);
            self.note_closed(done)?;
            return Ok(bytes.len());
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            self.line.extend(text);
            if ends {
                self.end_line()?;
                let done = self.writer.write_all(b"\n");
                self.note_closed(done)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        self.end_line()?;
        let done = self.writer.flush();
        self.note_closed(done)
    }
}

/// The narrowest terminal that lines are wrapped for.
const MIN_WIDTH: usize = 20;

/// The columns of a terminal.
fn columns(of: &impl std::os::fd::AsFd) -> Option<usize> {
    let set = std::env::var_os("COLUMNS");
    let set = set.and_then(|columns| columns.to_str()?.trim().parse().ok());
    // What is no width counts for nothing.
    let set = set.filter(|width| *width > 0);
    let size = || terminal_size::terminal_size_of(of).map(|(width, _)| usize::from(width.0));
    let width = set.or_else(size).filter(|width| *width > 0);
    width.map(|width| width.max(MIN_WIDTH))
}

/// A line, broken between words. What follows stands below the text behind a label, if there is one. A word
/// that is longer than the line stays whole, so that it can be copied.
pub(crate) fn wrap_line(line: &str, width: usize) -> String {
    if textwrap::core::display_width(line) <= width {
        return line.to_owned();
    }
    let indent = " ".repeat(hanging_indent(line, width));
    let options = Options::new(width)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false)
        .subsequent_indent(&indent);
    // The beginning of a line is no place for a break.
    let text = line.trim_start_matches(' ');
    let first = " ".repeat(line.len() - text.len());
    textwrap::fill(text, options.initial_indent(&first))
}

/// The column where the text begins behind a label and two spaces or more; two columns more than the line's
/// own if there is none.
fn hanging_indent(line: &str, width: usize) -> usize {
    let text = line.trim_start_matches(' ');
    let own = line.len() - text.len();
    let label = text.find("  ").map(|gap| {
        let after = text[gap..].trim_start_matches(' ');
        own + textwrap::core::display_width(&text[..gap]) + (text.len() - gap - after.len())
    });
    let label = label.filter(|column| *column <= width / 2);
    label.unwrap_or_else(|| (own + 2).min(width / 2))
}

/// Writes to standard error, wrapped like the output.
fn print_wrapped(text: &str) {
    // Standard error may be closed, too.
    let mut screen = anstream::stderr();
    let is_terminal = io::stderr().is_terminal();
    let width = is_terminal.then(|| columns(&io::stderr())).flatten();
    for line in text.lines() {
        let _ = match width {
            Some(width) => writeln!(screen, "{}", wrap_line(line, width)),
            None => writeln!(screen, "{line}"),
        };
    }
}

/// Writes an error as clap writes its own, and below it what caused it.
pub(crate) fn print_error(error: &anyhow::Error) {
    let mut chain = error.chain().map(ToString::to_string);
    let mut text = format!(
        "{} {}",
        "error:".red().bold(),
        chain.next().unwrap_or_default()
    );
    for cause in chain {
        let _ = write!(text, "\n  cause: {cause}");
    }
    print_wrapped(&text);
}

/// Writes a warning in the same way.
pub(crate) fn print_warning(text: &str) {
    print_wrapped(&format!("{} {text}", "warning:".yellow().bold()));
}

/// A remark on standard error, so that redirected output stays clean.
pub(crate) fn print_remark(text: &str) {
    print_wrapped(text);
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
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

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

    /// Keeps what is written, for whoever has a clone of it.
    #[derive(Clone, Default)]
    pub(crate) struct KeptOutput(Rc<RefCell<Vec<u8>>>);

    impl KeptOutput {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for KeptOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// However it is cut into writes.
    #[test]
    fn each_line_is_broken_by_itself() {
        let kept = KeptOutput::default();
        let mut out = CommandOutput::to_writer(Box::new(kept.clone()));
        out.width = Some(20);
        for part in ["one", " two\nthree four five six", " seven\n\neight", "\n"] {
            out.write_all(part.as_bytes()).unwrap();
        }
        out.flush().unwrap();
        assert_eq!(
            kept.text(),
            "one two\nthree four five six\n  seven\n\neight\n"
        );
    }

    #[test]
    fn lines_are_broken_between_words() {
        let narrow = |line: &str| {
            let wrapped = wrap_line(line, 40);
            for line in wrapped.lines() {
                let is_word = !line.trim_start().contains(' ');
                assert!(
                    textwrap::core::display_width(line) <= 40 || is_word,
                    "{wrapped}"
                );
            }
            wrapped
        };
        insta::assert_snapshot!(narrow("ok    CircleCI: the token is that of ada, who sees the project gh/acme/web"), @"
        ok    CircleCI: the token is that of
              ada, who sees the project
              gh/acme/web
        ");
        insta::assert_snapshot!(narrow("  reason      it was not sent: HTTP 503: come back later, as CircleCI says"), @"
        reason      it was not sent: HTTP 503:
                    come back later, as
                    CircleCI says
        ");
        insta::assert_snapshot!(narrow("Enqueued: retry 1a2b3c4d, deploy on main, TRIGGER_FAILED, as operator ada"), @"
        Enqueued: retry 1a2b3c4d, deploy on
          main, TRIGGER_FAILED, as operator ada
        ");
        let url = "      https://app.circleci.com/pipelines/github/acme/web/7/workflows/1a2b3c4d";
        insta::assert_snapshot!(narrow(url), @"      https://app.circleci.com/pipelines/github/acme/web/7/workflows/1a2b3c4d");
        assert_eq!(wrap_line(url, 200), url);
        let colour = format!("{} x", "error:".red());
        assert_eq!(wrap_line(&colour, 8), colour);
    }

    #[test]
    fn a_terminal_gets_whole_words_and_a_pipe_whole_lines() {
        let written = |width| {
            let (to, from) = std::sync::mpsc::channel();
            let mut out = CommandOutput {
                width,
                ..CommandOutput::to_writer(Box::new(Sent(to)))
            };
            write!(out, "one two ").unwrap();
            writeln!(out, "three four five six seven").unwrap();
            write!(out, "the end").unwrap();
            out.flush().unwrap();
            from.try_iter()
                .flatten()
                .map(char::from)
                .collect::<String>()
        };
        assert_eq!(written(None), "one two three four five six seven\nthe end");
        assert_eq!(
            written(Some(20)),
            "one two three four\n  five six seven\nthe end"
        );
    }

    struct Sent(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn foreign_text_does_not_control_the_terminal() {
        assert_eq!(sanitize("a\u{1b}[31mred\nb"), r"a\u{1b}[31mred\nb");
        let hidden = "abc\u{202e}def \u{9b}1m";
        assert_eq!(sanitize(hidden), r"abc\u{202e}def \u{9b}1m");
        assert_eq!(sanitize("Grüße, 世界"), "Grüße, 世界");
    }
}
