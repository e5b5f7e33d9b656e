//! The client under test, and a CircleCI that behaves: the sandbox.

use std::collections::BTreeMap;

use chatops_core::Time;
use chatops_core::config::{Config, Slug, TriggerCall};
use chatops_core::deploy::{Pipeline, RunKind};
use chatops_core::id::PipelineId;
use chatops_core::name::BranchName;
use chatops_core::ports::{
    Ci, Outcome, Search, SecretName, Secrets, SecretsError, Trigger, Versions,
};
use chatops_sandbox::circleci::{Call, Project, Script};
use chatops_sandbox::{Fault, Sandbox, Seen, Settings};
use chatops_worker::CircleCi;
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "a-token-that-nobody-may-see";
pub(crate) const DEPLOY: &str = "f643ce10-7507-5ba4-a5e5-a01266e1559c";
/// The build parameters that API v1.1 is given.
pub(crate) const JOB: &str = "CIRCLE_JOB";
pub(crate) const BUILD_ID: &str = "CHATOPS_DEPLOY_ID";
/// As the sandbox records it, without `/api/v2`.
pub(crate) const PIPELINES: &str = "/project/gh/acme/web/pipeline";

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
pub(crate) const SHORT: &str = "request_timeout = \"500ms\"\nconnect_timeout = \"400ms\"";

// --- The client ---

pub(crate) struct Token(pub(crate) Result<&'static str, SecretsError>);

impl Secrets for Token {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        assert_eq!(name, SecretName::CircleCiToken);
        let current = SecretString::from(self.0.clone()?);
        Ok(Versions {
            current,
            previous: None,
        })
    }

    async fn refresh(&self, _: SecretName) -> Result<(), SecretsError> {
        panic!("the worker has the token read afresh, not its client")
    }
}

pub(crate) fn client_with(url: &str, times: &str, token: Token) -> CircleCi<Token> {
    // The second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!(
        "version = 1\n[slack]\nteams = [\"T0001\"]\n[circleci]\napi = \"{url}\"\n[times]\n{times}\n"
    );
    let config = Config::parse(&text, "chatops.toml").unwrap();
    CircleCi::new(config.circleci, &config.times, token).unwrap()
}

pub(crate) fn client(url: &str) -> CircleCi<Token> {
    client_with(url, "", Token(Ok(TOKEN)))
}

pub(crate) fn hasty(url: &str) -> CircleCi<Token> {
    client_with(url, SHORT, Token(Ok(TOKEN)))
}

/// The client to meet `fault` with: only what hangs is not waited for.
pub(crate) fn client_for(url: &str, fault: &Fault) -> CircleCi<Token> {
    if matches!(fault, Fault::Hang { .. }) {
        hasty(url)
    } else {
        client(url)
    }
}

pub(crate) fn slug() -> Slug {
    Slug {
        vcs: "gh".to_owned(),
        org: "acme".to_owned(),
        repo: "web".to_owned(),
    }
}

/// The pipeline of this id, as far as the client needs it.
pub(crate) fn run(id: PipelineId) -> Pipeline {
    Pipeline {
        kind: RunKind::Pipeline,
        id,
        number: 470,
        url: "https://app.circleci.com/".parse().unwrap(),
    }
}

pub(crate) fn order() -> Trigger {
    let parameters = [("job", json!("deploy")), ("deploy_id", json!(DEPLOY))];
    Trigger {
        call: TriggerCall::Pipeline,
        slug: slug(),
        branch: BranchName::parse("feature/x").unwrap(),
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    }
}

/// The same order by another call.
pub(crate) fn order_by(call: &TriggerCall) -> Trigger {
    let mut order = order();
    if *call == TriggerCall::Job {
        let parameters = [(JOB, json!("deploy")), (BUILD_ID, json!(DEPLOY))];
        order.parameters = parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    }
    order.call = call.clone();
    order
}

/// The search for what `order_by` may have started.
pub(crate) fn search_by(call: &TriggerCall, since: Time) -> Search {
    let mut search = search_since(since);
    if *call == TriggerCall::Job {
        search.proof = Some((BUILD_ID.to_owned(), DEPLOY.to_owned()));
    }
    search.call = call.clone();
    search
}

pub(crate) fn search_since(since: Time) -> Search {
    Search {
        call: TriggerCall::Pipeline,
        slug: slug(),
        branch: BranchName::parse("feature/x").unwrap(),
        since,
        proof: Some(("deploy_id".to_owned(), DEPLOY.to_owned())),
    }
}

// --- A CircleCI that behaves ---

pub(crate) async fn sandbox() -> Sandbox {
    sandbox_with(|_| ()).await
}

/// The same with other settings of its project.
pub(crate) async fn sandbox_with(change: impl FnOnce(&mut Project)) -> Sandbox {
    let mut project = Project {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        first_number: 470,
        first_build: 3_926,
        ..Project::new("gh/acme/web", TOKEN)
    };
    change(&mut project);
    Sandbox::start(Settings::new("signing secret", vec![project]))
        .await
        .unwrap()
}

pub(crate) fn created(sandbox: &Sandbox) -> usize {
    sandbox.circleci().lock().ledger().len()
}

/// Method, path and what the caller saw, of every call so far.
pub(crate) fn calls(sandbox: &Sandbox) -> Vec<(String, String, Option<u16>)> {
    let call = |entry: chatops_sandbox::Entry| match entry.what {
        Seen::CircleCall {
            method,
            path,
            status,
            ..
        } => Some((method, path, status)),
        _ => None,
    };
    sandbox
        .journal()
        .entries()
        .into_iter()
        .filter_map(call)
        .collect()
}

/// The client sent one POST and nothing else.
pub(crate) fn posted_once(sandbox: &Sandbox) {
    let calls = calls(sandbox);
    let [(method, path, _)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!((method.as_str(), path.as_str()), ("POST", PIPELINES));
}

/// The outcome of a trigger that meets `fault`, after checking what it left behind.
pub(crate) async fn trigger_meets(fault: Fault, left_behind: usize) -> Outcome {
    let sandbox = sandbox().await;
    sandbox.circleci().fail_next(Call::Trigger, fault);
    let outcome = client(sandbox.circleci_url()).trigger(&order()).await;
    posted_once(&sandbox);
    assert_eq!(created(&sandbox), left_behind);
    outcome
}

pub(crate) fn refuse(status: u16, retry_after_s: Option<u64>) -> Fault {
    Fault::Refuse {
        status,
        retry_after_s,
        message: "No, sorry".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
pub(crate) fn ago(seconds: i64) -> Time {
    Utc::now() - TimeDelta::seconds(seconds)
}

/// Starts a build as somebody else would have; its number.
pub(crate) fn built(sandbox: &Sandbox, at: Time, branch: &str, id: &str) -> u64 {
    let parameters = [(JOB, json!("deploy")), (BUILD_ID, json!(id))];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
    let mut model = sandbox.circleci().lock();
    let build = model
        .start_build(at, Some(TOKEN), "gh/acme/web", branch, parameters.into())
        .unwrap();
    build["build_num"].as_u64().unwrap()
}

/// The build of this number, as far as the client needs it.
pub(crate) fn build(number: u64) -> Pipeline {
    Pipeline {
        kind: RunKind::Build,
        id: PipelineId::of_build("github/acme/web", number),
        number,
        url: "https://circleci.com/".parse().unwrap(),
    }
}

/// Starts a pipeline as somebody else would have, at a moment in the past.
pub(crate) fn started(sandbox: &Sandbox, at: Time, branch: &str, id: &str) -> (PipelineId, u64) {
    let parameters: BTreeMap<String, Value> = [("deploy_id".to_owned(), json!(id))].into();
    let mut model = sandbox.circleci().lock();
    let created = model
        .trigger(at, Some(TOKEN), "gh/acme/web", Some(branch), parameters)
        .unwrap();
    (PipelineId(created.id), created.number)
}

/// A pipeline that follows `script`, `age` seconds after it was created.
pub(crate) fn scripted(sandbox: &Sandbox, script: Script, age: i64) -> PipelineId {
    sandbox.circleci().lock().script_next(script);
    started(sandbox, ago(age), "feature/x", DEPLOY).0
}
