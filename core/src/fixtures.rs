//! Shared by the tests of this crate: a configuration, a deploy and the answers of CircleCI.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::command::{DeployAction, DeployCommand};
use crate::config::{Config, ProjectSlug, TriggerCall, WorkflowSelector};
use crate::deploy::machine;
use crate::deploy::{
    CiPipeline, CiRunKind, DeployRecord, DeployRequest, DeployState, EndReason, MatchedBy, Target,
    TriggerIntent,
};
use crate::id::{
    ChannelId, DeployId, InvocationId, PipelineId, Qualified, QualifiedChannel, QualifiedUser,
    RequestId, ShortId, TeamId, UserId,
};
use crate::message::{ActionMessage, ActionRequester, DeployMessage, Requester};
use crate::name::{GitRef, JobName, ProjectName};
use crate::parameters::Parameters;
use crate::ports::{CiWorkflow, PipelineDetails, PipelineState, PollResult, WorkflowStatus};
use crate::release::{ReleaseHistory, ReplacedRelease, TargetBefore, TargetEnd};
use crate::secret::ResponseUrl;

/// A response URL with a part that must never be printed.
pub(crate) const RESPONSE_URL: &str = "https://hooks.slack.com/commands/T012ABCDEF/1/canary";

/// One project, two jobs: `deploy` takes the lock of `web/production`, `test` opts out.
pub(crate) const CONFIG: &str = r#"
version = 1
default_project = "web"

[slack]
teams = ["T012ABCDEF"]

[projects.web]
slug = "gh/acme/web"
aliases = ["site"]

[projects.web.jobs.deploy]
aliases = ["ship"]
environment = "production"
branches = ["main", "release/*"]
channels = ["C012ABCDEF"]
users = ["U012ABCDEF"]

[projects.web.jobs.test]
deploy_id_parameter = false
exclusive = false
branches = ["*"]
channels = ["*"]
users = ["*"]
"#;

pub(crate) fn config() -> Config {
    Config::parse(CONFIG, "chatops.toml").unwrap()
}

/// When the tests begin.
pub(crate) fn start() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// That many seconds later.
pub(crate) fn at(seconds: i64) -> Time {
    start() + TimeDelta::seconds(seconds)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn me() -> InvocationId {
    InvocationId::new("me")
}

pub(crate) fn user() -> UserId {
    UserId::parse("U012ABCDEF").unwrap()
}

/// [`channel`] in [`team`].
pub(crate) fn qualified_channel() -> QualifiedChannel {
    qualify(channel())
}

/// [`user`] in [`team`].
pub(crate) fn qualified_user() -> QualifiedUser {
    qualify(user())
}

/// The id in [`team`].
pub(crate) fn qualify<I>(id: I) -> Qualified<I> {
    Qualified { team: team(), id }
}

pub(crate) fn channel() -> ChannelId {
    ChannelId::parse("C012ABCDEF").unwrap()
}

pub(crate) fn team() -> TeamId {
    TeamId::parse("T012ABCDEF").unwrap()
}

pub(crate) fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

pub(crate) fn job(name: &str) -> JobName {
    JobName::parse(name).unwrap()
}

pub(crate) fn branch(name: &str) -> GitRef {
    GitRef::parse(name).unwrap()
}

pub(crate) fn request() -> DeployRequest {
    DeployRequest {
        team: team(),
        channel: channel(),
        user: user(),
        user_name: Some("ana".into()),
        project: Some(project("web")),
        git_ref: branch("main"),
        job: job("deploy"),
        parameters: Parameters::default(),
        environment: Some("production".to_owned()),
        requested_at: start(),
        unsigned: false,
        refused: None,
        press: None,
    }
}

pub(crate) fn id() -> DeployId {
    DeployId::of_request("T012ABCDEF", "A012ABCDEF", "1.2.3")
}

pub(crate) fn response_url() -> ResponseUrl {
    let slack = url::Url::parse("https://hooks.slack.com").unwrap();
    ResponseUrl::parse(RESPONSE_URL, &[slack]).unwrap()
}

pub(crate) fn slug() -> ProjectSlug {
    ProjectSlug {
        vcs: "gh".into(),
        org: "acme".into(),
        repo: "web".into(),
    }
}

pub(crate) fn target() -> Target {
    Target::new(&slug(), "production")
}

pub(crate) fn pipeline(number: u64) -> CiPipeline {
    let url = format!("https://app.circleci.com/pipelines/github/acme/web/{number}");
    CiPipeline {
        kind: CiRunKind::Pipeline,
        id: PipelineId(Uuid::from_u128(u128::from(number))),
        number,
        url: url::Url::parse(&url).unwrap(),
    }
}

pub(crate) fn trigger_intent(by: &InvocationId, now: Time) -> TriggerIntent {
    TriggerIntent {
        by: by.clone(),
        at: now,
        send_by: now + secs(15),
        unknown_because: None,
        call: TriggerCall::default(),
        slug: slug(),
        deploy_id_parameter: Some("deploy_id".into()),
        workflow: WorkflowSelector::Named(vec!["deploy".into()]),
        must_run: vec![],
    }
}

pub(crate) fn begin_trigger(attempt: u32) -> AuditChange {
    AuditChange::TriggerBegun {
        attempt,
        intent: trigger_intent(&me(), start()),
        target: Some(target()),
        config: "0123456789ab".into(),
    }
}

pub(crate) fn requested() -> DeployRecord {
    let valid_until = at(600);
    let by = AuditActor::User(qualified_user());
    machine::begin_deploy(
        (id(), id().short_id(8)),
        request(),
        None,
        valid_until,
        by,
        start(),
    )
    .0
}

/// A deploy that went the shortest way to `state`, all at [`start`].
pub(crate) fn record_in(state: DeployState) -> DeployRecord {
    let triggered = || AuditChange::Triggered {
        pipeline: pipeline(7),
        matched_by: MatchedBy::Response,
    };
    let started = || AuditChange::Started {
        workflows: vec!["build".into()],
    };
    let way = match state {
        DeployState::Requested | DeployState::Rejected => vec![],
        DeployState::Triggering | DeployState::TriggerFailed | DeployState::Unresolved => {
            vec![begin_trigger(1)]
        }
        DeployState::Triggered => vec![begin_trigger(1), triggered()],
        _ => vec![begin_trigger(1), triggered(), started()],
    };
    let end = state.is_terminal().then_some(AuditChange::Ended {
        state,
        reason: EndReason::NoWorkflow,
    });
    way.into_iter()
        .chain(end)
        .fold(requested(), |record, change| {
            let by = AuditActor::Worker(me());
            let mut record = machine::apply_change(&record, change, by, start())
                .unwrap()
                .0;
            record.due_at = (!record.state.is_terminal()).then(start);
            record
        })
}

pub(crate) fn workflow(name: &str, created: i64, status: WorkflowStatus) -> CiWorkflow {
    CiWorkflow {
        id: format!("{name}-{created}"),
        name: name.into(),
        status,
        created_at: at(created),
        is_setup: false,
        auto_rerun_number: None,
        max_auto_reruns: None,
    }
}

/// The same deploy with its commit, and what it replaces.
pub(crate) fn shipping(mut record: DeployRecord) -> DeployRecord {
    if let Some(run) = &mut record.run {
        run.revision = Some("0123456789abcdef0123456789abcdef01234567".into());
        run.subject = Some("Fix the <cart>".into());
        run.author = Some("Bo".into());
    }
    record.before = Some(TargetBefore {
        replaced: Some(ReplacedRelease {
            deploy: DeployId::of_request("T012ABCDEF", "A1", "before"),
            short_id: ShortId::parse("9f8e7d6c").unwrap(),
            revision: Some("9f8e7d6c5b4a39281706f5e4d3c2b1a098765432".into()),
        }),
        usual: Some(secs(250)),
    });
    record
}

/// The release history of its target once a deploy has ended.
pub(crate) fn released(record: &DeployRecord) -> ReleaseHistory {
    let end = TargetEnd::of(record);
    end.iter()
        .fold(ReleaseHistory::default(), ReleaseHistory::after)
}

/// A poll of the pipeline and its workflows.
pub(crate) fn poll(state: PipelineState, workflows: Vec<CiWorkflow>) -> PollResult {
    let pipeline = Some(PipelineDetails {
        state,
        errors: vec![],
        revision: None,
        subject: None,
        author: None,
    });
    PollResult {
        pipeline,
        workflows,
    }
}

/// A generator of pseudo-random numbers from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    /// One of these.
    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

pub(crate) fn requester() -> Requester {
    Requester {
        team: team(),
        channel: channel(),
        user: user(),
        user_name: Some("ana".into()),
        response_url: Some(response_url()),
        unsigned: false,
    }
}

pub(crate) fn message() -> DeployMessage {
    DeployMessage {
        refused: None,
        press: None,
        id: id(),
        requester: requester(),
        deploy: DeployCommand {
            project: None,
            git_ref: branch("main"),
            job: job("deploy"),
            parameters: Parameters::default(),
        },
        requested_at: start(),
    }
}

pub(crate) fn action(from: ActionRequester, action: DeployAction) -> ActionMessage {
    ActionMessage {
        id: RequestId::of_request("T012ABCDEF", "A012ABCDEF", "4.5.6"),
        requested_by: from,
        action,
        requested_at: start(),
        card: None,
    }
}
