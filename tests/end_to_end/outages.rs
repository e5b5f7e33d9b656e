//! The store does not work for a while: nothing accepted is lost.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Rejected, Succeeded};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};
use chatops_sandbox::slack::TypedCommand;

use crate::support::{ServeWorld, ServerProcess, assert_says, now, wait_until};

/// How many deploys wait for CircleCI.
const DEPLOYS: usize = 40;

/// For as long as any test takes.
const HANG_LONG: HttpFault = HttpFault::Hang {
    duration: Duration::from_mins(10),
};

/// More receives than any message had before it was dead.
const MANY: u32 = 20;

/// How often the one message of the work queue was received.
fn receive_count(world: &ServeWorld) -> u32 {
    let sql = "SELECT coalesce(max(receive_count), 0) FROM message WHERE queue = 'work'";
    let data = world.open_data();
    data.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Leaves out the pause of a command that failed.
fn skip_pause(world: &ServeWorld) {
    let at_once = "UPDATE message SET visible_at = 0 WHERE queue = 'work' AND visible_at > 0 \
                   AND receipt IS NOT NULL";
    world.open_data().execute(at_once, []).unwrap();
}

/// A store that takes no deploy, until the message of the command was received so often and some time
/// has passed.
async fn outlast_outage(world: &ServeWorld, least: Duration) {
    let until = now() + least;
    wait_until("many receives", || {
        skip_pause(world);
        (receive_count(world) > MANY && now() >= until).then_some(())
    })
    .await;
}

async fn begin_outage(times: &str) -> (ServeWorld, ServerProcess) {
    let world = ServeWorld::new().await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replacen("[timeouts]", &format!("[timeouts]\n{times}"), 1);
    std::fs::write(world.config(), config).unwrap();
    let server = world.serve().await;
    let broken = "CREATE TRIGGER outage BEFORE INSERT ON deploy \
                  BEGIN SELECT RAISE(ABORT, 'the store is down'); END";
    world.open_data().execute_batch(broken).unwrap();
    (world, server)
}

async fn end_outage(world: &ServeWorld) {
    let mended = "DROP TRIGGER outage";
    world.open_data().execute_batch(mended).unwrap();
    // A try that is under way may still fail, and pause.
    wait_until("the command to be on record", || {
        skip_pause(world);
        (!world.records().records.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_command_outlasts_an_outage_of_the_store() {
    let (world, server) = begin_outage("").await;
    let sent = world.send(&server, "main test").await;
    outlast_outage(&world, Duration::ZERO).await;
    assert!(world.records().records.is_empty());
    end_outage(&world).await;
    world.wait_end(&sent, Succeeded).await;
    world.wait_settled().await.verify();
    assert_eq!(world.pipelines().len(), 1);
    let ended = server.stop().await;
    let log = [ended.stdout, ended.stderr].concat();
    let said = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    // Loud, but not once a try.
    assert_eq!(said("messages cannot be handled"), 1, "{log:#?}");
    assert_eq!(said("messages are handled again"), 1, "{log:#?}");
}

#[tokio::test]
async fn a_command_that_is_too_old_after_an_outage_ends_expired_and_is_told() {
    let (world, server) = begin_outage("request_ttl = \"5s\"").await;
    let sent = world.send(&server, "main test").await;
    outlast_outage(&world, Duration::from_secs(6)).await;
    end_outage(&world).await;
    assert_says(&world.wait_end(&sent, Rejected).await, "*Expired:*");
    let records = world.wait_settled().await;
    records.verify();
    assert!(world.pipelines().is_empty());
    server.stop().await;
}

/// Forty deploys wait for a CircleCI that hangs, before their trigger or after it.
#[tokio::test]
async fn a_query_does_not_wait_for_circleci() {
    // Nothing that hangs ends by itself while this looks.
    let times = r#"
connect_timeout = "1s"
request_timeout = "4m"
trigger_window = "5m"
delivery_lease = "5m"
poll_interval_min = "50ms"
poll_interval_max = "100ms"
"#;
    let world = ServeWorld::with_times(times).await;
    world.script("test", RunScript::success(Duration::from_mins(9)));
    let server = world.serve().await;
    let ask = async || {
        let (sent, _) = world.send_as(&server, TypedCommand::new("status")).await;
        world.wait_reply(&sent).await
    };
    for _ in 0..DEPLOYS {
        world.send(&server, "main test").await;
    }
    world.wait_triggers(DEPLOYS).await;
    for _ in 0..2 * DEPLOYS {
        world
            .sandbox
            .circleci()
            .fail_next(CiCall::Pipeline, HANG_LONG);
    }
    assert_says(&ask().await, "In progress");
    for _ in 0..DEPLOYS {
        world.fail_next_trigger(HANG_LONG);
        world.send(&server, "main test").await;
    }
    world.wait_triggers(2 * DEPLOYS).await;
    assert_says(&ask().await, "In progress");
    drop(server);
}
