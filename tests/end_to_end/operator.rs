//! The operator's commands beside a real server, each a process of its own.

use std::process::Command;

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::DeployState::{Canceled, Succeeded, TriggerFailed, Unresolved};
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::ShownMessage;
use serde_json::Value;

use crate::support::{
    HANG, ProcessExit, ServeWorld, ServerProcess, assert_says, chatops, run, run_args, typed_by,
    wait_until,
};

/// A command on the world's data file, in an environment that holds nothing else.
pub(crate) fn command(world: &ServeWorld, arguments: &[&str]) -> Command {
    let mut command = chatops(arguments[0]);
    command
        .args(&arguments[1..])
        .arg("--data")
        .arg(world.data())
        // The configuration lies here as chatops.toml.
        .current_dir(world.dir());
    command
}

async fn operate(world: &ServeWorld, arguments: &[&str]) -> ProcessExit {
    run(command(world, arguments)).await
}

/// What a command printed, if it ended well.
async fn success(world: &ServeWorld, arguments: &[&str]) -> String {
    operate(world, arguments).await.success()
}

/// Why a command ended with that code.
async fn failure(world: &ServeWorld, arguments: &[&str], code: i32) -> String {
    operate(world, arguments).await.failure(code)
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A deploy that succeeded, and then one that was not triggered. Nothing is left to do about them.
async fn two_deploys(world: &ServeWorld, server: &ServerProcess) -> (DeployRecord, DeployRecord) {
    world.deploy(server, "main deploy", Succeeded).await;
    world.reject_next_trigger();
    world.deploy(server, "feature/a e2e", TriggerFailed).await;
    wait_until("both ends", || {
        let records = world.records().records;
        let of = |state| {
            let mut records = records.values().filter(|record| record.due_at.is_none());
            records.find(|record| record.state == state).cloned()
        };
        Some((of(Succeeded)?, of(TriggerFailed)?))
    })
    .await
}

/// Waits for the deploy that retries this one; it succeeded.
async fn wait_retried(world: &ServeWorld, old: &DeployRecord) -> DeployRecord {
    let retried = wait_until("the retry's end", || {
        let records = world.records();
        let retry = records.retry_of(old.id)?;
        retry.state.is_terminal().then(|| retry.clone())
    });
    let retried = retried.await;
    assert_eq!(retried.state, Succeeded);
    retried
}

#[tokio::test]
async fn deploys_are_listed_beside_a_server() {
    let (world, server) = ServeWorld::start().await;
    let (good, bad) = two_deploys(&world, &server).await;
    // Slack's times are whole seconds, so both requests may have the same one.
    let mut both = [&good, &bad];
    both.sort_by_key(|record| std::cmp::Reverse((record.request.requested_at, record.id)));
    let [newer, older] = both;

    let table = success(&world, &["history"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    let header = "ID        STATE           REQUESTED (UTC)";
    assert!(lines[0].starts_with(header), "{table}");
    for (line, record) in lines[1..].iter().zip(both) {
        assert!(line.starts_with(record.short_id.as_str()), "{table}");
        let branch = record.request.branch.as_str();
        assert_eq!(line.find(branch), lines[0].find("BRANCH"), "{table}");
        assert_eq!(line.find("@ada"), lines[0].find("USER"), "{table}");
    }

    let listed = success(&world, &["history", "--json"]).await;
    let rows: Vec<Value> = listed.lines().map(json).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["id"], newer.id.to_string());
    let row = |record: &DeployRecord| {
        let mut rows = rows.iter();
        rows.find(|row| row["short_id"] == record.short_id.as_str())
            .unwrap()
    };
    assert_eq!(row(&bad)["state"], "TRIGGER_FAILED");
    assert_eq!(row(&bad)["outcome"], "failed");
    assert_eq!(
        row(&bad)["reason"],
        "CircleCI said no (403): Permission denied"
    );
    let run = good.run.as_ref().unwrap();
    assert_eq!(row(&good)["url"], run.pipeline.url.as_str());

    let csv = success(&world, &["history", "status:failed", "--csv"]).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("id,short_id,state,"), "{csv}");
    assert_says(
        lines[1],
        ",e2e,feature/a,CircleCI said no (403): Permission denied,",
    );

    // One at a time, and the next page as it is offered.
    let ended = operate(&world, &["history", "--limit", "1"]).await;
    let offer = ended.stdout.last().unwrap();
    let again = format!("chatops history before:{}", newer.short_id);
    assert_says(offer, &again);
    let before = format!("before:{}", newer.short_id);
    let next = success(&world, &["history", &before]).await;
    assert_says(&next, older.short_id.as_str());
    assert!(!next.contains(newer.short_id.as_str()), "{next}");
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
        let listed = success(&world, &arguments).await;
        assert_eq!(listed.lines().count(), found, "{filters:?}");
    }
    let none = success(&world, &["history", "project:api"]).await;
    assert_eq!(none, "No deploy found.");
    for wrong in [
        &["main"][..],
        &["colour:red"],
        &["limit:1", "--limit", "2"],
        &["user:me"],
        &["--json", "--csv"],
    ] {
        failure(&world, &[&["history"], wrong].concat(), 2).await;
    }
    let unknown = failure(&world, &["history", "before:00000000"], 1).await;
    assert_says(&unknown, "no deploy 00000000");
    server.stop().await;
}

#[tokio::test]
async fn one_deploy_is_shown_with_its_audit() {
    let (world, server) = ServeWorld::start().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let shown = success(&world, &["show", good.short_id.as_str()]).await;
    for words in [
        &good.id.to_string(),
        "SUCCEEDED",
        "deploy on main of web",
        "pipeline 1",
        good.run.as_ref().unwrap().pipeline.url.as_str(),
        "requested deploy on main of web",
        "lock on gh/acme/web/production",
        "triggered pipeline 1",
        "running: ",
        "ended SUCCEEDED",
        "the chain is verified",
    ] {
        assert_says(&shown, words);
    }
    let shown = success(&world, &["show", &bad.id.to_string(), "--json"]).await;
    let shown = json(&shown);
    assert_eq!(shown["short_id"], bad.short_id.as_str());
    assert_eq!(shown["chain"], "verified");
    let events = shown["events"].as_array().unwrap();
    assert_eq!(events.len() as u64, bad.events);
    assert_eq!(events[0]["change"]["kind"], "requested");
    assert_eq!(events.last().unwrap()["state"], "TRIGGER_FAILED");
    let unknown = failure(&world, &["show", "00000000"], 1).await;
    assert_says(&unknown, "no deploy 00000000");
    failure(&world, &["show", "main"], 2).await;

    let failed = success(&world, &["failed"]).await;
    assert_eq!(failed.lines().count(), 3, "{failed}");
    assert_says(&failed, bad.short_id.as_str());
    assert_says(&failed, "CircleCI said no (403)");
    let failed = success(&world, &["failed", "--json"]).await;
    assert_eq!(json(&failed)["id"], bad.id.to_string());
    let failed = success(&world, &["failed", "--csv"]).await;
    assert_says(&failed, "Permission denied");
    let page = ["failed", "--before", bad.short_id.as_str()];
    assert_eq!(success(&world, &page).await, "No deploy waits for a retry.");
    server.stop().await;
}

#[tokio::test]
async fn a_retry_is_carried_out_under_the_operators_name() {
    let (world, server) = ServeWorld::start().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let short = bad.short_id.as_str();
    // No name that is none.
    let why = failure(&world, &["retry", short, "--as", "a b"], 2).await;
    assert_says(&why, "--as NAME");
    failure(&world, &["retry", "00000000", "--as", "ada"], 1).await;
    let why = failure(&world, &["retry", good.short_id.as_str(), "--as", "ada"], 1).await;
    assert_says(&why, "ended there, SUCCEEDED");
    assert_eq!(world.records().action_count(), 0);

    // No variable gives a name, and none is needed.
    let mut retry = command(&world, &["retry", short, "--json"]);
    retry.env("USER", "mallory");
    let sent = json(&run(retry).await.success());
    let name = sent["operator"].as_str().unwrap().to_owned();
    assert_ne!(name, "mallory");
    let new = wait_retried(&world, &bad).await;
    // The outcome is where the command said it would be.
    assert_eq!(sent["outcome"], new.id.to_string());
    let shown = success(&world, &["show", new.short_id.as_str()]).await;
    assert_says(
        &shown,
        &format!("operator {name}: requested e2e on feature/a"),
    );
    let shown = success(&world, &["show", short, "--json"]).await;
    assert_eq!(json(&shown)["retried_by"], new.id.to_string());
    world.records().verify();

    // There is nothing left to retry, whichever link of the chain is named.
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, new.short_id.as_str());
    let ended = operate(&world, &["retry", short, "--as", "ada", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(json(&ended.stdout[0])["enqueued"], false);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_an_operator_starts_is_told_in_the_channel() {
    const BOT: &str = "xoxb-canary4-bot4-token4";
    let world = ServeWorld::new().await;
    {
        let mut slack = world.sandbox.slack().lock();
        slack.install_bot(BOT);
        slack.invite_bot("C0001");
    }
    let server = world.serve_with_env("SLACK_BOT_TOKEN", BOT).await;
    let (_, bad) = two_deploys(&world, &server).await;
    let retry = ["retry", bad.short_id.as_str(), "--as", "ada", "--json"];
    let sent = json(&success(&world, &retry).await);
    let name = sent["operator"].as_str().unwrap();
    let new = wait_retried(&world, &bad).await;
    world.wait_settled().await.verify();
    server.stop().await;
    let slack = world.sandbox.slack().lock();
    let by_bot = slack.messages().iter().filter(|message| {
        message.response_path == "/api/chat.postMessage" && message.visible_to.is_none()
    });
    let texts: Vec<_> = by_bot.map(ShownMessage::shown_text).collect();
    let last = texts.last().unwrap();
    assert_says(last, new.short_id.as_str());
    assert_says(last, "*Succeeded:*");
    assert_says(last, name);
}

#[tokio::test]
async fn an_unknown_outcome_needs_a_confirmed_retry() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(HANG);
    let server = world.serve().await;
    // It takes no lock, so that the retry may run at once.
    world.deploy(&server, "main test", Unresolved).await;
    let old = world.wait_settled().await.only_record().clone();
    let short = old.short_id.as_str();
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, &format!("chatops retry {short} --confirm"));
    success(&world, &["retry", short, "--as", "ada", "--confirm"]).await;
    wait_retried(&world, &old).await;
    server.stop().await;
}

#[tokio::test]
async fn a_running_deploy_is_canceled() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    world.type_command(&server, "main deploy").await;
    world.wait_running().await;
    let short = world.records().only_record().short_id.to_string();
    let cancel = ["cancel", &short, "--as", "grace", "--json"];
    let said = json(&success(&world, &cancel).await);
    assert_eq!(said["enqueued"], true);
    let name = said["operator"].as_str().unwrap();
    assert!(name.ends_with(" as \"grace\" (unverified)"), "{name}");
    world.wait_final(Canceled).await;
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().state, Canceled);
    let shown = success(&world, &["show", &short]).await;
    assert_says(&shown, &format!("operator {name}: cancel requested"));
    let why = failure(&world, &["cancel", &short, "--as", "grace"], 1).await;
    assert_says(&why, "nothing to cancel");
    server.stop().await;
}

#[tokio::test]
async fn an_action_waits_for_the_next_server_and_is_done_once() {
    let (world, server) = ServeWorld::start().await;
    let (_, bad) = two_deploys(&world, &server).await;
    server.stop().await;
    // Without a server the readers work as well, and two requests do the same as one.
    let short = bad.short_id.as_str();
    assert_says(&success(&world, &["failed"]).await, short);
    for name in ["ada", "grace"] {
        success(&world, &["retry", short, "--as", name]).await;
    }
    assert_eq!(world.records().action_count(), 2);
    let server = world.serve().await;
    let records = wait_until("the retry's end", || {
        let records = world.settled_now()?;
        (records.records.len() > 2).then_some(records)
    })
    .await;
    assert_eq!(records.records.len(), 3);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_a_killed_server_leaves_behind_is_read() {
    let world = ServeWorld::new().await;
    let mut server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    server.process.kill();
    let table = success(&world, &["history"]).await;
    for record in [&good, &bad] {
        assert_says(&table, record.short_id.as_str());
    }
    let verified = success(&world, &["audit", "verify"]).await;
    assert!(verified.starts_with("2 deploys"), "{verified}");
    // The next one finds nothing in its way.
    world.serve().await.stop().await;
}

#[tokio::test]
async fn an_old_deploy_is_retried_by_force_alone() {
    let (world, server) = ServeWorld::start().await;
    let (_, bad) = two_deploys(&world, &server).await;
    // Two days go by: the record is all that knows when it was.
    let mut old = bad.clone();
    old.end.as_mut().unwrap().at -= chrono::TimeDelta::days(2);
    let file = world.open_data();
    let body = serde_json::to_string(&old).unwrap();
    let sql = "UPDATE deploy SET body = ?1 WHERE id = ?2";
    assert_eq!(file.execute(sql, [&body, &bad.id.to_string()]).unwrap(), 1);
    let short = bad.short_id.as_str();
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, "--force");
    success(&world, &["retry", short, "--as", "ada", "--force"]).await;
    wait_retried(&world, &bad).await;
    server.stop().await;
}

#[tokio::test]
async fn the_audit_is_verified_beside_a_server_and_tampering_is_found() {
    let (world, server) = ServeWorld::start().await;
    let (good, _) = two_deploys(&world, &server).await;
    let verified = success(&world, &["audit", "verify"]).await;
    assert!(verified.ends_with("every chain is verified."), "{verified}");
    let file = world.open_data();
    let drop_trigger = "DROP TRIGGER event_is_not_changed";
    file.execute_batch(drop_trigger).unwrap();
    let sql = "UPDATE event SET body = replace(body, 'U0001', 'U0002') WHERE deploy = ?1 AND n = 1";
    assert_eq!(file.execute(sql, [good.id.to_string()]).unwrap(), 1);
    let ended = operate(&world, &["audit", "verify"]).await;
    assert_eq!(ended.code, Some(1));
    let why = "event 1 was changed after it was written";
    assert_eq!(ended.stdout[0], format!("BROKEN {}: {why}", good.id));
    let ended = operate(&world, &["audit", "verify", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    let said = json(&ended.stdout[0]);
    assert_eq!((&said["deploys"], &said["broken"]), (&2.into(), &1.into()));
    assert_eq!(said["first"][0]["event"], 1);
    let shown = success(&world, &["show", good.short_id.as_str()]).await;
    assert_says(&shown, "the chain is BROKEN: event 1");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_the_fix() {
    let world = ServeWorld::new().await;
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "there is no data file");
    assert_says(&why, "--data");
    // Reading creates no file.
    assert!(!world.data().exists());
    let why = failure(&world, &["cancel", "00000000", "--as", "ada"], 1).await;
    assert_says(&why, "there is no data file");
    assert!(!world.data().exists());

    std::fs::write(world.data(), "").unwrap();
    let why = failure(&world, &["audit", "verify"], 1).await;
    assert_says(&why, "is not a data file of chatops");
    let text = "this is a text and no database, however long it is";
    std::fs::write(world.data(), text).unwrap();
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "is not a data file of chatops");
    std::fs::remove_file(world.data()).unwrap();

    let server = world.serve().await;
    let (_, bad) = two_deploys(&world, &server).await;
    let file = world.open_data();
    // A reader does not wait for a writer; a retry fails.
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let short = bad.short_id.as_str();
    assert_says(&success(&world, &["history"]).await, short);
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, "locked by another program");
    file.execute_batch("ROLLBACK").unwrap();
    server.stop().await;
    file.pragma_update(None, "user_version", 7).unwrap();
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "use a newer chatops");
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main deploy", Succeeded).await;
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
        command.args(&arguments[1..]);
        command.env("CHATOPS_DATA", world.data()).stdout(writer);
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ended = ended.await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}");
        assert_eq!(ended.stderr, b"", "{arguments:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_is_checked_without_anything_else() {
    let world = ServeWorld::new().await;
    let check = async |path: &str| run_args(&["config", "check", "--config", path]).await;
    let path = world.config();
    let path = path.to_str().unwrap();
    let text = check(path).await.success();
    assert_says(&text, "Project web, gh/acme/web at CircleCI");
    assert_says(&text, "    users     U0009");

    let written = std::fs::read_to_string(path).unwrap();
    let wrong = written.replace("slug = \"gh/acme/web\"", "slug = \"web\"");
    std::fs::write(path, wrong).unwrap();
    let line = written.lines().position(|line| line.starts_with("slug"));
    let position = format!("chatops.toml:{}:", line.unwrap() + 1);
    assert_says(&check(path).await.failure(1), &position);
    let why = check("/nowhere/chatops.toml").await.failure(1);
    assert_says(&why, "cannot be read");
}

#[tokio::test]
async fn names_of_the_configuration_are_understood() {
    let world = ServeWorld::new().await;
    let path = world.config();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\n[users]\nnina = \"U0009\"\n");
    let text = text.replace("[projects.web]\n", "[projects.web]\naliases = [\"site\"]\n");
    std::fs::write(&path, text).unwrap();
    let server = world.serve().await;
    let typed = typed_by("U0009", "main restore");
    let (sent, _) = world.send_as(&server, typed).await;
    world.wait_end(&sent, Succeeded).await;
    // The configuration is where the command is run.
    let found = success(&world, &["history", "user:@nina", "project:site", "--json"]).await;
    assert_eq!(found.lines().count(), 1, "{found}");
    // A file that is named has to be there.
    let why = failure(&world, &["history", "--config", "/nowhere/chatops.toml"], 1).await;
    assert_says(&why, "/nowhere/chatops.toml");
    // One that is only there may have a mistake.
    std::fs::write(&path, "version = 2").unwrap();
    let ended = operate(&world, &["history", "--json"]).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 1));
    assert_says(&ended.stderr[0], "chatops.toml:1:");
    server.stop().await;
}

#[tokio::test]
async fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run_args(&["completions", shell]).await.success();
        assert_says(&script, "history");
    }
    for (arguments, title) in [
        (&["man"][..], "\n.TH chatops 1"),
        (&["man", "audit", "verify"], "\n.TH chatops-audit-verify 1"),
    ] {
        let page = run_args(arguments).await.success();
        assert_says(&page, title);
    }
    run_args(&["man", "hsitory"]).await.failure(2);
}
