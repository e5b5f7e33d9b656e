//! `docs/self-hosting.md` and the systemd unit: what is typed beside the service has the service's settings.

use std::collections::BTreeMap;

use crate::read;

/// The service's environment.
fn settings_of_unit(unit: &str) -> BTreeMap<String, String> {
    unit.lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The code blocks of a page, each as one line.
fn commands(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match line.trim_start() {
            code if line.starts_with("    ") && !code.is_empty() => {
                let block = blocks.last_mut().unwrap();
                block.push_str(code.trim_end_matches('\\'));
                block.push(if code.ends_with('\\') { ' ' } else { '\n' });
            }
            _ => blocks.push(String::new()),
        }
    }
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines.map(str::to_owned).collect()
}

#[test]
fn doctor_is_called_with_the_settings_of_the_service() {
    let unit = settings_of_unit(&read("packaging/chatops.service"));
    let page = read("docs/self-hosting.md");
    let commands = commands(&page);
    let mut doctors = commands
        .iter()
        .filter(|line| line.contains("sudo env ") && line.ends_with(" chatops doctor"));
    let doctor = doctors.next().expect("docs/self-hosting.md calls doctor");
    let given: BTreeMap<String, String> = doctor
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Where it listens and how it logs is nothing to doctor.
    let asked = unit
        .iter()
        .filter(|(name, _)| !["CHATOPS_LISTEN", "CHATOPS_LOG"].contains(&name.as_str()));
    let asked: BTreeMap<String, String> = asked
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(given, asked);
    // Each of those files has been made by a command above.
    for file in asked.values().filter(|value| value.starts_with("/etc/")) {
        let made = commands
            .iter()
            .any(|line| line.contains("install") && line.ends_with(file));
        assert!(made, "docs/self-hosting.md does not say how {file} is made");
    }
}

#[test]
fn every_optional_secret_has_its_lines_for_the_unit() {
    let page = read("docs/self-hosting.md");
    let serve = read("local/src/secrets/spec.rs");
    let mut count = 0;
    for variable in [
        "SLACK_BOT_TOKEN",
        "CIRCLECI_WEBHOOK_SECRET",
        "SLACK_SIGNING_SECRET_PREVIOUS",
    ] {
        assert!(serve.contains(&format!("\"{variable}\"")), "{variable}");
        let line = format!("    Environment={variable}_FILE=/etc/chatops/");
        assert!(page.contains(&line), "{line}");
        count += 1;
    }
    assert_eq!(count, 3);
}
