//! Wishes: under the ARN of the credentials, into the work queue, and one for each order.

use std::collections::BTreeMap;

use chatops_core::command::Wish;
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::{Body, WishMessage, Wisher, WorkMessage};
use chatops_core::ports::Lane;
use serde_json::json;

use crate::support::{Story, World};

/// Who the emulator says that everybody is.
const ARN: &str = "arn:aws:iam::000000000000:root";

/// The wishes in the work queue.
fn wishes(world: &World) -> Vec<WishMessage> {
    let wish = |body| match Body::from_wire(body).decode() {
        Ok(WorkMessage::Wish(wish)) => *wish,
        other => panic!("{other:?}"),
    };
    world.drain(Lane::Work).into_iter().map(wish).collect()
}

fn operator(wish: &WishMessage) -> &str {
    match &wish.from {
        Wisher::Operator { name } => name,
        Wisher::Person(_) => panic!("nobody in Slack wished"),
    }
}

#[test]
fn a_wish_lies_in_the_work_queue_under_the_name_of_the_credentials() {
    let world = World::new();
    let failed = world.write(&Story::begin("failed", 60).not_started().0);
    let open = world.write(&Story::begin("open", 1).0);

    let said = world.there(&["retry", failed.short.as_str()]).said();
    assert!(said.contains(&format!("as operator {ARN}")), "{said}");
    assert!(
        said.contains("The worker takes it up within seconds"),
        "{said}"
    );
    let show = format!("chatops --aws --stack {} show ", world.stack);
    assert!(said.contains(&show), "{said}");
    let said = world
        .there(&["cancel", open.short.as_str(), "--json"])
        .json();
    assert_eq!(
        said,
        json!({"enqueued": true, "wish": "cancel", "deploy": open.id, "operator": ARN, "outcome": open.id})
    );
    let mut found = wishes(&world);
    found.sort_by_key(|wish| matches!(wish.wish, Wish::Cancel { .. }));
    let [retry, cancel] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((operator(retry), operator(cancel)), (ARN, ARN));
    assert!(retry.id != cancel.id);
    let named = |wish: &WishMessage| match wish.wish.deploy() {
        DeployRef::Short(short) => short.clone(),
        DeployRef::Full(id) => id.short(8),
    };
    assert_eq!(named(retry), failed.short);
    assert_eq!(named(cancel), open.short);

    // What the rules do not allow is not wished, and nobody takes another name.
    let no = world.there(&["retry", open.short.as_str()]);
    assert_eq!(no.code, Some(1));
    assert!(no.stderr.contains("has not ended"), "{no:?}");
    let no = world.there(&["cancel", failed.short.as_str()]);
    assert_eq!(no.code, Some(1));
    let no = world.there(&["retry", failed.short.as_str(), "--as", "grace"]);
    assert_eq!(no.code, Some(2));
    assert!(no.stderr.contains("leave --as out"), "{no:?}");
    assert_eq!(wishes(&world).len(), 0);
}

struct Letters {
    new: DeployId,
    other: DeployId,
    old: DeployId,
}

/// Orders of every kind, and what is none.
fn bury(world: &World) -> Letters {
    let new = world.write(&Story::begin("new", 60).not_started().0).id;
    let other = world.write(&Story::begin("other", 5).not_started().0).id;
    let old = world
        .write(&Story::begin("old", 3 * 24 * 60).not_started().0)
        .id;
    let tried = Story::begin("tried", 60).not_started().retried();
    let retried = tried.0[0].head.id;
    world.write(&tried.0);
    let open = world.write(&Story::begin("open", 1).0).id;
    let nobody = DeployId::of_request("T", "A", "nobody");
    for order in [new, other, new, old, retried, open, nobody, other, new] {
        world.bury_order(order);
    }
    world.bury("{\"type\":\"no.v9\"}");
    world.bury("poison");
    Letters { new, other, old }
}

fn wished(found: &[WishMessage]) -> BTreeMap<String, bool> {
    let wished = found.iter().map(|wish| match &wish.wish {
        Wish::Retry {
            deploy,
            confirm: false,
            force,
        } => (deploy.to_string(), *force),
        other => panic!("{other:?}"),
    });
    let wished: BTreeMap<_, _> = wished.collect();
    assert_eq!(wished.len(), found.len());
    wished
}

#[test]
fn every_order_is_wished_once_and_stays_where_it_is() {
    let world = World::new();
    let letters = bury(&world);
    let left = json!({
        "duplicate": 3, "retried": 1, "not_an_order": 2, "unknown": 1, "too_old": 1, "refused": 1,
    });
    let dry = world.there(&["retry", "--all", "--dry-run", "--json"]);
    assert_eq!(dry.code, Some(1));
    let mut said = dry.json();
    assert_eq!(said["enqueued"].as_array().unwrap().len(), 2);
    said["enqueued"].take();
    assert_eq!(
        said,
        json!({"letters": 11, "enqueued": null, "left": left, "dry_run": true, "operator": ARN})
    );
    assert_eq!(wishes(&world).len(), 0);

    // The dry run has given everything back at once.
    let ended = world.there(&["retry", "--all"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "");
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], format!("11 dead letters, as operator {ARN}"));
    assert_eq!(lines[1], "2  enqueued, to be tried again");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("2  left: no orders")),
        "{lines:?}"
    );
    let found = wishes(&world);
    assert!(found.iter().all(|wish| operator(wish) == ARN));
    let (new, other) = (letters.new.to_string(), letters.other.to_string());
    assert_eq!(
        wished(&found),
        BTreeMap::from([(new, false), (other, false)])
    );

    // Older ones are forced, as the worker would not take them otherwise.
    let ended = world.there(&["retry", "--all", "--max-age", "30days", "--json"]);
    assert_eq!(ended.json()["left"].get("too_old"), None, "{ended:?}");
    assert_eq!(
        wished(&wishes(&world)).get(&letters.old.to_string()),
        Some(&true)
    );
    // Younger ones only.
    let ended = world.there(&["retry", "--all", "--max-age", "30m", "--json"]);
    assert_eq!(
        ended.json()["enqueued"],
        json!([letters.other]),
        "{ended:?}"
    );
    assert_eq!(wished(&wishes(&world)).len(), 1);
    assert_eq!(world.drain(Lane::WorkDead).len(), 11);

    // All is well where there is nothing, or nothing but what was tried again.
    let ended = world.there(&["retry", "--all"]);
    assert_eq!(ended.said(), "Nothing lies in the dead-letter queue.\n");
}

#[test]
fn orders_that_can_all_be_wished_end_well() {
    let world = World::new();
    let tried = Story::begin("tried", 60).not_started().retried();
    world.write(&tried.0);
    let new = world.write(&Story::begin("new", 60).not_started().0).id;
    for order in [tried.0[0].head.id, new, new] {
        world.bury_order(order);
    }
    let said = world.there(&["retry", "--all"]).said();
    assert!(said.contains("1  enqueued"), "{said}");
    assert_eq!(wishes(&world).len(), 1);
}

#[test]
fn the_orders_of_a_file_are_wished_in_the_same_way() {
    let world = World::new();
    bury(&world);
    let there = world
        .there(&["retry", "--all", "--dry-run", "--json"])
        .json();
    let here = world.here(&["retry", "--all", "--json"]);
    assert_eq!(here.code, Some(1));
    let here = here.json();
    assert_eq!(here["operator"], "ada");
    assert_eq!(here["letters"], there["letters"]);
    assert_eq!(here["left"], there["left"]);
    assert_eq!(here["enqueued"].as_array().unwrap().len(), 2);
    let hour = std::time::Duration::from_hours(1);
    let received = |lane| {
        use chatops_core::ports::Queue;
        world
            .block(world.file.receive(lane, 100, hour))
            .unwrap()
            .len()
    };
    assert_eq!(received(Lane::Work), 2);
    assert_eq!(received(Lane::WorkDead), 11);
}
