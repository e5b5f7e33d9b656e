//! `chatops doctor` where all is well: against the sandbox, and in an installation whose other sides are
//! fakes. What may be wrong is in the rooms.

mod answers;
mod installation;
mod machine;
mod slack;

use crate::operator;
use crate::support::{SIGNING_SECRET, ServeWorld, TOKEN, assert_says};
use installation::{BOT, DEFINITION, DoctorWorld, run_doctor};

#[tokio::test]
async fn all_is_well_beside_a_server() {
    let (world, server) = ServeWorld::start().await;
    let mut command = operator::command(&world, &["doctor"]);
    command.env("SLACK_SIGNING_SECRET", SIGNING_SECRET);
    command.env("CIRCLECI_TOKEN", TOKEN);
    let address = server.address().to_owned();
    let url = format!("http://{address}");
    command.args(["--listen", &address, "--url", &url]);
    let text = run_doctor(command).await.success();
    assert!(!text.contains("FAIL"), "{text}");
    for check in [
        "CircleCI token",
        "project web",
        "data file",
        "serve",
        "public address",
    ] {
        assert_says(&text, &format!("ok    {check}: "));
    }
    server.stop().await;
}

#[tokio::test]
async fn every_check_of_a_good_installation_is_ok() {
    let world = DoctorWorld::new().await;
    // The two warnings are that nobody has served yet.
    let text = run_doctor(world.command()).await.success();
    let lines: Vec<&str> = text.lines().collect();
    let configuration = "ok    configuration: chatops.toml, revision ";
    assert!(lines[0].starts_with(configuration), "{text}");
    for line in [
        "ok    secret SLACK_SIGNING_SECRET: it is set",
        "ok    secret CIRCLECI_TOKEN: it is set",
        "ok    secret SLACK_BOT_TOKEN: it is set",
        "ok    CircleCI token: it is ada's (Ada L.)",
        "ok    project web: gh/acme/web is web of acme",
        &format!("ok    pipeline definition of web: {DEFINITION} exists, named ship"),
        "ok    parameters of web/deploy: job, deploy_id declared in pipeline 42 on main",
        "ok    parameters of web/ship: job, deploy_id declared in pipeline 42 on main",
        "ok    workflow of web/deploy: deploy found in pipeline 42 on main",
        "ok    workflow of web/ship: deploy found in pipeline 42 on main",
        "ok    Slack bot: deploys in Acme",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    assert_says(&text, "\nwarn  data file: there is no file");
    assert_says(&text, "\nwarn  serve: nothing answers at 127.0.0.1:1");
    assert!(text.ends_with(" checks: 2 to review."), "{text}");
    // Each token goes where it belongs and nowhere else.
    for line in world.requests.lock().unwrap().iter() {
        assert!(line.starts_with("GET "), "{line}");
        let circleci = line.contains("/api/v2/");
        assert_eq!(line.contains(TOKEN), circleci, "{line}");
        assert_eq!(line.contains(BOT), line.contains("/auth.test"), "{line}");
    }
}
