//! Mistakes that are planted everywhere: each is named, in plain words, and none of them stops the program.

use proptest::prelude::*;

use super::super::shape::{Kind, Table, all_tables_of_file};
use super::*;

/// Words of the parsers, which nobody needs to know.
const JARGON: [&str; 9] = [
    "expected ",
    "invalid type",
    "unknown field",
    "unknown variant",
    "missing field",
    "sequence",
    "u32",
    "i64",
    "integer `",
];

/// The valid file with a line more in a table.
fn with_line(table: &Table, line: &str) -> String {
    let header = table.name.replace("projects.NAME", "projects.web");
    let header = header
        .replace("jobs.NAME", "jobs.deploy")
        .replace("parameters.NAME", "parameters.size");
    let after =
        |header: &str| GOOD.replacen(&format!("{header}\n"), &format!("{header}\n{line}\n"), 1);
    match header.as_str() {
        "" => format!("{line}\n{GOOD}"),
        header if GOOD.contains(&format!("{header}\n")) => after(header),
        header => {
            let good = GOOD.replace(
                "parameters = { notify = true, region = \"eu\", count = 3 }\n",
                "",
            );
            format!("{good}{header}\n{line}\n")
        }
    }
}

pub(super) fn mistakes_of(text: &str) -> Vec<Mistake> {
    let error = Config::parse(text, "chatops.toml").err();
    error.map(|error| error.mistakes).unwrap_or_default()
}

fn misspellings(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let without = |at: usize| {
        chars
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != at)
            .map(|(_, c)| c)
            .collect()
    };
    let mut swapped = chars.clone();
    swapped.swap(1, 2);
    let mut all: Vec<String> = vec![
        swapped.into_iter().collect(),
        format!("{name}s"),
        name.to_uppercase(),
    ];
    if chars.len() > 3 {
        all.extend([without(1), without(chars.len() - 1)]);
    }
    if name.contains('_') {
        all.extend([name.replace('_', "-"), name.replace('_', "")]);
    }
    all
}

#[test]
fn every_misspelled_key_is_told_the_right_one() {
    let mut count = 0;
    for table in all_tables_of_file() {
        for key in table.keys {
            for wrong in misspellings(key.name) {
                let is_known = table.keys.iter().any(|key| key.name == wrong);
                let line = match key.kind {
                    Kind::Table(_) | Kind::Named(_) => format!("{wrong} = {{}}"),
                    _ => format!("{wrong} = {}", key.example),
                };
                let mistakes = mistakes_of(&with_line(table, &line));
                let is_told = mistakes
                    .iter()
                    .any(|one| one.suggestion.as_deref() == Some(key.name));
                assert!(is_known || is_told, "{} {wrong}: {mistakes:?}", table.name);
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn a_value_of_another_kind_is_refused_in_plain_words() {
    let values = [
        "1",
        "-1",
        "1.5",
        "true",
        "\"x\"",
        "\"\"",
        "[]",
        "[\"x\"]",
        "[1]",
        "[[\"x\"]]",
        "{}",
        "{ a = 1 }",
        "2020-01-01",
        "99999999999999999999",
        "\"90s\"",
        "nan",
    ];
    for table in all_tables_of_file() {
        for key in table.keys {
            for value in values {
                let line = format!("{} = {value}", key.name);
                let text = with_line(table, &line);
                // Where it is there already, it is there twice.
                let before = format!("\n{} = ", key.name);
                let text = match text.matches(&before).count() {
                    0 | 1 => text,
                    _ => continue,
                };
                for mistake in mistakes_of(&text) {
                    let said = &mistake.message;
                    assert!(
                        !JARGON.iter().any(|word| said.contains(word)),
                        "{line}: {said}"
                    );
                    assert!(mistake.line > 0 && mistake.column > 0, "{line}: {said}");
                }
            }
        }
    }
}

#[test]
fn several_mistakes_are_all_found() {
    // One in each table, of each kind.
    let text = GOOD
        .replace("version = 1", "version = 2")
        .replace("command =", "comand =")
        .replace("api = \"https://ci", "api = \"ftp://ci")
        .replace("\"5m\"", "5")
        .replace("\"C012ABCDEF\"", "\"#deploys\"")
        .replace("\"W056MNOPQR\"", "\"bob\"")
        .replace("github/acme/web", "https://github.com/acme/web")
        .replace("\"release/*\"", "\"release/[\"")
        .replace("trigger = \"pipeline\"", "trigger = \"pipelin\"")
        .replace("slug = \"circleci/Ab1/Cd2\"\n", "");
    let lines: Vec<usize> = mistakes_of(&text)
        .iter()
        .map(|mistake| mistake.line)
        .collect();
    assert_eq!(lines, [1, 5, 10, 14, 18, 22, 25, 28, 34, 38]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a file, it is read or refused, and every mistake has its place.
    #[test]
    fn no_text_stops_the_program(
        cuts in prop::collection::vec((0..GOOD.len(), 0..12_usize, "[\\[\\]\"'={},.# \n\u{e4}\u{4e16}\t\u{1b}a-z0-9*]{0,6}"), 0..6),
    ) {
        let mut text = GOOD.to_owned();
        for (at, gone, put) in cuts {
            let at = text.floor_char_boundary(at.min(text.len()));
            let end = text.floor_char_boundary((at + gone).min(text.len()));
            text.replace_range(at..end.max(at), &put);
        }
        match Config::check(&text, "chatops.toml") {
            Ok(checked) => prop_assert!(checked.warnings.iter().all(|one| one.line > 0)),
            Err(error) => {
                prop_assert!(!error.mistakes.is_empty());
                let lines = text.lines().count().max(1) + 1;
                for mistake in &error.mistakes {
                    prop_assert!(mistake.line <= lines, "{mistake}");
                    let is_plain = !mistake.message.contains('\n') && !mistake.excerpt.contains('\u{1b}');
                    prop_assert!(is_plain);
                }
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
