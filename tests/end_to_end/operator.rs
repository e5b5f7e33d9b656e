//! The operator's commands beside a real server, as a process of their own.

use std::process::{Command, Stdio};

use chatops_core::deploy::{Head, State};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use chatops_sandbox::slack::Typed;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Ended, PATIENCE, Process, Server, World, chatops, until};

/// A command on the world's data file, in an environment that holds nothing else.
pub(crate) fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = chatops(arguments[0]);
    command
        .args(&arguments[1..])
        .arg("--data")
        .arg(world.data())
        // The configuration lies here as chatops.toml.
        .current_dir(world.dir());
    command
}

pub(crate) async fn run(command: Command) -> Ended {
    let ended = Process::spawn(command).ended().await;
    for line in ended.stdout.iter().chain(&ended.stderr) {
        // Nobody sees colours in a pipe.
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
    ended
}

async fn operate(world: &World, arguments: &[&str]) -> Ended {
    run(command(world, arguments)).await
}

/// What a command printed, if it ended well.
async fn said(world: &World, arguments: &[&str]) -> String {
    let ended = operate(world, arguments).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {:?}", ended.stderr);
    ended.stdout.join("\n")
}

/// Why a command ended with that code.
async fn refused(world: &World, arguments: &[&str], code: i32) -> String {
    let ended = operate(world, arguments).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {:?}", ended.stdout);
    assert_eq!(ended.stdout, [""; 0], "{arguments:?}");
    ended.stderr.join("\n")
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// CircleCI says no to the next trigger, for good.
fn next_is_refused(world: &World) {
    let no = Fault::Refuse {
        status: 400,
        retry_after_s: None,
        message: "Branch not found".to_owned(),
    };
    world.sandbox.circleci().fail_next(Call::Trigger, no);
}

/// A deploy that ran, and then one that could not be started. Nothing is left to be done about them.
async fn two_deploys(world: &World, server: &Server) -> (Head, Head) {
    world.types(server, "main deploy").await;
    world.message("*Succeeded:*").await;
    next_is_refused(world);
    world.types(server, "feature/a e2e").await;
    world.message("*Not started:*").await;
    until("both ends", || {
        let records = world.records();
        let of = |state| {
            let mut of_that = records.heads.values().filter(|h| h.state == state);
            of_that.find(|head| head.due_at.is_none()).cloned()
        };
        Some((of(State::Succeeded)?, of(State::TriggerFailed)?))
    })
    .await
}

#[tokio::test]
async fn what_was_deployed_is_listed_beside_a_server() {
    let world = World::new().await;
    let server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    // Slack tells the time in seconds, so both may have been asked for at the same one.
    let mut both = [&good, &bad];
    both.sort_by_key(|head| std::cmp::Reverse((head.ask.asked_at, head.id)));
    let [newer, older] = both;

    let table = said(&world, &["history"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[0].starts_with("ID        STATE           ASKED (UTC)"),
        "{table}"
    );
    for (line, head) in lines[1..].iter().zip(both) {
        assert!(line.starts_with(head.short.as_str()), "{table}");
        assert!(line.ends_with(head.ask.branch.as_str()), "{table}");
        assert_eq!(line.find("@ada"), lines[0].find("BY"), "{table}");
    }

    let listed = said(&world, &["history", "--json"]).await;
    let rows: Vec<Value> = listed.lines().map(json).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["id"], newer.id.to_string());
    let row = |head: &Head| rows.iter().find(|row| row["short"] == head.short.as_str());
    let row = |head| row(head).unwrap();
    assert_eq!(row(&bad)["state"], "TRIGGER_FAILED");
    assert_eq!(row(&bad)["standing"], "failed");
    assert_eq!(row(&bad)["why"], "CircleCI said no (400): Branch not found");
    let run = good.run.as_ref().unwrap();
    assert_eq!(row(&good)["url"], run.pipeline.url.as_str());

    let csv = said(&world, &["history", "status:failed", "--csv"]).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("id,short,state,"), "{csv}");
    assert!(
        lines[1].contains(",e2e,feature/a,CircleCI said no (400): Branch not found,"),
        "{csv}"
    );

    // One at a time, and the next page as it is offered.
    let ended = operate(&world, &["history", "--limit", "1"]).await;
    let offer = ended.stdout.last().unwrap();
    let again = format!("chatops history before:{}", newer.short);
    assert!(offer.contains(&again), "{offer}");
    let before = format!("before:{}", newer.short);
    let next = said(&world, &["history", &before]).await;
    assert!(next.contains(older.short.as_str()), "{next}");
    assert!(!next.contains(newer.short.as_str()), "{next}");
    // A file of rows holds nothing else.
    let ended = operate(&world, &["history", "limit:1", "--json"]).await;
    assert_eq!(ended.stdout.len(), 1);
    assert!(ended.stderr[0].contains(&again), "{:?}", ended.stderr);

    for (filters, found) in [
        (&["branch:main"][..], 1),
        (&["status:succeeded", "job:deploy"], 1),
        (&["status:succeeded", "job:e2e"], 0),
        (&["since:1h", "--all"], 2),
        (&["project:web", "user:U0001"], 2),
        (&["project:api"], 0),
    ] {
        let arguments = [&["history", "--json"], filters].concat();
        assert_eq!(
            said(&world, &arguments).await.lines().count(),
            found,
            "{filters:?}"
        );
    }
    assert_eq!(
        said(&world, &["history", "project:api"]).await,
        "Nothing found."
    );
    for wrong in [
        &["main"][..],
        &["colour:red"],
        &["limit:1", "--limit", "2"],
        &["user:me"],
        &["--json", "--csv"],
    ] {
        refused(&world, &[&["history"], wrong].concat(), 2).await;
    }
    let unknown = refused(&world, &["history", "before:00000000"], 1).await;
    assert!(unknown.contains("no deploy 00000000"), "{unknown}");
    server.stop().await;
}

#[tokio::test]
async fn one_deploy_is_shown_with_its_audit() {
    let world = World::new().await;
    let server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let shown = said(&world, &["show", good.short.as_str()]).await;
    for words in [
        &good.id.to_string(),
        "SUCCEEDED",
        "deploy on main of web",
        "pipeline 1",
        good.run.as_ref().unwrap().pipeline.url.as_str(),
        "asked for deploy on main of web",
        "lock on web/production",
        "is ours",
        "running: ",
        "ended SUCCEEDED",
        "the chain is whole",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let shown = said(&world, &["show", &bad.id.to_string(), "--json"]).await;
    let shown = json(&shown);
    assert_eq!(
        (&shown["short"], &shown["chain"]),
        (&bad.short.as_str().into(), &"whole".into())
    );
    let events = shown["events"].as_array().unwrap();
    assert_eq!(events.len() as u64, bad.events);
    assert_eq!(events[0]["change"]["what"], "requested");
    assert_eq!(events.last().unwrap()["state"], "TRIGGER_FAILED");
    let unknown = refused(&world, &["show", "00000000"], 1).await;
    assert!(unknown.contains("no deploy 00000000"), "{unknown}");
    refused(&world, &["show", "main"], 2).await;

    let failed = said(&world, &["failed"]).await;
    assert_eq!(failed.lines().count(), 3, "{failed}");
    assert!(failed.contains(bad.short.as_str()), "{failed}");
    assert!(failed.contains("CircleCI said no (400)"), "{failed}");
    let failed = said(&world, &["failed", "--json"]).await;
    assert_eq!(json(&failed)["id"], bad.id.to_string());
    assert!(
        said(&world, &["failed", "--csv"])
            .await
            .contains("Branch not found")
    );
    let page = ["failed", "--before", bad.short.as_str()];
    assert_eq!(said(&world, &page).await, "Nothing waits for a retry.");
    server.stop().await;
}

#[tokio::test]
async fn a_retry_is_carried_out_under_the_operators_name() {
    let world = World::new().await;
    let server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let short = bad.short.as_str();
    // Nobody without a name, and no name that is none.
    let why = refused(&world, &["retry", short], 2).await;
    assert!(why.contains("--as NAME"), "{why}");
    refused(&world, &["retry", short, "--as", "a b"], 2).await;
    refused(&world, &["retry", "00000000", "--as", "ada"], 1).await;
    let why = refused(&world, &["retry", good.short.as_str(), "--as", "ada"], 1).await;
    assert!(why.contains("ended there, SUCCEEDED"), "{why}");
    assert!(
        !world
            .records()
            .messages
            .iter()
            .any(|(lane, _)| lane == "work")
    );

    let mut retry = command(&world, &["retry", short]);
    retry.env("USER", "ada");
    let ended = run(retry).await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let new = until("the retry's end", || {
        let records = world.records();
        let retry = records
            .heads
            .values()
            .find(|h| h.retry_of == Some(bad.id))?;
        retry.state.is_terminal().then(|| retry.clone())
    })
    .await;
    assert_eq!(new.state, State::Succeeded);
    // The outcome is where the command said it would be.
    let offer = format!("chatops show {}", new.short);
    assert!(
        ended.stdout.iter().any(|line| line.ends_with(&offer)),
        "{:?}",
        ended.stdout
    );
    let shown = said(&world, &["show", new.short.as_str()]).await;
    assert!(
        shown.contains("operator ada: asked for e2e on feature/a"),
        "{shown}"
    );
    let shown = said(&world, &["show", short, "--json"]).await;
    assert_eq!(json(&shown)["retried_by"], new.id.to_string());
    world.records().verify();

    // There is nothing left to try again, whichever link of the chain is named.
    let why = refused(&world, &["retry", short, "--as", "ada"], 1).await;
    assert!(why.contains(new.short.as_str()), "{why}");
    let ended = operate(&world, &["retry", short, "--as", "ada", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(json(&ended.stdout[0])["enqueued"], false);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_nobody_knows_needs_a_confirmed_retry() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::Hang { for_: PATIENCE });
    let server = world.serve().await;
    // It takes no lock, so that the retry may run at once.
    world.types(&server, "main test").await;
    world.message("*Unresolved:*").await;
    let old = world.quiet().await.only().clone();
    let short = old.short.as_str();
    let why = refused(&world, &["retry", short, "--as", "ada"], 1).await;
    assert!(
        why.contains(&format!("chatops retry {short} --confirm")),
        "{why}"
    );
    said(&world, &["retry", short, "--as", "ada", "--confirm"]).await;
    let succeeded = until("the retry's end", || {
        let records = world.records();
        let retry = records
            .heads
            .values()
            .find(|h| h.retry_of == Some(old.id))?;
        retry.state.is_terminal().then_some(retry.state)
    })
    .await;
    assert_eq!(succeeded, State::Succeeded);
    server.stop().await;
}

#[tokio::test]
async fn a_running_deploy_is_canceled() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::endless());
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    world.sandbox.client().send(&sent).await;
    world.message("*Running:*").await;
    let short = world.records().only().short.to_string();
    let ended = operate(&world, &["cancel", &short, "--as", "grace", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let told = json(&ended.stdout[0]);
    assert_eq!(
        (&told["enqueued"], &told["operator"]),
        (&true.into(), &"grace".into())
    );
    world.message("*Canceled:*").await;
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.only().state, State::Canceled);
    let shown = said(&world, &["show", &short]).await;
    assert!(
        shown.contains("operator grace: wishes it canceled"),
        "{shown}"
    );
    let why = refused(&world, &["cancel", &short, "--as", "grace"], 1).await;
    assert!(why.contains("nothing to cancel"), "{why}");
    server.stop().await;
}

#[tokio::test]
async fn a_wish_waits_for_the_next_server_and_is_fulfilled_once() {
    let world = World::new().await;
    let server = world.serve().await;
    let (_, bad) = two_deploys(&world, &server).await;
    server.stop().await;
    // Without a server the readers work as well, and two wishes are as good as one.
    assert!(said(&world, &["failed"]).await.contains(bad.short.as_str()));
    for name in ["ada", "grace"] {
        said(&world, &["retry", bad.short.as_str(), "--as", name]).await;
    }
    let queued = world.records().messages;
    assert_eq!(queued.iter().filter(|(lane, _)| lane == "work").count(), 2);
    let server = world.serve().await;
    let records = until("the retry's end", || {
        let records = world.quiet_now()?;
        (records.heads.len() > 2).then_some(records)
    })
    .await;
    assert_eq!(records.heads.len(), 3);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_a_killed_server_leaves_behind_is_read() {
    let world = World::new().await;
    let mut server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    server.process.kill();
    let table = said(&world, &["history"]).await;
    for head in [&good, &bad] {
        assert!(table.contains(head.short.as_str()), "{table}");
    }
    assert!(
        said(&world, &["audit", "verify"])
            .await
            .starts_with("2 deploys")
    );
    // The next one finds nothing in its way.
    world.serve().await.stop().await;
}

#[tokio::test]
async fn an_old_deploy_is_retried_by_force_alone() {
    let world = World::new().await;
    let server = world.serve().await;
    let (_, bad) = two_deploys(&world, &server).await;
    // Two days go by: the record is all that knows when it was.
    let mut old = bad.clone();
    old.end.as_mut().unwrap().at -= chrono::TimeDelta::days(2);
    let file = Connection::open(world.data()).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    let body = serde_json::to_string(&old).unwrap();
    let sql = "UPDATE head SET body = ?1 WHERE id = ?2";
    assert_eq!(file.execute(sql, [&body, &bad.id.to_string()]).unwrap(), 1);
    let short = bad.short.as_str();
    let why = refused(&world, &["retry", short, "--as", "ada"], 1).await;
    assert!(why.contains("--force"), "{why}");
    said(&world, &["retry", short, "--as", "ada", "--force"]).await;
    until("the retry's end", || {
        let records = world.records();
        let retry = records
            .heads
            .values()
            .find(|h| h.retry_of == Some(bad.id))?;
        (retry.state == State::Succeeded).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn the_audit_is_verified_beside_a_server_and_tampering_is_found() {
    let world = World::new().await;
    let server = world.serve().await;
    let (good, _) = two_deploys(&world, &server).await;
    let verified = said(&world, &["audit", "verify"]).await;
    assert!(verified.ends_with("every chain is whole."), "{verified}");
    let file = Connection::open(world.data()).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    file.execute_batch("DROP TRIGGER event_is_not_changed")
        .unwrap();
    let sql = "UPDATE event SET body = replace(body, 'U0001', 'U0002') WHERE deploy = ?1 AND n = 1";
    assert_eq!(file.execute(sql, [good.id.to_string()]).unwrap(), 1);
    let ended = operate(&world, &["audit", "verify"]).await;
    assert_eq!(ended.code, Some(1));
    let first = format!(
        "BROKEN {}: event 1 was changed after it was written",
        good.id
    );
    assert_eq!(ended.stdout[0], first);
    let ended = operate(&world, &["audit", "verify", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    let told = json(&ended.stdout[0]);
    assert_eq!((&told["deploys"], &told["broken"]), (&2.into(), &1.into()));
    assert_eq!(told["first"][0]["event"], 1);
    let shown = said(&world, &["show", good.short.as_str()]).await;
    assert!(shown.contains("the chain is BROKEN: event 1"), "{shown}");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_the_fix() {
    let world = World::new().await;
    let why = refused(&world, &["history"], 1).await;
    assert!(
        why.contains("there is no data file") && why.contains("--data"),
        "{why}"
    );
    // Looking made no file.
    assert!(!world.data().exists());
    let why = refused(&world, &["cancel", "00000000", "--as", "ada"], 1).await;
    assert!(why.contains("there is no data file"), "{why}");
    assert!(!world.data().exists());

    std::fs::write(world.data(), "").unwrap();
    let why = refused(&world, &["audit", "verify"], 1).await;
    assert!(why.contains("is not a data file of chatops"), "{why}");
    std::fs::write(
        world.data(),
        "this is a text and no database, however long it is",
    )
    .unwrap();
    let why = refused(&world, &["history"], 1).await;
    assert!(why.contains("is not a data file of chatops"), "{why}");
    std::fs::remove_file(world.data()).unwrap();

    let server = world.serve().await;
    let (_, bad) = two_deploys(&world, &server).await;
    let file = Connection::open(world.data()).unwrap();
    // A reader is not held up by one who writes; a wish says so.
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(
        said(&world, &["history"])
            .await
            .contains(bad.short.as_str())
    );
    let why = refused(&world, &["retry", bad.short.as_str(), "--as", "ada"], 1).await;
    assert!(why.contains("locked by another program"), "{why}");
    file.execute_batch("ROLLBACK").unwrap();
    server.stop().await;
    file.pragma_update(None, "user_version", 7).unwrap();
    let why = refused(&world, &["history"], 1).await;
    assert!(why.contains("use a newer chatops"), "{why}");
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error() {
    let world = World::new().await;
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    let config = world.config();
    let config = config.to_str().unwrap();
    for (arguments, code) in [
        (&["history"][..], 0),
        (&["history", "--json"], 0),
        (&["audit", "verify"], 0),
        (&["config", "check", "--config", config], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        // The verdict stands even if nobody reads it.
        (&["doctor", "--config", "/nowhere"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = chatops(arguments[0]);
        command
            .args(&arguments[1..])
            .env("CHATOPS_DATA", world.data());
        command.stdout(writer).stderr(Stdio::piped());
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}");
        assert_eq!(
            String::from_utf8(ended.stderr).unwrap(),
            "",
            "{arguments:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_is_checked_without_anything_else() {
    let world = World::new().await;
    let check = |path: &str| {
        let mut command = chatops("config");
        command.args(["check", "--config", path]);
        run(command)
    };
    let path = world.config();
    let path = path.to_str().unwrap();
    let ended = check(path).await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let text = ended.stdout.join("\n");
    assert!(
        text.contains("Project web, gh/acme/web at CircleCI"),
        "{text}"
    );
    assert!(text.contains("    people    U0009"), "{text}");

    let written = std::fs::read_to_string(path).unwrap();
    std::fs::write(
        path,
        written.replace("slug = \"gh/acme/web\"", "slug = \"web\""),
    )
    .unwrap();
    let ended = check(path).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 0));
    let line = 1 + written
        .lines()
        .position(|line| line.starts_with("slug"))
        .unwrap();
    let place = format!("chatops.toml:{line}:");
    assert!(ended.stderr[0].contains(&place), "{:?}", ended.stderr);
    let ended = check("/nowhere/chatops.toml").await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr[0].contains("cannot be read"),
        "{:?}",
        ended.stderr
    );
}

#[tokio::test]
async fn names_of_the_configuration_are_understood() {
    let world = World::new().await;
    let path = world.config();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\n[people]\nnina = \"U0009\"\n");
    let text = text.replace("[projects.web]\n", "[projects.web]\naliases = [\"site\"]\n");
    std::fs::write(&path, text).unwrap();
    let server = world.serve().await;
    let typed = Typed {
        user_id: "U0009".to_owned(),
        ..Typed::new("main restore")
    };
    world.sandbox.type_command(&server.url, typed).await;
    world.message("*Succeeded:*").await;
    // It lies where the command is run.
    let found = said(&world, &["history", "user:@nina", "project:site", "--json"]).await;
    assert_eq!(found.lines().count(), 1, "{found}");
    // A file that is named has to be there.
    let why = refused(&world, &["history", "--config", "/nowhere/chatops.toml"], 1).await;
    assert!(why.contains("/nowhere/chatops.toml"), "{why}");
    // One that only lies there may have a mistake.
    std::fs::write(&path, "version = 2").unwrap();
    let ended = operate(&world, &["history", "--json"]).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 1));
    assert!(
        ended.stderr[0].contains("chatops.toml:1:"),
        "{:?}",
        ended.stderr
    );
    server.stop().await;
}

#[tokio::test]
async fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let mut command = chatops("completions");
        command.arg(shell);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.join("\n").contains("history"), "{shell}");
    }
    for (words, title) in [
        (&[][..], ".TH chatops 1"),
        (&["audit", "verify"], ".TH chatops-audit-verify 1"),
    ] {
        let mut command = chatops("man");
        command.args(words);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.stdout.iter().any(|line| line.starts_with(title)),
            "{:?}",
            ended.stdout
        );
    }
    let mut command = chatops("man");
    command.arg("hsitory");
    assert_eq!(run(command).await.code, Some(2));
}
