//! Tampering with the table is found, and nobody else is accused.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chatops_core::id::DeployId;
use chatops_core::ports::Ledger;
use chatops_testkit::account::make_table;

use crate::support::{CommitStory, ProgramExit, StackWorld};

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// The key of an item of a deploy.
fn key(deploy: DeployId, sort: &str) -> HashMap<String, AttributeValue> {
    let pk = ("pk".to_owned(), text(format!("D#{deploy}")));
    HashMap::from([pk, ("sk".to_owned(), text(sort))])
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

impl StackWorld {
    fn table_name(&self) -> String {
        format!("{}-ledger", self.stack)
    }

    fn edit(&self, deploy: DeployId, sort: &str, attribute: &str, value: AttributeValue) {
        let request = self.aws.dynamodb().update_item();
        let request = request
            .table_name(self.table_name())
            .set_key(Some(key(deploy, sort)))
            .update_expression("SET #a = :v")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":v", value);
        self.block(request.send()).unwrap();
    }

    fn remove(&self, deploy: DeployId, sort: &str) {
        let request = self.aws.dynamodb().delete_item();
        let request = request.table_name(self.table_name());
        let request = request.set_key(Some(key(deploy, sort)));
        self.block(request.send()).unwrap();
    }

    fn remove_item(&self, partition: &str) {
        let request = self
            .aws
            .dynamodb()
            .delete_item()
            .table_name(self.table_name());
        let request = request.key("pk", text(partition)).key("sk", text("-"));
        self.block(request.send()).unwrap();
    }

    fn put_item(&self, partition: &str, attribute: &str, value: &str) {
        let request = self.aws.dynamodb().put_item().table_name(self.table_name());
        let request = request.item("pk", text(partition)).item("sk", text("-"));
        self.block(request.item(attribute, text(value)).send())
            .unwrap();
    }

    /// Files an item under another key.
    fn refile(&self, deploy: DeployId, from: &str, to: &str) {
        let request = self.aws.dynamodb().get_item();
        let request = request.table_name(self.table_name());
        let request = request.set_key(Some(key(deploy, from)));
        let mut item = self.block(request.send()).unwrap().item.unwrap();
        item.insert("sk".to_owned(), text(to));
        self.remove(deploy, from);
        let request = self.aws.dynamodb().put_item();
        let request = request.table_name(self.table_name()).set_item(Some(item));
        self.block(request.send()).unwrap();
    }

    fn verify(&self) -> ProgramExit {
        self.on_aws(&["audit", "verify", "--json"])
    }
}

fn event(n: u64) -> String {
    format!("E#{n:020}")
}

#[test]
fn tampering_with_the_table_is_found() {
    let world = StackWorld::new();
    let deploys: Vec<DeployId> = (0..40)
        .map(|n| CommitStory::begin(&format!("v{n}"), 60).not_started())
        .map(|story| world.write(&story.0).id)
        .collect();
    let whole = world.verify();
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(whole.json()["deploys"], 40);
    assert_eq!(whole.json()["events"], 120);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("export.jsonl").display().to_string();
    let exported = world.on_aws(&["audit", "export", "--output", &file]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let export = world.on_aws(&["audit", "verify", "--export", &file, "--json"]);
    assert_eq!(export.code, Some(0), "{export:?}");
    assert_eq!(
        (&export.json()["deploys"], &export.json()["events"]),
        (&40.into(), &120.into())
    );

    world.edit(deploys[0], &event(2), "body", text("{}"));
    world.edit(deploys[1], &event(3), "hash", number("1"));
    world.remove(deploys[2], &event(2));
    world.remove(deploys[3], "RECORD");
    world.remove(deploys[4], &event(3));
    // An event under another key, and an item that nobody wrote.
    world.edit(deploys[5], &event(3), "n", number("4"));
    world.edit(deploys[6], "E#later", "body", text("{}"));
    world.refile(deploys[7], &event(3), &event(5));
    let found = world.verify();
    assert_eq!(found.code, Some(1));
    let found = found.json();
    assert_eq!(found["deploys"], 40);
    // An item of a deploy that has lost its record belongs to none, too.
    assert!(found["broken"].as_u64().unwrap() >= 8, "{found}");
    let first = found["first"].as_array().unwrap();
    let broken = |deploy: DeployId| first.iter().find(|one| one["deploy"] == deploy.to_string());
    assert!(
        deploys[..8].iter().all(|one| broken(*one).is_some()),
        "{found}"
    );
    let orphan = broken(deploys[3]).unwrap();
    assert_eq!(orphan["reason"], "has events and no record");

    let words = world.on_aws(&["audit", "verify"]);
    assert_eq!(words.code, Some(1));
    let last = words.stdout.lines().last().unwrap();
    let broken = "deploys or rows differ. Compare them with a backup.";
    assert!(last.ends_with(broken), "{last}");
    assert!(words.stdout.contains("\nDIFFERS "), "{words:?}");
    let shown = world.on_aws(&["show", &deploys[4].to_string(), "--json"]);
    let chain = shown.json()["chain"].to_string();
    assert!(chain.starts_with("\"BROKEN"), "{chain}");
}

/// A field of a record or an item that names a deploy, each in a table of its own deploy.
#[test]
fn every_attribute_and_item_is_compared() {
    let world = StackWorld::new();
    let deploys: Vec<DeployId> = (0..12)
        .map(|n| CommitStory::begin(&format!("v{n}"), 60).not_started())
        .map(|story| world.write(&story.0).id)
        .collect();
    let attributes = [
        "user",
        "branch",
        "job",
        "project",
        "state",
        "requested_at",
        "ledger",
        "v",
    ];
    for (deploy, attribute) in deploys.iter().zip(attributes) {
        let value = if attribute == "v" {
            number("9")
        } else {
            text("forged")
        };
        world.edit(*deploy, "RECORD", attribute, value);
    }
    world.remove_item(&format!("S#{}", deploys[8].short_id(8)));
    world.put_item("S#00000000", "deploy", &deploys[9].to_string());
    world.put_item(
        "P#f643ce10-7507-5ba4-a5e5-a01266e1559c",
        "deploy",
        &deploys[10].to_string(),
    );
    world.put_item("X#other", "deploy", "nobody");
    world.put_item("LOCK#gh/acme/web/nowhere", "body", "{");
    world.put_item("T#gh/acme/web/nowhere", "body", "{");
    let found = world.on_aws(&["audit", "verify", "--json", "--all"]).json();
    let first = found["first"].as_array().unwrap();
    for (deploy, attribute) in deploys.iter().zip(attributes) {
        let named = |one: &&serde_json::Value| {
            one["deploy"] == deploy.to_string() && one["field"] == format!("attribute {attribute}")
        };
        assert!(first.iter().any(|one| named(&one)), "{attribute}: {found}");
    }
    for row in ["the lock of", "the releases of"] {
        let named =
            |one: &&serde_json::Value| one["deploy"] == format!("{row} gh/acme/web/nowhere");
        let unread = first.iter().find(named).unwrap();
        assert_eq!(unread["reason"], "cannot be read");
    }
    assert_eq!(found["broken"], 14, "{found}");
    let log = world.on_aws(&["audit", "verify", "--export", "/dev/null"]);
    assert_eq!(log.code, Some(1));
}

/// As docs/operations.md does it: beside the stack, and without queues.
#[test]
fn a_restored_table_is_verified_on_its_own() {
    let world = StackWorld::new();
    let stack = format!("{}-restored", world.stack);
    let deploy = world.block(async {
        let table = make_table(&world.aws, &format!("{stack}-ledger")).await;
        let story = CommitStory::begin("before", 60).not_started().0;
        for commit in &story {
            table.commit(commit.clone()).await.unwrap();
        }
        story[0].record.id.to_string()
    });
    let there = |arguments: &[&str]| {
        let said = world.run(&[&["--aws", "--stack", &stack], arguments].concat());
        said.success_output()
    };
    let verified = there(&["audit", "verify"]);
    let all = "1 deploy, 3 events read: everything agrees.\n";
    assert_eq!(verified, all);
    assert!(there(&["history", "--json"]).contains(&deploy));
    assert!(there(&["show", &deploy]).contains("fix/before"));
}
