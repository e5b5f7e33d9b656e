//! What the doctor makes of the answers of CircleCI and Slack, one of them changed at a time.

use chrono::TimeDelta;
use serde_json::json;

use super::installation::{COMPILED, DEFINITION, DoctorWorld, FakeAnswers, YAML, run_doctor};
use crate::support::assert_says;

#[tokio::test]
async fn an_answer_of_circleci_is_shown_with_the_fix() {
    let world = DoctorWorld::new().await;
    world.set_answers(|says| says.me = (401, json!({ "message": "You must log in first." })));
    let fix = world
        .check_is("CircleCI token", "fail", "401 You must log in first.")
        .await;
    assert_says(&fix, "Personal API Tokens");
    world.set_answers(|says| says.me = (503, json!({})));
    world.check_is("CircleCI's address", "warn", "503").await;
    world.set_answers(|says| *says = FakeAnswers::default());
    world.set_answers(|says| says.project = (404, json!({ "message": "Project not found" })));
    let fix = world
        .check_is("project web", "fail", "404 Project not found")
        .await;
    assert_says(&fix, "[projects.web]");
    world.set_answers(|says| says.project = (429, json!({ "message": "Slow down" })));
    world.check_is("project web", "warn", "429 Slow down").await;
    // Its answer cannot control the terminal.
    world.set_answers(|says| says.me = (200, json!({ "login": "a\u{1b}[2Jb", "name": "" })));
    world.check_is("CircleCI token", "ok", r"a\u{1b}[2Jb").await;
}

#[tokio::test]
async fn definitions_and_parameters_are_looked_up_as_far_as_can_be_known() {
    let world = DoctorWorld::new().await;
    let definition = "pipeline definition of web";
    let other = "00000000-0b7a-4c58-9e3d-6a4f8b2c7d10";
    world.set_answers(|says| says.definitions = (200, json!({ "items": [{ "id": other }] })));
    let fix = world.check_is(definition, "fail", DEFINITION).await;
    assert!(fix.contains(other), "{fix}");
    world.set_answers(|says| says.definitions = (404, json!({ "message": "Not found" })));
    let unknown = "could not find out whether it exists (404 Not found)";
    world.check_is(definition, "warn", unknown).await;
    world.set_answers(|says| *says = FakeAnswers::default());

    let parameters = "parameters of web/deploy";
    let without = YAML.replace("deploy_id", "other");
    world.set_answers(|says| says.source.1["source"] = without.into());
    let missing = "deploy_id not declared in pipeline 42";
    let fix = world.check_is(parameters, "warn", missing).await;
    assert_says(&fix, "top-level `parameters:`");
    // With a setup workflow, that is the configuration that counts.
    world.set_answers(|says| says.source.1["setup-config"] = YAML.into());
    world.check_is(parameters, "ok", "declared").await;
    world.set_answers(|says| says.source = (200, json!({ "source": "{a: b", "compiled": "" })));
    world.check_is(parameters, "warn", "cannot be read").await;
    world.set_answers(|says| says.source = (403, json!({ "message": "Forbidden" })));
    world
        .check_is(parameters, "warn", "not shown (403 Forbidden)")
        .await;
    world.set_answers(|says| says.pipelines = (200, json!({ "items": [] })));
    world
        .check_is(parameters, "warn", "no pipeline on main yet")
        .await;

    let text = world.configuration();
    let text = text.replace("trigger = \"pipeline\"", "trigger = \"job\"");
    world.configure(&text);
    world.set_answers(|says| *says = FakeAnswers::default());
    world.check_is(parameters, "warn", "version 2.1").await;
    world.set_answers(|says| says.source.1["source"] = "version: 2\njobs: {}\n".into());
    world.check_is(parameters, "ok", "no declaration").await;
}

#[tokio::test]
async fn a_dynamic_configuration_declares_parameters_on_both_sides() {
    let world = DoctorWorld::new().await;
    let (parameters, dynamic) = ("parameters of web/deploy", "dynamic configuration of web");
    let setup = YAML.replace("version: 2.1\n", "version: 2.1\nsetup: true\n");
    world.set_answers(|says| says.source.1["setup-config"] = setup.clone().into());
    world.check_is(parameters, "ok", "declared").await;
    let both = "what follows declares every parameter";
    world.check_is(dynamic, "ok", both).await;
    let without = YAML.replace("deploy_id", "other");
    world.set_answers(|says| says.source.1["source"] = without.into());
    let missing = "deploy_id not declared in what follows the setup configuration";
    let fix = world.check_is(dynamic, "warn", missing).await;
    assert_says(&fix, "Unexpected argument(s)");
    let without = setup.replace("deploy_id", "other");
    world.set_answers(|says| says.source.1["setup-config"] = without.into());
    world
        .check_is(parameters, "warn", "deploy_id not declared")
        .await;
}

#[tokio::test]
async fn what_decides_an_end_is_looked_up() {
    let world = DoctorWorld::new().await;
    let workflow = "workflow of web/deploy";
    world.set_answers(|says| says.source.1["compiled"] = COMPILED.replace("deploy", "ship").into());
    let missing = "there is no deploy in pipeline 42 on main; the workflows are lint, ship";
    let fix = world.check_is(workflow, "warn", missing).await;
    assert_says(&fix, "workflow = ");
    // A configuration that did not compile says nothing about its workflows.
    world.set_answers(|says| says.source.1["compiled"] = "".into());
    let unknown = "no compiled configuration";
    world.check_is(workflow, "warn", unknown).await;
    world.set_answers(|says| *says = FakeAnswers::default());

    let text = world.configuration();
    let job = "[projects.web.jobs.deploy]\n";
    let must_run = |name: &str| text.replace(job, &format!("{job}must_run = [{name:?}]\n"));
    world.configure(&must_run("ship"));
    world
        .check_is(workflow, "ok", "deploy, with ship found")
        .await;
    world.configure(&must_run("smoke"));
    let absent = "it has no job smoke in pipeline 42 on main; its jobs are build, ship";
    world.check_is(workflow, "warn", absent).await;

    // It concerns who deploys another branch than the default one.
    let autocancel = "auto-cancel of web";
    let branches = text.replace(
        r#"branches = ["main"]"#,
        r#"branches = ["main", "hotfix/*"]"#,
    );
    world.configure(&branches);
    world.check_is(autocancel, "ok", "it is off").await;
    let on = json!({ "advanced": { "autocancel_builds": true } });
    world.set_answers(|says| says.settings = (200, on));
    world.check_is(autocancel, "warn", "it is on").await;
    world.set_answers(|says| says.settings = (404, json!({ "message": "Not found" })));
    world.check_is(autocancel, "warn", "404 Not found").await;
}

#[tokio::test]
async fn clocks_are_compared_with_both_sides() {
    let world = DoctorWorld::new().await;
    for (seconds, level, words) in [
        (0, "ok", ""),
        (30, "ok", " s behind"),
        (-150, "warn", " s ahead"),
        (150, "warn", " s behind"),
        (1000, "fail", " s behind"),
        (-1000, "fail", " s ahead"),
    ] {
        world.set_answers(|says| says.ahead = TimeDelta::seconds(seconds));
        for whose in ["CircleCI", "Slack"] {
            let name = format!("clock against {whose}'s");
            world.check_is(&name, level, words).await;
        }
    }
}

#[tokio::test]
async fn the_bot_is_tried_if_there_is_one() {
    let world = DoctorWorld::new().await;
    world.set_answers(|says| says.bot = (200, json!({ "ok": false, "error": "invalid_auth" })));
    let fix = world.check_is("Slack bot", "fail", "invalid_auth").await;
    assert_says(&fix, "SLACK_BOT_TOKEN");
    world.set_answers(|says| says.bot = (500, json!("oh")));
    world.check_is("Slack bot", "warn", "500").await;
    let mut command = world.command();
    command.env_remove("SLACK_BOT_TOKEN");
    let ended = run_doctor(command).await;
    assert!(!format!("{ended:?}").contains("bot"), "{ended:?}");
}

#[tokio::test]
async fn announcements_need_the_bot_and_its_scope() {
    let world = DoctorWorld::new().await;
    let project = "[projects.web]\n";
    let announcing = format!("{project}announce = [\"C0FEED\"]\n");
    world.configure(&world.configuration().replace(project, &announcing));
    world
        .check_is(
            "announcements",
            "ok",
            "C0FEED; the bot has to be in each of them",
        )
        .await;
    world.set_answers(|says| says.scopes = "commands");
    let fix = world
        .check_is("announcements", "fail", "the bot may not post")
        .await;
    assert_says(&fix, "chat:write");
    let mut command = world.command();
    command.env_remove("SLACK_BOT_TOKEN");
    let ended = run_doctor(command).await;
    assert_says(
        &format!("{ended:?}"),
        "there is no bot token: nothing is posted there",
    );
}
