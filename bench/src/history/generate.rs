//! The deploys of a company: few people request most of them, 30 % are on `main`, most succeed.
//! Equal numbers make equal deploys.

use chatops_core::Time;
use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use chatops_core::deploy::machine;
use chatops_core::deploy::{
    ActedBy, CiPipeline, CiRunKind, DeployRequest, DeployState, EndReason, MatchedBy, TriggerIntent,
};
use chatops_core::id::{ChannelId, DeployId, InvocationId, PipelineId, TeamId, UserId};
use chatops_core::name::{GitRef, JobName, ProjectName};
use chatops_core::notification::{DeliveryStatus, NotificationRecord};
use chatops_core::parameters::Parameters;
use chatops_core::ports::Commit;
use chrono::{DateTime, TimeDelta};
use url::Url;
use uuid::Uuid;

const USERS: u32 = 200;
const BRANCHES: u32 = 5_000;
const JOBS: &str = "deploy deploy-staging test rollback migrate smoke publish warm-cache rotate-keys \
                    reindex backfill drain";
const PROJECTS: &str = "web api billing search mail";

/// A frequent user and a frequent job that have no deploy in common.
pub(crate) const NEVER_TOGETHER: (u32, u32) = (1, 2);

/// How many of the newest deploys have not ended.
const IN_PROGRESS: u32 = 5;

/// Seconds in three years.
const SPAN_SECONDS: i64 = 3 * 365 * 24 * 3_600;

/// Pseudo-random numbers (splitmix64).
struct SeededRandom(u64);

impl SeededRandom {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next_below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next_u64() % u64::from(n)).unwrap_or_default()
    }

    /// A number below `n`; the probability of `k` is proportional to `1 / (k + 1)`.
    fn next_rank(&mut self, n: u32) -> u32 {
        let weight = |rank: u32| 1_000_000 / (rank + 1);
        let mut rest = self.next_below((0..n).map(weight).sum());
        (0..n)
            .find(|rank| {
                let hit = rest < weight(*rank);
                rest = rest.saturating_sub(weight(*rank));
                hit
            })
            .unwrap_or_default()
    }

    fn next_state(&mut self) -> DeployState {
        match self.next_below(1_000) {
            0..800 => DeployState::Succeeded,
            800..900 => DeployState::Failed,
            900..935 => DeployState::Canceled,
            935..970 => DeployState::Rejected,
            970..980 => DeployState::TriggerFailed,
            980..988 => DeployState::NothingRan,
            988..994 => DeployState::CiError,
            994..997 => DeployState::Unresolved,
            _ => DeployState::LostTrack,
        }
    }
}

/// The name of a job.
pub(crate) fn job_name(n: u32) -> Option<JobName> {
    JobName::parse(nth_item(JOBS, n)).ok()
}

fn nth_item(list: &'static str, n: u32) -> &'static str {
    let mut items = list.split_whitespace().zip(0..);
    items.find(|(_, at)| *at == n).unwrap_or_default().0
}

/// When deploy `n` of `size` was requested; the requests are spread evenly.
pub(crate) fn requested_at(n: u32, size: u32) -> Time {
    let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
    start + TimeDelta::seconds(SPAN_SECONDS * i64::from(n) / i64::from(size))
}

pub(crate) fn deploy_id(n: u32) -> DeployId {
    DeployId::of_request("T01", "A01", &n.to_string())
}

pub(crate) fn user_id(n: u32) -> Option<UserId> {
    UserId::parse(&format!("U0BENCH{n:04}"))
}

pub(crate) fn branch_name(n: u32) -> Option<GitRef> {
    GitRef::parse(&format!("feature/ticket-{n}")).ok()
}

fn deploy_request(random: &mut SeededRandom, n: u32, size: u32) -> Option<DeployRequest> {
    let person = random.next_rank(USERS);
    let branch = if random.next_below(100) < 30 {
        GitRef::parse("main").ok()?
    } else {
        branch_name(random.next_below(BRANCHES))?
    };
    let mut job = random.next_rank(12);
    if (person, job) == NEVER_TOGETHER {
        job = 0;
    }
    Some(DeployRequest {
        team: TeamId::parse("T0BENCH")?,
        channel: ChannelId::parse("C0BENCH")?,
        user: user_id(person)?,
        user_name: Some(format!("Person.{person}")),
        project: Some(ProjectName::parse(nth_item(PROJECTS, random.next_rank(5))).ok()?),
        git_ref: branch,
        job: job_name(job)?,
        parameters: Parameters::default(),
        environment: None,
        requested_at: requested_at(n, size),
        unsigned: false,
        refused: None,
        press: None,
    })
}

/// The one commit that writes deploy `n` of `size` in its last state, which takes several in
/// production. For a list it is the same.
pub(crate) fn deploy_commit(n: u32, size: u32) -> Option<Commit> {
    let mut random = SeededRandom(u64::from(n));
    let request = deploy_request(&mut random, n, size)?;
    let at = request.requested_at;
    let by = AuditActor::User(request.qualified_user());
    let valid_until = at + TimeDelta::minutes(10);
    let id = deploy_id(n);
    // Two of a million can have the same first eight digits.
    let name = (id, id.short_id(16));
    let (mut record, event) = machine::begin_deploy(name, request, None, valid_until, by, at);
    let state = if n + IN_PROGRESS < size {
        random.next_state()
    } else {
        DeployState::Running
    };
    let mut events = vec![event];
    let (mut notification, mut claim) = (NotificationRecord::open(id, None, at), None);
    let given_up = random.next_below(2) == 0;
    for change in way_to(state, n, at)?
        .into_iter()
        .chain(dismissed(state, given_up))
    {
        let delivered = DeliveryStatus::Delivered { at };
        match &change {
            AuditChange::Started { .. } => notification.progress = delivered,
            AuditChange::Ended { .. } => notification.final_status = delivered,
            AuditChange::Triggered { pipeline, .. } => claim = Some(pipeline.id),
            _ => {}
        }
        if let (Some(run), AuditChange::Started { .. }) = (&mut record.run, &change) {
            run.created_at = Some(at);
            run.revision = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
            run.subject = Some("Fix the cart".to_owned());
        }
        let now = match &change {
            AuditChange::Ended { .. } => at + TimeDelta::minutes(7),
            _ => at,
        };
        let by = AuditActor::Worker(InvocationId::new(format!("worker-{n}")));
        let (next, event) = machine::apply_change(&record, change, by, now).ok()?;
        record = next;
        events.push(event);
    }
    // All of them are of its first version.
    record.version = 1;
    record.due_at = (!state.is_terminal()).then_some(at);
    record.owes_ticket = false;
    record.watch = None;
    Some(Commit {
        events,
        claim,
        open_notifications: Some(notification),
        ..Commit::of(record)
    })
}

/// Somebody takes it out of what waits for a retry.
fn dismissed(state: DeployState, given_up: bool) -> Option<AuditChange> {
    let waits = matches!(state, DeployState::TriggerFailed | DeployState::Unresolved);
    let name = "ops".to_owned();
    let by = ActedBy::Operator { name };
    (waits && given_up).then_some(AuditChange::Dismissed { by })
}

/// What happens to a deploy that ends like this.
fn way_to(state: DeployState, n: u32, at: Time) -> Option<Vec<AuditChange>> {
    let url = format!("https://app.circleci.com/pipelines/github/acme/web/{n}");
    let begun = AuditChange::TriggerBegun {
        attempt: 1,
        intent: intent(n, at),
        target: None,
        config: "0123456789ab".to_owned(),
    };
    let triggered = AuditChange::Triggered {
        pipeline: CiPipeline {
            kind: CiRunKind::Pipeline,
            id: PipelineId(Uuid::from_u128(u128::from(n))),
            number: u64::from(n),
            url: Url::parse(&url).ok()?,
        },
        matched_by: MatchedBy::Response,
    };
    let started = AuditChange::Started {
        workflows: vec!["build-and-deploy".to_owned()],
    };
    let mut way = match state {
        DeployState::Rejected => vec![],
        DeployState::TriggerFailed | DeployState::Unresolved => vec![begun],
        _ => vec![begun, triggered, started],
    };
    if state.is_terminal() {
        let reason = EndReason::Workflows {
            decided_by: vec![("build-and-deploy".to_owned(), "success".to_owned())],
            beside: vec![],
            jobs: vec![],
        };
        way.push(AuditChange::Ended { state, reason });
    }
    Some(way)
}

fn intent(n: u32, at: Time) -> TriggerIntent {
    TriggerIntent {
        by: InvocationId::new(format!("worker-{n}")),
        at,
        send_by: at + TimeDelta::seconds(15),
        unknown_because: None,
        call: TriggerCall::Pipeline,
        slug: ProjectSlug {
            vcs: "gh".to_owned(),
            org: "acme".to_owned(),
            repo: "web".to_owned(),
        },
        deploy_id_parameter: Some("deploy_id".to_owned()),
        workflow: WorkflowSelector::Named(vec!["build-and-deploy".to_owned()]),
        must_run: vec![],
    }
}
