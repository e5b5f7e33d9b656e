//! The acts: what is typed, how the outside world behaves, and how it must end.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chatops_core::id::ShortId;
use chatops_core::ports::Clock;
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};

use super::stage::Stage;
use crate::clock::SystemClock;

/// What an act shows when it ends as it must.
type Verdict<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// One act.
pub(super) struct Act {
    pub(super) title: &'static str,
    pub(super) play: for<'a> fn(&'a Stage) -> Verdict<'a>,
}

const DEPLOYS: &str = "deploys";
const RANDOM: &str = "random";

pub(super) const ALL: &[Act] = &[
    Act {
        title: "A deploy that succeeds",
        play: |stage| Box::pin(succeeds(stage)),
    },
    Act {
        title: "A build that fails",
        play: |stage| Box::pin(fails(stage)),
    },
    Act {
        title: "The wrong channel",
        play: |stage| Box::pin(refused(stage)),
    },
    Act {
        title: "CircleCI's answer gets lost",
        play: |stage| Box::pin(answer_lost(stage)),
    },
    Act {
        title: "CircleCI is unreachable until the command is too old; then it is tried again",
        play: |stage| Box::pin(given_up_and_retried(stage)),
    },
    Act {
        title: "What failed so far?",
        play: |stage| Box::pin(history(stage)),
    },
    Act {
        title: "What can be typed?",
        play: |stage| Box::pin(help(stage)),
    },
    Act {
        title: "What would it do?",
        play: |stage| Box::pin(plan(stage)),
    },
    Act {
        title: "A deploy that is canceled",
        play: |stage| Box::pin(canceled(stage)),
    },
];

async fn succeeds(stage: &Stage) -> Result<String> {
    stage
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::success(Duration::from_secs(2)));
    let since = stage.seen();
    stage.types(DEPLOYS, "main deploy").await?;
    stage.message(since, "Running:").await?;
    stage.message(since, "Succeeded:").await?;
    one_pipeline(stage, "deploy")?;
    Ok("SUCCEEDED, one pipeline".to_owned())
}

async fn fails(stage: &Stage) -> Result<String> {
    stage
        .sandbox
        .circleci()
        .lock()
        .script("e2e", Script::failure(Duration::from_millis(1_500)));
    let since = stage.seen();
    stage.types(DEPLOYS, "feature/login e2e").await?;
    stage.message(since, "Failed:").await?;
    one_pipeline(stage, "e2e")?;
    Ok("FAILED, one pipeline".to_owned())
}

async fn refused(stage: &Stage) -> Result<String> {
    let since = stage.seen();
    stage.types(RANDOM, "main migrate").await?;
    let said = stage.message(since, "Refused:").await?;
    ensure!(
        said.contains("projects.web.jobs.migrate.channels"),
        "the rule was not named: {said}"
    );
    let pipelines = stage.pipelines("migrate");
    ensure!(
        pipelines == 0,
        "{pipelines} pipelines were created for a refused command"
    );
    Ok("REFUSED, the rule is named, CircleCI heard nothing".to_owned())
}

async fn answer_lost(stage: &Stage) -> Result<String> {
    stage
        .sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::AnswerLost);
    stage
        .sandbox
        .circleci()
        .lock()
        .script("migrate", Script::success(Duration::from_secs(2)));
    let since = stage.seen();
    stage.types(DEPLOYS, "main migrate").await?;
    stage.message(since, "Succeeded:").await?;
    one_pipeline(stage, "migrate")?;
    Ok("found again by its deploy id, SUCCEEDED, triggered once".to_owned())
}

fn one_pipeline(stage: &Stage, job: &str) -> Result<()> {
    let pipelines = stage.pipelines(job);
    ensure!(
        pipelines == 1,
        "CircleCI has {pipelines} pipelines for '{job}' instead of one"
    );
    Ok(())
}

/// CircleCI is back before the act ends, however it ends.
async fn given_up_and_retried(stage: &Stage) -> Result<String> {
    stage.sandbox.take_circleci_away().await?;
    let given_up = given_up(stage).await;
    stage.sandbox.bring_circleci_back().await?;
    retried(stage, &given_up?).await
}

async fn given_up(stage: &Stage) -> Result<ShortId> {
    let (since, pipelines) = (stage.seen(), stage.pipelines("deploy"));
    stage.types(DEPLOYS, "main deploy").await?;
    let said = stage.message(since, "*Not started:*").await?;
    let id = id(&said)?;
    ensure!(
        stage.pipelines("deploy") == pipelines,
        "a pipeline was created although CircleCI could not be reached"
    );
    let since = stage.seen();
    stage.types(DEPLOYS, "failed").await?;
    let said = stage.answer(since).await?;
    ensure!(names(&said, &id), "`failed` does not list {id}: {said}");
    Ok(id)
}

async fn retried(stage: &Stage, old: &ShortId) -> Result<String> {
    let pipelines = stage.pipelines("deploy");
    stage
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::success(Duration::from_secs(1)));
    let since = stage.seen();
    stage.types(DEPLOYS, &format!("retry {old}")).await?;
    let said = stage.message(since, "*Succeeded:*").await?;
    let new = id(&said)?;
    ensure!(new != *old, "the retry is not a deploy of its own: {said}");
    let created = stage.pipelines("deploy") - pipelines;
    ensure!(created == 1, "the retry created {created} pipelines");
    Ok("TRIGGER_FAILED and listed; retried: SUCCEEDED, one pipeline in all".to_owned())
}

async fn history(stage: &Stage) -> Result<String> {
    let failed = id(&stage.earlier("*Failed:*")?)?;
    let not_started = id(&stage.earlier("*Not started:*")?)?;
    let since = stage.seen();
    stage.types(DEPLOYS, "history status:failed").await?;
    let said = stage.answer(since).await?;
    let place = |id: &ShortId| {
        said.find(&id.to_string())
            .with_context(|| format!("{id} is not listed: {said}"))
    };
    ensure!(
        place(&not_started)? < place(&failed)?,
        "the newest is not the first: {said}"
    );
    let succeeded = id(&stage.earlier("*Succeeded:*")?)?;
    ensure!(
        !names(&said, &succeeded),
        "a deploy that succeeded is listed: {said}"
    );
    Ok("both that failed, newest first, and nothing else".to_owned())
}

async fn help(stage: &Stage) -> Result<String> {
    let since = stage.seen();
    let ack = stage.types(DEPLOYS, "help").await?;
    ensure!(
        [
            "deploy", "plan", "status", "history", "failed", "retry", "cancel"
        ]
        .iter()
        .all(|command| ack.shown.contains(&format!(" {command}"))),
        "a command is missing: {}",
        ack.shown
    );
    ensure!(stage.calls(since) == 0, "CircleCI was called");
    Ok("answered at once".to_owned())
}

async fn plan(stage: &Stage) -> Result<String> {
    let since = stage.seen();
    let pipelines = stage.pipelines("deploy");
    stage.types(DEPLOYS, "plan main deploy").await?;
    stage.message(since, "*Plan:*").await?;
    ensure!(
        stage.calls(since) == 0 && stage.pipelines("deploy") == pipelines,
        "CircleCI was called for a plan"
    );
    Ok("every rule is answered, CircleCI heard nothing".to_owned())
}

async fn canceled(stage: &Stage) -> Result<String> {
    stage
        .sandbox
        .circleci()
        .lock()
        .script("e2e", Script::endless());
    let since = stage.seen();
    stage.types(DEPLOYS, "main e2e").await?;
    let id = id(&stage.message(since, "*Running:*").await?)?;
    let since = stage.seen();
    stage.types(DEPLOYS, &format!("cancel {id}")).await?;
    stage.message(since, "*Canceling:*").await?;
    let said = stage.message(since, "*Canceled:*").await?;
    ensure!(names(&said, &id), "another deploy was canceled: {said}");
    ensure!(
        last_workflows(stage)? == ["canceled"],
        "CircleCI's workflow was not canceled"
    );
    Ok("CANCELED, and so is CircleCI's workflow".to_owned())
}

/// How the workflows of the newest pipeline stand.
fn last_workflows(stage: &Stage) -> Result<Vec<String>> {
    let model = stage.sandbox.circleci().lock();
    let last = model.ledger().last().context("there is no pipeline")?;
    let page = model
        .workflows(SystemClock.now(), last.id)
        .map_err(|refusal| anyhow!(refusal.message))?;
    Ok(page.items.into_iter().map(|item| item.status).collect())
}

/// The deploy that a message is about: the first id in its code spans.
fn id(said: &str) -> Result<ShortId> {
    let mut spans = said.split('`').skip(1).step_by(2);
    spans
        .find_map(ShortId::parse)
        .with_context(|| format!("no deploy is named: {said}"))
}

/// Whether a message names a deploy.
fn names(said: &str, id: &ShortId) -> bool {
    said.contains(&id.to_string())
}
