//! Reads the text as TOML and says in plain words where it is none.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::mistake::{Finding, Findings};

/// What could be read of a text.
pub(super) struct ReadText<'i> {
    pub(super) table: Spanned<DeTable<'i>>,
    /// Where it is no TOML: what is read there means nothing.
    pub(super) broken: BrokenLines,
}

/// Parts of a text that do not overlap: where they begin and end.
#[derive(Debug, Default)]
pub(super) struct BrokenLines(BTreeMap<usize, usize>);

impl BrokenLines {
    fn add(&mut self, line: Range<usize>) {
        self.0.insert(line.start, line.end);
    }

    /// Whether this place is in one of them.
    pub(super) fn have(&self, at: usize) -> bool {
        let mut before = self.0.range(..=at);
        before.next_back().is_some_and(|(_, end)| at < *end)
    }
}

/// Reads as much as can be read; everything that cannot is noted.
pub(super) fn read_toml<'i>(text: &'i str, findings: &mut Findings) -> ReadText<'i> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken = BrokenLines::default();
    let mut in_duplicate = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // What follows on the same line follows from the first.
        if broken.have(span.start) {
            continue;
        }
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or_default().lines().next();
        let line = line.unwrap_or_default();
        // A table that is there twice has its keys twice.
        let is_there_twice = error.message() == "duplicate key";
        let header = is_there_twice.then(|| before.rfind("\n[")).flatten();
        if is_there_twice && header.is_some() && in_duplicate == Some(header) {
            continue;
        }
        in_duplicate = (is_there_twice && line.starts_with('[')).then_some(header);
        let is_new_line = text
            .get(line_start..span.start)
            .is_some_and(|gap| gap.trim().is_empty());
        if error.message().starts_with(MISSING_COMMA) && is_new_line {
            let why = "this is not TOML: the list above is not closed with `]`, or a comma is missing in it";
            findings.add(Finding::new(span, why));
            let is_outside = line.starts_with('[') || line.contains(" = ");
            // A list that is not closed takes the rest of the file into itself.
            let end = if is_outside {
                text.len()
            } else {
                line_start + line.len()
            };
            broken.add(line_start..end + 1);
            continue;
        }
        if !is_there_twice {
            broken.add(line_start..line_start + line.len() + 1);
        }
        findings.add(Finding::new(span, plain_words(error.message())));
    }
    ReadText { table, broken }
}

/// What the parser says of two values of a list beside each other.
const MISSING_COMMA: &str = "missing comma between array elements";

/// The parser's message, with what to write.
fn plain_words(message: &str) -> String {
    let message = message.replace('\n', " ");
    let (what, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
    let advice = match what {
        "string values must be quoted" | "invalid value" => {
            "a text stands in quotes, only true, false and numbers do not"
        }
        "duplicate key" => return "this is there twice already: keep one of them".to_owned(),
        "unclosed array" => "a list ends with `]`",
        "unclosed table" | "unclosed array table" => "the name of a table ends with `]`",
        "unclosed inline table" => "what begins with `{` ends with `}` ",
        MISSING_COMMA => "the values of a list are separated by commas",
        "key with no value" | "missing value" | "missing value for key" => {
            "write key = value, with text in quotes"
        }
        "missing assignment between key-value pairs" => "write key = value",
        "extra comma in array" => "one comma is enough",
        "invalid unquoted key" => {
            "a name with other characters than letters, digits, `_` and `-` stands in quotes"
        }
        "unexpected key or value" => "each key has a line of its own",
        "invalid key-value pair" => "write key = value, one to a line: this format is TOML",
        "unexpected leading zero" => "a number has no zero in front; a text stands in quotes",
        "missing opening quote" => "a text begins with a quote, too",
        "invalid basic string" | "invalid literal string" => {
            "a text ends with the quote it began with"
        }
        "invalid boolean" | "invalid integer" | "invalid float" | "invalid datetime" => {
            "a text stands in quotes: \"…\""
        }
        _ if expected.contains("basic string") || expected == "`\"`" || expected == "`'`" => {
            "a text ends with the quote it began with, on the same line"
        }
        _ => "",
    };
    match advice {
        "" => format!("this is not TOML: {message}"),
        advice => format!("this is not TOML: {what}; {}", advice.trim_end()),
    }
}
