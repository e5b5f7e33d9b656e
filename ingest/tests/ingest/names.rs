//! The user's name in Slack: kept for finding their deploys only.

use crate::requests::{command, command_with};
use crate::support::TestIngest;

const KINDS: [&str; 3] = ["main deploy", "status", "cancel 1a2b3c4d"];

fn kept_name(text: &str, name: Option<&str>) -> Option<String> {
    let ingest = TestIngest::new();
    let answer = ingest.run(&command_with(text, &[("user_name", name)]));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let requester = ingest.queued_requester();
    // The id identifies the user.
    assert_eq!(requester.user.as_str(), "U2CERLKJA");
    requester.user_name
}

#[test]
fn a_name_is_kept_without_what_is_not_part_of_it() {
    let longest = "x".repeat(80);
    let wide = "\u{e9}".repeat(80);
    for text in KINDS {
        for (name, expected) in [
            ("roadrunner", "roadrunner"),
            ("Road.Runner-1_2", "Road.Runner-1_2"),
            ("@ana", "ana"),
            ("@@ana", "ana"),
            (" ana ", "ana"),
            ("\u{0}@ana", "ana"),
            (" @ ana", "ana"),
            ("a\u{0}n\u{7f}a\r\n", "ana"),
            ("\u{1b}[31mana", "[31mana"),
            ("an\u{85}a", "ana"),
            ("ana@example", "ana@example"),
            // It is escaped where it is shown.
            ("<!channel>", "<!channel>"),
            ("<@U0BAD>", "<@U0BAD>"),
            ("U0BAD", "U0BAD"),
            ("\"}],\"user\":\"U0BAD\"", "\"}],\"user\":\"U0BAD\""),
            ("\u{30a2}\u{30ca}", "\u{30a2}\u{30ca}"),
            ("a\u{fffd}", "a\u{fffd}"),
            (&longest, &longest),
            (&wide, &wide),
            (&format!("@{longest}\n"), &longest),
        ] {
            let kept = kept_name(text, Some(name));
            assert_eq!(kept.as_deref(), Some(expected), "{text}: {name:?}");
        }
    }
}

#[test]
fn what_cannot_be_a_name_is_none() {
    let long = "x".repeat(81);
    for text in KINDS {
        for name in ["", " ", "@", "@@", " @ ", "\u{0}", "\r\n", "\u{1b}", &long] {
            assert_eq!(kept_name(text, Some(name)), None, "{text}: {name:?}");
        }
        assert_eq!(kept_name(text, None), None, "{text}");
    }
}

#[test]
fn a_name_stands_for_a_mention_that_would_notify() {
    for text in KINDS {
        let ingest = TestIngest::new();
        let answer = ingest.run(&command(text));
        assert!(!answer.text.contains("<@"), "{}", answer.text);
        let named = ingest.queued_json().to_string().contains("roadrunner");
        assert!(named, "{text}");
    }
}
