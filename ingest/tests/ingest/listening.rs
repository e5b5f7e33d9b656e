//! A workspace that is not listened to: only a deploy is put on record, to be refused.

use chatops_core::id::TeamId;
use chatops_core::policy::Refusal;
use chatops_core::words;

use crate::requests::with;
use crate::support::Stage;

const ELSEWHERE: (&str, Option<&str>) = ("team_id", Some("T0BAD"));

#[test]
fn everything_but_a_deploy_ends_here() {
    let team = TeamId::parse("T0BAD").unwrap();
    let not_here = words::not_listened_to(&Refusal::Team { team });
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
        let stage = Stage::new();
        stage.only_says(&with(text, &[ELSEWHERE]), "Not here");
        stage.only_posts(&with(text, &[ELSEWHERE]), &not_here);
        // Nothing else is looked at before.
        for address in [None, Some("https://evil.example/commands/x")] {
            let sent = with(
                text,
                &[ELSEWHERE, ("response_url", address), ("trigger_id", None)],
            );
            stage.only_posts(&sent, &not_here);
        }
    }
}

#[test]
fn a_deploy_is_queued_and_only_the_asker_hears() {
    for text in ["main deploy", "deploy site main ship", "main unknown"] {
        let stage = Stage::new();
        let answer = stage.hears(&with(text, &[ELSEWHERE]));
        answer.is_to_asker("Checking");
        assert_eq!(stage.asker().team.as_str(), "T0BAD");
    }
}
