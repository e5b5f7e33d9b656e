//! What a world is made of: table, queues, secrets, sandbox and settings.

use std::path::Path;

use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::{Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};

use crate::world::{BUILD_TIME, SIGNING_SECRET, TOKEN};

/// How often a message is received before it goes to the dead-letter queue.
pub(crate) const MAX_RECEIVES: u32 = 5;

const CANARY_KEY: &str = "canary4key4of4aws";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMEOUTS: &str = r#"
connect_timeout = "2s"
request_timeout = "4s"
trigger_window = "5s"
lookup_timeout = "2s"
lookup_give_up = "20s"
workflow_start_timeout = "2s"
empty_pipeline_timeout = "4s"
poll_interval_min = "100ms"
poll_interval_max = "1s"
retry_backoff = "100ms"
delivery_lease = "5s"
"#;

/// What all functions read, and Lambda's own.
pub(crate) fn function_env(config: &Path, endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CHATOPS_CONFIG", config.display().to_string()),
        ("CHATOPS_LOG_LEVEL", "trace".to_owned()),
        ("CHATOPS_AWS_ROOTS", "amazon".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", CANARY_KEY.to_owned()),
        ("AWS_SESSION_TOKEN", CANARY_KEY.to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
    ]
}

pub(crate) async fn start_sandbox() -> Sandbox {
    let project = FakeProject::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
    let settings = SandboxSettings::new(SIGNING_SECRET, vec![project]);
    let sandbox = Sandbox::start(settings).await.unwrap();
    for job in ["deploy", "test"] {
        let mut model = sandbox.circleci().lock();
        model.script_job(job, RunScript::success(BUILD_TIME));
    }
    sandbox
}

pub(crate) fn sandbox_config(sandbox: &Sandbox, circleci: &str) -> String {
    let everybody: [&str; 1] = ["*"];
    let deploy = TestJob::limited("deploy", &["main"], &everybody, &everybody);
    let jobs = [
        deploy.with("environment = \"production\""),
        // Any number at a time.
        TestJob::open("test").with("exclusive = false"),
    ];
    TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(circleci)
        .timeouts(TIMEOUTS)
        .project("web", &jobs)
        .text()
}
