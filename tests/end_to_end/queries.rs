//! Queries typed in Slack: answered in one hop, to the requester alone, out of the real records.

use chatops_core::deploy::DeployState::{self, Failed, Rejected, Succeeded};
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::TypedCommand;

use crate::support::{BUILD_TIME, ServeWorld, ServerProcess, assert_says, reject, typed_by};

/// The reply to a query, which only the requester may see; the acknowledgement shows nothing.
async fn ask(world: &ServeWorld, server: &ServerProcess, text: &str) -> String {
    query_reply(world, server, TypedCommand::new(text)).await
}

async fn query_reply(world: &ServeWorld, server: &ServerProcess, typed: TypedCommand) -> String {
    let (sent, ack) = world.send_as(server, typed).await;
    assert_eq!((ack.status, ack.shown.as_str()), (Some(200), ""));
    let reply = world.wait_reply(&sent).await;
    let delivered = world.delivered_to(&sent).remove(0);
    assert_eq!(delivered.visible_to, Some(sent.user_id));
    reply
}

fn typed_by_bo(text: &str) -> TypedCommand {
    TypedCommand {
        user_name: "bo".to_owned(),
        ..typed_by("U0002", text)
    }
}

#[tokio::test]
async fn history_says_who_requested_what_and_how_it_ended() {
    let world = ServeWorld::new().await;
    world.script("e2e", RunScript::failure(BUILD_TIME));
    let server = world.serve().await;
    assert_says(&ask(&world, &server, "history").await, "History");
    assert_says(&ask(&world, &server, "failed").await, "Nothing");

    world.deploy(&server, "main deploy", Succeeded).await;
    // A rejection is on record like everything else.
    let (failing, rejected) = ("feature/login e2e", "feature/login deploy");
    let (sent, _) = world.send_as(&server, typed_by_bo(failing)).await;
    world.wait_end(&sent, Failed).await;
    world.send_as(&server, typed_by_bo(rejected)).await;
    let records = world.wait_settled().await;
    let short = |state: DeployState| {
        let mut records = records.records.values();
        let record = records.find(|record| record.state == state);
        record.unwrap().short_id.to_string()
    };
    let ids = [Succeeded, Failed, Rejected].map(short);

    // Which of the three each filter shows.
    for (filter, shown) in [
        ("", [true, true, false]),
        ("all", [true, true, true]),
        ("user:me", [true, false, false]),
        ("user:@bo", [false, true, false]),
        ("user:@Bo status:failed", [false, true, false]),
        ("user:U0002 status:rejected", [false, false, true]),
        ("job:deploy all", [true, false, true]),
        ("job:deploy branch:main", [true, false, false]),
        ("branch:feature/login project:WEB", [false, true, false]),
        ("branch:feature/login since:1h All", [false, true, true]),
        ("status:SUCCEEDED", [true, false, false]),
        ("status:in-progress", [false, false, false]),
        ("project:api", [false, false, false]),
        ("since:2100-01-01", [false, false, false]),
    ] {
        let answer = ask(&world, &server, &format!("history {filter}")).await;
        let found = [0, 1, 2].map(|i| answer.contains(&ids[i]));
        assert_eq!(found, shown, "history {filter}: {answer}");
    }

    // Newest first, a page at a time: each of the three on one of the two pages.
    let page = ask(&world, &server, "history limit:2 all").await;
    let next = page.split("history limit:2 before:").nth(1);
    let next: String = next.unwrap().chars().take(8).collect();
    let rest = ask(
        &world,
        &server,
        &format!("history limit:2 before:{next} all"),
    )
    .await;
    // Of what was started, the id leads to the build.
    let listed = |page: &str, id: &str| {
        page.contains(&format!("|{id}>")) || page.contains(&format!("· `{id}`"))
    };
    let first = ids.iter().filter(|id| listed(&page, id)).count();
    let second = ids
        .iter()
        .filter(|id| listed(&rest, id) && !listed(&page, id));
    assert_eq!((first, second.count()), (2, 1), "{page}\n{rest}");

    let one = ask(&world, &server, &format!("status {}", ids[1])).await;
    let same = ask(&world, &server, &format!("show {}", ids[1])).await;
    assert_eq!(one, same);
    assert_says(&one, "`e2e` on `feature/login`");
    assert_says(&one, "|View build>");
    let unknown = ask(&world, &server, "status 00000000").await;
    assert_says(&unknown, "00000000");
    // No query changed anything.
    assert_eq!(world.trigger_count(), 2);
    assert_eq!(world.wait_settled().await.records, records.records);
    server.stop().await;
}

#[tokio::test]
async fn status_shows_what_is_in_progress_and_a_plan_triggers_nothing() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    let plan = ask(&world, &server, "plan main migrate").await;
    assert_says(&plan, "would start");
    assert_says(&plan, "job=migrate");
    let none = ask(&world, &server, "status").await;
    assert!(none.to_lowercase().contains("nothing"), "{none}");

    world.type_command(&server, "main deploy").await;
    world.wait_running().await;
    let short = world.records().only_record().short_id.to_string();
    let open = ask(&world, &server, "status").await;
    assert_says(&open, &short);
    // The target is taken; the plan names the holder.
    let plan = ask(&world, &server, "plan main migrate").await;
    assert_says(&plan, "web/production");
    assert_says(&plan, &short);
    // A rejection names its rule.
    let plan = ask(&world, &server, "plan main restore").await;
    assert_says(&plan, "projects.web.jobs.restore.users");
    assert_eq!(world.trigger_count(), 1);
    assert_eq!(world.records().records.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_query_reply_is_repeated_where_slack_stumbles() {
    let (world, server) = ServeWorld::start().await;
    world.sandbox.slack().fail_next(reject(500, "rollup_error"));
    let answer = ask(&world, &server, "history").await;
    assert_says(&answer, "History");
    server.stop().await;
}

#[tokio::test]
async fn what_is_shipped_is_named_with_what_it_replaces() {
    let (world, server) = ServeWorld::start().await;
    let plan = ask(&world, &server, "plan main deploy").await;
    assert_says(&plan, "No deploy to it is on record yet.");
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    let push = |commit: &str| {
        let circleci = world.sandbox.circleci();
        circleci.lock().push_commit("gh/acme/web", "main", commit);
    };
    push(&first);
    let shown = world.deploy(&server, "main deploy", Succeeded).await;
    let page = "https://github.com/acme/web";
    assert_says(
        &shown,
        &format!(" · commit <{page}/commit/{first}|1111111> · "),
    );
    // One that fails replaces nothing.
    push(&"3".repeat(40));
    world.script_next(RunScript::failure(BUILD_TIME));
    let shown = world.deploy(&server, "main deploy", Failed).await;
    assert!(!shown.contains("replaces"), "{shown}");

    push(&second);
    let plan = ask(&world, &server, "plan main deploy").await;
    assert_says(
        &plan,
        &format!("There now: <{page}/commit/{first}|1111111> of `main`"),
    );
    assert_says(
        &plan,
        &format!("<{page}/compare/{first}...main|1111111...main>"),
    );
    assert_says(&plan, "The last deploy there: :x: *Failed*");
    assert_says(&plan, "It usually takes ");
    assert_says(&plan, "All rules allow it, and nobody is deploying there.");
    let shown = world.deploy(&server, "main deploy", Succeeded).await;
    let compare = format!("<{page}/compare/{first}...{second}|1111111>");
    assert_says(&shown, &format!("|2222222> replaces {compare}"));
    world.wait_settled().await.verify();
    server.stop().await;
}
