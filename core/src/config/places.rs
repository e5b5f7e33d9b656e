//! Where the keys and values of a file stand, by their path. What they mean is not known here.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One key, or one value of a list.
#[derive(Debug)]
struct Place {
    /// The tables and the key.
    path: Vec<String>,
    /// Whether it is a value of the list that the path leads to.
    is_item: bool,
    key: Range<usize>,
    value: Range<usize>,
    /// What it holds, if that is text.
    text: Option<String>,
}

/// Every key of a file.
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

impl Places {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut places = Self(vec![]);
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
            self.add(path, false, key.span(), value);
            match value.get_ref() {
                DeValue::Table(table) => self.add_table(table, path),
                DeValue::Array(items) => {
                    for item in items {
                        self.add(path, true, item.span(), item);
                    }
                }
                _ => {}
            }
            path.pop();
        }
    }

    fn add(
        &mut self,
        path: &[String],
        is_item: bool,
        key: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) {
        self.0.push(Place {
            path: path.to_vec(),
            is_item,
            key,
            value: value.span(),
            text: value.get_ref().as_str().map(str::to_owned),
        });
    }

    fn find(&self, path: &[&str]) -> Option<&Place> {
        let is_it = |place: &&Place| !place.is_item && place.path.iter().eq(path);
        self.0.iter().find(is_it)
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
    pub(super) fn items(&self, path: &[&str]) -> Vec<(&str, Range<usize>)> {
        let of_list = self
            .0
            .iter()
            .filter(|one| one.is_item && one.path.iter().eq(path));
        let texts = of_list.filter_map(|one| Some((one.text.as_deref()?, one.value.clone())));
        texts.collect()
    }

    /// Every text, alone or in a list, with its key and its place.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&[String], &str, Range<usize>)> {
        let places = self.0.iter();
        places
            .filter_map(|one| Some((one.path.as_slice(), one.text.as_deref()?, one.value.clone())))
    }

    /// Whether a key is written.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.find(path).is_some()
    }

    /// The keys of a table, as they are written.
    pub(super) fn keys_of(&self, table: &str) -> Vec<(&str, Range<usize>)> {
        let below =
            |place: &&Place| !place.is_item && place.path.len() == 2 && place.path[0] == table;
        let below = self.0.iter().filter(below);
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
            .0
            .iter()
            .filter_map(|place| Some((size(place)?, place)));
        let innermost = found.min_by_key(|(size, place)| (*size, usize::MAX - place.path.len()));
        innermost.map_or_else(String::new, |(_, place)| written_path(&place.path))
    }
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
