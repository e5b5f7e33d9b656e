//! Deploys for the tests of texts and of data files.

use std::path::Path;
use std::sync::Arc;

use chatops_core::Time;
use chatops_core::audit::{AuditActor, AuditChange, AuditEntry, AuditEvent};
use chatops_core::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use chatops_core::deploy::machine;
use chatops_core::deploy::{
    ActedBy, CiPipeline, CiRunKind, DeployRecord, DeployRequest, DeployState, EndReason, MatchedBy,
    Target, TriggerIntent,
};
use chatops_core::id::{ChannelId, DeployId, InvocationId, PipelineId, ShortId, TeamId, UserId};
use chatops_core::name::{GitRef, JobName, ProjectName};
use chatops_core::notification::{NotificationKind, NotificationRecord};
use chatops_core::parameters::Parameters;
use chatops_core::ports::{Commit, Ledger};
use chatops_core::release::TargetEnd;
use chrono::{DateTime, TimeDelta};

use chatops_local::clock::WallClock;
use chatops_local::sqlite::{Sqlite, SqliteSettings};

fn start_time() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(super) fn request(branch: &str) -> DeployRequest {
    DeployRequest {
        team: TeamId::parse("T012ABCDEF").unwrap(),
        channel: ChannelId::parse("C012ABCDEF").unwrap(),
        user: UserId::parse("U012ABCDEF").unwrap(),
        user_name: Some("ana".into()),
        project: Some(ProjectName::parse("web").unwrap()),
        git_ref: GitRef::parse(branch).unwrap(),
        job: JobName::parse("deploy").unwrap(),
        parameters: Parameters::default(),
        environment: Some("production".to_owned()),
        requested_at: start_time(),
        unsigned: false,
        refused: None,
        press: None,
    }
}

fn begin_story(key: &str, branch: &str) -> DeployStory {
    let id = DeployId::of_request("T012ABCDEF", "A012ABCDEF", key);
    let request = request(branch);
    let by = AuditActor::User(request.qualified_user());
    let until = start_time() + TimeDelta::seconds(600);
    let ids = (id, id.short_id(ShortId::USUAL));
    let begun = machine::begin_deploy(ids, request, None, until, by, start_time());
    DeployStory(vec![begun])
}

/// The versions of a deploy, each with its event.
pub(super) struct DeployStory(pub(super) Vec<(DeployRecord, AuditEvent)>);

impl DeployStory {
    fn apply(mut self, after: i64, by: AuditActor, change: AuditChange) -> Self {
        let record = self.record();
        let at = start_time() + TimeDelta::seconds(after);
        let next = machine::apply_change(&record, change, by, at).unwrap();
        self.0.push(next);
        self
    }

    fn work(self, after: i64, change: AuditChange) -> Self {
        self.apply(after, AuditActor::Worker(InvocationId::new("w")), change)
    }

    fn end(self, after: i64, state: DeployState, reason: EndReason) -> Self {
        self.work(after, AuditChange::Ended { state, reason })
    }

    fn record(&self) -> DeployRecord {
        self.0.last().unwrap().0.clone()
    }
}

/// A file with so many deploys of several lengths.
pub(super) async fn write_file(path: &Path, deploys: usize) {
    let db = Sqlite::open(path, SqliteSettings::new(Arc::new(WallClock))).unwrap();
    for n in 0..deploys {
        let story = match n % 5 {
            0 => requested_story(&n.to_string()),
            _ => lockless_story(&n.to_string()),
        };
        let length = 1 + n % story.0.len();
        for (record, event) in story.0.into_iter().take(length) {
            db.commit(commit(record, event)).await.unwrap();
        }
    }
}

/// The transaction of a version, with what follows from its event; without locks.
fn commit(record: DeployRecord, event: AuditEvent) -> Commit {
    let change = event.entry().unwrap().change;
    let claim = match &change {
        AuditChange::Triggered { pipeline, .. } => Some(pipeline.id),
        _ => None,
    };
    let ends = matches!(change, AuditChange::Ended { .. });
    let notifications = match &change {
        AuditChange::Started { .. } => vec![NotificationKind::Progress],
        AuditChange::Held { .. } => vec![NotificationKind::Hold],
        AuditChange::Ended { .. } => vec![NotificationKind::Final],
        _ => vec![],
    };
    let open = NotificationRecord::open(record.id, None, start_time());
    Commit {
        release: ends.then(|| TargetEnd::of(&record)).flatten().map(Box::new),
        open_notifications: (record.version == 1).then_some(open),
        events: vec![event],
        claim,
        notifications,
        ..Commit::of(record)
    }
}

fn triggering() -> AuditChange {
    triggering_with(Some(Target("gh/acme/web/production".into())))
}

fn triggering_with(target: Option<Target>) -> AuditChange {
    AuditChange::TriggerBegun {
        attempt: 1,
        intent: TriggerIntent {
            by: InvocationId::new("w"),
            at: start_time(),
            send_by: start_time() + TimeDelta::seconds(15),
            unknown_because: None,
            slug: ProjectSlug {
                vcs: "gh".into(),
                org: "acme".into(),
                repo: "web".into(),
            },
            call: TriggerCall::Pipeline,
            deploy_id_parameter: Some("deploy_id".into()),
            workflow: WorkflowSelector::Named(vec!["ship".into()]),
            must_run: vec![],
        },
        target,
        config: "0123456789ab".into(),
    }
}

fn example_pipeline() -> CiPipeline {
    CiPipeline {
        kind: CiRunKind::Pipeline,
        id: PipelineId(uuid::Uuid::from_u128(7)),
        number: 7,
        url: "https://app.circleci.com/pipelines/github/acme/web/7"
            .parse()
            .unwrap(),
    }
}

/// A deploy that ran and was canceled, with foreign text that would control a terminal.
pub(super) fn canceled_with_audit() -> (DeployRecord, Vec<AuditEntry>) {
    let story = canceled_story("1");
    let entries = story.0.iter().map(|(_, event)| event.entry().unwrap());
    (story.record(), entries.collect())
}

/// A deploy with many events; each key is another deploy.
pub(super) fn canceled_story(key: &str) -> DeployStory {
    story_of(key, &triggering())
}

/// The same of a job that takes no lock.
fn lockless_story(key: &str) -> DeployStory {
    story_of(key, &triggering_with(None))
}

fn story_of(key: &str, triggering: &AuditChange) -> DeployStory {
    let story = begin_story(key, "feature/login");
    let id = PipelineId(story.record().id.uuid());
    let ada = || "ada".to_owned();
    let rolled_back = AuditChange::TriggerRolledBack {
        error: "HTTP 503: come back later".into(),
        token_refused: false,
        again_at: start_time() + TimeDelta::seconds(6),
        told: false,
    };
    let because = "timed out".into();
    let triggered = AuditChange::Triggered {
        pipeline: CiPipeline {
            id,
            ..example_pipeline()
        },
        matched_by: MatchedBy::DeployId,
    };
    let workflows = vec!["ship".to_owned(), "notify".to_owned()];
    let started = AuditChange::Started {
        workflows: workflows.clone(),
    };
    let by = ActedBy::Operator { name: ada() };
    let reason = EndReason::Workflows {
        decided_by: vec![("ship\u{1b}[2J".into(), "canceled".into())],
        beside: vec![],
        jobs: vec![],
    };
    story
        .work(0, triggering.clone())
        .work(1, rolled_back)
        .work(6, triggering.clone())
        .work(8, AuditChange::OutcomeUnknown { because })
        .work(60, triggered)
        .work(65, started)
        .work(
            90,
            AuditChange::Held {
                workflows,
                jobs: vec!["approve".to_owned()],
            },
        )
        .apply(
            100,
            AuditActor::Operator(ada()),
            AuditChange::CancelRequested { by },
        )
        .end(130, DeployState::Canceled, reason)
}

pub(super) fn requested_story(key: &str) -> DeployStory {
    begin_story(key, "main")
}

pub(super) fn canceled() -> DeployRecord {
    canceled_with_audit().0
}

pub(super) fn requested() -> DeployRecord {
    requested_story("2").record()
}

/// CircleCI refused to start it.
pub(super) fn not_started() -> DeployRecord {
    let reason = EndReason::TriggerRefused {
        status: 400,
        message: "Branch not found".into(),
    };
    let story = requested_story("3").work(0, triggering());
    story.end(2, DeployState::TriggerFailed, reason).record()
}

/// It is not known whether it started.
pub(super) fn unresolved() -> DeployRecord {
    let reason = EndReason::OutcomeUnknown {
        because: "timed out".into(),
        candidates: vec![example_pipeline()],
    };
    let story = requested_story("3").work(0, triggering());
    story.end(900, DeployState::Unresolved, reason).record()
}
