//! What is typed for a target: by its project or its place, in any case.

use super::*;
use crate::target::TargetRef;

/// The good file, whose jobs deploy to environments that differ in case alone.
fn two_environments() -> Config {
    let job = |name: &str, environment: &str| {
        format!(
            "[projects.web.jobs.{name}]\nenvironment = \"{environment}\"\nbranches = [\"main\"]\n\
             channels = [\"C012ABCDEF\"]\nusers = [\"U012ABCDEF\"]\n"
        )
    };
    let text = [
        "version = 1\n[slack]\nteams = [\"T012ABCDEF\"]\n[projects.web]\nslug = \"gh/acme/web\"\n",
        &job("one", "EU"),
        &job("two", "eu"),
        &job("three", "Staging"),
    ];
    Config::parse(&text.concat(), "chatops.toml").unwrap()
}

#[test]
fn a_target_is_found_by_every_name_it_has() {
    let config = two_environments();
    let found = |typed: &str| {
        let typed = TargetRef::parse(typed).unwrap();
        config.find_target(&typed).map(|target| target.0)
    };
    for (typed, target) in [
        ("web/eu", Some("gh/acme/web/eu")),
        ("web/EU", Some("gh/acme/web/EU")),
        ("WEB/STAGING", Some("gh/acme/web/Staging")),
        ("gh/acme/web/Staging", Some("gh/acme/web/Staging")),
        ("github/acme/web/staging", Some("gh/acme/web/Staging")),
        ("bitbucket/acme/web/staging", None),
        ("web/none", None),
        ("none/eu", None),
    ] {
        assert_eq!(found(typed).as_deref(), target, "{typed}");
    }
}
