//! `docs/configuration.md` has every key of the example, which has every key there is, with the same default.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

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

/// The keys of a table of the schema, and of the tables below it, by the names of `docs/configuration.md`.
fn keys_of_schema(table: &Value, name: &str, all: &mut BTreeMap<String, Keys>) {
    let properties = table["properties"].as_object().unwrap();
    for (key, schema) in properties {
        let path = if name.is_empty() {
            key.clone()
        } else {
            format!("{name}.{key}")
        };
        let named = &schema["additionalProperties"];
        let rule = named["anyOf"]
            .as_array()
            .and_then(|any| any.iter().find(|one| one["properties"].is_object()));
        if schema["properties"].is_object() {
            keys_of_schema(schema, &path, all);
        } else if let Some(table) = rule.or(Some(named).filter(|one| one["properties"].is_object()))
        {
            keys_of_schema(table, &format!("{path}.NAME"), all);
        } else if !named.is_object() {
            let default = schema.get("default").map(ToString::to_string);
            all.entry(format!("[{name}]"))
                .or_default()
                .insert(key.clone(), default);
        }
    }
}

fn schema() -> Value {
    let program = env!("CARGO_BIN_EXE_chatops");
    let output = Command::new(program)
        .args(["config", "schema"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_schema_has_the_keys_and_defaults_of_the_page() {
    let mut keys = BTreeMap::new();
    keys_of_schema(&schema(), "", &mut keys);
    let page = keys_of_page(&read("docs/configuration.md"));
    assert_eq!(
        keys.keys().collect::<Vec<_>>(),
        page.keys().collect::<Vec<_>>()
    );
    for (table, keys) in &keys {
        let names: Vec<_> = keys.keys().collect();
        assert_eq!(names, page[table].keys().collect::<Vec<_>>(), "{table}");
        for (key, default) in keys {
            let shown = page[table][key].as_ref();
            if let (Some(shown), Some(default)) = (shown, default) {
                assert_eq!(&shown.replace(", ", ","), default, "{table} {key}");
            }
        }
    }
}

#[test]
fn an_editor_takes_the_examples_and_marks_mistakes() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let is_valid = |text: &str| schema.is_valid(&toml::from_str(text).unwrap());
    let example = read("config/chatops.toml");
    for file in ["config/chatops.toml", "docs/examples/chatops.toml"] {
        assert!(is_valid(&read(file)), "{file}");
    }
    let every_key = example.lines().map(|line| {
        let shown = line.strip_prefix("# ").filter(|line| line.contains(" = "));
        let shown = shown.filter(|line| {
            line.split(" = ")
                .next()
                .unwrap()
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_')
        });
        shown.unwrap_or(line)
    });
    let every_key = every_key.collect::<Vec<_>>().join("\n");
    assert!(is_valid(&every_key));
    for (right, wrong) in [
        ("version = 1", "version = \"1\""),
        ("version = 1", ""),
        ("version = 1", "version = 1\nbrnaches = []"),
        ("[slack]", "[slak]"),
        ("teams = [\"T012ABCDEF\"]", "teams = \"T012ABCDEF\""),
        ("interactivity = true", "interactivity = \"yes\""),
        ("actions_per_minute = 20", "actions_per_minute = -1"),
        ("slug = \"gh/acme/web\"", "slug = \"acme/web\""),
        ("slug = \"gh/acme/web\"", ""),
        ("trigger = \"pipeline-run\"", "trigger = \"pipelinerun\""),
        ("request_ttl = \"10m\"", "request_ttl = 600"),
        ("job_parameter = \"job\"", "job_parameter = true"),
        ("pattern = \"v*\"", "patern = \"v*\""),
        ("deploys = \"C012ABCDEF\"", "deploys = \"#deploys\""),
    ] {
        assert!(every_key.contains(right), "{right}");
        let text = every_key.replacen(right, wrong, 1);
        assert!(!is_valid(&text), "{wrong}");
        // What the editor marks, the check refuses.
        assert!(
            chatops_core::config::Config::parse(&text, "chatops.toml").is_err(),
            "{wrong}"
        );
    }
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
