//! Every message against the limits, with the worst and longest foreign text.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::Value;
use strum::VariantArray;

use super::*;
use crate::command::{HistoryFilter, UserFilter, Verb};
use crate::deploy::Notice;
use crate::deploy::decide::{self, RetryDecision};
use crate::deploy::{CiPipeline, DeployEnd, DeployRequest};
use crate::fixtures::{
    branch, job, pipeline, project, qualified_channel, qualified_user, qualify, request, secs,
    start, target,
};
use crate::id::DeployRef;
use crate::policy::Rejection;
use crate::ports::{DeployPage, PageEnd, PipelineError, PipelineErrorKind, TargetLock};

/// Marks of Slack's grammar, quotes, line breaks, wide characters.
fn nasty() -> impl Strategy<Value = String> {
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

fn long_address(length: usize) -> CiPipeline {
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
            let by = ActedBy::Operator(name);
            (
                DeployState::Canceled,
                EndReason::CanceledBeforeWorkflow { by },
            )
        }),
        nasty().prop_map(|name| {
            let by = ActedBy::Operator(name);
            let reason = EndReason::CanceledBeforeTrigger { by };
            (DeployState::Canceled, reason)
        }),
        any_rejection()
            .prop_map(|rejection| (DeployState::Rejected, EndReason::Rejected(rejection))),
    ]
}

fn any_rejection() -> impl Strategy<Value = Rejection> {
    let word = || "[a-zA-Z0-9._]{1,100}".prop_filter("a name", |w| !w.starts_with('.'));
    (word(), word(), 0..400_usize, 0..7).prop_map(|(p, j, n, which)| {
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
                branch: branch(&"b".repeat(200)),
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
                branch: branch(&"b".repeat(200)),
                patterns: vec!["p*".repeat(500); n],
            },
            5 => Rejection::Busy {
                target: target(),
                holder: id(),
                short_id: id().short_id(16),
                user: other(),
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
fn any_record() -> impl Strategy<Value = DeployRecord> {
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
    (state, times, nasty(), nasty(), any::<[bool; 5]>()).prop_map(
        |((state, reason), (length, took), one, two, [a, b, c, d, e])| {
            let mut record = record_in(DeployState::Running);
            record.short_id = id().short_id(16);
            record.request = long_request();
            record.state = state;
            record.last_error = a.then(|| one.clone());
            if let Some(intent) = &mut record.trigger_intent {
                intent.unknown_because = b.then_some(one);
            }
            if let Some(run) = &mut record.run {
                run.pipeline = long_address(length);
                run.revision = Some(two.clone());
            }
            record.cancel = c.then_some(CancelRequest {
                by: ActedBy::Operator(two),
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

fn long_request() -> DeployRequest {
    DeployRequest {
        project: Some(project(&"p".repeat(100))),
        branch: branch(&"b".repeat(200)),
        job: job(&"j".repeat(100)),
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
fn large(projects: usize, jobs: usize) -> Config {
    let command = format!("/{}", "c".repeat(31));
    let mut file = CONFIG.replace("[slack]", &format!("[slack]\ncommand = '{command}'"));
    for i in 0..projects {
        let name = format!("{}{i}", "p".repeat(90));
        writeln!(
            file,
            "[projects.{name}]\nslug = 'gh/a/b'\naliases = ['a{i}']"
        )
        .unwrap();
        for k in 0..jobs {
            writeln!(file, "[projects.{name}.jobs.{}{k}]", "j".repeat(90)).unwrap();
            writeln!(file, "channels = ['*']\nusers = ['*']\nbranches = ['{i}*']").unwrap();
        }
    }
    Config::parse(&file, "chatops.toml").unwrap()
}

/// Checks what Slack documents or is known to reject, and that foreign text has no markup.
fn check(message: &SlackMessage) {
    let json = message.to_json();
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert!((1..=2_400).contains(&chars(&json["text"])));
    check_text(json["text"].as_str().unwrap());
    let blocks = json["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    assert!((1..=255).contains(&chars(&blocks[0]["block_id"])));
    for block in blocks {
        if block["type"] == "section" {
            let text = &block["text"]["text"];
            assert!((1..=2_400).contains(&chars(text)), "{text}");
            check_text(text.as_str().unwrap());
        } else {
            panic!("{block}");
        }
    }
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all < 13_000, "{all} characters");
}

/// Mentions, links and moments are only those of this program, and all are closed.
fn check_text(text: &str) {
    for (i, part) in text.split('<').enumerate().skip(1) {
        let (inner, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("open: {i} {text}"));
        let commit = "https://github.com/acme/web/commit/";
        let ours = ["@U", "#C", "!date^", "https://app.circleci.com/", commit];
        assert!(ours.iter().any(|start| inner.starts_with(start)), "{inner}");
        assert!(!inner.contains("EVIL"), "{inner}");
    }
    let closed = text.matches('>').count();
    assert_eq!(closed, text.matches('<').count(), "{text}");
    for (at, _) in text.match_indices('&') {
        let entity = ["&amp;", "&lt;", "&gt;"];
        assert!(entity.iter().any(|e| text[at..].starts_with(e)), "{text}");
    }
    // A row may be cut within a code span, which then ends there.
    for row in text.lines() {
        assert_eq!(row.matches('`').count() % 2, 0, "{row}");
    }
}

#[test]
fn a_message_at_all_of_its_limits() {
    let quotes = || Mrkdwn::default().escaped(&"\"".repeat(9_000));
    let label: String = "\"".repeat(500);
    let longest = MessageMark {
        deploy: Some(id()),
        repeat: true,
        ..MessageKind::NotAccepted.into()
    };
    let message = SlackMessage {
        mark: longest,
        audience: Audience::Requester,
        headline: quotes(),
        rows: vec![quotes(); 1_000],
        details: vec![quotes(); 100],
        link: Some(MessageLink {
            url: long_address(900).url,
            label: label.into(),
        }),
    };
    check(&message);
    let blocks = message.to_json()["blocks"].as_array().unwrap().len();
    // The headline, 20 rows of 420 and how many more, five details, the button.
    assert_eq!(blocks, 1 + 4 + 5 + 1);
    check(&SlackMessage {
        rows: vec![],
        ..message
    });
}

/// A list is never cut: its rows are built to fit.
fn check_rows(message: &SlackMessage) {
    for row in &message.rows {
        let length = row.length();
        assert!(length <= slack_message::MAX_ROW, "{length} in {row}");
    }
}

proptest! {
    #[test]
    fn slack_takes_every_message_about_a_deploy(record in any_record(), repeat in any::<bool>(), who in nasty()) {
        let config = large(2, 1);
        check(&final_status(&record, repeat, &config));
        check(&deploy_running(&record));
        check(&waiting_for_approval(&record));
        check(&deploy_status(&record, None, &config));
        check(&deploy_notice(&record, &config));
        let by = ActedBy::Operator(who.clone());
        for notice in every_notice(&who, by) {
            let notice = Some(notice);
            check(&deploy_notice(&DeployRecord { notice, ..record.clone() }, &config));
        }
        check(&cancel_requested(&record, &ActedBy::Operator(who.clone())));
        check(&already_ended(&record));
        let by = ActedBy::Operator(who);
        check(&already_canceling(&record, &CancelRequest { by, at: at(1) }));
        for why in [
            RetryDecision::Yes,
            RetryDecision::InProgress,
            RetryDecision::HasRun,
            RetryDecision::NeedsConfirm,
            RetryDecision::TooOld,
            RetryDecision::Retried,
        ] {
            check(&not_retried(&record, &why, &config));
        }
        check(&deploy_accepted(&record.request, record.id));
        check(&deploy_unconfirmed(&record.request, record.id));
    }

    #[test]
    fn slack_takes_every_rejection(rejection in any_rejection()) {
        check(&cancel_denied(&record_in(DeployState::Running), &rejection));
        check(&team_not_allowed(&rejection));
        check(&deploy_refused(&rejection, &long_request(), id(), &config()));
    }

    #[test]
    fn slack_takes_every_list(
        deploys in prop::collection::vec(any_record(), 0..9),
        name in nasty(),
        full in any::<bool>(),
    ) {
        let deploys: Vec<_> = deploys.iter().cycle().take(deploys.len() * 3).cloned().collect();
        let more = Some(PageEnd {
            before: another().short_id(16),
            read_back_to: start(),
            full,
        });
        let config = large(0, 0);
        let page = DeployPage { deploys, more };
        let filter = HistoryFilter {
            user: Some(UserFilter::Name(name.chars().take(80).collect())),
            branch: Some(branch(&"b".repeat(200))),
            job: Some(job(&"j".repeat(100))),
            project: Some(project(&"p".repeat(100))),
            ..HistoryFilter::default()
        };
        for message in [deploy_history(&filter, &page, &config), in_progress(&page, &config), awaiting_retry(&page, &config)] {
            check(&message);
            check_rows(&message);
        }
    }

    #[test]
    fn slack_takes_every_answer_to_a_text(text in nasty(), other in "[a-z:<`@]{1,80}") {
        let config = large(1, 1);
        for verb in Verb::VARIANTS {
            for text in [&text, &other] {
                for text in [text.clone(), format!("{} {text}", verb.as_str())] {
                    if let Err(error) = command::parse(&text) {
                        check(&bad_command(&error, &config));
                    }
                }
            }
        }
        for front in ["deploy", "deploy main", "histroy"] {
            if let Err(error) = command::parse(&format!("{front} {text} main")) {
                check(&bad_command(&error, &config));
            }
        }
    }

    #[test]
    fn slack_takes_every_plan(value in nasty(), n in 0..98_usize, held in any::<bool>()) {
        let value: String = value.chars().take(512).collect();
        let mut config = config();
        let web = config.projects.get_mut(&project("web")).unwrap();
        let parameters = &mut web.jobs.get_mut(&job("deploy")).unwrap().trigger.parameters;
        for i in 0..n {
            parameters.insert(format!("{}{i}", "n".repeat(120)), Value::from(value.as_str()));
        }
        let holder = record_in(DeployState::Running);
        let lock = TargetLock { deploy: holder.id, since: start(), until: held.then(start) };
        for ask in [request(), DeployRequest { user: other(), ..long_request() }, DeployRequest { branch: branch(&"b".repeat(200)), ..request() }] {
            let plan = decide::plan_deploy(&config, ask);
            check(&super::super::plan_report(&plan, held.then_some((&lock, &holder)), &config));
        }
    }
}

#[test]
fn slack_takes_every_help() {
    for (projects, jobs) in [(0, 0), (1, 1), (3, 30), (60, 1), (30, 25)] {
        let config = large(projects, jobs);
        for topic in Verb::VARIANTS.iter().copied().map(Some).chain([None]) {
            check(&help_message(
                topic,
                &qualified_user(),
                &qualified_channel(),
                &config,
            ));
            check(&help_message(
                topic,
                &qualify(other()),
                &qualified_channel(),
                &config,
            ));
        }
    }
}

#[test]
fn slack_takes_an_accepted_action_and_an_unknown_deploy() {
    let full = DeployRef::parse(&id().to_string()).unwrap();
    check(&unknown_deploy(&full, &large(1, 1)));
    if let Ok(ChatCommand::Action(action)) = command::parse(&format!("cancel {full}")) {
        check(&action_accepted(&action));
    }
    check(&not_accepted());
    check(&invalid_response_url());
    check(&no_request_id());
}
