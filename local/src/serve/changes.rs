//! What a changed configuration changes, by the names that its file has for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use chatops_core::config::Config;

/// The parts that differ. They are compared as they are written for a person, which shows every setting;
/// no secret is among them.
pub(super) fn changed_parts(before: &Config, after: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    let mut compare = |name: &str, differs: bool| {
        if differs {
            changed.push(name.to_owned());
        }
    };
    compare("[slack]", differ(&before.slack, &after.slack));
    compare("[circleci]", differ(&before.circleci, &after.circleci));
    compare("[timeouts]", differ(&before.timeouts, &after.timeouts));
    let users = |config: &Config| format!("{:?} {:?}", config.users, config.user_names);
    compare("[users]", users(before) != users(after));
    let default = &before.default_project;
    compare("default_project", *default != after.default_project);
    let aliases = &before.project_aliases;
    compare("aliases of projects", *aliases != after.project_aliases);
    for (name, how) in changed_entries(&before.projects, &after.projects) {
        changed.push(format!("[projects.{name}] {how}"));
    }
    if changed.is_empty() {
        changed.push("nothing but its text".to_owned());
    }
    changed
}

fn differ(before: &impl Debug, after: &impl Debug) -> bool {
    format!("{before:?}") != format!("{after:?}")
}

fn changed_entries<'c, K: Ord, V: Debug>(
    before: &'c BTreeMap<K, V>,
    after: &'c BTreeMap<K, V>,
) -> impl Iterator<Item = (&'c K, &'static str)> {
    let names: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (None, Some(_)) => Some((name, "added")),
            (Some(_), None) => Some((name, "removed")),
            (Some(old), Some(new)) => differ(old, new).then_some((name, "changed")),
            (None, None) => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
version = 1
default_project = "web"
[slack]
teams = ["T0001"]
[users]
ada = "U0001"
[timeouts]
sweep_interval = "60s"
[projects.web]
slug = "gh/acme/web"
aliases = ["site"]
[projects.web.jobs.deploy]
users = ["ada"]
channels = ["*"]
branches = ["main"]
[projects.api]
slug = "gh/acme/api"
"#;

    #[test]
    fn every_part_that_differs_is_named() {
        let before = Config::parse(TEXT, "before").unwrap();
        for (from, to, parts) in [
            ("version", "\n# more\nversion", "nothing but its text"),
            ("60s", "50s", "[timeouts]"),
            ("T0001\"]", "T0001\"]\ninteractivity = true", "[slack]"),
            ("[\"main\"]", "[\"*\"]", "[projects.web] changed"),
            (
                "projects.api",
                "projects.app",
                "[projects.api] removed, [projects.app] added",
            ),
            ("= \"web\"", "= \"api\"", "default_project"),
            ("[\"site\"]", "[\"page\"]", "aliases of projects"),
            ("U0001", "U0002", "[users], [projects.web] changed"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            let after = Config::parse(&text, "after").unwrap();
            assert_eq!(changed_parts(&before, &after).join(", "), parts);
        }
    }
}
