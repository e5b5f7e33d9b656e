//! Deploys as a company has them: a few people deploy most, one branch in three is `main`, most
//! succeed. The same ones for the same number.

use chatops_core::Time;
use chatops_core::audit::Actor;
use chatops_core::config::{Slug, TriggerCall};
use chatops_core::deploy::{Armed, Ask, End, Head, Pipeline, Proof, Reason, Run, RunKind, State};
use chatops_core::id::{ChannelId, DeployId, Invocation, PipelineId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::Commit;
use chrono::{DateTime, TimeDelta};
use url::Url;
use uuid::Uuid;

const PEOPLE: u32 = 200;
const BRANCHES: u32 = 5_000;
const JOBS: [&str; 12] = [
    "deploy",
    "deploy-staging",
    "test",
    "rollback",
    "migrate",
    "smoke",
    "publish",
    "warm-cache",
    "rotate-keys",
    "reindex",
    "backfill",
    "drain",
];
const PROJECTS: [&str; 5] = ["web", "api", "billing", "search", "mail"];

/// Somebody who deploys much and a job that runs much, never together.
pub(crate) const NEVER: (u32, u32) = (1, 2);

/// How many of the newest have not ended.
const OPEN: u32 = 5;

/// Seconds in three years.
const SPAN: i64 = 3 * 365 * 24 * 3_600;

/// Numbers that look like chance and are the same every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.roll() % u64::from(n)).unwrap_or_default()
    }

    /// A number below `n`; the one of rank `k` is as likely as `1 / (k + 1)`.
    fn rank(&mut self, n: u32) -> u32 {
        let weight = |rank: u32| 1_000_000 / (rank + 1);
        let mut rest = self.below((0..n).map(weight).sum());
        (0..n)
            .find(|rank| {
                let hit = rest < weight(*rank);
                rest = rest.saturating_sub(weight(*rank));
                hit
            })
            .unwrap_or_default()
    }

    fn state(&mut self) -> State {
        match self.below(1_000) {
            0..800 => State::Succeeded,
            800..900 => State::Failed,
            900..935 => State::Canceled,
            935..970 => State::Refused,
            970..980 => State::TriggerFailed,
            980..988 => State::NothingRan,
            988..994 => State::CiErrored,
            994..997 => State::Unresolved,
            _ => State::LostTrack,
        }
    }
}

/// The name of a job.
pub(crate) fn job(n: u32) -> Option<JobName> {
    JobName::parse(nth(&JOBS, n)).ok()
}

/// One of a list, by its place.
fn nth(list: &[&'static str], n: u32) -> &'static str {
    usize::try_from(n)
        .ok()
        .and_then(|n| list.get(n).copied())
        .unwrap_or_default()
}

/// When deploy `n` of `size` was asked for: they are spread evenly.
pub(crate) fn asked_at(n: u32, size: u32) -> Time {
    let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
    start + TimeDelta::seconds(SPAN * i64::from(n) / i64::from(size))
}

pub(crate) fn id(n: u32) -> DeployId {
    DeployId::of_request("T01", "A01", &n.to_string())
}

pub(crate) fn user(n: u32) -> Option<UserId> {
    UserId::parse(&format!("U0BENCH{n:04}"))
}

pub(crate) fn branch(n: u32) -> Option<BranchName> {
    BranchName::parse(&format!("feature/ticket-{n}")).ok()
}

fn ask(dice: &mut Dice, n: u32, size: u32) -> Option<Ask> {
    let person = dice.rank(PEOPLE);
    let branch = if dice.below(100) < 30 {
        BranchName::parse("main").ok()?
    } else {
        branch(dice.below(BRANCHES))?
    };
    let mut job = dice.rank(12);
    if (person, job) == NEVER {
        job = 0;
    }
    Some(Ask {
        team: TeamId::parse("T0BENCH")?,
        channel: ChannelId::parse("C0BENCH")?,
        user: user(person)?,
        user_name: Some(format!("Person.{person}")),
        project: Some(ProjectName::parse(nth(&PROJECTS, dice.rank(5))).ok()?),
        branch,
        job: self::job(job)?,
        asked_at: asked_at(n, size),
    })
}

/// The one commit that puts deploy `n` of `size` on record as it stands in the end. A real ledger
/// would have come to it in several; for a list it is the same.
pub(crate) fn deploy(n: u32, size: u32) -> Option<Commit> {
    let mut dice = Dice(u64::from(n));
    let ask = ask(&mut dice, n, size)?;
    let at = ask.asked_at;
    let by = Actor::Person(ask.user.clone());
    let valid_until = at + TimeDelta::minutes(10);
    let id = id(n);
    // Now and then two of a million begin with the same eight digits.
    let name = (id, id.short(16));
    let (mut head, event) = machine::begin(name, ask, None, valid_until, by, at);
    head.state = if n + OPEN < size {
        dice.state()
    } else {
        State::Running
    };
    fill(&mut head, n, at)?;
    head.retried_by = (head.awaits_retry() && dice.below(2) == 0).then(|| DeployId::of_retry(id));
    Some(Commit {
        head,
        event: Some(event),
        lock: None,
        claim: None,
        owe: vec![],
        open: None,
        repeats: None,
    })
}

/// What a deploy in its state carries, so that its record has the usual size.
fn fill(head: &mut Head, n: u32, at: Time) -> Option<()> {
    head.attempts = 1;
    head.armed = Some(Armed {
        by: Invocation::new(format!("worker-{n}")),
        at,
        send_by: at + TimeDelta::seconds(15),
        doubt: None,
        call: TriggerCall::Pipeline,
        slug: Slug {
            vcs: "gh".to_owned(),
            org: "acme".to_owned(),
            repo: "web".to_owned(),
        },
        proof_parameter: Some("deploy_id".to_owned()),
    });
    let url = format!("https://app.circleci.com/pipelines/github/acme/web/{n}");
    head.run = Some(Run {
        pipeline: Pipeline {
            kind: RunKind::Pipeline,
            id: PipelineId(Uuid::from_u128(u128::from(n))),
            number: u64::from(n),
            url: Url::parse(&url).ok()?,
        },
        proof: Proof::Answer,
        since: at,
        created: Some(at),
        revision: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
    });
    let ended = head.state.is_terminal();
    head.due_at = (!ended).then_some(at);
    head.end = ended.then(|| End {
        at: at + TimeDelta::minutes(7),
        reason: Reason::Workflows {
            decided_by: vec![("build-and-deploy".to_owned(), "success".to_owned())],
        },
    });
    Some(())
}
