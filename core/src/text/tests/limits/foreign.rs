//! The worst and longest that comes from outside: texts, names, ends, rejections, records and
//! configurations. Nothing is checked here.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::deploy::{CiPipeline, DeployEnd, Hold, Notice};
use crate::fixtures::{pipeline, secs, target};
use crate::parameters::Parameters;
use crate::ports::{PipelineError, PipelineErrorKind};
use crate::rejection::ParameterValues;

/// Marks of Slack's grammar, quotes, line breaks, wide characters.
pub(super) fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[<>&*_~`|\"\\\\:@#!;]{1,30}",
        "\\PC{0,40}",
        "[\\x00-\\x1f\\x7f\u{80}-\u{9f}]{1,4}",
        Just("<!channel>".to_owned()),
        Just("<@U0EVIL00>".to_owned()),
        Just("<https://evil.example|ok>".to_owned()),
        Just("&amp;&lt;".to_owned()),
        Just("\u{202e}evil\u{2066}\u{2028}".to_owned()),
        (1..4_000_usize).prop_map(|n| "\"".repeat(n)),
        (1..4_000_usize).prop_map(|n| "<".repeat(n)),
        (1..4_000_usize).prop_map(|n| "\u{1f680}".repeat(n)),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

pub(super) fn long_address(length: usize) -> CiPipeline {
    let mut pipeline = pipeline(7);
    pipeline.url.set_path(&"x".repeat(length));
    pipeline
}

fn any_end() -> impl Strategy<Value = (DeployState, EndReason)> {
    let texts = || prop::collection::vec(nasty(), 0..30);
    prop_oneof![
        (any::<u16>(), nasty()).prop_map(|(status, message)| {
            let reason = EndReason::TriggerRefused { status, message };
            (DeployState::TriggerFailed, reason)
        }),
        (any::<u32>(), nasty()).prop_map(|(attempts, last)| {
            let reason = EndReason::TriggerGivenUp {
                attempts,
                last_error: last,
            };
            (DeployState::TriggerFailed, reason)
        }),
        texts().prop_map(|messages| {
            let kind = PipelineErrorKind::Plan;
            let errors = messages.into_iter();
            let errors = errors.map(|message| PipelineError { kind, message });
            let errors = errors.collect();
            (DeployState::CiError, EndReason::PipelineErrors { errors })
        }),
        (nasty(), 0..40_usize, 1..5_000_usize).prop_map(|(because, n, length)| {
            let candidates = vec![long_address(length); n];
            let reason = EndReason::OutcomeUnknown {
                because,
                candidates,
            };
            (DeployState::Unresolved, reason)
        }),
        texts().prop_map(|names| {
            let named = names.into_iter().map(|name| (name, "not_run".to_owned()));
            let decided_by: Vec<_> = named.collect();
            let (beside, jobs) = (decided_by.clone(), decided_by.clone());
            let reason = EndReason::Workflows {
                decided_by,
                beside,
                jobs,
            };
            (DeployState::NothingRan, reason)
        }),
        (texts(), texts()).prop_map(|(wanted, names)| {
            let listed = names.into_iter().map(|name| (name, "success".to_owned()));
            let listed = listed.collect();
            (
                DeployState::NothingRan,
                EndReason::WorkflowMissing { wanted, listed },
            )
        }),
        nasty().prop_map(|error| (DeployState::LostTrack, EndReason::Unreadable { error })),
        nasty().prop_map(|name| {
            let by = ActedBy::Operator { name };
            (
                DeployState::Canceled,
                EndReason::CanceledBeforeWorkflow { by },
            )
        }),
        nasty().prop_map(|name| {
            let by = ActedBy::Operator { name };
            let reason = EndReason::CanceledBeforeTrigger { by };
            (DeployState::Canceled, reason)
        }),
        any_rejection()
            .prop_map(|rejection| (DeployState::Rejected, EndReason::Rejected(rejection))),
    ]
}

pub(super) fn any_rejection() -> impl Strategy<Value = Rejection> {
    let word = || "[a-zA-Z0-9._]{1,100}".prop_filter("a name", |w| !w.starts_with('.'));
    (word(), word(), 0..400_usize, 0..10).prop_map(|(p, j, n, which)| {
        let (project, job) = (project(&p), job(&j));
        match which {
            0 => Rejection::NoProject {
                known: vec![project; n],
            },
            1 => Rejection::UnknownProject {
                known: vec![project.clone(); n],
                project,
            },
            2 => Rejection::UnknownJob {
                project,
                usable: vec![job.clone(); n],
                git_ref: branch(&"b".repeat(200)),
                job,
            },
            3 => Rejection::Channel {
                project,
                job,
                channel: channel(),
                allowed: vec![channel(); n],
            },
            4 => Rejection::Branch {
                project,
                job,
                git_ref: branch(&"b".repeat(200)),
                patterns: vec!["p*".repeat(500); n],
            },
            5 => Rejection::UnknownParameter {
                project,
                job,
                name: "x".repeat(128),
                fixed: n % 2 == 0,
                known: vec!["n".repeat(128); n.min(100)],
            },
            6 => Rejection::MissingParameter {
                project,
                job,
                name: "x".repeat(128),
                accepts: Box::new(ParameterValues::Listed(vec!["v".repeat(512); n])),
            },
            7 => Rejection::Parameter {
                project,
                job,
                name: "x".repeat(128),
                value: "&".repeat(512),
                accepts: Box::new(ParameterValues::Matching("v*".repeat(500))),
            },
            8 => Rejection::Busy {
                target: target(),
                holder: id(),
                short_id: id().short_id(16),
                user: other(),
                held_by: Some(Box::new(crate::rejection::TargetHolder {
                    requester: qualify(other()).into(),
                    git_ref: crate::fixtures::branch("release/2"),
                    build: Some(crate::fixtures::pipeline(7).url),
                })),
                since: start(),
                until: (n % 2 == 0).then(start),
                unlockable: n % 3 == 0,
            },
            _ => Rejection::User {
                project,
                job,
                user: user(),
            },
        }
    })
}

/// A deploy with the longest names, in any state, with everything that a message can show.
pub(super) fn any_record() -> impl Strategy<Value = DeployRecord> {
    let open = prop::sample::select(vec![
        DeployState::Requested,
        DeployState::Triggering,
        DeployState::Triggered,
        DeployState::Running,
    ]);
    let state = prop_oneof![
        any_end().prop_map(|(state, reason)| (state, Some(reason))),
        open.prop_map(|state| (state, None)),
    ];
    let times = (1..5_000_usize, 0..10_000_000_u64);
    (state, times, nasty(), nasty(), nasty(), any::<[bool; 5]>()).prop_map(
        |((state, reason), (length, took), one, two, name, [a, b, c, d, e])| {
            let mut record = record_in(DeployState::Running);
            record.short_id = id().short_id(16);
            record.request = long_request();
            record.request.user_name = Some(name);
            record.state = state;
            let one_hold = one.clone();
            record.last_error = a.then(|| one.clone());
            if let Some(intent) = &mut record.trigger_intent {
                intent.unknown_because = b.then_some(one);
            }
            if let Some(run) = &mut record.run {
                run.pipeline = long_address(length);
                run.revision = Some(two.clone());
            }
            record.holds = [&one_hold, &two]
                .map(|job| Hold {
                    workflow: "w".to_owned(),
                    job: Some(job.clone()),
                    waits: d,
                })
                .into();
            record.cancel = c.then_some(CancelRequest {
                by: ActedBy::Operator { name: two },
                at: at(60),
            });
            record.retry_of = d.then(another);
            record.retried_by = e.then(another);
            let end = |reason| DeployEnd {
                at: start() + secs(took),
                reason,
            };
            record.end = reason.map(end);
            record
        },
    )
}

/// As much as fits into a command, escaped.
fn long_parameters() -> Parameters {
    let mut parameters = Parameters::default();
    for name in ["a", "b", "c", "d"] {
        assert!(parameters.add(name, &"&".repeat(240)));
    }
    parameters
}

pub(super) fn long_request() -> DeployRequest {
    DeployRequest {
        project: Some(project(&"p".repeat(100))),
        git_ref: branch(&"b".repeat(200)),
        job: job(&"j".repeat(100)),
        parameters: long_parameters(),
        user: UserId::parse(&format!("U{}", "9".repeat(31))).unwrap(),
        ..request()
    }
}

/// A notice of each kind, with that text.
pub(super) fn every_notice(text: &str, by: ActedBy) -> [Notice; 6] {
    let text = || text.to_owned();
    [
        Notice::TriggerDelayed { error: text() },
        Notice::Unreadable { error: text() },
        Notice::NothingStarted,
        Notice::MayRerun { workflow: text() },
        Notice::AfterEnd {
            workflows: vec![(text(), text()); 30],
        },
        Notice::Unlocked { by },
    ]
}

/// That many projects, each with a long name and a long job, under the longest command.
pub(super) fn large(projects: usize, jobs: usize) -> Config {
    named(projects, jobs, 90)
}

/// The same with names of this length.
pub(super) fn named(projects: usize, jobs: usize, length: usize) -> Config {
    let command = format!("/{}", "c".repeat(31));
    let mut file = CONFIG.replace("[slack]", &format!("[slack]\ncommand = '{command}'"));
    for i in 0..projects {
        let name = format!("{}{i}", "p".repeat(length));
        writeln!(
            file,
            "[projects.{name}]\nslug = 'gh/a/b'\naliases = ['a{i}']"
        )
        .unwrap();
        for k in 0..jobs {
            writeln!(file, "[projects.{name}.jobs.{}{k}]", "j".repeat(length)).unwrap();
            writeln!(file, "channels = ['*']\nusers = ['*']\nbranches = ['{i}*']").unwrap();
        }
    }
    Config::parse(&file, "chatops.toml").unwrap()
}
