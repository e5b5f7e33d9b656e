//! Tampering with the table is found, and nobody else is accused.

use aws_sdk_dynamodb::types::AttributeValue;
use chatops_core::id::DeployId;
use chatops_core::ports::Store;
use chatops_testbed::account::make_table;

use crate::support::{Ended, Story, World};

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

impl World {
    fn table_name(&self) -> String {
        format!("{}-ledger", self.stack)
    }

    fn edit(&self, deploy: DeployId, sort: &str, attribute: &str, value: AttributeValue) {
        let request = self
            .aws
            .dynamodb()
            .update_item()
            .table_name(self.table_name());
        let request = request
            .key("pk", text(format!("D#{deploy}")))
            .key("sk", text(sort))
            .update_expression("SET #a = :v")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":v", value);
        self.block(request.send()).unwrap();
    }

    fn remove(&self, deploy: DeployId, sort: &str) {
        let request = self
            .aws
            .dynamodb()
            .delete_item()
            .table_name(self.table_name());
        let request = request
            .key("pk", text(format!("D#{deploy}")))
            .key("sk", text(sort));
        self.block(request.send()).unwrap();
    }

    /// Files an item under another key.
    fn refile(&self, deploy: DeployId, from: &str, to: &str) {
        let request = self.aws.dynamodb().get_item();
        let request = request
            .table_name(self.table_name())
            .key("pk", text(format!("D#{deploy}")))
            .key("sk", text(from));
        let mut item = self.block(request.send()).unwrap().item.unwrap();
        item.insert("sk".to_owned(), text(to));
        self.remove(deploy, from);
        let request = self.aws.dynamodb().put_item();
        let request = request.table_name(self.table_name()).set_item(Some(item));
        self.block(request.send()).unwrap();
    }

    fn verify(&self) -> Ended {
        self.there(&["audit", "verify", "--json"])
    }
}

fn event(n: u64) -> String {
    format!("E#{n:020}")
}

#[test]
fn tampering_with_the_table_is_found() {
    let world = World::new();
    let deploys: Vec<DeployId> = (0..40)
        .map(|n| Story::begin(&format!("v{n}"), 60).not_started())
        .map(|story| world.write(&story.0).id)
        .collect();
    let whole = world.verify();
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(whole.json()["deploys"], 40);
    assert_eq!(whole.json()["events"], 120);

    world.edit(deploys[0], &event(2), "body", text("{}"));
    world.edit(
        deploys[1],
        &event(3),
        "hash",
        AttributeValue::N("1".to_owned()),
    );
    world.remove(deploys[2], &event(2));
    world.remove(deploys[3], "HEAD");
    world.remove(deploys[4], &event(3));
    // An event under another key, and an item that nobody wrote.
    world.edit(
        deploys[5],
        &event(3),
        "n",
        AttributeValue::N("4".to_owned()),
    );
    world.edit(deploys[6], "E#later", "body", text("{}"));
    world.refile(deploys[7], &event(3), &event(5));
    let found = world.verify();
    assert_eq!(found.code, Some(1));
    let found = found.json();
    assert_eq!(found["deploys"], 40);
    assert_eq!(found["broken"], 8, "{found}");
    let first = found["first"].as_array().unwrap();
    for deploy in &deploys[..8] {
        assert!(
            first.iter().any(|one| one["deploy"] == deploy.to_string()),
            "{found}"
        );
    }
    let orphan = first
        .iter()
        .find(|one| one["deploy"] == deploys[3].to_string());
    assert_eq!(orphan.unwrap()["why"], "has events and no record");

    let words = world.there(&["audit", "verify"]);
    assert_eq!(words.code, Some(1));
    let last = words.stdout.lines().last().unwrap();
    assert!(
        last.ends_with("8 deploys are broken. Compare them with a backup."),
        "{last}"
    );
    assert!(
        words.stdout.lines().any(|line| line.starts_with("BROKEN ")),
        "{words:?}"
    );
    let shown = world.there(&["show", &deploys[4].to_string(), "--json"]);
    assert!(
        shown.json()["chain"]
            .as_str()
            .unwrap()
            .starts_with("BROKEN"),
        "{shown:?}"
    );
}

/// As docs/operations.md does it: beside the stack, and without queues.
#[test]
fn a_table_that_was_brought_back_is_looked_at_on_its_own() {
    let world = World::new();
    let stack = format!("{}-restored", world.stack);
    let deploy = world.block(async {
        let table = make_table(&world.aws, &format!("{stack}-ledger")).await;
        let story = Story::begin("before", 60).not_started().0;
        for commit in &story {
            table.commit(commit.clone()).await.unwrap();
        }
        story[0].head.id.to_string()
    });
    let there = |arguments: &[&str]| {
        let said = world.run(&[&["--aws", "--stack", &stack], arguments].concat());
        said.said()
    };
    let verified = there(&["audit", "verify"]);
    assert_eq!(
        verified,
        "1 deploy and 3 events read: every chain is whole.\n"
    );
    assert!(there(&["history", "--json"]).contains(&deploy));
    assert!(there(&["show", &deploy]).contains("fix/before"));
}
