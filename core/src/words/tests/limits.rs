//! Every message against the limits, with foreign text at its worst and as much of it as there
//! can be.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::command::{HistoryFilter, Verb, Who};
use crate::decide::{self, Retryable};
use crate::deploy::{Ask, End, Pipeline};
use crate::fixtures::{ask, branch, job, pipeline, project, secs, start, target};
use crate::id::DeployRef;
use crate::policy::Refusal;
use crate::ports::{Lock, More, Page};

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

fn long_address(length: usize) -> Pipeline {
    let mut pipeline = pipeline(7);
    pipeline.url.set_path(&"x".repeat(length));
    pipeline
}

fn any_end() -> impl Strategy<Value = (State, Reason)> {
    let texts = || prop::collection::vec(nasty(), 0..30);
    prop_oneof![
        (any::<u16>(), nasty()).prop_map(|(status, message)| {
            let reason = Reason::TriggerRefused { status, message };
            (State::TriggerFailed, reason)
        }),
        (any::<u32>(), nasty()).prop_map(|(attempts, last)| {
            let reason = Reason::TriggerGaveUp { attempts, last };
            (State::TriggerFailed, reason)
        }),
        texts().prop_map(|messages| (State::CiErrored, Reason::ConfigErrors { messages })),
        (nasty(), 0..40_usize, 1..5_000_usize).prop_map(|(doubt, n, length)| {
            let candidates = vec![long_address(length); n];
            (State::Unresolved, Reason::Unproven { doubt, candidates })
        }),
        texts().prop_map(|names| {
            let decided_by = names.into_iter().map(|name| (name, "not_run".to_owned()));
            let decided_by = decided_by.collect();
            (State::NothingRan, Reason::Workflows { decided_by })
        }),
        nasty().prop_map(|name| {
            let by = By::Operator(name);
            (State::Canceled, Reason::CanceledBefore { by })
        }),
        any_refusal().prop_map(|refusal| (State::Refused, Reason::Refused(refusal))),
    ]
}

fn any_refusal() -> impl Strategy<Value = Refusal> {
    let word = || "[a-zA-Z0-9._]{1,100}".prop_filter("a name", |w| !w.starts_with('.'));
    (word(), word(), 0..400_usize, 0..7).prop_map(|(p, j, n, which)| {
        let (project, job) = (project(&p), job(&j));
        match which {
            0 => Refusal::NoProject {
                known: vec![project; n],
            },
            1 => Refusal::UnknownProject {
                known: vec![project.clone(); n],
                project,
            },
            2 => Refusal::UnknownJob {
                project,
                usable: vec![job.clone(); n],
                branch: branch(&"b".repeat(200)),
                job,
            },
            3 => Refusal::Channel {
                project,
                job,
                channel: channel(),
                allowed: vec![channel(); n],
            },
            4 => Refusal::Branch {
                project,
                job,
                branch: branch(&"b".repeat(200)),
                patterns: vec!["p*".repeat(500); n],
            },
            5 => Refusal::Busy {
                target: target(),
                holder: id(),
                short: id().short(16),
                user: other(),
                since: start(),
                until: (n % 2 == 0).then(start),
            },
            _ => Refusal::Person {
                project,
                job,
                user: user(),
            },
        }
    })
}

/// A deploy with names as long as they can be, in any state, with everything that can be said.
fn any_head() -> impl Strategy<Value = Head> {
    let open = prop::sample::select(vec![
        State::Requested,
        State::Armed,
        State::Triggered,
        State::Running,
    ]);
    let state = prop_oneof![
        any_end().prop_map(|(state, reason)| (state, Some(reason))),
        open.prop_map(|state| (state, None)),
    ];
    let times = (1..5_000_usize, 0..10_000_000_u64);
    (state, times, nasty(), nasty(), any::<[bool; 5]>()).prop_map(
        |((state, reason), (length, took), one, two, [a, b, c, d, e])| {
            let mut head = head_in(State::Running);
            head.short = id().short(16);
            head.ask = long_ask();
            head.state = state;
            head.last_obstacle = a.then(|| one.clone());
            if let Some(armed) = &mut head.armed {
                armed.doubt = b.then_some(one);
            }
            if let Some(run) = &mut head.run {
                run.pipeline = long_address(length);
                run.revision = Some(two.clone());
            }
            head.cancel = c.then_some(CancelWish {
                by: By::Operator(two),
                at: at(60),
            });
            head.retry_of = d.then(another);
            head.retried_by = e.then(another);
            let end = |reason| End {
                at: start() + secs(took),
                reason,
            };
            head.end = reason.map(end);
            head
        },
    )
}

fn long_ask() -> Ask {
    Ask {
        project: Some(project(&"p".repeat(100))),
        branch: branch(&"b".repeat(200)),
        job: job(&"j".repeat(100)),
        user: UserId::parse(&format!("U{}", "9".repeat(31))).unwrap(),
        ..ask()
    }
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
            writeln!(
                file,
                "channels = ['*']\npeople = ['*']\nbranches = ['{i}*']"
            )
            .unwrap();
        }
    }
    Config::parse(&file, "chatops.toml").unwrap()
}

/// What Slack documents or is known to refuse, and that nothing foreign is in its grammar.
fn check(post: &Post) {
    let json = post.to_json();
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert!((1..=2_400).contains(&chars(&json["text"])));
    check_text(json["text"].as_str().unwrap());
    let blocks = json["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        if block["type"] == "section" {
            let text = &block["text"]["text"];
            assert!((1..=2_400).contains(&chars(text)), "{text}");
            check_text(text.as_str().unwrap());
        } else {
            let button = &block["elements"][0];
            assert!((1..=75).contains(&chars(&button["text"]["text"])));
            assert!((1..=3_000).contains(&chars(&button["url"])));
        }
    }
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all < 13_000, "{all} characters");
}

/// Mentions, links and moments stand there only as we make them, and nothing is left open.
fn check_text(text: &str) {
    for (i, part) in text.split('<').enumerate().skip(1) {
        let (inner, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("open: {i} {text}"));
        let ours = ["@U", "#C", "!date^", "https://app.circleci.com/"];
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
fn a_post_at_all_of_its_limits() {
    let quotes = || Line::default().foreign(&"\"".repeat(9_000));
    let label: String = "\"".repeat(500);
    let post = Post {
        audience: Audience::Asker,
        headline: quotes(),
        rows: vec![quotes(); 1_000],
        details: vec![quotes(); 100],
        link: Some(Link {
            url: long_address(900).url,
            label: label.into(),
        }),
    };
    check(&post);
    let blocks = post.to_json()["blocks"].as_array().unwrap().len();
    // The headline, 20 rows of 420 and how many more, five details, the button.
    assert_eq!(blocks, 1 + 4 + 5 + 1);
    check(&Post {
        rows: vec![],
        ..post
    });
}

/// A list is never cut: its rows are built to fit.
fn check_rows(post: &Post) {
    for row in &post.rows {
        assert!(
            row.length() <= super::super::post::ROW,
            "{} in {row}",
            row.length()
        );
    }
}

proptest! {
    #[test]
    fn slack_takes_every_word_about_a_deploy(head in any_head(), repeat in any::<bool>(), who in nasty()) {
        let config = large(2, 1);
        check(&last(&head, repeat, &config));
        check(&progress(&head));
        check(&hold(&head));
        check(&status(&head, &config));
        check(&cancel_noted(&head, &By::Operator(who.clone())));
        check(&ended_before(&head));
        let by = By::Operator(who);
        check(&already_wished(&head, &CancelWish { by, at: at(1) }));
        for why in [
            Retryable::Yes,
            Retryable::Open,
            Retryable::Ran,
            Retryable::NeedsConfirm,
            Retryable::TooOld,
            Retryable::Retried,
        ] {
            check(&not_retried(&head, why, &config));
        }
        check(&accepted(&head.ask, &head.short));
        check(&checking(&head.ask, &head.short));
        check(&cannot_confirm(&head.ask, &head.short));
    }

    #[test]
    fn slack_takes_every_refusal(refusal in any_refusal()) {
        check(&cancel_denied(&head_in(State::Running), &refusal));
        check(&not_listened_to(&refusal));
    }

    #[test]
    fn slack_takes_every_list(
        deploys in prop::collection::vec(any_head(), 0..9),
        name in nasty(),
        full in any::<bool>(),
    ) {
        let deploys: Vec<_> = deploys.iter().cycle().take(deploys.len() * 3).cloned().collect();
        let more = Some(More {
            before: another().short(16),
            looked_back_to: start(),
            full,
        });
        let config = large(0, 0);
        let page = Page { deploys, more };
        let filter = HistoryFilter {
            user: Some(Who::Name(name.chars().take(80).collect())),
            branch: Some(branch(&"b".repeat(200))),
            job: Some(job(&"j".repeat(100))),
            project: Some(project(&"p".repeat(100))),
            ..HistoryFilter::default()
        };
        for post in [history(&filter, &page, &config), open_now(&page, &config), failed(&page, &config)] {
            check(&post);
            check_rows(&post);
        }
    }

    #[test]
    fn slack_takes_every_answer_to_a_text(text in nasty(), other in "[a-z:<`@]{1,80}") {
        let config = large(1, 1);
        for verb in Verb::ALL {
            for text in [&text, &other] {
                for text in [text.clone(), format!("{} {text}", verb.word())] {
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
        let holder = head_in(State::Running);
        let lock = Lock { deploy: holder.id, since: start(), until: held.then(start) };
        for ask in [ask(), Ask { user: other(), ..long_ask() }, Ask { branch: branch(&"b".repeat(200)), ..ask() }] {
            let plan = decide::plan(&config, ask);
            check(&super::super::plan(&plan, held.then_some((&lock, &holder)), &config));
        }
    }
}

#[test]
fn slack_takes_every_help() {
    for (projects, jobs) in [(0, 0), (1, 1), (3, 30), (60, 1), (30, 25)] {
        let config = large(projects, jobs);
        for topic in Verb::ALL.into_iter().map(Some).chain([None]) {
            check(&help(topic, &user(), &channel(), &config));
            check(&help(topic, &other(), &channel(), &config));
        }
    }
}

#[test]
fn slack_takes_a_noted_wish_and_an_unknown_deploy() {
    let full = DeployRef::parse(&id().to_string()).unwrap();
    check(&unknown_deploy(&full, &large(1, 1)));
    if let Ok(Command::Wish(wish)) = command::parse(&format!("cancel {full}")) {
        check(&noted(&wish));
    }
    check(&not_accepted());
    check(&not_slacks());
    check(&no_identity());
}
