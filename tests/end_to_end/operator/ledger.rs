//! The commands that only read deploys and their audit: `history`, `show`, `failed`, `audit verify`.
//! Nothing is requested here but the deploys to look at.

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::DeployState::Succeeded;
use serde_json::Value;

use super::{failure, json, operate, success, two_deploys};
use crate::support::{ServeWorld, assert_says, typed_by};

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
        let branch = record.request.git_ref.name();
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
    ] {
        failure(&world, &[&["history"], wrong].concat(), 2).await;
    }
    let both = operate(&world, &["history", "--json", "--csv"]).await;
    assert_eq!((both.code, both.stdout.len()), (Some(2), 1));
    let unknown = failure(&world, &["history", "before:00000000"], 1).await;
    assert_says(&unknown, "no deploy 00000000");
    server.stop().await;
}

#[tokio::test]
async fn one_deploy_is_shown_with_its_audit() {
    let (world, server) = ServeWorld::start().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let shown = success(&world, &["show", good.short_id.as_str()]).await;
    // The same without the events.
    let status = success(&world, &["status", good.short_id.as_str()]).await;
    assert!(
        shown.starts_with(&status) && shown.len() > status.len(),
        "{status}"
    );
    let none = success(&world, &["status"]).await;
    assert_eq!(none, "No deploy is in progress.");
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
    // Looking before acting changes nothing.
    let id = bad.short_id.as_str();
    let before = world.records().records.len();
    let look = success(&world, &["retry", id, "--dry-run"]).await;
    assert_says(&look, "Would be enqueued: retry");
    let look = success(&world, &["dismiss", id, "--dry-run", "--json"]).await;
    let look = json(&look);
    assert_eq!(
        (&look["enqueued"], &look["dry_run"]),
        (&false.into(), &true.into())
    );
    assert_says(&success(&world, &["failed"]).await, id);
    assert_eq!(world.records().records.len(), before);
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
async fn the_audit_is_verified_beside_a_server_and_tampering_is_found() {
    let (world, server) = ServeWorld::start().await;
    let (good, _) = two_deploys(&world, &server).await;
    let verified = success(&world, &["audit", "verify"]).await;
    assert!(verified.ends_with("everything agrees."), "{verified}");
    let file = world.open_data();
    let drop_trigger = "DROP TRIGGER event_is_not_changed";
    file.execute_batch(drop_trigger).unwrap();
    let sql = "UPDATE event SET body = replace(body, 'U0001', 'U0002') WHERE deploy = ?1 AND n = 1";
    assert_eq!(file.execute(sql, [good.id.to_string()]).unwrap(), 1);
    let ended = operate(&world, &["audit", "verify"]).await;
    assert_eq!(ended.code, Some(1));
    let why = "event 1 was changed after it was written";
    let shown = format!("DIFFERS {}: {why}", good.id);
    assert!(ended.stdout.contains(&shown), "{ended:?}");
    let trigger = "DIFFERS the trigger event_is_not_changed: it is missing";
    assert_eq!(ended.stdout[0], trigger);
    let ended = operate(&world, &["audit", "verify", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    let said = json(&ended.stdout[0]);
    assert_eq!(said["deploys"], 2);
    let first = said["first"].as_array().unwrap().iter();
    let mut events = first.filter(|one| one["deploy"] == good.id.to_string());
    assert_eq!(events.next().unwrap()["event"], 1);
    let shown = success(&world, &["show", good.short_id.as_str()]).await;
    assert_says(&shown, "the chain is BROKEN: event 1");
    server.stop().await;
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
    assert_says(
        &ended.stderr.join("\n"),
        "chatops.toml:1:11: this program reads version = 1",
    );
    server.stop().await;
}
