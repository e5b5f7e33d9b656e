//! What a world is made of: table, queues, secrets, sandbox and settings.

use std::path::Path;

use chatops_sandbox::circleci::{Project, Script};
use chatops_sandbox::{Sandbox, Settings};

use crate::world::{BUILD, SIGNING_SECRET, TOKEN};

/// How often a message is received before it goes to the dead-letter queue.
pub(crate) const MAX_RECEIVES: u32 = 5;

const KEY: &str = "canary4key4of4aws";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMES: &str = r#"
connect_timeout = "2s"
request_timeout = "4s"
send_window = "5s"
horizon = "2s"
search_for = "20s"
grace = "2s"
poll_first = "100ms"
poll_longest = "1s"
retry_first = "100ms"
reply_lease = "5s"
"#;

/// What all functions read, and Lambda's own.
pub(crate) fn environment(config: &Path, endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CHATOPS_CONFIG", config.display().to_string()),
        ("CHATOPS_LOG_LEVEL", "trace".to_owned()),
        ("CHATOPS_AWS_ROOTS", "amazon".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ("AWS_SESSION_TOKEN", KEY.to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
    ]
}

pub(crate) async fn sandbox() -> Sandbox {
    let project = Project::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
    let settings = Settings::new(SIGNING_SECRET, vec![project]);
    let sandbox = Sandbox::start(settings).await.unwrap();
    for job in ["deploy", "test"] {
        let mut model = sandbox.circleci().lock();
        model.script(job, Script::success(BUILD));
    }
    sandbox
}

pub(crate) fn config(sandbox: &Sandbox, circleci: &str) -> String {
    let slack = sandbox.slack_url();
    format!(
        r#"
version = 1
default_project = "web"

[slack]
teams = ["T0001"]
reply_origins = ["{slack}"]
api = "{slack}"

[circleci]
api = "{circleci}"

[times]
{TIMES}

[projects.web]
slug = "gh/acme/web"

[projects.web.jobs.deploy]
environment = "production"
branches = ["main"]
channels = ["*"]
people = ["*"]

# Any number at a time.
[projects.web.jobs.test]
branches = ["**"]
channels = ["*"]
people = ["*"]
exclusive = false
"#
    )
}
