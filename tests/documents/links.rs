//! Links between documents: each names a file that is there, and a heading that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::{files_that_end_with, read, root};

/// A document: where its links go, and what of it can be linked to.
#[derive(Debug, Default)]
struct Document {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

/// Reads links and headings, outside code.
fn parse(text: &str) -> Document {
    let mut document = Document::default();
    let mut times = BTreeMap::<String, usize>::new();
    let mut prose = String::new();
    let mut is_fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            if line.starts_with('#') {
                let anchor = anchor_of(line.trim_start_matches('#').trim());
                let before = times.entry(anchor.clone()).or_default();
                document.anchors.insert(match *before {
                    0 => anchor,
                    n => format!("{anchor}-{n}"),
                });
                *before += 1;
            }
            prose.push_str(&without_code(line));
            prose.push('\n');
        }
    }
    // A link's text may go on in the next line, its address does not.
    for after in prose.split("](").skip(1) {
        let (address, _) = after.split_once(')').unwrap();
        document.links.push(address.to_owned());
    }
    // A picture for light and dark is written as HTML.
    for after in ["src=\"", "srcset=\""]
        .into_iter()
        .flat_map(|name| prose.split(name).skip(1))
    {
        let (address, _) = after.split_once('"').unwrap();
        document.links.push(address.to_owned());
    }
    document
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The anchor that a forge gives a heading: its letters and digits in lower case, and dashes.
fn anchor_of(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
    heading.chars().filter(is_kept).collect()
}

/// The path without `.` and `..`.
fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(normal.pop(), "{} leaves the project", path.display()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// What is wrong with a link of a document.
fn broken(all: &BTreeMap<PathBuf, Document>, from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        from.to_owned()
    } else {
        normalise(&from.parent().unwrap().join(file))
    };
    if !root().join(&target).exists() {
        return Some(format!("{} links to {link}: no such file", from.display()));
    }
    let is_there = anchor.is_empty() || all.get(&target)?.anchors.contains(anchor);
    (!is_there).then(|| format!("{} links to {link}: no such heading", from.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let files = files_that_end_with(&[".md"]);
    let all: BTreeMap<_, _> = files
        .into_iter()
        .map(|file| {
            let document = parse(&read(file.to_str().unwrap()));
            (file, document)
        })
        .collect();
    let links: usize = all.values().map(|document| document.links.len()).sum();
    assert!(links > 50, "{links} links");
    let wrong: Vec<String> = all
        .iter()
        .flat_map(|(from, document)| document.links.iter().map(move |link| (from, link)))
        .filter_map(|(from, link)| broken(&all, from, link))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let (mut seen, mut next) = (BTreeSet::new(), vec![PathBuf::from("README.md")]);
    while let Some(file) = next.pop() {
        let is_page = file.extension().is_some_and(|ending| ending == "md");
        if !is_page || !root().join(&file).exists() || !seen.insert(file.clone()) {
            continue;
        }
        let document = parse(&read(file.to_str().unwrap()));
        let files = document.links.iter().filter(|link| !link.contains("://"));
        let files = files.map(|link| link.split('#').next().unwrap());
        next.extend(files.map(|link| normalise(&file.parent().unwrap().join(link))));
    }
    let docs = files_that_end_with(&[".md"]);
    let docs = docs.iter().filter(|file| file.starts_with("docs"));
    let lost: Vec<_> = docs.filter(|file| !seen.contains(*file)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn code_names_documents_that_exist() {
    let mut count = 0;
    for file in files_that_end_with(&[".rs", ".toml", ".yaml", ".yml", ".service", "run"]) {
        let text = read(file.to_str().unwrap());
        for (at, _) in text.match_indices("docs/") {
            let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            let name = &text[at..];
            let name = &name[..name.find(|c| !is_path(c)).unwrap_or(name.len())];
            let Some(end) = name.find(".md") else {
                continue;
            };
            let name = &name[..end + 3];
            let is_there = root().join(name).exists();
            assert!(is_there, "{} names {name}", file.display());
            count += 1;
        }
    }
    assert!(count > 5, "{count} names");
}

#[test]
fn links_and_headings_are_read_as_a_forge_does() {
    let text = "\
# What it does, and `why`: a page
Some [text](a.md#b), `[code](no.md)` and [two
lines](c.md).
```
# no heading, [no link](d.md)
```
## Names
## Names
";
    let document = parse(text);
    assert_eq!(document.links, ["a.md#b", "c.md"]);
    let anchors: Vec<_> = document.anchors.iter().collect();
    assert_eq!(anchors, ["names", "names-1", "what-it-does-and-why-a-page"]);
    let all = BTreeMap::from([(PathBuf::from("README.md"), document)]);
    let broken = |link| broken(&all, Path::new("README.md"), link);
    for right in [
        "#names-1",
        "LICENSE-MIT",
        "https://example.com/#x",
        "core/../README.md#names",
    ] {
        assert_eq!(broken(right), None);
    }
    for wrong in ["#name", "no.md", "README.md#names-2"] {
        assert!(broken(wrong).is_some(), "{wrong}");
    }
}
