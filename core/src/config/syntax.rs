//! Reads the text as TOML and says in plain words where it is none.

use toml::Spanned;
use toml::de::DeTable;

use super::mistake::{Finding, Findings};

/// Reads as much as can be read; everything that cannot is noted.
pub(super) fn read_toml<'i>(text: &'i str, findings: &mut Findings) -> Spanned<DeTable<'i>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    let mut in_duplicate = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let before = text.get(..span.start).unwrap_or(text);
        // What follows on the same line follows from the first, and so does what a table has that is there twice.
        let line = before.matches('\n').count();
        if last_line.replace(line) == Some(line) {
            continue;
        }
        let header = before.rmatch_indices("\n[").map(|(at, _)| at).next();
        let is_duplicate = error.message() == "duplicate key";
        if is_duplicate && header.is_some() && in_duplicate == Some(header) {
            continue;
        }
        let is_header = before.rfind('\n') == header;
        in_duplicate = (is_duplicate && is_header).then_some(header);
        findings.add(Finding::new(span, plain_words(error.message())));
    }
    table
}

/// The parser's message, with what to write.
fn plain_words(message: &str) -> String {
    let message = message.replace('\n', " ");
    let (what, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
    let advice = match what {
        "string values must be quoted" | "invalid value" => "a text stands in quotes: \"…\"",
        "duplicate key" => return "this is there twice already: keep one of them".to_owned(),
        "unclosed array" => "a list ends with `]`",
        "unclosed table" | "unclosed array table" => "the name of a table ends with `]`",
        "unclosed inline table" => "what begins with `{` ends with `}` ",
        "missing comma between array elements" => "the values of a list are separated by commas",
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
