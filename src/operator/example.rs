//! Deploys for the tests of the words.

use chatops_core::Time;
use chatops_core::audit::{Actor, Change, Entry};
use chatops_core::config::{Slug, TriggerCall};
use chatops_core::deploy::{
    Armed, Ask, By, Head, Pipeline, Proof, Reason, RunKind, State, Target,
};
use chatops_core::id::{ChannelId, DeployId, Invocation, PipelineId, ShortId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::name::{BranchName, JobName, ProjectName};
use chrono::{DateTime, TimeDelta};

fn start() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(super) fn ask(branch: &str) -> Ask {
    Ask {
        team: TeamId::parse("T012ABCDEF").unwrap(),
        channel: ChannelId::parse("C012ABCDEF").unwrap(),
        user: UserId::parse("U012ABCDEF").unwrap(),
        user_name: Some("ana".into()),
        project: Some(ProjectName::parse("web").unwrap()),
        branch: BranchName::parse(branch).unwrap(),
        job: JobName::parse("deploy").unwrap(),
        asked_at: start(),
    }
}

fn begin(branch: &str) -> Story {
    let id = DeployId::of_request("T012ABCDEF", "A012ABCDEF", branch);
    let ask = ask(branch);
    let by = Actor::Person(ask.user.clone());
    let until = start() + TimeDelta::seconds(600);
    let (head, event) =
        machine::begin((id, id.short(ShortId::USUAL)), ask, None, until, by, start());
    Story {
        head,
        entries: vec![event.entry().unwrap()],
    }
}

struct Story {
    head: Head,
    entries: Vec<Entry>,
}

impl Story {
    fn then(mut self, after: i64, by: Actor, change: Change) -> Self {
        let at = self.head.ask.asked_at + TimeDelta::seconds(after);
        let (head, event) = machine::apply(&self.head, change, by, at).unwrap();
        self.head = head;
        self.entries.push(event.entry().unwrap());
        self
    }
}

fn worker() -> Actor {
    Actor::Worker(Invocation::new("w"))
}

fn armed() -> Change {
    Change::Armed {
        attempt: 1,
        armed: Armed {
            by: Invocation::new("w"),
            at: start(),
            send_by: start() + TimeDelta::seconds(15),
            doubt: None,
            slug: Slug {
                vcs: "gh".into(),
                org: "acme".into(),
                repo: "web".into(),
            },
            call: TriggerCall::Pipeline,
            proof_parameter: Some("deploy_id".into()),
        },
        target: Some(Target("web/production".into())),
        config: "0123456789ab".into(),
    }
}

fn pipeline() -> Pipeline {
    Pipeline {
        kind: RunKind::Pipeline,
        id: PipelineId(uuid::Uuid::from_u128(7)),
        number: 7,
        url: "https://app.circleci.com/pipelines/github/acme/web/7".parse().unwrap(),
    }
}

/// It ran, somebody canceled it, and CircleCI's words hold what no terminal should obey.
pub(super) fn told() -> (Head, Vec<Entry>) {
    let again_at = start() + TimeDelta::seconds(6);
    let (pipeline, proof) = (pipeline(), Proof::CarriesId);
    let by = By::Operator("ada".into());
    let reason = Reason::Workflows {
        decided_by: vec![("ship\u{1b}[2J".into(), "canceled".into())],
    };
    let state = State::Canceled;
    let workflows = vec!["ship".to_owned(), "notify".to_owned()];
    let story = begin("feature/login")
        .then(0, worker(), armed())
        .then(
            1,
            worker(),
            Change::Disarmed {
                obstacle: "HTTP 503: come back later".into(),
                token_refused: false,
                again_at,
            },
        )
        .then(6, worker(), armed())
        .then(8, worker(), Change::Doubted { doubt: "timed out".into() })
        .then(60, worker(), Change::Triggered { pipeline, proof })
        .then(65, worker(), Change::Started { workflows: workflows.clone() })
        .then(90, worker(), Change::Held { workflows })
        .then(100, Actor::Operator("ada".into()), Change::CancelWished { by })
        .then(130, worker(), Change::Ended { state, reason });
    (story.head, story.entries)
}

pub(super) fn head() -> Head {
    told().0
}

pub(super) fn open() -> Head {
    begin("main").head
}

/// Nothing was started.
pub(super) fn not_started() -> Head {
    let reason = Reason::TriggerRefused {
        status: 400,
        message: "Branch not found".into(),
    };
    let state = State::TriggerFailed;
    let story = begin("main").then(0, worker(), armed());
    story.then(2, worker(), Change::Ended { state, reason }).head
}

/// Nobody knows whether it was.
pub(super) fn unresolved() -> Head {
    let reason = Reason::Unproven {
        doubt: "timed out".into(),
        candidates: vec![pipeline()],
    };
    let state = State::Unresolved;
    let story = begin("main").then(0, worker(), armed());
    story.then(900, worker(), Change::Ended { state, reason }).head
}
