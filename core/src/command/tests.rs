//! What is a command and what is not.

use proptest::prelude::*;

use super::*;
use crate::id::ShortId;

fn read(text: &str) -> (Option<String>, String, String) {
    match parse(text) {
        Ok(Command::Deploy(d) | Command::Ask(Question::Plan(d))) => (
            d.project.map(String::from),
            d.branch.to_string(),
            d.job.to_string(),
        ),
        other => panic!("{text}: {other:?}"),
    }
}

fn a_deploy() -> DeployRef {
    DeployRef::Short(ShortId::parse("1a2b3c4d").unwrap())
}

fn wrong(text: &str) -> GrammarError {
    parse(text).unwrap_err()
}

#[test]
fn the_original_form() {
    assert_eq!(read("main deploy"), (None, "main".into(), "deploy".into()));
    assert_eq!(
        read("  feature/x   build "),
        (None, "feature/x".into(), "build".into())
    );
}

#[test]
fn the_long_form() {
    for verb in ["deploy", "plan"] {
        let read = |rest: &str| read(&format!("{verb} {rest}"));
        assert_eq!(read("main deploy"), (None, "main".into(), "deploy".into()));
        assert_eq!(
            read("status deploy"),
            (None, "status".into(), "deploy".into())
        );
        assert_eq!(
            read("web main e2e"),
            (Some("web".into()), "main".into(), "e2e".into())
        );
    }
}

#[test]
fn questions() {
    let ask = |text| match parse(text) {
        Ok(Command::Ask(question)) => question,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(ask("status"), Question::Open);
    assert_eq!(
        ask("status 1A2B3C4D"),
        Question::Status { deploy: a_deploy() }
    );
    assert_eq!(ask("history"), Question::History(HistoryFilter::default()));
    assert!(matches!(ask("history user:me limit:3"), Question::History(f) if f.limit == Some(3)));
    assert_eq!(ask("failed"), Question::Failed { before: None });
    assert_eq!(
        ask("failed before:1a2b3c4d"),
        Question::Failed {
            before: Some(a_deploy())
        }
    );
}

#[test]
fn wishes() {
    let retry = |confirm| {
        Ok(Command::Wish(Wish::Retry {
            deploy: a_deploy(),
            confirm,
            force: false,
        }))
    };
    assert_eq!(parse("retry `1a2b3c4d`"), retry(false));
    assert_eq!(parse("retry 1a2b3c4d confirm"), retry(true));
    let cancel = Wish::Cancel { deploy: a_deploy() };
    assert_eq!(parse("cancel 1a2b3c4d"), Ok(Command::Wish(cancel)));
}

#[test]
fn help_is_the_answer_to_nothing() {
    assert_eq!(parse(""), Ok(Command::Help(None)));
    assert_eq!(parse(" help "), Ok(Command::Help(None)));
    for verb in Verb::ALL {
        let text = format!("help {}", verb.word());
        assert_eq!(parse(&text), Ok(Command::Help(Some(verb))));
    }
}

#[test]
fn too_few_and_too_many_words() {
    let count = |verb, given| GrammarError::WordCount {
        verb,
        given,
        three: None,
    };
    assert_eq!(wrong("main"), count(None, 1));
    assert_eq!(wrong("deploy"), count(Some(Verb::Deploy), 0));
    assert_eq!(wrong("plan a"), count(Some(Verb::Plan), 1));
    assert_eq!(wrong("a b c d"), count(None, 4));
    assert_eq!(wrong("deploy a b c d"), count(Some(Verb::Deploy), 4));
    let GrammarError::WordCount { three, .. } = wrong("web main deploy") else {
        panic!("three words are not the short form");
    };
    assert_eq!(three.unwrap().project.unwrap().as_str(), "web");
}

#[test]
fn a_slip_in_the_command_is_named() {
    let meant = |text| match wrong(text) {
        GrammarError::WordCount { verb, .. } => verb,
        other => panic!("{text}: {other:?}"),
    };
    for (text, verb) in [
        ("statsu", Verb::Status),
        ("faield", Verb::Failed),
        ("histroy user:me", Verb::History),
        ("histroy user:me since:7d", Verb::History),
        ("statsu `1a2b3c4d`", Verb::Status),
        ("retyr 1a2b3c4d confirm", Verb::Retry),
        ("deplyo web main e2e", Verb::Deploy),
        // A phone makes the first letter a capital.
        ("Status", Verb::Status),
        ("Retry", Verb::Retry),
        ("Plan main deploy", Verb::Plan),
        ("Cancel `1a2b3c4d`", Verb::Cancel),
        ("History since:7d", Verb::History),
    ] {
        assert_eq!(meant(text), Some(verb), "{text}");
    }
    // Alone, these are branches without a job: the command would need more words.
    for text in ["plans", "deploys", "cancels", "retro", "story", "a b c d"] {
        assert_eq!(meant(text), None, "{text}");
    }
    // Three words may be a slip or a project of that name; whoever knows the projects decides.
    let GrammarError::WordCount { three, verb, .. } = wrong("plans main deploy") else {
        panic!("three words are not the short form");
    };
    assert_eq!(verb, Some(Verb::Plan));
    assert_eq!(three.unwrap().project.unwrap().as_str(), "plans");
    // Two words that can be a branch and a job are that, whatever the branch is like.
    assert_eq!(
        read("plans deploy"),
        (None, "plans".into(), "deploy".into())
    );
    assert_eq!(
        read("Status 1a2b3c4d"),
        (None, "Status".into(), "1a2b3c4d".into())
    );
    // Where neither would read, it is about the branch and the job.
    assert!(matches!(
        wrong("plans a$(id)"),
        GrammarError::Word {
            place: Place::Job,
            ..
        }
    ));
}

#[test]
fn what_stands_between_the_words_does_not_matter() {
    let expected = (None, "main".into(), "deploy".into());
    assert_eq!(read("main\u{a0}deploy"), expected);
    assert_eq!(read("\u{3000}main\tdeploy\n"), expected);
    assert_eq!(wrong(&"é".repeat(LONGEST / 2 + 1)), GrammarError::TooLong);
    let cut = wrong(&format!("main {}", "é".repeat(100)));
    assert!(matches!(cut, GrammarError::Word { word, .. } if word == "é".repeat(60)));
}

#[test]
fn what_does_not_fit_says_where() {
    assert!(matches!(
        wrong("a$(id) deploy"),
        GrammarError::Word {
            place: Place::Branch,
            ..
        }
    ));
    assert!(matches!(
        wrong("main <b>"),
        GrammarError::Word {
            place: Place::Job,
            ..
        }
    ));
    assert_eq!(wrong(&"x".repeat(LONGEST + 1)), GrammarError::TooLong);
    let id = |verb, given: Option<&str>| GrammarError::Id {
        verb,
        given: given.map(str::to_owned),
    };
    assert_eq!(wrong("retry"), id(Verb::Retry, None));
    assert_eq!(wrong("cancel main"), id(Verb::Cancel, Some("main")));
    assert_eq!(wrong("status deploy"), id(Verb::Status, Some("deploy")));
    let extra = |verb, word: &str| GrammarError::Extra {
        verb,
        word: word.to_owned(),
    };
    assert_eq!(
        wrong("retry 1a2b3c4d confrim"),
        extra(Verb::Retry, "confrim")
    );
    assert_eq!(wrong("cancel 1a2b3c4d x"), extra(Verb::Cancel, "x"));
    assert_eq!(wrong("failed today"), extra(Verb::Failed, "today"));
    assert_eq!(wrong("failed before:1a2b3c4d x"), extra(Verb::Failed, "x"));
    assert_eq!(wrong("failed before:"), id(Verb::Failed, None));
    assert_eq!(wrong("failed before: 1a2b3c4d"), id(Verb::Failed, None));
    assert_eq!(wrong("failed before:x"), id(Verb::Failed, Some("x")));
    assert_eq!(wrong("help retry now"), extra(Verb::Help, "now"));
    assert_eq!(wrong("help me"), GrammarError::Topic { word: "me".into() });
    assert!(matches!(
        wrong("history main"),
        GrammarError::Filter(FilterError::Bare { .. })
    ));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(deploy |plan |status |history |failed |retry |cancel |help )?\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_accepted_is_harmless(text in "[ -~]{0,60}") {
        if let Ok(Command::Deploy(d)) = parse(&text) {
            let safe = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            prop_assert!(d.branch.as_str().chars().all(safe));
            prop_assert!(!d.branch.as_str().starts_with('-'));
        }
    }
}
