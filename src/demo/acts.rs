//! The acts: what is typed, how the outside world behaves, and how it must end.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, ensure};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};

use super::stage::Stage;

/// What an act shows when it ends as it must.
type Verdict<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// One act.
pub(super) struct Act {
    pub(super) title: &'static str,
    pub(super) play: for<'a> fn(&'a Stage) -> Verdict<'a>,
}

const DEPLOYS: (&str, &str) = ("C0001", "deploys");
const RANDOM: (&str, &str) = ("C0002", "random");

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
