//! How many calls of CircleCI's API one deploy takes.
//!
//! The whole product runs against the sandbox over HTTP, a hundred times faster than usual: every time of
//! the configuration and of the build is a hundredth. The sandbox counts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_local::secrets::EnvSecrets;
use chatops_local::serve::{ChatopsServer, ServeSettings};
use chatops_sandbox::circleci::{FakeProject, RunScript, WorkflowScript};
use chatops_sandbox::slack::TypedCommand;
use chatops_sandbox::{JournalEvent, Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};

const SIGNING_SECRET: &str = "a-signing-secret-for-measuring";
const WEBHOOK_SECRET: &str = "a-webhook-secret-for-measuring";
const TOKEN: &str = "a-token-for-measuring";
const BOT_TOKEN: &str = "xoxb-a-bot-for-measuring";

/// The build that is measured: its pipeline is created after two seconds, and it succeeds after ten
/// minutes.
const BUILD: Duration = Duration::from_mins(10);
const CREATED: Duration = Duration::from_secs(2);
const SPEED: u32 = 100;

/// How a deploy is followed, and the most calls that it may take.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    webhooks: bool,
    /// Whether it has a card, which shows the progress of its jobs.
    card: bool,
    limit: usize,
}

const WAYS: [Way; 4] = [
    Way {
        name: "with webhooks",
        webhooks: true,
        card: false,
        limit: 8,
    },
    Way {
        name: "without webhooks",
        webhooks: false,
        card: false,
        limit: 20,
    },
    Way {
        name: "with webhooks and a card",
        webhooks: true,
        card: true,
        limit: 14,
    },
    Way {
        name: "with a card, without webhooks",
        webhooks: false,
        card: true,
        limit: 30,
    },
];

/// Prints how many calls a deploy of ten minutes takes, by kind.
pub(crate) async fn run() -> Result<()> {
    for way in WAYS {
        let calls = count_calls(way).await?;
        let total: usize = calls.values().sum();
        anstream::println!("{}: {total} calls (at most {})", way.name, way.limit);
        for (call, count) in calls {
            anstream::println!("{count:5}  {call}");
        }
    }
    Ok(())
}

/// The times of the configuration, each a hundredth.
fn timeouts() -> String {
    let scaled = |name: &str, seconds: u32| {
        let time = Duration::from_secs(u64::from(seconds)) / SPEED;
        format!("{name} = \"{}ms\"\n", time.as_millis())
    };
    [
        ("poll_interval_min", 5),
        ("poll_interval_max", 60),
        ("poll_interval_webhook", 300),
        ("progress_interval", 60),
        ("workflow_start_timeout", 180),
        ("rerun_timeout", 300),
    ]
    .map(|(name, seconds)| scaled(name, seconds))
    .concat()
}

/// The calls that one deploy takes, by kind. A project whose webhooks arrive is known from the deploy
/// before, which is not counted.
async fn count_calls(way: Way) -> Result<BTreeMap<String, usize>> {
    let project = FakeProject::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
    let settings = SandboxSettings::new(SIGNING_SECRET, vec![project]);
    let sandbox = Sandbox::start(settings).await?;
    let mut config = TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(sandbox.circleci_url())
        .timeouts(&timeouts())
        .project("web", &[TestJob::open("deploy")])
        .parse();
    config.slack.live = way.card;
    {
        let mut slack = sandbox.slack().lock();
        slack.install_bot(BOT_TOKEN);
        slack.invite_bot("C0001");
    }
    let secrets = EnvSecrets::read(|name| match name {
        "SLACK_SIGNING_SECRET" => Some(OsString::from(SIGNING_SECRET)),
        "CIRCLECI_TOKEN" => Some(OsString::from(TOKEN)),
        "SLACK_BOT_TOKEN" if way.card => Some(OsString::from(BOT_TOKEN)),
        "CIRCLECI_WEBHOOK_SECRET" => Some(OsString::from(WEBHOOK_SECRET)),
        _ => None,
    })?;
    let folder = tempfile::tempdir()?;
    let server = ChatopsServer::start(ServeSettings {
        config: Arc::new(config),
        secrets,
        data: folder.path().join("chatops.db"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        lost_log_lines: Arc::default(),
    })
    .await?;
    let origin = format!("http://{}", server.address());
    if way.webhooks {
        let url = format!("{origin}/circleci/webhook");
        sandbox.set_webhook(&url, Some(WEBHOOK_SECRET));
        deploy(&sandbox, &origin, RunScript::success(CREATED)).await?;
    }
    let since = sandbox.journal().entries().len();
    let (start, end) = (CREATED / SPEED, BUILD / SPEED);
    let mut script = RunScript::success(end);
    script.states[1].0 = start;
    script.workflows = vec![WorkflowScript::new(
        "deploy",
        start,
        &[(start, "running"), (end, "success")],
    )];
    deploy(&sandbox, &origin, script).await?;
    let mut calls = BTreeMap::new();
    for entry in sandbox.journal().entries().into_iter().skip(since) {
        if let JournalEvent::CircleCiCall { method, path, .. } = entry.event {
            *calls.entry(call_name(&method, &path)).or_default() += 1;
        }
    }
    server.run_until(std::future::ready(())).await?;
    Ok(calls)
}

/// Types the command, and waits for the final status.
async fn deploy(sandbox: &Sandbox, origin: &str, script: RunScript) -> Result<()> {
    sandbox.circleci().lock().script_next(script);
    let since = sandbox.journal().entries().len();
    let url = format!("{origin}/slack/commands");
    let command = TypedCommand::new("main deploy");
    let ack = sandbox.type_command(&url, command).await;
    ensure!(ack.status == Some(200), "not acknowledged: {}", ack.shown);
    let is_final = |event: &JournalEvent| match event {
        JournalEvent::MessageDelivered { block_id, .. } => block_id
            .as_deref()
            .and_then(MessageMark::parse)
            .is_some_and(|mark| mark.kind == MessageKind::Final),
        _ => false,
    };
    let ended = sandbox
        .journal()
        .wait_until(Duration::from_mins(2), |entries| {
            let mut new = entries.iter().skip(since);
            new.any(|entry| is_final(&entry.event)).then_some(())
        });
    ended.await.context("the deploy did not end")
}

/// A call without what differs between two of a kind.
fn call_name(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| {
        let is_id = segment.len() == 36 && segment.contains('-');
        if is_id { "{id}" } else { segment }
    });
    let segments: Vec<&str> = segments.collect();
    format!("{method} {}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(way: Way) {
        let calls = count_calls(way).await.unwrap();
        assert!(calls.len() > 2, "{calls:?}");
        let reads_jobs = calls.keys().any(|call| call.ends_with("/job"));
        assert!(reads_jobs, "the end needs them: {calls:?}");
        let total: usize = calls.values().sum();
        assert!(total <= way.limit, "{}: {calls:?}", way.name);
    }

    #[tokio::test]
    async fn a_deploy_of_ten_minutes_takes_few_calls() {
        let ways: tokio::task::JoinSet<()> = WAYS.into_iter().map(check).collect();
        ways.join_all().await;
    }
}
