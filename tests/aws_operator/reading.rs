//! What is read from a table is what the same record in a file says.

use crate::support::{Story, World};

#[test]
fn the_same_record_reads_the_same() {
    let world = World::new();
    let mut failed = None;
    for n in 0..25 {
        let story = Story::begin(&format!("a{n}"), 100 - n);
        let story = if n % 3 == 0 {
            story.not_started()
        } else {
            story
        };
        let head = world.write(&story.0);
        failed = (n % 3 == 0).then_some(head).or(failed);
    }
    let failed = failed.unwrap();
    let (short, id) = (failed.short.to_string(), failed.id.to_string());
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
        let (on_aws, in_file) = (world.there(arguments), world.here(arguments));
        assert_eq!(on_aws.code, in_file.code, "{arguments:?}: {on_aws:?}");
        assert_eq!(
            on_aws.stdout.replace(&there, ""),
            in_file.stdout,
            "{arguments:?}"
        );
        assert_eq!(
            on_aws.stderr.replace(&there, ""),
            in_file.stderr,
            "{arguments:?}"
        );
    }
    // Not all of that was empty, and what is to be typed next goes to the same place.
    let listed = world.there(&["history", "--limit", "7"]).said();
    assert_eq!(listed.lines().count(), 9, "{listed}");
    assert!(
        listed.contains(&format!("chatops{there} history before:")),
        "{listed}"
    );
    let shown = world.there(&["show", &id, "--json"]);
    assert_eq!(shown.json()["events"].as_array().unwrap().len(), 3);
    assert_eq!(shown.json()["chain"], "whole");
}
