//! The doctor on AWS.

use serde_json::Value;

use crate::support::{Story, World, ended};

fn level(report: &Value, name: &str) -> String {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no {name}: {report}"));
    assert_eq!(check["fix"].is_null(), check["level"] == "ok", "{check}");
    check["level"].as_str().unwrap().to_owned()
}

#[test]
fn a_deployment_is_looked_at() {
    let world = World::new();
    let stack = world.stack.clone();
    for secret in ["inbound", "circleci"] {
        let request = world
            .aws
            .secrets()
            .create_secret()
            .name(format!("{stack}/{secret}"));
        let request = request.secret_string("{\"x\":\"canary\"}");
        world.block(request.send()).unwrap();
    }
    let failed = world.write(&Story::begin("failed", 60).not_started().0);
    world.bury_order(failed.id);
    let report = world.there(&["doctor", "--json"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let report = report.json();
    for (name, expected) in [
        ("credentials", "ok"),
        (&format!("table {stack}-ledger"), "ok"),
        ("point-in-time recovery", "warn"),
        (&format!("queue {stack}-work"), "ok"),
        (&format!("queue {stack}-work-dead"), "warn"),
        (&format!("queue {stack}-notice"), "ok"),
        (&format!("queue {stack}-notice-dead"), "ok"),
        (&format!("secret {stack}/inbound"), "ok"),
        (&format!("secret {stack}/circleci"), "ok"),
        (&format!("secret {stack}/slack-bot"), "warn"),
    ] {
        assert_eq!(level(&report, name), expected, "{name}: {report}");
    }
    assert_eq!(report["ok"], true);

    let mut command = world.command(&["--aws", "doctor", "--json"]);
    let report = ended(command.env_remove("AWS_ACCESS_KEY_ID"));
    assert_eq!(report.code, Some(1));
    assert_eq!(level(&report.json(), "credentials"), "fail");

    let words = world.run(&["--aws", "--stack", "nowhere", "doctor"]);
    assert_eq!(words.code, Some(1), "{words:?}");
    assert!(
        words
            .stdout
            .contains("FAIL  table nowhere-ledger: it is not there"),
        "{words:?}"
    );
    assert!(
        words
            .stdout
            .contains("FAIL  queue nowhere-work: it is not there"),
        "{words:?}"
    );
    assert!(
        words
            .stdout
            .contains("FAIL  secret nowhere/inbound: it is not there"),
        "{words:?}"
    );
}
