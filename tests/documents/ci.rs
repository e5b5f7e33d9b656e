//! The files of the project's own yard: CI runs what a contributor runs, with a compiler that is new enough.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{files_that_end_with, read};

/// The numbers of a version.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect()
}

#[test]
fn ci_runs_what_a_contributor_runs() {
    let config: Value = serde_saphyr::from_str(&read(".circleci/config.yml")).unwrap();
    let job = &config["jobs"]["check"];
    let steps = job["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["run"]["command"] == ".ci/run"));
    let image = job["docker"][0]["image"].as_str().unwrap();
    let version = image.strip_prefix("cimg/rust:").unwrap();
    let manifest = read("Cargo.toml");
    let mut lines = manifest.lines();
    let wanted = lines.find_map(|line| line.strip_prefix("rust-version = "));
    let wanted = wanted.unwrap().trim_matches('"');
    assert!(numbers(version) >= numbers(wanted), "{version} < {wanted}");
    // The documents name the version that is needed.
    for page in ["README.md", "docs/self-hosting.md", "docs/aws.md"] {
        assert!(
            read(page).contains(&format!("Rust {wanted} or newer")),
            "{page}"
        );
    }
}

#[test]
fn issue_forms_can_be_read() {
    let forms = files_that_end_with(&[".yml"]);
    let forms = forms.iter().filter(|file| file.starts_with(".github"));
    let mut count = 0;
    for form in forms {
        let form: Value = serde_saphyr::from_str(&read(form.to_str().unwrap())).unwrap();
        let body = form["body"].as_array();
        let ids = body
            .into_iter()
            .flatten()
            .filter_map(|field| field["id"].as_str());
        let ids: Vec<&str> = ids.collect();
        assert_eq!(BTreeSet::from_iter(&ids).len(), ids.len(), "{ids:?}");
        count += 1;
    }
    assert_eq!(count, 3);
}
