//! What the doctor finds on its own machine: secrets, addresses, the data file.

use chatops_testkit::address::free_address;

use super::installation::{DoctorWorld, config, run_doctor};
use crate::operator;
use crate::support::{ServeWorld, assert_says};

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_shown_all_at_once() {
    let world = DoctorWorld::new().await;
    let mut command = world.command();
    command
        .env_remove("SLACK_SIGNING_SECRET")
        .env("CIRCLECI_TOKEN", "canary with spaces")
        .env("SLACK_BOT_TOKEN", "canary")
        .env("CIRCLECI_WEBHOOK_SECRET_FILE", "/nowhere/secret")
        .args(["--data", "/nowhere/chatops.db"]);
    let ended = run_doctor(command).await;
    let text = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(1), "{text}");
    for words in [
        "FAIL  secret SLACK_SIGNING_SECRET: it is not set",
        "FAIL  secret CIRCLECI_TOKEN: CIRCLECI_TOKEN does not hold a CircleCI personal API token",
        "FAIL  secret SLACK_BOT_TOKEN: SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is too short",
        "warn  secret CIRCLECI_WEBHOOK_SECRET: CIRCLECI_WEBHOOK_SECRET_FILE names /nowhere/secret",
        "FAIL  data file: there is no file, and /nowhere cannot be written",
        // Requests that need no token are made.
        "ok    CircleCI's address: ",
    ] {
        assert_says(&text, words);
    }
    let mut command = world.command();
    command.args(["--config", "/nowhere/chatops.toml", "--json"]);
    let ended = run_doctor(command).await;
    let report = operator::json(&ended.stdout[0]);
    assert_eq!(report["checks"][0]["level"], "fail");
    let fix = report["checks"][0]["fix"].as_str().unwrap();
    assert!(
        fix.starts_with("create it: `chatops config init /nowhere/chatops.toml`"),
        "{fix}"
    );
    assert_eq!(ended.code, Some(1));

    // An address at which nobody listens.
    let origin = format!("http://{}", free_address());
    world.configure(&config(&origin));
    for whom in ["CircleCI's address", "Slack's address"] {
        world.check_is(whom, "fail", "cannot be reached: ").await;
    }
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_is_found() {
    let world = DoctorWorld::new().await;
    // The stand-in of CircleCI and Slack answers there.
    let configuration = world.configuration();
    let other = configuration
        .split('"')
        .find(|part| part.starts_with("http://"))
        .unwrap();
    let mut command = world.command();
    let address = other.trim_start_matches("http://");
    command.args(["--listen", address, "--url", other]);
    let text = run_doctor(command).await.stdout.join("\n");
    assert_says(&text, "warn  serve: another program answers at 127.0.0.1:");
    assert_says(&text, "FAIL  public address: http://127.0.0.1:");
    assert_says(&text, "and not as chatops does");
    let mut command = world.command();
    command.args(["--url", "http://127.0.0.1:1"]);
    let text = run_doctor(command).await.stdout.join("\n");
    assert_says(
        &text,
        "FAIL  public address: http://127.0.0.1:1/slack/commands does not answer",
    );
}

#[tokio::test]
async fn a_damaged_data_file_is_found() {
    let world = DoctorWorld::new().await;
    let path = world.dir.path().join("chatops.db");
    let text = "this is no database at all, whatever its name may say";
    std::fs::write(&path, text).unwrap();
    world
        .check_is("data file", "fail", "is not a data file of chatops")
        .await;
    std::fs::remove_file(&path).unwrap();
    let served = ServeWorld::new().await;
    served.serve().await.stop().await;
    let mut bytes = std::fs::read(served.data()).unwrap();
    // The root of a table, overwritten.
    let page = 4096;
    bytes[2 * page..3 * page].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    world.check_is("data file", "fail", "damaged").await;
}
