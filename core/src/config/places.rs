//! Where the keys and values of a file stand, by their path. What they mean is not known here.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One key.
#[derive(Debug)]
struct Place {
    /// The tables and the key.
    path: Vec<String>,
    key: Range<usize>,
    value: Range<usize>,
    /// The text that it holds, or those of its list, each with its place.
    texts: Vec<(String, Range<usize>)>,
}

/// Every key of a file, and where to find it by its path.
#[derive(Debug)]
pub(super) struct Places {
    all: Vec<Place>,
    by_path: HashMap<String, usize>,
}

impl Places {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut places = Self {
            all: vec![],
            by_path: HashMap::new(),
        };
        places.add_table(table, &mut vec![]);
        places
    }

    /// Adds what is meant where something else is written.
    pub(super) fn add_meant(&mut self, table: &DeTable<'_>) {
        self.add_table(table, &mut vec![]);
    }

    fn add_table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            let text = |value: &Spanned<DeValue<'_>>| {
                let text = value.get_ref().as_str()?;
                Some((text.to_owned(), value.span()))
            };
            let texts = match value.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(text).collect(),
                _ => text(value).into_iter().collect(),
            };
            self.by_path.entry(joined(path)).or_insert(self.all.len());
            self.all.push(Place {
                path: path.clone(),
                key: key.span(),
                value: value.span(),
                texts,
            });
            if let DeValue::Table(table) = value.get_ref() {
                self.add_table(table, path);
            }
            path.pop();
        }
    }

    fn find(&self, path: &[&str]) -> Option<&Place> {
        self.by_path.get(&joined(path)).map(|at| &self.all[*at])
    }

    /// Where the key stands, or else the last of its tables that is written.
    pub(super) fn key(&self, path: &[&str]) -> Range<usize> {
        let longest = (1..=path.len()).rev().find_map(|n| self.find(&path[..n]));
        longest.map_or(0..0, |place| place.key.clone())
    }

    /// Where the key's value stands; where it is not written, its table's name.
    pub(super) fn value(&self, path: &[&str]) -> Range<usize> {
        match self.find(path) {
            Some(place) => place.value.clone(),
            None => self.key(path),
        }
    }

    /// The texts of a list.
    pub(super) fn items(&self, path: &[&str]) -> &[(String, Range<usize>)] {
        self.find(path).map_or(&[], |place| &place.texts)
    }

    /// Every text, alone or in a list, with its key and its place.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&[String], &str, Range<usize>)> {
        self.all.iter().flat_map(|place| {
            let texts = place.texts.iter();
            texts.map(|(text, span)| (place.path.as_slice(), text.as_str(), span.clone()))
        })
    }

    /// Whether a key is written.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.find(path).is_some()
    }

    /// The keys of a table, as they are written.
    pub(super) fn keys_of(&self, table: &str) -> Vec<(&str, Range<usize>)> {
        let below = |place: &&Place| place.path.len() == 2 && place.path[0] == table;
        let below = self.all.iter().filter(below);
        below
            .map(|place| (place.path[1].as_str(), place.key.clone()))
            .collect()
    }

    /// The innermost key at a place of the text, as it is written with its tables.
    pub(super) fn key_at(&self, offset: usize) -> String {
        let reaches = |span: &Range<usize>| span.contains(&offset).then(|| span.len());
        let size = |place: &Place| {
            let spans = [reaches(&place.key), reaches(&place.value)];
            spans.into_iter().flatten().min()
        };
        let found = self
            .all
            .iter()
            .filter_map(|place| Some((size(place)?, place)));
        let innermost = found.min_by_key(|(size, place)| (*size, usize::MAX - place.path.len()));
        innermost.map_or_else(String::new, |(_, place)| written_path(&place.path))
    }
}

/// A path as one word: no key of a file has this character, or it is refused for it.
fn joined<S: AsRef<str>>(path: &[S]) -> String {
    path.iter()
        .flat_map(|part| [part.as_ref(), "\u{0}"])
        .collect()
}

/// A path as TOML writes it.
pub(super) fn written_path<S: AsRef<str>>(path: &[S]) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let part = |part: &S| match part.as_ref() {
        part if !part.is_empty() && part.chars().all(is_bare) => part.to_owned(),
        part => format!("{part:?}"),
    };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}
