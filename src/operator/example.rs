//! Deploys for the tests: for their words, and in a file.

use std::path::Path;
use std::sync::Arc;

use chatops_core::Time;
use chatops_core::audit::{Actor, Change, Entry, Event};
use chatops_core::config::{Slug, TriggerCall};
use chatops_core::deploy::{Armed, Ask, By, Head, Pipeline, Proof, Reason, RunKind, State, Target};
use chatops_core::id::{ChannelId, DeployId, Invocation, PipelineId, ShortId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{Commit, Store};
use chrono::{DateTime, TimeDelta};

use crate::clock::SystemClock;
use crate::sqlite::{Settings, Sqlite};

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

fn begin(occasion: &str, branch: &str) -> Story {
    let id = DeployId::of_request("T012ABCDEF", "A012ABCDEF", occasion);
    let ask = ask(branch);
    let by = Actor::Person(ask.user.clone());
    let until = start() + TimeDelta::seconds(600);
    let (head, event) = machine::begin(
        (id, id.short(ShortId::USUAL)),
        ask,
        None,
        until,
        by,
        start(),
    );
    Story(vec![(head, event)])
}

/// The versions of a deploy, each with the event that made it.
pub(super) struct Story(pub(super) Vec<(Head, Event)>);

impl Story {
    fn then(mut self, after: i64, by: Actor, change: Change) -> Self {
        let head = self.head();
        let at = head.ask.asked_at + TimeDelta::seconds(after);
        self.0.push(machine::apply(&head, change, by, at).unwrap());
        self
    }

    fn head(&self) -> Head {
        self.0.last().unwrap().0.clone()
    }
}

/// A file with so many deploys of several lengths.
pub(super) async fn write_file(path: &Path, deploys: usize) {
    let db = Sqlite::open(path, Settings::new(Arc::new(SystemClock))).unwrap();
    for n in 0..deploys {
        let story = match n % 5 {
            0 => young(&n.to_string()),
            _ => long(&n.to_string()),
        };
        let length = 1 + n % story.0.len();
        for (head, event) in story.0.into_iter().take(length) {
            let commit = Commit {
                head,
                event: Some(event),
                lock: None,
                claim: None,
                owe: vec![],
                open: None,
                repeats: None,
            };
            db.commit(commit).await.unwrap();
        }
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
        url: "https://app.circleci.com/pipelines/github/acme/web/7"
            .parse()
            .unwrap(),
    }
}

/// It ran, somebody canceled it, and CircleCI's words hold what no terminal should obey.
pub(super) fn told() -> (Head, Vec<Entry>) {
    let story = long("1");
    let entries = story.0.iter().map(|(_, event)| event.entry().unwrap());
    (story.head(), entries.collect())
}

/// A deploy to which much happens; each occasion is another one.
pub(super) fn long(occasion: &str) -> Story {
    let again_at = start() + TimeDelta::seconds(6);
    let (pipeline, proof) = (pipeline(), Proof::CarriesId);
    let by = By::Operator("ada".into());
    let reason = Reason::Workflows {
        decided_by: vec![("ship\u{1b}[2J".into(), "canceled".into())],
    };
    let state = State::Canceled;
    let workflows = vec!["ship".to_owned(), "notify".to_owned()];
    begin(occasion, "feature/login")
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
        .then(
            8,
            worker(),
            Change::Doubted {
                doubt: "timed out".into(),
            },
        )
        .then(60, worker(), Change::Triggered { pipeline, proof })
        .then(
            65,
            worker(),
            Change::Started {
                workflows: workflows.clone(),
            },
        )
        .then(90, worker(), Change::Held { workflows })
        .then(
            100,
            Actor::Operator("ada".into()),
            Change::CancelWished { by },
        )
        .then(130, worker(), Change::Ended { state, reason })
}

/// A deploy that has only begun.
pub(super) fn young(occasion: &str) -> Story {
    begin(occasion, "main")
}

pub(super) fn head() -> Head {
    told().0
}

pub(super) fn open() -> Head {
    young("2").head()
}

/// Nothing was started.
pub(super) fn not_started() -> Head {
    let reason = Reason::TriggerRefused {
        status: 400,
        message: "Branch not found".into(),
    };
    let state = State::TriggerFailed;
    let story = young("3").then(0, worker(), armed());
    story
        .then(2, worker(), Change::Ended { state, reason })
        .head()
}

/// Nobody knows whether it was.
pub(super) fn unresolved() -> Head {
    let reason = Reason::Unproven {
        doubt: "timed out".into(),
        candidates: vec![pipeline()],
    };
    let state = State::Unresolved;
    let story = young("3").then(0, worker(), armed());
    story
        .then(900, worker(), Change::Ended { state, reason })
        .head()
}
