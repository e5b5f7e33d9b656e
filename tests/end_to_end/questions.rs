//! Questions typed in Slack: answered in one hop, to the asker alone, out of the real record.

use chatops_core::deploy::State;
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::Script;
use chatops_sandbox::slack::Typed;

use crate::support::{BUILD, Server, World};

/// Asks and returns the answer, which only the asker may see; the acknowledgement shows nothing.
async fn asks(world: &World, server: &Server, text: &str) -> String {
    answered(world, server, Typed::new(text)).await
}

async fn answered(world: &World, server: &Server, typed: Typed) -> String {
    let sent = world.sandbox.client().compose(&server.url, &typed);
    let ack = world.sandbox.client().send(&sent).await;
    assert_eq!((ack.status, ack.shown.as_str()), (Some(200), ""));
    let what = format!("an answer to '{}'", typed.text);
    let answer = world
        .sees(&what, |_| world.told(&sent).into_iter().next())
        .await;
    assert_eq!(answer.visible_to.as_deref(), Some(typed.user_id.as_str()));
    answer.shown()
}

fn someone(user: (&str, &str), text: &str) -> Typed {
    Typed {
        user_id: user.0.to_owned(),
        user_name: user.1.to_owned(),
        ..Typed::new(text)
    }
}

#[tokio::test]
async fn the_audit_answers_who_shipped_what_and_how_it_ended() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    circleci.lock().script("e2e", Script::failure(BUILD));
    let server = world.serve().await;
    assert!(asks(&world, &server, "history").await.contains("History"));
    assert!(asks(&world, &server, "failed").await.contains("Nothing"));

    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    let bo = someone(("U0002", "bo"), "feature/login e2e");
    world.sandbox.type_command(&server.url, bo).await;
    world.message("*Failed:*").await;
    // A refusal is in the audit like everything else.
    let refused = someone(("U0002", "bo"), "feature/login deploy");
    world.sandbox.type_command(&server.url, refused).await;
    world.message("*Refused:*").await;
    let records = world.quiet().await;
    let short = |state: State| {
        let head = records.heads.values().find(|head| head.state == state);
        head.unwrap().short.to_string()
    };
    let ids = [State::Succeeded, State::Failed, State::Refused].map(short);

    // Which of the three each filter shows.
    for (filter, shown) in [
        ("", [true, true, true]),
        ("user:me", [true, false, false]),
        ("user:@bo", [false, true, true]),
        ("user:@Bo status:failed", [false, true, false]),
        ("user:U0002 status:refused", [false, false, true]),
        ("job:deploy", [true, false, true]),
        ("job:deploy branch:main", [true, false, false]),
        (
            "branch:feature/login project:web since:1h",
            [false, true, true],
        ),
        ("status:SUCCEEDED", [true, false, false]),
        ("status:open", [false, false, false]),
        ("project:api", [false, false, false]),
        ("since:2100-01-01", [false, false, false]),
    ] {
        let answer = asks(&world, &server, &format!("history {filter}")).await;
        let found = [0, 1, 2].map(|i| answer.contains(&ids[i]));
        assert_eq!(found, shown, "history {filter}: {answer}");
    }

    // Newest first, a page at a time: each of the three on one of the two pages.
    let page = asks(&world, &server, "history limit:2").await;
    let next = page.split("history limit:2 before:").nth(1);
    let next: String = next.unwrap().chars().take(8).collect();
    let rest = asks(&world, &server, &format!("history limit:2 before:{next}")).await;
    let listed = |page: &str, id: &str| page.contains(&format!("`{id}`"));
    let first = ids.iter().filter(|id| listed(&page, id)).count();
    let second = ids
        .iter()
        .filter(|id| listed(&rest, id) && !listed(&page, id));
    assert_eq!((first, second.count()), (2, 1), "{page}\n{rest}");

    let one = asks(&world, &server, &format!("status {}", ids[1])).await;
    assert!(one.contains("`e2e` on `feature/login`"), "{one}");
    assert!(one.contains("[View build]"), "{one}");
    let unknown = asks(&world, &server, "status 00000000").await;
    assert!(unknown.contains("00000000"), "{unknown}");
    // Nothing of all this changed anything.
    assert_eq!(world.posts_so_far(), 2);
    assert_eq!(world.quiet().await.heads, records.heads);
    server.stop().await;
}

#[tokio::test]
async fn what_is_open_is_shown_and_a_plan_triggers_nothing() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    circleci.lock().script("deploy", Script::endless());
    let server = world.serve().await;
    let plan = asks(&world, &server, "plan main migrate").await;
    assert!(plan.contains("would start"), "{plan}");
    assert!(plan.contains("job=migrate"), "{plan}");
    let none = asks(&world, &server, "status").await;
    assert!(none.to_lowercase().contains("nothing"), "{none}");

    world.types(&server, "main deploy").await;
    world.message("*Running:*").await;
    let short = world.records().only().short.to_string();
    let open = asks(&world, &server, "status").await;
    assert!(open.contains(&short), "{open}");
    // The target is taken: the plan says by whom.
    let plan = asks(&world, &server, "plan main migrate").await;
    assert!(
        plan.contains("web/production") && plan.contains(&short),
        "{plan}"
    );
    // What the rules refuse is said with the rule.
    let plan = asks(&world, &server, "plan main restore").await;
    assert!(plan.contains("projects.web.jobs.restore.people"), "{plan}");
    assert_eq!(world.posts_so_far(), 1);
    assert_eq!(world.records().heads.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_is_told_again_where_slack_stumbles() {
    let world = World::new().await;
    let server = world.serve().await;
    world.sandbox.slack().fail_next(Fault::Refuse {
        status: 500,
        retry_after_s: None,
        message: "rollup_error".to_owned(),
    });
    let answer = asks(&world, &server, "history").await;
    assert!(answer.contains("History"), "{answer}");
    server.stop().await;
}
