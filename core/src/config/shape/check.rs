//! Compares a file with its shape: unknown keys, wrong types and missing keys, all of them.
//!
//! What is wrong is taken out of the file or, where it is clear what was meant, replaced by that, so that
//! the rest is checked as well and a mistake has no consequences that look like further ones.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{text_of, words_of, wrong_value};
use super::{FILE, Key, Kind, RENAMED_KEYS, Table, all_tables};
use crate::command::closest_word;
use crate::config::mistake::{Finding, Findings};
use crate::config::places::written_path;

type Entry<'i> = (Spanned<std::borrow::Cow<'i, str>>, Spanned<DeValue<'i>>);

/// Checks a file. `is_whole` is whether all of it was read: otherwise nothing can be missing.
pub(in crate::config) fn check_shape(
    file: &mut DeTable<'_>,
    is_whole: bool,
    findings: &mut Findings,
) {
    let mut check = ShapeCheck {
        is_whole,
        path: vec![],
        findings,
    };
    check.table(file, 0..0, &FILE);
}

struct ShapeCheck<'f> {
    is_whole: bool,
    /// The tables around what is checked.
    path: Vec<String>,
    findings: &'f mut Findings,
}

impl ShapeCheck<'_> {
    fn table(&mut self, table: &mut DeTable<'_>, place: Range<usize>, shape: &'static Table) {
        let is_unknown = |key: &&Spanned<_>| {
            shape
                .key(<Spanned<std::borrow::Cow<'_, str>>>::get_ref(key))
                .is_none()
        };
        let unknown: Vec<String> = table
            .keys()
            .filter(is_unknown)
            .map(|key| key.get_ref().to_string())
            .collect();
        for name in unknown {
            let Some(entry) = table.remove_entry(name.as_str()) else {
                continue;
            };
            self.unknown_key(entry, table, shape);
        }
        for key in shape.keys {
            self.known_key(table, &place, key);
        }
    }

    fn known_key(&mut self, table: &mut DeTable<'_>, place: &Range<usize>, key: &'static Key) {
        let Some(value) = table.get_mut(key.name) else {
            if key.is_required && self.is_whole {
                self.missing(key, place.clone());
            }
            return;
        };
        self.path.push(key.name.to_owned());
        if !self.value(key, key.kind, value) {
            table.remove(key.name);
        }
        self.path.pop();
    }

    /// Notes an unknown key. Where one is probably meant, it is put back under that name.
    fn unknown_key<'i>(
        &mut self,
        (key, value): Entry<'i>,
        table: &mut DeTable<'i>,
        shape: &'static Table,
    ) {
        let name = key.get_ref().to_string();
        let span = key.span();
        let here = self.table_name();
        let is_free = |known: &str| !table.contains_key(known);
        let renamed = RENAMED_KEYS.iter().find(|(old, _)| *old == name);
        let renamed = renamed.and_then(|(_, new)| shape.key(new));
        if let Some(new) = renamed {
            let why = format!("`{name}` is called `{}` now", new.name);
            self.findings
                .add(Finding::new(span.clone(), why).suggest(Some(new.name)));
            if is_free(new.name) {
                table.insert(Spanned::new(span, new.name.into()), value);
            }
            return;
        }
        if let Some(meant) = nearest(&name, shape, table) {
            let below = value.get_ref().as_table();
            let mut below = below.into_iter().flat_map(|table| table.iter());
            let child = below.find(|(_, child)| child.get_ref().is_table());
            let is_header = matches!(
                shape.key(meant).map(|key| key.kind),
                Some(Kind::Table(_) | Kind::Named(_))
            );
            let written = |name: &str| {
                let mut path: Vec<&str> = self.path.iter().map(String::as_str).collect();
                path.push(name);
                path.extend(child.map(|(child, _)| child.get_ref().as_ref()));
                format!("[{}]", written_path(&path))
            };
            let why = if is_header && value.get_ref().is_table() {
                format!(
                    "there is no {}: did you mean {}?",
                    written(&name),
                    written(meant)
                )
            } else {
                format!("{here} has no key `{name}`: did you mean `{meant}`?")
            };
            self.findings
                .add(Finding::new(span.clone(), why).suggest(Some(meant)));
            if is_free(meant) {
                table.insert(Spanned::new(span, meant.into()), value);
            }
            return;
        }
        let why = format!("{here} has no key `{name}`{}", elsewhere(&name, shape));
        self.findings.add(Finding::new(span, why));
    }

    /// The table that is checked, as it is written.
    fn table_name(&self) -> String {
        match self.path.as_slice() {
            [] => "the file".to_owned(),
            path => format!("[{}]", written_path(path)),
        }
    }

    fn missing(&mut self, key: &'static Key, place: Range<usize>) {
        let Key { name, example, .. } = key;
        let why = match (self.path.as_slice(), key.kind) {
            ([], Kind::Table(table)) => {
                let inner = table.keys.iter().find(|key| key.is_required);
                let inner = inner.map_or_else(String::new, |key| {
                    format!(" with {} = {}", key.name, key.example)
                });
                format!("a table [{name}]{inner} is missing")
            }
            ([], _) => {
                format!("`{name}` is missing: write {name} = {example} at the top of the file")
            }
            _ => format!(
                "{} needs `{name}`: write {name} = {example}",
                self.table_name()
            ),
        };
        let suggestion = (!example.is_empty()).then(|| format!("{name} = {example}"));
        self.findings
            .add(Finding::new(place, why).suggest(suggestion));
    }

    /// Whether the value is of its kind. If not, that is noted; parts of it that are wrong are taken out.
    fn value(&mut self, key: &'static Key, kind: Kind, value: &mut Spanned<DeValue<'_>>) -> bool {
        let span = value.span();
        match (kind, value.get_mut()) {
            (Kind::Table(shape), DeValue::Table(table)) => {
                self.table(table, span, shape);
                true
            }
            (Kind::ValueOrRule(shape), DeValue::Table(table)) => {
                // The keys of a rule are nothing without each other.
                let before = self.findings.count();
                self.table(table, span, shape);
                self.findings.count() == before
            }
            (Kind::Named(inner), DeValue::Table(table)) => {
                self.named(key, *inner, table);
                true
            }
            (Kind::Texts | Kind::TextOrTexts, DeValue::Array(items)) => {
                let wrong: Vec<_> = items
                    .iter()
                    .filter(|item| !item.get_ref().is_str())
                    .collect();
                for item in wrong {
                    let fix = text_of(item.get_ref()).map(|text| format!("{text:?}"));
                    let fix = fix.unwrap_or_else(|| "\"…\"".to_owned());
                    let why = format!(
                        "`{}` lists texts in quotes, and this is {}: write {fix}",
                        key.name,
                        words_of(item.get_ref())
                    );
                    self.findings
                        .add(Finding::new(item.span(), why).suggest(Some(fix)));
                }
                *items = items
                    .iter()
                    .filter(|item| item.get_ref().is_str())
                    .cloned()
                    .collect();
                true
            }
            (kind, value) => {
                let Some(finding) = wrong_value(key.name, kind, value, span, key.example) else {
                    return true;
                };
                self.findings.add(finding);
                false
            }
        }
    }

    /// A table whose keys are names that the file chooses.
    fn named(&mut self, key: &'static Key, kind: Kind, table: &mut DeTable<'_>) {
        let names: Vec<String> = table
            .keys()
            .map(|name| name.get_ref().to_string())
            .collect();
        for name in names {
            let Some(value) = table.get_mut(name.as_str()) else {
                continue;
            };
            self.path.push(name.clone());
            let is_right = match (kind, value.get_ref()) {
                (Kind::Table(_) | Kind::ValueOrRule(_), DeValue::Table(_)) => {
                    self.value(key, kind, value)
                }
                (Kind::Table(_), given) => {
                    let why = format!(
                        "this is {}, and a table of its own is needed: write [{}]",
                        words_of(given),
                        written_path(&self.path)
                    );
                    self.findings.add(Finding::new(value.span(), why));
                    false
                }
                (Kind::TextOrTexts, DeValue::Array(_)) => self.value(key, kind, value),
                _ => match wrong_value(&name, kind, value.get_ref(), value.span(), key.example) {
                    Some(finding) => {
                        self.findings.add(finding);
                        false
                    }
                    None => true,
                },
            };
            self.path.pop();
            if !is_right {
                table.remove(name.as_str());
            }
        }
    }
}

/// The key that a word may stand for: a misspelling, or the beginning of one key alone.
fn nearest(name: &str, shape: &'static Table, table: &DeTable<'_>) -> Option<&'static str> {
    let free = || {
        shape
            .key_names()
            .filter(|known| !table.contains_key(*known))
    };
    let begin = free().filter(|known| name.len() >= 3 && known.starts_with(name));
    let begin: Vec<&str> = begin.collect();
    let folded = name.replace('-', "_").to_lowercase();
    let exact = shape.key_names().find(|known| *known == folded);
    let only = match begin.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let closest = || closest_word(name, free()).or_else(|| closest_word(name, shape.key_names()));
    let closest = exact.or_else(closest).or(only)?;
    shape.key(closest).map(|key| key.name)
}

/// Where a key belongs that a table has not, or which keys it has.
fn elsewhere(name: &str, shape: &'static Table) -> String {
    let secret = name.to_lowercase();
    if ["token", "secret", "password"]
        .iter()
        .any(|word| secret.contains(word))
    {
        return ": secrets are never in this file, but in the environment (docs/configuration.md, Secrets)".to_owned();
    }
    let tables = all_tables(&FILE);
    let all = tables.iter().flat_map(|table| table.key_names());
    let misspelled = closest_word(name, all).filter(|_| name.len() > 3);
    let meant = misspelled.unwrap_or(name);
    let homes = tables
        .iter()
        .filter(|table| table.key(meant).is_some() && !table.name.is_empty());
    let homes: Vec<&str> = homes.map(|table| table.name).collect();
    match (homes.as_slice(), shape.keys.len()) {
        ([], ..=8) => {
            let keys: Vec<_> = shape.key_names().map(|key| format!("`{key}`")).collect();
            format!(": its keys are {}", keys.join(", "))
        }
        ([], _) => ": docs/configuration.md lists its keys".to_owned(),
        (homes, _) if meant == name => format!(": it is a key of {}", homes.join(" and of ")),
        (homes, _) => format!(": did you mean `{meant}` of {}?", homes.join(" or of ")),
    }
}
