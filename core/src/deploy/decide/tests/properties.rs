//! Whatever CircleCI and the clocks do: the timers, the ends and the sizes of a followed run.

use proptest::prelude::*;

use super::*;
use crate::deploy::LONGEST_PAUSE;
use crate::ports::{CiJob, JobStatus, PipelineError, PipelineErrorKind};

/// The longest name that comes from CircleCI, in its longest characters.
const LONG: usize = 200;

/// The longest text of an error that comes from CircleCI.
const LONG_TEXT: usize = 1_000;

/// One thing that happens to a run that is followed.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
enum Happening {
    Report(RunReport),
    Failure(Option<Duration>),
    Webhook,
    /// The clock is set, or the process sleeps: so many seconds.
    Clock(i64),
    Cancel,
}

pub(in crate::deploy::decide) fn any_status() -> impl Strategy<Value = WorkflowStatus> {
    use WorkflowStatus as W;
    prop::sample::select(vec![
        W::Success,
        W::Success,
        W::Success,
        W::Failed,
        W::Error,
        W::Canceled,
        W::Unauthorized,
        W::NotRun,
        W::Running,
        W::Failing,
        W::OnHold,
        W::Queued,
        W::Unknown,
    ])
}

pub(in crate::deploy::decide) fn any_run() -> impl Strategy<Value = CiWorkflow> {
    let name = prop_oneof![
        6 => Just("deploy".to_owned()),
        2 => Just("smoke".to_owned()),
        2 => Just("lint".to_owned()),
        1 => Just(CiWorkflow::NO_NAME.to_owned()),
        1 => (0..20_u8).prop_map(|i| format!("{i}{}", "\u{1f680}".repeat(LONG - 2))),
    ];
    let setup = prop_oneof![4 => Just(false), 1 => Just(true)];
    let reruns = (prop::option::of(0..4_u32), prop::option::of(0..4_u32));
    (name, any_status(), 0..4_i64, setup, reruns, 0..6_u8).prop_map(
        |(name, status, created, is_setup, (number, most), id)| CiWorkflow {
            id: id.to_string(),
            is_setup,
            auto_rerun_number: number,
            max_auto_reruns: most,
            ..workflow(&name, created, status)
        },
    )
}

fn any_job() -> impl Strategy<Value = CiJob> {
    let status = prop::sample::select(vec![
        JobStatus::Success,
        JobStatus::Failed,
        JobStatus::NotRun,
        JobStatus::Canceled,
        JobStatus::Unauthorized,
        JobStatus::Open,
        JobStatus::Other,
    ]);
    let name = prop_oneof![
        2 => Just("deploy-prod".to_owned()),
        1 => Just("\u{1f680}".repeat(LONG)),
    ];
    (name, status, any::<bool>()).prop_map(|(name, status, is_build)| CiJob {
        name,
        status,
        is_build,
    })
}

pub(in crate::deploy::decide) fn any_state() -> impl Strategy<Value = PipelineState> {
    prop::sample::select(vec![
        PipelineState::Created,
        PipelineState::Created,
        PipelineState::Created,
        PipelineState::SetupPending,
        PipelineState::Setup,
        PipelineState::Pending,
        PipelineState::Errored,
        PipelineState::Unknown,
    ])
}

/// Any report, with the jobs of none, some or all of its runs.
pub(in crate::deploy::decide) fn any_report() -> impl Strategy<Value = RunReport> {
    let error = Just(PipelineError {
        kind: PipelineErrorKind::Config,
        message: "\u{1f680}".repeat(LONG_TEXT),
    });
    let errors = prop_oneof![
        6 => Just(vec![]),
        1 => prop::collection::vec(error, 1..30),
    ];
    let runs = prop_oneof![
        5 => prop::collection::vec(any_run(), 0..4),
        1 => prop::collection::vec(any_run(), 4..40),
    ];
    let jobs = prop::collection::vec(any_job(), 0..40);
    (any_state(), errors, runs, jobs, 0..3_u8, any::<bool>()).prop_map(
        |(state, errors, mut runs, jobs, read, details)| {
            for (i, run) in runs.iter_mut().enumerate() {
                run.id = i.to_string();
            }
            let read = runs.iter().enumerate().filter(|(i, _)| match read {
                0 => false,
                1 => i % 2 == 0,
                _ => true,
            });
            let jobs = read
                .map(|(_, run)| (run.id.clone(), jobs.clone()))
                .collect();
            let mut poll = poll(state, runs);
            if let Some(pipeline) = &mut poll.pipeline {
                pipeline.errors = errors;
                pipeline.revision = Some("f".repeat(40));
            }
            if !details {
                poll.pipeline = None;
            }
            RunReport {
                jobs,
                ..RunReport::from(poll)
            }
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let asked = prop_oneof![Just(None), any::<u64>().prop_map(|s| Some(secs(s)))];
    let quick = (0..400_u64).prop_map(|s| Some(secs(s)));
    let hours = -60..60_i64;
    prop_oneof![
        6 => any_report().prop_map(Happening::Report),
        3 => prop_oneof![asked, quick].prop_map(Happening::Failure),
        2 => Just(Happening::Webhook),
        2 => hours.prop_map(|hours| Happening::Clock(hours * 3_600 + 7)),
        1 => (0..100_i64).prop_map(Happening::Clock),
        1 => Just(Happening::Cancel),
    ]
}

/// A run that is followed through everything that happens, with what has to hold of it.
struct Followed {
    record: DeployRecord,
    config: Config,
    now: Time,
    /// The time as a monotonic clock shows it.
    elapsed: i64,
    /// Since when reads have failed, by that clock.
    failing_since: Option<i64>,
}

impl Followed {
    fn decide<T>(&self, f: impl Fn(&DeployRecord, Context<'_>) -> Decision<T>) -> T {
        f(&self.record, ctx(&self.config, &me(), 0, self.now)).unwrap()
    }

    fn write(&mut self, commit: Commit) {
        let record = commit.record;
        assert_eq!(record.version, self.record.version + 1);
        if !record.state.is_terminal() {
            let due = record.due_at.expect("a deploy in progress has a timer");
            let longest = match record.run.as_ref().map(|run| self.now - run.triggered_at) {
                Some(age) if age >= chrono::TimeDelta::days(1) => LONGEST_PAUSE,
                _ => Duration::from_mins(5).max(self.config.timeouts.poll_interval_max),
            };
            assert!(due <= self.now + longest, "{due} at {}", self.now);
        }
        let json = serde_json::to_string(&record).unwrap();
        // A third of what an item of DynamoDB may have, with every name and text as long as it can be.
        assert!(json.len() < 131_072, "{} bytes", json.len());
        self.record = record;
    }

    /// Waits for the timer, and reserves the read.
    fn reserve(&mut self) {
        if !self.record.is_due(self.now) {
            let due = self.record.due_at.unwrap();
            self.elapsed += (due - self.now).num_seconds();
            self.now = due;
        }
        let facts = ProjectFacts::default();
        let plan = self.decide(|r, ctx| Ok(reserve_read(r, &facts, ctx)));
        let ReadPlan::Now(commit) = plan else {
            panic!("there is no pause");
        };
        self.write(*commit);
    }

    fn report(&mut self, report: &RunReport) {
        self.reserve();
        self.failing_since = None;
        for writes in 0.. {
            let Some(commit) = self.decide(|r, ctx| after_poll(r, report, ctx)) else {
                break;
            };
            self.write(commit);
            assert!(writes < 6, "one report is written again and again");
        }
        assert!(
            self.record.state != LostTrack,
            "a poll that worked loses nothing"
        );
    }

    fn fail(&mut self, asked: Option<Duration>) {
        self.reserve();
        let since = *self.failing_since.get_or_insert(self.elapsed);
        let commit = self.decide(|r, ctx| after_failed_poll(r, "503", asked, ctx));
        if let Some(commit) = commit {
            self.write(commit);
        }
        if self.record.state == LostTrack {
            let timeout = self.config.timeouts.follow_timeout.as_secs();
            let failing = u64::try_from(self.elapsed - since).unwrap();
            assert!(failing >= timeout, "given up after {failing} s");
        }
    }

    fn happens(&mut self, what: &Happening) {
        match what {
            Happening::Clock(seconds) => {
                self.now += chrono::TimeDelta::seconds(*seconds);
                // A clock that goes back is not time that passes.
                self.elapsed += (*seconds).max(0);
            }
            Happening::Webhook => {
                if let Some(commit) = poll_now(&self.record, ctx(&self.config, &me(), 0, self.now))
                {
                    self.write(commit);
                }
            }
            Happening::Cancel if !self.record.state.is_terminal() => {
                let by = ActedBy::Operator {
                    name: "root".into(),
                };
                let cancel = CancelRequest { by, at: self.now };
                self.record.cancel.get_or_insert(cancel);
            }
            _ if self.record.due_at.is_none() => {}
            Happening::Report(report) => self.report(report),
            Happening::Failure(asked) => self.fail(*asked),
            Happening::Cancel => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_followed_run_keeps_its_timer_its_size_and_its_truth(
        all in prop::collection::vec(happening(), 1..40),
        must_run in any::<bool>(),
    ) {
        let mut record = record_in(Triggered);
        let intent = record.trigger_intent.as_mut().unwrap();
        intent.workflow = config::WorkflowSelector::Named(vec!["deploy".into(), "smoke".into()]);
        if must_run {
            intent.must_run = vec!["deploy-prod".into()];
        }
        let (now, elapsed) = (start(), 0);
        let mut followed = Followed { record, config: config(), now, elapsed, failing_since: None };
        for what in &all {
            let before = followed.record.state;
            followed.happens(what);
            let ends = !before.is_terminal() && followed.record.state.is_terminal();
            if ends {
                prop_assert!(matches!(what, Happening::Report(_) | Happening::Failure(_)));
            }
            if before.is_terminal() {
                prop_assert_eq!(followed.record.state, before);
            }
        }
    }

    #[test]
    fn only_an_unbroken_day_of_failures_loses_a_run(
        asked in prop::collection::vec(prop::option::of(any::<u64>()), 1..6),
        jumps in prop::collection::vec(-60..60_i64, 0..4),
    ) {
        let (record, now, elapsed) = (record_in(Running), start(), 0);
        let mut followed = Followed { record, config: config(), now, elapsed, failing_since: None };
        let mut jumps = jumps.into_iter();
        for i in 0..3_000 {
            if followed.record.state.is_terminal() {
                break;
            }
            if i % 100 == 99 && let Some(hours) = jumps.next() {
                followed.happens(&Happening::Clock(hours * 3_600));
            }
            followed.fail(asked[i % asked.len()].map(secs));
        }
        prop_assert_eq!(followed.record.state, LostTrack);
    }
}
