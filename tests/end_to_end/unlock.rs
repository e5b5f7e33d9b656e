//! Freeing the lock of a target, in Slack and on the command line, through the real process.

use chatops_core::deploy::DeployState::{Canceled, Rejected, Succeeded, Unresolved};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::RunScript;

use crate::actions::press;
use crate::operator;
use crate::support::{HANG, ServeWorld, ServerProcess, assert_says, run, wait_until};

/// A deploy whose outcome is unknown keeps `web/e2e` locked. What comes after an end is posted by a bot.
async fn locked() -> (ServeWorld, ServerProcess) {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(HANG);
    let server = world.serve_with_bot().await;
    world.deploy(&server, "main e2e", Unresolved).await;
    assert_eq!(world.wait_settled().await.locks.len(), 1);
    (world, server)
}

async fn ask(world: &ServeWorld, server: &ServerProcess, text: &str) -> String {
    let sent = press(world, server, text).await;
    world.wait_reply(&sent).await
}

#[tokio::test]
async fn a_lock_is_freed_once_somebody_confirms() {
    let (world, server) = locked().await;
    let holder = world.records().only_record().short_id.clone();
    let said = ask(&world, &server, "unlock web/e2e").await;
    assert_says(&said, "*Locked:*");
    assert_says(&said, holder.as_str());
    assert_says(&said, "/chatops unlock web/e2e confirm");
    let said = world.deploy(&server, "main e2e", Rejected).await;
    assert_says(&said, "/chatops unlock web/e2e");

    let said = ask(&world, &server, "unlock web/e2e confirm").await;
    assert_says(&said, "*Unlocked:* `web/e2e`");
    let records = world.wait_settled().await;
    assert!(records.locks.is_empty());
    records.verify();
    // The channel of the deploy that held it is told, too.
    let told = |mark: MessageMark| mark.kind == MessageKind::Notice;
    let said = world.wait_mark("the notice", told).await;
    assert_says(&said, "was freed by");

    let said = ask(&world, &server, "unlock web/e2e confirm").await;
    assert_says(&said, "*Not locked:*");
    world.deploy(&server, "main e2e", Succeeded).await;
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_freed_by_strangers_under_a_run_or_by_a_wrong_name() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    world.send(&server, "main deploy").await;
    world.wait_running().await;
    let said = ask(&world, &server, "unlock web/production confirm").await;
    assert_says(&said, "It is in progress.");
    let said = ask(&world, &server, "unlock web/restore confirm").await;
    assert_says(&said, "*Not unlocked:*");
    let said = ask(&world, &server, "unlock web/prodution").await;
    assert_says(&said, "unlock web/production");
    assert_eq!(world.records().locks.len(), 1);
    let holder = world.records().only_record().short_id.clone();
    press(&world, &server, &format!("cancel {holder}")).await;
    world.wait_final(Canceled).await;
    server.stop().await;
}

#[tokio::test]
async fn an_operator_frees_it_under_their_name() {
    let (world, server) = locked().await;
    let unlock = |arguments: &[&str]| {
        let all = [&["unlock"], arguments, &["--as", "ada"]].concat();
        run(operator::command(&world, &all))
    };
    unlock(&["web/nothing"]).await.failure(1);
    let why = unlock(&["web/e2e"]).await.failure(1);
    assert_says(&why, "whether CircleCI started it is not known");
    assert_says(&why, "unlock web/e2e --confirm");
    assert_eq!(world.records().locks.len(), 1);
    // The place means the same.
    unlock(&["gh/acme/web/e2e", "--confirm"]).await.success();
    wait_until("the lock to be free", || {
        world.records().locks.is_empty().then_some(())
    })
    .await;
    let records = world.wait_settled().await;
    records.verify();
    let record = records.only_record();
    let shown = run(operator::command(
        &world,
        &["show", record.short_id.as_str()],
    ))
    .await;
    assert_says(&shown.success(), "as \"ada\" (unverified)");
    assert_says(
        &unlock(&["web/e2e"]).await.failure(1),
        "no deploy holds web/e2e",
    );
    server.stop().await;
}
