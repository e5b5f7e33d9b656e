//! What signals do to a server, each with a line.

use crate::support::{HANG, ServeWorld, assert_says};

/// Long enough that nothing ends by itself while a test looks.
const PATIENT: &str = r#"
connect_timeout = "1s"
request_timeout = "4m"
trigger_window = "5m"
delivery_lease = "5m"
sweep_interval = "300ms"
"#;

#[tokio::test]
async fn a_second_request_to_stop_ends_it_at_once() {
    let world = ServeWorld::with_times(PATIENT).await;
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let server = world.serve().await;
        world.fail_next_trigger(HANG);
        let triggers = world.trigger_count();
        world.send(&server, "main test").await;
        world.wait_triggers(triggers + 1).await;
        server.process.send_signal(first);
        let line = server.process.wait_line("asked to stop").await;
        assert_says(&line, first);
        server.process.send_signal(second);
        let ended = server.process.wait_exit().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_says(
            &ended.stdout.join("\n"),
            "asked to stop again: ending at once",
        );
    }
}

#[tokio::test]
async fn a_stop_says_so() {
    let (_world, server) = ServeWorld::start().await;
    let ended = server.stop().await;
    let log = ended.stdout.join("\n");
    for line in [
        "asked to stop signal=\"SIGTERM\"",
        "finishing what is in flight",
        " stopped",
    ] {
        assert_says(&log, line);
    }
}

/// The signals that a terminal or a pipe sends are no reason to end.
#[tokio::test]
async fn a_hangup_and_a_broken_pipe_end_nothing() {
    let (world, server) = ServeWorld::start().await;
    for signal in ["HUP", "PIPE", "XFSZ"] {
        server.process.send_signal(signal);
    }
    server
        .process
        .wait_line("asked to read the configuration")
        .await;
    world.send(&server, "help").await;
    server.wait_health(200, "ok").await;
    server.stop().await;
}
