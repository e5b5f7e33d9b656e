//! What is read from a table is what the same record in a file says.

use crate::support::{CommitStory, StackWorld};

#[test]
fn the_same_record_reads_the_same() {
    let world = StackWorld::new();
    let mut failed = None;
    for n in 0..25 {
        let mut story = CommitStory::begin(&format!("a{n}"), 100 - n);
        if n % 3 == 0 {
            story = story.not_started();
        }
        let record = world.write(&story.0);
        failed = (n % 3 == 0).then_some(record).or(failed);
    }
    let failed = failed.unwrap();
    let (short, id) = (failed.short_id.to_string(), failed.id.to_string());
    let there = format!(" --aws --stack {}", world.stack);
    for arguments in [
        &["history"][..],
        &["history", "--limit", "7"],
        &["history", "--all", "--json"],
        &["history", "--csv", "limit:3"],
        &["history", "status:failed", "user:@ana", "since:95m"],
        &["history", "branch:fix/a4"],
        &["history", "branch:nowhere"],
        &["failed"],
        &["failed", "--json"],
        &["failed", "--csv", "--limit", "2"],
        &["failed", "--before", &short],
        &["show", &short],
        &["show", &id, "--json"],
        &["show", "ffffffff"],
        &["audit", "verify"],
        &["audit", "verify", "--json"],
        &["retry", "ffffffff", "--json"],
        &["cancel", &id],
    ] {
        let (on_aws, in_file) = (world.on_aws(arguments), world.on_file(arguments));
        assert_eq!(on_aws.code, in_file.code, "{arguments:?}: {on_aws:?}");
        let (stdout, stderr) = (
            on_aws.stdout.replace(&there, ""),
            on_aws.stderr.replace(&there, ""),
        );
        assert_eq!(stdout, in_file.stdout, "{arguments:?}");
        assert_eq!(stderr, in_file.stderr, "{arguments:?}");
    }
    // Not all of that was empty, and the offered command leads to the same stack.
    let listed = world.on_aws(&["history", "--limit", "7"]).success_output();
    assert_eq!(listed.lines().count(), 9, "{listed}");
    let next = format!("chatops{there} history before:");
    assert!(listed.contains(&next), "{listed}");
    let shown = world.on_aws(&["show", &id, "--json"]);
    assert_eq!(shown.json()["events"].as_array().unwrap().len(), 3);
    assert_eq!(shown.json()["chain"], "verified");
}
