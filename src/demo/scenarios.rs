//! The scenarios: what is typed, how the outside world behaves, and the expected end.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chatops_core::command::ButtonVerb;
use chatops_core::deploy::DeployState;
use chatops_core::id::ShortId;
use chatops_core::ports::Clock;
use chatops_core::text::MessageKind;
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};
use chatops_sandbox::slack::BotMethod;

use super::world::DemoWorld;
use chatops_local::clock::WallClock;

/// What a scenario prints when it ends as expected.
type ScenarioResult<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// A title, and what is played and checked.
type DemoScenario = (
    &'static str,
    for<'a> fn(&'a DemoWorld) -> ScenarioResult<'a>,
);

pub(super) const SCENARIOS: &[DemoScenario] = &[
    ("A deploy that succeeds", |world| {
        Box::pin(deploy_succeeds(world))
    }),
    ("A build that fails", |world| Box::pin(build_fails(world))),
    ("The wrong channel", |world| Box::pin(wrong_channel(world))),
    ("CircleCI's answer is lost", |world| {
        Box::pin(answer_lost(world))
    }),
    (
        "CircleCI cannot be reached until the command expires; then it is retried",
        |world| Box::pin(failed_then_retried(world)),
    ),
    ("Which deploys failed?", |world| {
        Box::pin(list_history(world))
    }),
    ("Which commands are there?", |world| {
        Box::pin(show_help(world))
    }),
    ("What would it do?", |world| Box::pin(plan_deploy(world))),
    ("A deploy that is canceled by its card's button", |world| {
        Box::pin(cancel_deploy(world))
    }),
    ("Slack's answer to the card is lost", |world| {
        Box::pin(card_lost(world))
    }),
];

async fn deploy_succeeds(world: &DemoWorld) -> Result<String> {
    world.script_job("deploy", RunScript::success(Duration::from_secs(2)));
    let since = world.seen_count();
    world.type_command("main deploy").await?;
    world.wait_card(since, "Running").await?;
    let end = world.wait_end(since, DeployState::Succeeded).await?;
    ensure_one_pipeline(world, "deploy")?;
    let cards = world.count_cards(end.record.id);
    ensure!(cards == 1, "there are {cards} cards");
    Ok("SUCCEEDED, one pipeline, one card".to_owned())
}

async fn build_fails(world: &DemoWorld) -> Result<String> {
    world.script_job("e2e", RunScript::failure(Duration::from_millis(1_500)));
    let since = world.seen_count();
    world.type_command("feature/login e2e").await?;
    world.wait_end(since, DeployState::Failed).await?;
    ensure_one_pipeline(world, "e2e")?;
    Ok("FAILED, one pipeline".to_owned())
}

async fn wrong_channel(world: &DemoWorld) -> Result<String> {
    let answer = world.type_in("random", "main migrate").await?;
    let said = &answer.shown;
    let rule = "projects.web.jobs.migrate.channels";
    ensure!(said.contains(rule), "{rule} is not named: {said}");
    let record = world.wait_record(&answer).await?;
    let ended = record.state;
    ensure!(ended == DeployState::Rejected, "it ended {ended}");
    let pipelines = world.count_pipelines("migrate");
    ensure!(pipelines == 0, "{pipelines} pipelines were created");
    Ok("REJECTED, the rule is named, CircleCI was not called".to_owned())
}

async fn answer_lost(world: &DemoWorld) -> Result<String> {
    world
        .sandbox
        .circleci()
        .fail_next(CiCall::Run, HttpFault::AnswerLost);
    world.script_job("migrate", RunScript::success(Duration::from_secs(2)));
    let since = world.seen_count();
    world.type_command("main migrate").await?;
    world.wait_end(since, DeployState::Succeeded).await?;
    ensure_one_pipeline(world, "migrate")?;
    Ok("found by its deploy id, SUCCEEDED, triggered once".to_owned())
}

fn ensure_one_pipeline(world: &DemoWorld, job: &str) -> Result<()> {
    let pipelines = world.count_pipelines(job);
    ensure!(pipelines == 1, "'{job}' has {pipelines} pipelines");
    Ok(())
}

/// CircleCI can be reached again before the scenario ends, however it ends.
async fn failed_then_retried(world: &DemoWorld) -> Result<String> {
    world.sandbox.take_circleci_offline().await?;
    let given_up = fail_to_trigger(world).await;
    world.sandbox.bring_circleci_online().await?;
    retry_succeeds(world, &given_up?).await
}

async fn fail_to_trigger(world: &DemoWorld) -> Result<ShortId> {
    let (since, pipelines) = (world.seen_count(), world.count_pipelines("deploy"));
    world.type_command("main deploy").await?;
    let end = world.wait_end(since, DeployState::TriggerFailed).await?;
    let id = end.record.short_id;
    let created = world.count_pipelines("deploy") - pipelines;
    ensure!(created == 0, "{created} pipelines were created");
    let since = world.seen_count();
    world.type_command("failed").await?;
    let said = world.wait_message(since, MessageKind::Reply).await?.text;
    ensure!(names_deploy(&said, &id), "{id} is not listed: {said}");
    Ok(id)
}

async fn retry_succeeds(world: &DemoWorld, old: &ShortId) -> Result<String> {
    let pipelines = world.count_pipelines("deploy");
    world.script_job("deploy", RunScript::success(Duration::from_secs(1)));
    let since = world.seen_count();
    world.type_command(&format!("retry {old}")).await?;
    let end = world.wait_end(since, DeployState::Succeeded).await?;
    let said = end.text;
    let new = end.record.short_id;
    ensure!(new != *old, "the retry is not a new deploy: {said}");
    let created = world.count_pipelines("deploy") - pipelines;
    ensure!(created == 1, "the retry created {created} pipelines");
    Ok("TRIGGER_FAILED and listed; retried: SUCCEEDED, one pipeline".to_owned())
}

async fn list_history(world: &DemoWorld) -> Result<String> {
    let failed = world.earlier_end(DeployState::Failed).await?.short_id;
    let not_started = world
        .earlier_end(DeployState::TriggerFailed)
        .await?
        .short_id;
    let since = world.seen_count();
    world.type_command("history status:failed").await?;
    let said = world.wait_message(since, MessageKind::Reply).await?.text;
    let place = |id: &ShortId| {
        said.find(&id.to_string())
            .with_context(|| format!("{id} is not listed: {said}"))
    };
    let (newest, oldest) = (place(&not_started)?, place(&failed)?);
    ensure!(newest < oldest, "the newest is not the first: {said}");
    let succeeded = world.earlier_end(DeployState::Succeeded).await?.short_id;
    let listed = names_deploy(&said, &succeeded);
    ensure!(!listed, "a deploy that succeeded is listed: {said}");
    Ok("both failed deploys, newest first".to_owned())
}

async fn show_help(world: &DemoWorld) -> Result<String> {
    let since = world.seen_count();
    let ack = world.type_command("help").await?;
    ensure!(
        [
            "deploy", "plan", "status", "history", "failed", "retry", "cancel"
        ]
        .iter()
        .all(|command| ack.shown.contains(&format!(" {command}"))),
        "a command is missing: {}",
        ack.shown
    );
    ensure!(world.count_calls(since) == 0, "CircleCI was called");
    Ok("answered immediately".to_owned())
}

async fn plan_deploy(world: &DemoWorld) -> Result<String> {
    let since = world.seen_count();
    let pipelines = world.count_pipelines("deploy");
    world.type_command("plan main deploy").await?;
    world.wait_message(since, MessageKind::Reply).await?;
    let called = world.count_calls(since) > 0 || world.count_pipelines("deploy") > pipelines;
    ensure!(!called, "CircleCI was called for a plan");
    Ok("every rule is checked, CircleCI was not called".to_owned())
}

async fn cancel_deploy(world: &DemoWorld) -> Result<String> {
    world.script_job("e2e", RunScript::endless());
    let since = world.seen_count();
    world.type_command("main e2e").await?;
    let running = world.wait_card(since, "Running").await?;
    let deploy = world.read_record(&running).await?.id;
    let since = world.seen_count();
    world.press(deploy, ButtonVerb::Cancel.as_str()).await?;
    world.wait_message(since, MessageKind::Reply).await?;
    let end = world.wait_end(since, DeployState::Canceled).await?;
    let said = end.text;
    ensure!(
        end.record.id == deploy,
        "another deploy was canceled: {said}"
    );
    let id = end.record.short_id;
    ensure!(names_deploy(&said, &id), "the deploy is not named: {said}");
    let statuses = last_workflow_statuses(world)?;
    ensure!(statuses == ["canceled"], "CircleCI says {statuses:?}");
    Ok("CANCELED, and so is CircleCI's workflow".to_owned())
}

/// Slack shows the card, and nobody knows where: one more says that it counts. Somebody presses the other.
async fn card_lost(world: &DemoWorld) -> Result<String> {
    let slack = world.sandbox.slack();
    slack.fail_next_call(BotMethod::PostMessage, HttpFault::AnswerLost);
    world.script_job("e2e", RunScript::endless());
    let since = world.seen_count();
    world.type_command("main e2e").await?;
    let counts = world.wait_card(since, "this one counts").await?;
    let deploy = world.read_record(&counts).await?.id;
    let cards = world.count_cards(deploy);
    ensure!(cards == 2, "there are {cards} cards");
    world.wait_card(since, "Running").await?;
    world.press(deploy, ButtonVerb::Cancel.as_str()).await?;
    world.wait_end(since, DeployState::Canceled).await?;
    world.wait_deleted(since).await?;
    let cards = world.count_cards(deploy);
    ensure!(cards == 1, "there are {cards} cards");
    Ok("CANCELED; the card that did not count is gone".to_owned())
}

/// The workflow statuses of the newest pipeline.
fn last_workflow_statuses(world: &DemoWorld) -> Result<Vec<String>> {
    let model = world.sandbox.circleci().lock();
    let last = model
        .all_pipelines()
        .last()
        .context("there is no pipeline")?;
    let page = model
        .list_workflows(WallClock.now(), last.id)
        .map_err(|refusal| anyhow!(refusal.message))?;
    Ok(page.items.into_iter().map(|item| item.status).collect())
}

/// Whether a message names a deploy.
fn names_deploy(said: &str, id: &ShortId) -> bool {
    said.contains(&id.to_string())
}
