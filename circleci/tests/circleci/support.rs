//! The client under test, and the sandbox as its CircleCI.

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_circleci::CircleCiClient;
use chatops_core::Time;
use chatops_core::config::{ProjectSlug, TriggerCall};
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::name::GitRef;
use chatops_core::ports::{
    CiClient, LookupRequest, SecretError, SecretName, SecretReader, SecretVersions, TriggerOutcome,
    TriggerRequest,
};
use chatops_sandbox::circleci::{CiCall, FakeProject, RunScript};
use chatops_sandbox::{HttpFault, JournalEvent, Sandbox, SandboxSettings};
use chatops_testkit::config::TestConfig;
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const TOKEN: &str = "a-token-that-nobody-may-see";
pub(crate) const DEPLOY: &str = "f643ce10-7507-5ba4-a5e5-a01266e1559c";
/// The build parameters of API v1.1.
pub(crate) const JOB: &str = "CIRCLE_JOB";
pub(crate) const BUILD_ID: &str = "CHATOPS_DEPLOY_ID";
/// As the sandbox records it, without `/api/v2`.
pub(crate) const PIPELINES: &str = "/project/gh/acme/web/pipeline";

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
pub(crate) const SHORT_TIMEOUTS: &str = "request_timeout = \"500ms\"\nconnect_timeout = \"400ms\"";

// --- The client ---

pub(crate) struct FakeToken(pub(crate) Result<&'static str, SecretError>);

impl SecretReader for FakeToken {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        assert_eq!(name, SecretName::CircleCiToken);
        let (current, previous) = (SecretString::from(self.0.clone()?), None);
        Ok(SecretVersions { current, previous })
    }

    async fn refresh(&self, _: SecretName) -> Result<(), SecretError> {
        panic!("the worker refreshes the token, not its client")
    }
}

pub(crate) fn client_with(url: &str, times: &str, token: FakeToken) -> CircleCiClient<FakeToken> {
    // Fails if another test of this process has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = TestConfig::new().circleci(url).timeouts(times).parse();
    CircleCiClient::new(config.circleci, &config.timeouts, token).unwrap()
}

pub(crate) fn client(url: &str) -> CircleCiClient<FakeToken> {
    client_with(url, "", FakeToken(Ok(TOKEN)))
}

pub(crate) fn hasty_client(url: &str) -> CircleCiClient<FakeToken> {
    client_with(url, SHORT_TIMEOUTS, FakeToken(Ok(TOKEN)))
}

pub(crate) fn client_of(sandbox: &Sandbox) -> CircleCiClient<FakeToken> {
    client(sandbox.circleci_url())
}

/// The client to meet `fault` with: it waits for everything but what hangs.
pub(crate) fn client_for(sandbox: &Sandbox, fault: &HttpFault) -> CircleCiClient<FakeToken> {
    match fault {
        HttpFault::Hang { .. } => hasty_client(sandbox.circleci_url()),
        _ => client_of(sandbox),
    }
}

pub(crate) fn slug() -> ProjectSlug {
    let [vcs, org, repo] = ["gh", "acme", "web"].map(str::to_owned);
    ProjectSlug { vcs, org, repo }
}

pub(crate) fn missing_pipeline() -> CiPipeline {
    pipeline_run(PipelineId(Uuid::nil()))
}

/// The pipeline of this id, as far as the client needs it.
pub(crate) fn pipeline_run(id: PipelineId) -> CiPipeline {
    CiPipeline {
        kind: CiRunKind::Pipeline,
        id,
        number: 470,
        url: "https://app.circleci.com/".parse().unwrap(),
    }
}

pub(crate) fn trigger_request() -> TriggerRequest {
    let parameters = [("job", json!("deploy")), ("deploy_id", json!(DEPLOY))];
    TriggerRequest {
        call: TriggerCall::Pipeline,
        slug: slug(),
        git_ref: GitRef::parse("feature/x").unwrap(),
        config_branch: None,
        parameters: named(parameters),
    }
}

fn named<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, Value> {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(crate) fn job_request() -> TriggerRequest {
    trigger_request_by(&TriggerCall::Job)
}

/// The same request by another call.
pub(crate) fn trigger_request_by(call: &TriggerCall) -> TriggerRequest {
    let mut request = trigger_request();
    if *call == TriggerCall::Job {
        let parameters = [(JOB, json!("deploy")), (BUILD_ID, json!(DEPLOY))];
        request.parameters = named(parameters);
    }
    request.call = call.clone();
    request
}

/// The lookup of what `trigger_request_by` may have started.
pub(crate) fn lookup_by(call: &TriggerCall, since: Time) -> LookupRequest {
    let mut lookup = lookup_since(since);
    if *call == TriggerCall::Job {
        lookup.deploy_id = Some((BUILD_ID.to_owned(), DEPLOY.to_owned()));
    }
    lookup.call = call.clone();
    lookup
}

pub(crate) fn lookup_since(since: Time) -> LookupRequest {
    LookupRequest {
        call: TriggerCall::Pipeline,
        slug: slug(),
        git_ref: GitRef::parse("feature/x").unwrap(),
        since,
        deploy_id: Some(("deploy_id".to_owned(), DEPLOY.to_owned())),
    }
}

// --- What it makes of an answer ---

pub(crate) fn rejected(status: u16, message: &str) -> TriggerOutcome {
    let message = message.to_owned();
    TriggerOutcome::Refused { status, message }
}

pub(crate) fn not_now(error: &str, seconds: Option<u64>) -> TriggerOutcome {
    TriggerOutcome::NotNow {
        error: error.to_owned(),
        retry_after: seconds.map(Duration::from_secs),
    }
}

pub(crate) fn unknown(because: &str) -> TriggerOutcome {
    let because = because.to_owned();
    TriggerOutcome::Unknown { because }
}

pub(crate) fn unauthorized(message: &str) -> TriggerOutcome {
    let message = message.to_owned();
    TriggerOutcome::Unauthorized { message }
}

pub(crate) fn assert_created(outcome: &TriggerOutcome) {
    let is_created = matches!(outcome, TriggerOutcome::Created(_));
    assert!(is_created, "{outcome:?}");
}

// --- The sandbox ---

pub(crate) async fn sandbox() -> Sandbox {
    sandbox_with(|_| ()).await
}

pub(crate) async fn sandbox_client() -> (Sandbox, CircleCiClient<FakeToken>) {
    let sandbox = sandbox().await;
    let client = client_of(&sandbox);
    (sandbox, client)
}

pub(crate) fn fail_next(sandbox: &Sandbox, call: CiCall, fault: HttpFault) {
    sandbox.circleci().fail_next(call, fault);
}

pub(crate) fn script_next(sandbox: &Sandbox, script: RunScript) {
    sandbox.circleci().lock().script_next(script);
}

/// The same with other settings of its project.
pub(crate) async fn sandbox_with(change: impl FnOnce(&mut FakeProject)) -> Sandbox {
    let mut project = FakeProject {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        tags: vec!["v1.2+x".to_owned()],
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        first_number: 470,
        first_build: 3_926,
        ..FakeProject::new("gh/acme/web", TOKEN)
    };
    change(&mut project);
    let settings = SandboxSettings::new("signing secret", vec![project]);
    Sandbox::start(settings).await.unwrap()
}

pub(crate) fn created_count(sandbox: &Sandbox) -> usize {
    sandbox.circleci().lock().all_pipelines().len()
}

/// Method, path and what the caller saw, of every call so far.
pub(crate) fn calls(sandbox: &Sandbox) -> Vec<(String, String, Option<u16>)> {
    let call = |entry: chatops_sandbox::JournalEntry| match entry.event {
        JournalEvent::CircleCiCall {
            method,
            path,
            status,
            ..
        } => Some((method, path, status)),
        _ => None,
    };
    let entries = sandbox.journal().entries().into_iter();
    entries.filter_map(call).collect()
}

/// The client sent one POST and nothing else.
pub(crate) fn assert_one_post(sandbox: &Sandbox) {
    let calls = calls(sandbox);
    let [(method, path, _)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!((method.as_str(), path.as_str()), ("POST", PIPELINES));
}

/// The outcome of a trigger that meets `fault`, after checking what it left behind.
pub(crate) async fn trigger_with_fault(fault: HttpFault, left_behind: usize) -> TriggerOutcome {
    let sandbox = sandbox().await;
    fail_next(&sandbox, CiCall::Trigger, fault);
    let outcome = client_of(&sandbox).trigger(&trigger_request()).await;
    assert_one_post(&sandbox);
    assert_eq!(created_count(&sandbox), left_behind);
    outcome
}

pub(crate) fn rejection(status: u16, retry_after_s: Option<u64>) -> HttpFault {
    HttpFault::Reject {
        status,
        retry_after_s,
        message: "No, sorry".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
pub(crate) fn ago(seconds: i64) -> Time {
    Utc::now() - TimeDelta::seconds(seconds)
}

/// Starts a build, not by the client; its number.
pub(crate) fn start_build(sandbox: &Sandbox, at: Time, branch: &str, id: &str) -> u64 {
    let parameters = named([(JOB, json!("deploy")), (BUILD_ID, json!(id))]);
    let mut model = sandbox.circleci().lock();
    let build = model.start_build(at, Some(TOKEN), "gh/acme/web", branch, parameters);
    build.unwrap()["build_num"].as_u64().unwrap()
}

/// The build of this number, as far as the client needs it.
pub(crate) fn build_run(number: u64) -> CiPipeline {
    CiPipeline {
        kind: CiRunKind::Build,
        id: PipelineId::of_build("github/acme/web", number),
        number,
        url: "https://circleci.com/".parse().unwrap(),
    }
}

/// Starts a pipeline in the past, not by the client.
pub(crate) fn start_pipeline(
    sandbox: &Sandbox,
    at: Time,
    branch: &str,
    id: &str,
) -> (PipelineId, u64) {
    let parameters = named([("deploy_id", json!(id))]);
    let mut model = sandbox.circleci().lock();
    let created = model.trigger(at, Some(TOKEN), "gh/acme/web", Some(branch), parameters);
    let created = created.unwrap();
    (PipelineId(created.id), created.number)
}

/// A pipeline that follows `script`, `age` seconds after it was created.
pub(crate) fn start_scripted(sandbox: &Sandbox, script: RunScript, age: i64) -> PipelineId {
    script_next(sandbox, script);
    start_pipeline(sandbox, ago(age), "feature/x", DEPLOY).0
}
