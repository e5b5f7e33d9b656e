//! `docs/configuration.md` has every key of the example, which has every key there is, with the same default.

use std::collections::BTreeMap;

use crate::read;

/// The keys of a kind of table, each with its default where it has one.
type Keys = BTreeMap<String, Option<String>>;

/// The kind of a table: `[projects.web.jobs.deploy]` is one of `[projects.NAME.jobs.NAME]`.
fn kind_of(table: &str) -> String {
    let parts: Vec<&str> = table.trim_matches(['[', ']']).split('.').collect();
    let after = |index: usize, name| index > 0 && parts[index - 1] == name;
    let is_name =
        |index| after(index, "projects") || after(index, "jobs") || after(index, "parameters");
    let name = |(index, part): (usize, &&str)| {
        let part = if is_name(index) { "NAME" } else { part };
        part.to_owned()
    };
    let parts: Vec<String> = parts.iter().enumerate().map(name).collect();
    format!("[{}]", parts.join("."))
}

/// The keys of the example by kind of table. One that is commented out shows its default.
fn keys_of_example(text: &str) -> BTreeMap<String, Keys> {
    let mut all = BTreeMap::<String, Keys>::new();
    let mut table = "[]".to_owned();
    for line in text.lines() {
        if line.starts_with('[') {
            table = kind_of(line);
            continue;
        }
        let shown = line.strip_prefix("# ");
        let Some((key, value)) = shown.unwrap_or(line).split_once(" = ") else {
            continue;
        };
        if !key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        let default = shown.map(|_| value.to_owned());
        let keys = all.entry(table.clone()).or_default();
        let known = keys.entry(key.to_owned()).or_default();
        *known = known.take().or(default);
    }
    // These have names of the user's as keys.
    for names in [
        "[channels]",
        "[users]",
        "[projects.NAME.jobs.NAME.parameters]",
    ] {
        all.remove(names);
    }
    all
}

/// The rows of the tables below headings that name a kind of table.
fn keys_of_page(text: &str) -> BTreeMap<String, Keys> {
    let mut all = BTreeMap::<String, Keys>::new();
    let mut table = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let named = heading.split('`').nth(1);
            table = named.map(str::to_owned);
        } else if line.starts_with("## ") {
            table = None;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (Some(table), [_, key, default, ..]) = (&table, cells.as_slice()) else {
            continue;
        };
        let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`')) else {
            continue;
        };
        let default = default
            .strip_prefix('`')
            .and_then(|text| text.strip_suffix('`'));
        let keys = all.entry(table.clone()).or_default();
        let before = keys.insert(key.to_owned(), default.map(str::to_owned));
        assert!(before.is_none(), "{table} has {key} twice");
    }
    all
}

#[test]
fn the_page_has_every_key_with_its_default() {
    let example = keys_of_example(&read("config/chatops.toml"));
    let page = keys_of_page(&read("docs/configuration.md"));
    let tables = |all: &BTreeMap<String, Keys>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(tables(&page), tables(&example));
    for (table, keys) in &example {
        let documented = &page[table];
        for (key, default) in keys {
            let Some(shown) = documented.get(key) else {
                panic!("docs/configuration.md: {table} has no {key}");
            };
            // A default may be explained in words instead.
            if let (Some(shown), Some(default)) = (shown, default) {
                assert_eq!(shown, default, "{table} {key}");
            }
        }
        for key in documented.keys() {
            let is_rule = table.ends_with("parameters.NAME]")
                && ["values", "default"].contains(&key.as_str());
            assert!(
                keys.contains_key(key) || is_rule,
                "{table} has a {key} that there is not"
            );
        }
    }
    assert_eq!(page["[timeouts]"].len(), 24);
}
