//! What is a command and what is not.

use proptest::prelude::*;
use strum::VariantArray;

use super::*;
use crate::id::ShortId;

/// `<branch> <job>`, behind `<project>: ` if one was named.
fn parsed_deploy(text: &str) -> String {
    match parse(text) {
        Ok(ChatCommand::Deploy(d) | ChatCommand::Query(Query::Plan(d))) => {
            let project = d.project.map(|name| format!("{name}: "));
            format!(
                "{}{} {}{}",
                project.unwrap_or_default(),
                d.git_ref,
                d.job,
                d.parameters
            )
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn a_deploy() -> DeployRef {
    DeployRef::Short(ShortId::parse("1a2b3c4d").unwrap())
}

fn error_of(text: &str) -> GrammarError {
    parse(text).unwrap_err()
}

fn wrong_name(text: &str) -> NameKind {
    match error_of(text) {
        GrammarError::InvalidName { kind, .. } => kind,
        other => panic!("{text}: {other:?}"),
    }
}

/// The command that was given or misspelled, and the project of three words.
fn counted(text: &str) -> (Option<Verb>, Option<String>) {
    match error_of(text) {
        GrammarError::WordCount {
            verb, as_deploy, ..
        } => {
            let project = as_deploy.and_then(|words| words.project);
            (verb, project.map(String::from))
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_original_form() {
    assert_eq!(parsed_deploy("main deploy"), "main deploy");
    assert_eq!(parsed_deploy("  feature/x   build "), "feature/x build");
}

#[test]
fn a_tag_stands_where_a_branch_does() {
    for text in [
        "tag:v1.2 deploy",
        "TAG:v1.2 deploy",
        "deploy tag:v1.2 deploy",
        "`tag\u{ff1a}v1.2` deploy",
    ] {
        assert_eq!(parsed_deploy(text), "tag:v1.2 deploy");
    }
    assert_eq!(
        parsed_deploy("plan web tag:V1/x+y deploy"),
        "web: tag:V1/x+y deploy"
    );
    assert_eq!(wrong_name("tag: deploy"), NameKind::Tag);
    assert_eq!(wrong_name("tag:a..b deploy"), NameKind::Tag);
    assert_eq!(wrong_name("tags:v1 deploy"), NameKind::Branch);
}

#[test]
fn parameters_stand_behind_the_job() {
    for (typed, read) in [
        ("main deploy version=v1.2", "main deploy version=v1.2"),
        ("deploy web main deploy b=2 a=1", "web: main deploy a=1 b=2"),
        ("plan tag:v1 deploy x=", "tag:v1 deploy x="),
        // A sign of the value, and the quotes of a keyboard.
        ("main deploy url=a?b=c", "main deploy url=a?b=c"),
        (
            "main deploy \u{201c}version=v1\u{201d}",
            "main deploy version=v1",
        ),
        (
            "main deploy version=\u{201c}v1\u{201d}",
            "main deploy version=v1",
        ),
        (
            "main deploy \"version\u{ff1d}v1\"",
            "main deploy version=v1",
        ),
        ("main deploy --version=V1", "main deploy --version=V1"),
    ] {
        assert_eq!(parsed_deploy(typed), read);
    }
    let twice = |text| matches!(error_of(text), GrammarError::DuplicateParameter { .. });
    assert!(twice("main deploy a=1 a=1") && twice("main deploy a=1 A=2"));
    let invalid = |value: &str| {
        let error = error_of(&format!("main deploy a={value}"));
        matches!(error, GrammarError::InvalidParameter { .. })
    };
    assert!(invalid("\u{7}") && invalid(&"x".repeat(513)));
    assert_eq!(wrong_name("https://x/y?a=b deploy"), NameKind::Branch);
    let project = counted("web main deploy a=1").1;
    assert_eq!(project.as_deref(), Some("web"));
    assert_eq!(counted("deploy a=1").0, Some(Verb::Deploy));
    assert_eq!(wrong_name("--upload-pack=x deploy"), NameKind::Branch);
    assert_eq!(wrong_name("main version=v1"), NameKind::Job);
}

#[test]
fn the_long_form() {
    for verb in ["deploy", "plan"] {
        let read = |rest: &str| parsed_deploy(&format!("{verb} {rest}"));
        assert_eq!(read("main deploy"), "main deploy");
        assert_eq!(read("status deploy"), "status deploy");
        assert_eq!(read("web main e2e"), "web: main e2e");
    }
}

#[test]
fn queries() {
    let ask = |text| match parse(text) {
        Ok(ChatCommand::Query(query)) => query,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(ask("status"), Query::InProgress);
    assert_eq!(ask("status 1A2B3C4D"), Query::Status { deploy: a_deploy() });
    assert_eq!(ask("show 1a2b3c4d"), Query::Status { deploy: a_deploy() });
    assert_eq!(ask("history"), Query::History(HistoryFilter::default()));
    assert!(matches!(ask("history user:me limit:3"), Query::History(f) if f.limit == Some(3)));
    assert_eq!(ask("failed"), Query::Failed { before: None });
    let before = Some(a_deploy());
    assert_eq!(ask("failed before:1a2b3c4d"), Query::Failed { before });
}

#[test]
fn actions() {
    let retry = |confirm| {
        Ok(ChatCommand::Action(DeployAction::Retry {
            deploy: a_deploy(),
            confirm,
            force: false,
        }))
    };
    assert_eq!(parse("retry `1a2b3c4d`"), retry(false));
    assert_eq!(parse("retry 1a2b3c4d confirm"), retry(true));
    let cancel = DeployAction::Cancel { deploy: a_deploy() };
    assert_eq!(parse("cancel 1a2b3c4d"), Ok(ChatCommand::Action(cancel)));
}

#[test]
fn help_is_the_answer_to_nothing() {
    assert_eq!(parse(""), Ok(ChatCommand::Form));
    assert_eq!(parse(" help "), Ok(ChatCommand::Help(None)));
    for verb in Verb::VARIANTS {
        let text = format!("help {}", verb.as_str());
        assert_eq!(parse(&text), Ok(ChatCommand::Help(Some(*verb))));
    }
}

#[test]
fn too_few_and_too_many_words() {
    let count = |verb, given| GrammarError::WordCount {
        verb,
        given,
        as_deploy: None,
    };
    assert_eq!(error_of("main"), count(None, 1));
    assert_eq!(error_of("deploy"), count(Some(Verb::Deploy), 0));
    assert_eq!(error_of("plan a"), count(Some(Verb::Plan), 1));
    assert_eq!(error_of("a b c d"), count(None, 4));
    assert_eq!(error_of("deploy a b c d"), count(Some(Verb::Deploy), 4));
    assert_eq!(counted("web main deploy"), (None, Some("web".into())));
}

#[test]
fn a_misspelled_command_is_named() {
    for (text, verb) in [
        ("statsu", Verb::Status),
        ("faield", Verb::Failed),
        ("histroy user:me", Verb::History),
        ("histroy user:me since:7d", Verb::History),
        ("retyr 1a2b3c4d confirm", Verb::Retry),
        ("deplyo web main e2e", Verb::Deploy),
    ] {
        assert_eq!(counted(text).0, Some(verb), "{text}");
    }
    // Alone, these are branches without a job: the command would need more words.
    for text in ["plans", "deploys", "cancels", "retro", "story", "a b c d"] {
        assert_eq!(counted(text).0, None, "{text}");
    }
    // Three words may begin with a misspelled command or a project; the projects decide.
    let words = counted("plans main deploy");
    assert_eq!(words, (Some(Verb::Plan), Some("plans".into())));
    // Two words that can be a branch and a job are that, whatever the branch is like.
    assert_eq!(parsed_deploy("plans deploy"), "plans deploy");
    assert_eq!(parsed_deploy("statsu `1a2b3c4d`"), "statsu 1a2b3c4d");
    // If neither is possible, the error is about the branch and the job.
    assert_eq!(wrong_name("plans a$(id)"), NameKind::Job);
}

#[test]
fn verbs_and_their_words_are_read_in_any_case() {
    // A phone makes the first letter a capital, a keyboard for Japanese makes all of them wide.
    for (typed, read) in [
        ("Status", "status"),
        ("RETRY 1A2B3C4D Confirm", "retry 1a2b3c4d confirm"),
        ("Plan Main deploy", "plan Main deploy"),
        ("Failed Before:1a2b3c4d", "failed before:1a2b3c4d"),
        ("\u{ff48}\u{ff45}\u{ff4c}\u{ff50}", "help"),
        ("?", "help"),
        ("Help Retry", "help retry"),
        (
            "History Since:TODAY Status:Success USER:Me",
            "history since:today status:succeeded user:me",
        ),
        (
            "history user\u{ff1a}me env:\"production\"",
            "history user:me env:production",
        ),
        ("last 5", "history limit:5"),
        ("Last 5", "history limit:5"),
        ("history All", "history all"),
        ("retry 1a2b3c4d.", "retry 1a2b3c4d"),
        ("cancel (1a2b3c4d): confirm", "cancel (1a2b3c4d): confirm"),
        ("status \u{201c}1a2b3c4d\u{201d}:", "status 1a2b3c4d"),
    ] {
        assert_eq!(parse(typed), parse(read), "{typed}");
    }
    // A branch stays as it is typed.
    assert_eq!(parsed_deploy("`Main deploy`"), "Main deploy");
    assert_eq!(parsed_deploy("last deploy"), "last deploy");
}

#[test]
fn a_pasted_command_may_begin_with_its_own_name() {
    let pasted = |text| parse_pasted(text, "/chatops");
    for text in [
        "/chatops status",
        "`/chatops status`",
        "/ChatOps /chatops status",
        "status",
    ] {
        assert_eq!(pasted(text), parse("status"), "{text}");
    }
    assert_eq!(pasted("/chatops"), Ok(ChatCommand::Form));
    // The command of another tool is none of this one's.
    assert!(pasted("/deploy main deploy").is_err());
    assert!(pasted("/chatopsx status").is_err());
}

#[test]
fn words_of_other_tools_start_nothing() {
    for word in ReservedWord::VARIANTS {
        for text in [
            word.as_str().to_owned(),
            format!("{} deploy", word.as_str().to_uppercase()),
        ] {
            assert!(
                matches!(error_of(&text), GrammarError::Reserved { word: found, .. } if found == *word)
            );
        }
        let branch = format!("deploy {} deploy", word.as_str());
        assert_eq!(parsed_deploy(&branch), format!("{} deploy", word.as_str()));
    }
    for text in [
        "main to production",
        "deploy web main TO production",
        "web main on staging",
    ] {
        assert!(
            matches!(error_of(text), GrammarError::Sentence { .. }),
            "{text}"
        );
    }
    // The middle word may be a branch of the project in front.
    assert_eq!(parsed_deploy("deploy web on e2e"), "web: on e2e");
}

#[test]
fn white_space_does_not_matter() {
    let expected = "main deploy";
    assert_eq!(parsed_deploy("main\u{a0}deploy"), expected);
    assert_eq!(parsed_deploy("\u{3000}main\tdeploy\n"), expected);
    let long = error_of(&"é".repeat(MAX_TEXT_BYTES / 2 + 1));
    assert_eq!(long, GrammarError::TooLong);
    let cut = error_of(&format!("main {}", "é".repeat(100)));
    assert!(matches!(cut, GrammarError::InvalidName { word, .. } if word == "é".repeat(60)));
}

#[test]
fn what_does_not_fit_says_where() {
    assert_eq!(wrong_name("a$(id) deploy"), NameKind::Branch);
    assert_eq!(wrong_name("main <b>"), NameKind::Job);
    let long = error_of(&"x".repeat(MAX_TEXT_BYTES + 1));
    assert_eq!(long, GrammarError::TooLong);
    let id = |verb, given: Option<&str>| {
        let given = given.map(str::to_owned);
        GrammarError::InvalidId { verb, given }
    };
    assert_eq!(error_of("retry"), id(Verb::Retry, None));
    assert_eq!(error_of("cancel main"), id(Verb::Cancel, Some("main")));
    assert_eq!(error_of("show"), id(Verb::Show, None));
    assert_eq!(error_of("status deploy"), id(Verb::Status, Some("deploy")));
    let extra = |verb, word: &str| {
        let word = word.to_owned();
        GrammarError::ExtraWord { verb, word }
    };
    let confirm = error_of("retry 1a2b3c4d confrim");
    assert_eq!(confirm, extra(Verb::Retry, "confrim"));
    assert_eq!(error_of("cancel 1a2b3c4d x"), extra(Verb::Cancel, "x"));
    assert_eq!(error_of("failed today"), extra(Verb::Failed, "today"));
    let more = error_of("failed before:1a2b3c4d x");
    assert_eq!(more, extra(Verb::Failed, "x"));
    assert_eq!(error_of("failed before:"), id(Verb::Failed, None));
    assert_eq!(error_of("failed before: 1a2b3c4d"), id(Verb::Failed, None));
    assert_eq!(error_of("failed before:x"), id(Verb::Failed, Some("x")));
    assert_eq!(error_of("help retry now"), extra(Verb::Help, "now"));
    let word = "me".into();
    assert_eq!(error_of("help me"), GrammarError::UnknownTopic { word });
    assert!(matches!(
        error_of("history main"),
        GrammarError::Filter(FilterError::MissingColon { .. })
    ));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(deploy |plan |status |history |failed |retry |cancel |help )?\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_accepted_is_harmless(text in "[ -~]{0,60}") {
        if let Ok(ChatCommand::Deploy(d)) = parse(&text) {
            let safe = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
            prop_assert!(d.git_ref.name().chars().all(safe));
            prop_assert!(!d.git_ref.name().starts_with('-'));
            let retyped = format!("deploy {} {}{}", d.git_ref, d.job, d.parameters);
            if d.project.is_none() && !d.parameters.to_string().contains(['\'', '"', '`', '&']) {
                prop_assert_eq!(parse(&retyped), Ok(ChatCommand::Deploy(d)));
            }
        }
    }
}
