//! The world of one run: the ports in memory, the clock, and what was seen.
//!
//! What happens in it is in the files beside, and in `services` how the handlers see it. A world
//! never decides what the product decides; it is asked afterwards.

mod commands;
mod delivery;
mod presses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use chatops_core::Time;
use chatops_core::audit::{self, AuditEvent};
use chatops_core::config::{Config, Timeouts};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::{ChannelId, DeployId, InvocationId, QualifiedChannel, TeamId};
use chatops_core::ports::{Clock, DeployReader};
use chatops_sandbox::circleci::FakeProject;
use chrono::{DateTime, TimeDelta};

pub(crate) use self::delivery::SERVED_QUEUES;
use crate::cloud::{CloudLedger, CloudQueue};
use crate::crash_points::{CrashPoints, drive};
use crate::history::History;
use crate::outside::{MemoryCircleCi, MemorySlack, Outages, RotatingSecrets};
use crate::people::{IssuedCommand, Rights};
use crate::seeded::SeededBug;
use crate::violation::{Invariant, Violation};
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryQueue};

/// Parsed once: a run takes less time than reading its configuration.
static DEFAULT_CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Rights::default().config()));

const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const CIRCLECI_TOKEN: &str = "the-circleci-token";

/// When a crashed handler's message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// At once.
    AtOnce,
    /// After the visibility timeout, when the sweeper has long been there.
    Late,
}

/// How messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// When the message of a handler that crashed or failed comes back.
    pub redelivery: Redelivery,
    /// Every message is delivered twice.
    pub twice: bool,
    /// How often a message is received before it is dead.
    pub max_receives: u32,
}

/// The world of one run.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub clock: ManualClock,
    /// The ledger.
    pub ledger: Arc<MemoryLedger>,
    /// The queues.
    pub queue: Arc<MemoryQueue>,
    /// The ledger as the handlers see it.
    pub cloud_ledger: Arc<CloudLedger>,
    /// The queues as the handlers see them, and whoever delivers messages to them.
    pub cloud_queue: Arc<CloudQueue>,
    /// CircleCI.
    pub circleci: Arc<MemoryCircleCi>,
    /// Slack.
    pub slack: Arc<MemorySlack>,
    /// The secrets.
    pub secrets: Arc<RotatingSecrets>,
    /// What is out.
    pub outages: Arc<Outages>,
    /// The crash points.
    pub points: CrashPoints,
    /// By how much a handler may miss a moment: its clock may be off, and it may stand still between
    /// reading the clock and acting.
    pub tolerance: TimeDelta,
    /// The bug of its handlers.
    pub bug: Option<SeededBug>,
    /// How many things went wrong that may each cause one more message.
    pub faults: usize,
    /// The deploys whose command was acknowledged as accepted or as being checked.
    pub acknowledged: Vec<DeployId>,
    /// Everything that was typed.
    pub typed: Vec<IssuedCommand>,
    /// Whether a bot posts once a response URL has expired.
    pub has_bot: bool,
    /// Whether each deploy has a card.
    pub is_live: bool,
    /// Where the ends of all jobs are announced, besides their own channel.
    pub feeds: Vec<&'static str>,
    /// Whether new commands kill their handlers.
    pub poisoned: bool,
    /// The tickets that were redriven, and when.
    pub redriven: Vec<(Time, DeployId)>,
    /// What was violated while it ran: audits that changed, runs that did not end.
    pub violations: Vec<Violation>,
    /// What was seen of the ledger from outside.
    pub history: History,
    /// Who may do what, and since when.
    pub rights: Vec<(Time, Rights)>,
    /// By how much the clock of the one process is wrong, where there is only one.
    pub(crate) process_skew: TimeDelta,
    pub(crate) config: Arc<Config>,
    delivery: DeliveryPlan,
    audits: BTreeMap<DeployId, WatchedAudit>,
    invocations: u64,
    pub(crate) next_sweep: Time,
    /// For the bug that lets another person's confirmation count.
    pub(crate) confirmed: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    /// A world at rest.
    #[must_use]
    pub fn new(points: &CrashPoints, delivery: DeliveryPlan) -> Self {
        let config = Arc::clone(&DEFAULT_CONFIG);
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let clock = ManualClock::new(start);
        let ledger = Arc::new(MemoryLedger::new());
        let outages = Arc::new(Outages::new(&clock));
        let secrets = RotatingSecrets::new(SIGNING_SECRET, CIRCLECI_TOKEN, &outages);
        let secrets = Arc::new(secrets);
        let project = FakeProject::declaring("gh/acme/web", CIRCLECI_TOKEN, &["job", "deploy_id"]);
        let queue = Arc::new(MemoryQueue::new(clock.clone(), delivery.max_receives));
        Self {
            cloud_ledger: Arc::new(CloudLedger::new(&ledger, points)),
            cloud_queue: Arc::new(CloudQueue::new(&queue, points, &outages, &clock)),
            queue,
            circleci: Arc::new(MemoryCircleCi::new(
                project, &secrets, &ledger, &outages, &clock,
            )),
            slack: Arc::new(MemorySlack::new(&clock, &outages)),
            next_sweep: start + config.timeouts.sweep_interval,
            points: points.clone(),
            tolerance: TimeDelta::zero(),
            bug: None,
            faults: 0,
            acknowledged: vec![],
            typed: vec![],
            redriven: vec![],
            has_bot: false,
            is_live: false,
            feeds: vec![],
            poisoned: false,
            violations: vec![],
            history: History::default(),
            rights: vec![(start, Rights::default())],
            process_skew: TimeDelta::zero(),
            audits: BTreeMap::new(),
            invocations: 0,
            confirmed: Arc::default(),
            clock,
            ledger,
            secrets,
            outages,
            config,
            delivery,
        }
    }

    /// The settings of every run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether every message is delivered twice.
    #[must_use]
    pub fn delivers_twice(&self) -> bool {
        self.delivery.twice
    }

    /// Changes the times of this run.
    pub fn change_timeouts(&mut self, change: impl FnOnce(&mut Timeouts)) {
        change(&mut Arc::make_mut(&mut self.config).timeouts);
    }

    /// From now on these are the rights. The timeouts stay.
    pub fn set_rights(&mut self, rights: Rights) {
        let config = Config {
            timeouts: self.config().timeouts.clone(),
            ..rights.config()
        };
        self.rights.push((self.clock.now(), rights));
        self.config = Arc::new(config);
        self.announce_in(&self.feeds.clone());
        self.set_live(self.is_live);
    }

    /// Each deploy has a card from now on; there is a bot, which is where people deploy from.
    pub fn go_live(&mut self) {
        self.has_bot = true;
        self.slack.install_bot("C0001");
        self.set_live(true);
    }

    pub(crate) fn set_live(&mut self, is_live: bool) {
        self.is_live = is_live;
        let slack = &mut Arc::make_mut(&mut self.config).slack;
        slack.live = is_live;
        slack.interactivity = is_live;
    }

    /// The ends of all jobs are announced in these channels; from the first command on.
    pub fn announce_in(&mut self, channels: &[&'static str]) {
        self.feeds = channels.to_vec();
        let feeds = channels.iter().filter_map(|id| {
            let id = ChannelId::parse(id)?;
            let team = TeamId::parse("T0001")?;
            Some(QualifiedChannel { team, id })
        });
        let feeds: Vec<_> = feeds.collect();
        let projects = &mut Arc::make_mut(&mut self.config).projects;
        for job in projects.values_mut().flat_map(|p| p.jobs.values_mut()) {
            job.announce.clone_from(&feeds);
        }
    }

    /// From now on only these users (`T…/U…`) may deploy.
    pub fn restrict_users(&mut self, users: &[&'static str]) {
        self.set_rights(Rights::default().restricted_to(users));
    }

    /// The rights that were in force at any moment from `from` until `until`.
    pub fn rights_between(&self, from: Time, until: Time) -> impl Iterator<Item = &Rights> {
        let ends = self.rights.iter().skip(1).map(|(at, _)| Some(*at));
        let spans = self.rights.iter().zip(ends.chain([None]));
        spans
            .filter(move |((since, _), end)| *since <= until && end.is_none_or(|end| end >= from))
            .map(|((_, rights), _)| rights)
    }

    /// A name for one more run of a handler.
    pub(crate) fn next_invocation(&mut self) -> InvocationId {
        self.invocations += 1;
        InvocationId::new(format!("run-{}", self.invocations))
    }

    /// Notes what is not as it must be.
    pub(crate) fn note_violation(&mut self, of: impl Into<Option<Invariant>>, detail: &str) {
        self.violations.push(Violation::new(of, detail.to_owned()));
    }

    /// Notes what a scenario expects and does not hold, unless a handler crashed.
    pub(crate) fn expect_undisturbed(&mut self, holds: bool, otherwise: &str) {
        if !holds && self.points.crash_count() == 0 {
            self.note_violation(None, otherwise);
        }
    }

    /// A deploy's audit.
    #[must_use]
    pub fn audit_events(&self, id: DeployId) -> Vec<AuditEvent> {
        drive(self.ledger.read_events(id))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    /// The audits and what Slack showed, for people.
    #[must_use]
    pub fn transcript(&self) -> String {
        let records = self.ledger.records();
        let events = records
            .iter()
            .flat_map(|record| self.audit_events(record.id));
        let shown = self.slack.shown_messages().into_iter();
        let mut lines = vec!["audit:".to_owned()];
        lines.extend(events.map(|event| event.body));
        lines.push("shown:".to_owned());
        for message in shown {
            let earlier = message.earlier.iter();
            lines.extend(earlier.map(|version| format!("{} {}", version.at, version.text)));
            let at = message.edited_at.unwrap_or(message.at);
            lines.push(format!("{at} {}", message.text));
            lines.extend(message.deleted_at.map(|at| format!("{at} it is deleted")));
        }
        lines.join("\n")
    }

    /// Checks that every audit still begins as it did before, and that every record is what its events
    /// make of it.
    pub(crate) fn watch_audits(&mut self) {
        for record in self.ledger.records() {
            let known = self.audits.get(&record.id);
            if known.is_some_and(|known| known.version == record.version) {
                continue;
            }
            let now = self.audit_events(record.id);
            let WatchedAudit { events, folded, .. } = known.cloned().unwrap_or_default();
            let mut violate = |of, what: &str| {
                let detail = format!("the audit of {} {what}", record.id);
                self.violations.push(Violation::new(of, detail));
            };
            if !now.starts_with(&events) {
                violate(Invariant::GrowingAudit, "changed");
            }
            let news = now.get(events.len()..).unwrap_or_default();
            let folded = audit::fold_events(folded.as_ref(), news).ok().flatten();
            let agrees = folded
                .as_ref()
                .is_some_and(|folded| folded.clone().with_working_part(&record) == record);
            if !agrees && SeededBug::compares_records(self.bug) {
                violate(Invariant::SoundAudit, "does not make its record");
            }
            let version = record.version;
            let watched = WatchedAudit {
                events: now,
                folded,
                version,
            };
            self.audits.insert(record.id, watched);
        }
    }
}

/// An audit as it was seen last.
#[derive(Debug, Clone, Default)]
struct WatchedAudit {
    events: Vec<AuditEvent>,
    /// The record that they make.
    folded: Option<DeployRecord>,
    /// The version of the record that was stored then.
    version: u64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::people::Person;

    #[test]
    fn rights_count_that_were_in_force_at_any_moment() {
        let plan = DeliveryPlan {
            redelivery: Redelivery::AtOnce,
            twice: false,
            max_receives: 1,
        };
        let mut world = World::new(&CrashPoints::crash_at(&[]), plan);
        let (first, second) = (&Person::ENTITLED[0], &Person::ENTITLED[1]);
        let start = world.clock.now();
        world.clock.advance(Duration::from_secs(10));
        world.restrict_users(&["T0001/U0001"]);
        let at = |seconds| start + Duration::from_secs(seconds);
        let may = |person: &Person, from, until| {
            let mut rights = world.rights_between(at(from), at(until));
            rights.any(|rights| rights.allow(person, "deploy", "main"))
        };
        assert!(may(first, 11, 20) && may(second, 9, 20) && may(second, 0, 5));
        assert!(!may(second, 11, 20));
    }
}
