//! The doctor on AWS.

use chatops_testkit::account::make_secret;
use serde_json::{Value, json};

use crate::support::{CommitStory, StackWorld, run_program};

fn level(report: &Value, name: &str) -> String {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no {name}: {report}"));
    assert_eq!(check["fix"].is_null(), check["level"] == "ok", "{check}");
    check["level"].as_str().unwrap().to_owned()
}

#[test]
fn an_installation_is_checked() {
    let world = StackWorld::new();
    let stack = world.stack.clone();
    for secret in ["inbound", "circleci"] {
        let value = json!({ "x": "canary" });
        world.block(make_secret(&world.aws, &stack, secret, &value));
    }
    let failed = world.write(&CommitStory::begin("failed", 60).not_started().0);
    world.send_retry_ticket(failed.id);
    let report = world.on_aws(&["doctor", "--json"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let report = report.json();
    for (name, expected) in [
        ("credentials", "ok"),
        (&format!("table {stack}-ledger"), "ok"),
        ("point-in-time recovery", "warn"),
        (&format!("queue {stack}-work"), "ok"),
        (&format!("queue {stack}-polls"), "ok"),
        (&format!("queue {stack}-operators"), "ok"),
        (&format!("queue {stack}-work-dlq"), "warn"),
        (&format!("queue {stack}-notify"), "ok"),
        (&format!("queue {stack}-notify-dlq"), "ok"),
        (&format!("secret {stack}/inbound"), "ok"),
        (&format!("secret {stack}/circleci"), "ok"),
        (&format!("secret {stack}/slack-bot"), "warn"),
    ] {
        assert_eq!(level(&report, name), expected, "{name}: {report}");
    }
    assert_eq!(report["ok"], true);

    // A copy of the configuration says which channels follow.
    let config = "version = 1\n[slack]\nteams = ['T012ABCDEF']\n[projects.web]\nslug = 'gh/acme/web'\n\
                  announce = ['C012ABCDEF']\n[projects.web.jobs.deploy]\n";
    let path = world.dir().join("feeds.toml");
    std::fs::write(&path, config).unwrap();
    let said = world.on_aws(&["doctor", "--config", path.to_str().unwrap()]);
    let line = "ok    announcements: C012ABCDEF; the bot has to be in each of them";
    assert!(said.stdout.contains(line), "{said:?}");

    let mut command = world.command(&["--aws", "doctor", "--json"]);
    let report = run_program(command.env_remove("AWS_ACCESS_KEY_ID"));
    assert_eq!(report.code, Some(1));
    assert_eq!(level(&report.json(), "credentials"), "fail");

    let words = world.run(&["--aws", "--stack", "nowhere", "doctor"]);
    assert_eq!(words.code, Some(1), "{words:?}");
    for what in [
        "table nowhere-ledger",
        "queue nowhere-work",
        "secret nowhere/inbound",
    ] {
        let line = format!("FAIL  {what}: it does not exist");
        assert!(words.stdout.contains(&line), "{words:?}");
    }
}
