//! `docs/aws.md`, `docs/operations.md` and the template: what the pages tell people to look up or set is there.

use std::collections::BTreeSet;

use crate::read;

/// The names of the entries of a section of the template.
fn names<'t>(template: &'t str, section: &str) -> BTreeSet<&'t str> {
    let heading = format!("\n{section}:\n");
    let (_, after) = template.split_once(&heading).unwrap();
    let entries = after
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = entries.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    names.filter(|name| !name.starts_with(' ')).collect()
}

/// The names with such an ending that a page writes as code, also as `Name=value`.
fn named(page: &str, endings: &[&str]) -> BTreeSet<String> {
    let codes = page.split('`').skip(1).step_by(2);
    let codes = codes.filter_map(|code| code.split('=').next());
    let is_name = |code: &&str| {
        code.starts_with(|c: char| c.is_ascii_uppercase())
            && code.chars().all(|c| c.is_ascii_alphanumeric())
            && endings.iter().any(|ending| code.ends_with(ending))
    };
    codes.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn every_output_and_parameter_that_the_pages_name_is_in_the_template() {
    let template = read("template.yaml");
    let (outputs, parameters) = (names(&template, "Outputs"), names(&template, "Parameters"));
    let pages = format!("{}\n{}", read("docs/aws.md"), read("docs/operations.md"));
    let used = named(&pages, &["Url", "Arn", "PolicyArn"]);
    assert!(used.len() > 4, "{used:?}");
    for output in used {
        assert!(
            outputs.contains(output.as_str()),
            "there is no output {output}"
        );
    }
    let set = named(
        &pages,
        &[
            "Concurrency",
            "Protection",
            "Email",
            "Architecture",
            "LogLevel",
        ],
    );
    assert!(set.len() >= 5, "{set:?}");
    for parameter in set {
        let is_there = parameters.contains(parameter.as_str());
        assert!(is_there, "there is no parameter {parameter}");
    }
    // Calls of `output NAME`.
    for (_, after) in pages
        .match_indices("(output ")
        .map(|(at, _)| pages.split_at(at + 8))
    {
        let name = after.split(')').next().unwrap();
        assert!(outputs.contains(name), "there is no output {name}");
    }
}

#[test]
fn the_example_of_choices_sets_parameters_of_the_template() {
    let template = read("template.yaml");
    let parameters = names(&template, "Parameters");
    let example = read("samconfig.toml.example");
    let (_, overrides) = example.split_once("parameter_overrides = [").unwrap();
    let (overrides, _) = overrides.split_once("\n]").unwrap();
    let mut count = 0;
    for line in overrides.lines() {
        let line = line.trim().trim_start_matches("# ");
        let Some((name, _)) = line.strip_prefix('"').and_then(|line| line.split_once('=')) else {
            continue;
        };
        assert!(parameters.contains(name), "there is no parameter {name}");
        count += 1;
    }
    assert!(count > 5);
}
