//! Commands of other workspaces: only a deploy is queued, and the worker rejects it on record.

use chatops_core::id::TeamId;
use chatops_core::rejection::Rejection;
use chatops_core::text;

use crate::requests::command_with;
use crate::support::TestIngest;

const OTHER_WORKSPACE: (&str, Option<&str>) = ("team_id", Some("T0BAD"));

#[test]
fn everything_but_a_deploy_is_answered_at_once() {
    let team = TeamId::parse("T0BAD").unwrap();
    let not_allowed =
        text::team_not_allowed(&Rejection::Team { team }, &TestIngest::new().0.config);
    for text in [
        "",
        "help",
        "help deploy",
        "help me",
        "main",
        "a$(reboot) deploy",
        "plan main deploy",
        "plan main",
        "status",
        "status 1a2b3c4d",
        "history",
        "history user:me",
        "failed",
        "retry 1a2b3c4d",
        "retry",
        "cancel 1a2b3c4d",
    ] {
        let ingest = TestIngest::new();
        ingest.only_answers(&command_with(text, &[OTHER_WORKSPACE]), "Not allowed");
        ingest.only_shows(&command_with(text, &[OTHER_WORKSPACE]), &not_allowed);
        // The workspace is checked first.
        for address in [None, Some("https://evil.example/commands/x")] {
            let bare = [("response_url", address), ("trigger_id", None)];
            let sent = command_with(text, &[OTHER_WORKSPACE, bare[0], bare[1]]);
            ingest.only_shows(&sent, &not_allowed);
        }
    }
}

#[test]
fn a_deploy_is_queued_and_only_the_requester_is_answered() {
    for text in ["main deploy", "deploy site main ship", "main unknown"] {
        let ingest = TestIngest::new();
        let answer = ingest.run(&command_with(text, &[OTHER_WORKSPACE]));
        answer.is_to_requester("Not allowed");
        assert_eq!(ingest.queued_requester().team.as_str(), "T0BAD");
    }
}
