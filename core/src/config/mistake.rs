//! What is wrong with a configuration file, and where: the one way in which it is collected and shown.
//! What counts as wrong is decided elsewhere.

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use super::places::Places;
use super::syntax::BrokenLines;

/// Everything that is wrong with a configuration file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one, at most a hundred.
    pub mistakes: Vec<Mistake>,
    /// How many follow that are not among them.
    pub more: usize,
}

/// The most mistakes of a file that are said: one with more is another file, or has one mistake that leads to all.
pub(super) const MAX_MISTAKES: usize = 100;

/// How many mistakes there are, and each with its line and a caret below the place.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [] => f.write_str("the configuration is not valid"),
            [one] => write!(f, "{one}\n{}", one.excerpt),
            [first, ..] => {
                let count = self.mistakes.len() + self.more;
                write!(f, "{} has {count} mistakes", first.file)?;
                let mut all = self.mistakes.iter();
                all.try_for_each(|one| write!(f, "\n\n{one}\n{}", one.excerpt))?;
                match self.more {
                    0 => Ok(()),
                    more => write!(f, "\n\n… and {more} more"),
                }
            }
        }
    }
}

/// One place of the file, and what is wrong with it, or what it means that may not be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The key, with its tables: `projects.web.slug`; empty at the top of the file.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// What to write at this place, if one thing is probably meant.
    pub suggestion: Option<String>,
    /// The line, with a caret below the place.
    #[serde(skip)]
    pub excerpt: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

/// Something that is found at a place of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl Finding {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            suggestion: None,
        }
    }

    /// With what is probably meant.
    pub(super) fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

/// What is found, so that one mistake does not hide the next.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// The value, or `None` after its mistake is noted.
    pub(super) fn keep<T>(&mut self, result: Result<T, Finding>) -> Option<T> {
        result.map_err(|finding| self.add(finding)).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what is found elsewhere than in these places.
    pub(super) fn add_outside(&mut self, more: Self, broken: &BrokenLines) {
        let is_outside = |found: &Finding| !broken.have(found.span.start);
        self.0.extend(more.0.into_iter().filter(is_outside));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether something is wrong within these bounds.
    pub(super) fn are_within(&self, span: &Range<usize>) -> bool {
        self.0.iter().any(|found| span.contains(&found.span.start))
    }

    /// In the order of the file's lines, each once.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_by_key(|found| found.span.start);
        self.0.dedup();
        self
    }

    /// Leaves the first ones, and says how many more there were.
    pub(super) fn truncate(&mut self, len: usize) -> usize {
        let more = self.0.len().saturating_sub(len);
        self.0.truncate(len);
        more
    }

    /// Each with its line and column.
    pub(super) fn located(self, text: &str, file: &str, places: &Places) -> Vec<Mistake> {
        let located = |found: Finding| {
            let (line, column) = line_and_column(text, found.span.start);
            Mistake {
                file: file.to_owned(),
                line,
                column,
                key: places.key_at(found.span.start),
                message: one_line(&found.message),
                suggestion: found.suggestion,
                excerpt: excerpt(text, &found.span, line),
            }
        };
        self.0.into_iter().map(located).collect()
    }
}

/// The longest message, in characters: what it quotes may be of any length.
const MAX_MESSAGE: usize = 600;

/// A message without characters of the file that would move the cursor.
fn one_line(message: &str) -> String {
    let mut line = String::new();
    for c in message.chars().take(MAX_MESSAGE) {
        match visible(c) {
            char::REPLACEMENT_CHARACTER => line.extend(c.escape_default()),
            _ => line.push(c),
        }
    }
    if message.chars().nth(MAX_MESSAGE).is_some() {
        line.push('…');
    }
    line
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// The most columns of a line that are shown.
const MAX_SHOWN: usize = 96;

/// The line of a place, and carets below it. Of a long line the part around the place.
fn excerpt(text: &str, span: &Range<usize>, line: usize) -> String {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest = &text[start..];
    let line_end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let end = text.floor_char_boundary(span.end.clamp(start, line_end));
    let shown = |part: &str| part.chars().map(visible).collect::<String>();
    let (mut before, mut marked) = (shown(&text[line_start..start]), shown(&text[start..end]));
    let mut after = shown(&text[end..line_end]);
    if width(&before) > MAX_SHOWN / 2 {
        let kept: Vec<char> = before.chars().rev().take(MAX_SHOWN / 4).collect();
        before = "…".to_owned() + &kept.into_iter().rev().collect::<String>();
    }
    truncate(&mut marked, MAX_SHOWN.saturating_sub(width(&before)));
    truncate(
        &mut after,
        MAX_SHOWN.saturating_sub(width(&before) + width(&marked)),
    );
    let carets = "^".repeat(width(&marked).max(1));
    let blank = " ".repeat(width(&before));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let line = format!("  {number} | {before}{marked}{after}");
    format!("{}\n  {margin} | {blank}{carets}", line.trim_end())
}

fn truncate(text: &mut String, most: usize) {
    if width(text) > most {
        *text = text.chars().take(most.saturating_sub(1)).collect();
        text.push('…');
    }
}

/// What stands for a character in one line of a terminal.
fn visible(c: char) -> char {
    match c {
        '\t' | ' ' => ' ',
        c if c.width().is_none() => char::REPLACEMENT_CHARACTER,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    }
}

fn width(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_place() {
        let shown = |line: &str, marked: &str| {
            let start = line.find(marked).unwrap();
            excerpt(line, &(start..start + marked.len()), 7)
        };
        insta::assert_snapshot!(shown("users = [\"bob\"]", "\"bob\""), @r#"
          7 | users = ["bob"]
            |          ^^^^^
        "#);
        // A wide character takes two columns, and a tab one.
        insta::assert_snapshot!(shown("\t\"世界\" = x\r\nnext", "x"), @r#"
          7 |  "世界" = x
            |           ^
        "#);
        insta::assert_snapshot!(shown("a\u{1b}[2J\u{202e} = x", "x"), @"
          7 | a�[2J� = x
            |          ^
        ");
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let line = format!(
            "a = [{}\"here\"{}]",
            "\"x\", ".repeat(400),
            ", \"y\"".repeat(400)
        );
        let start = line.find("\"here\"").unwrap();
        let shown = excerpt(&line, &(start..start + 6), 12);
        assert!(shown.lines().all(|line| width(line) < 110), "{shown}");
        let mut lines = shown.lines();
        let (text, carets) = (lines.next().unwrap(), lines.next().unwrap());
        let at = width(&text[..text.find("\"here\"").unwrap()]);
        assert_eq!(carets.find('^'), Some(at), "{shown}");
        // One that is marked as a whole, too.
        let whole = excerpt(&line, &(0..line.len()), 12);
        assert!(whole.lines().all(|line| width(line) < 110), "{whole}");
    }
}
