//! The demo that stays: jobs of some length, what to type, and what happens as it happens.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use chatops_sandbox::circleci::Script;
use owo_colors::OwoColorize;

use super::SLACK;
use super::stage::Stage;
use super::timeline::Timeline;

/// What to type, and what comes of it.
const TYPE: &[(&str, &str)] = &[
    (r#""main deploy""#, "a deploy: 10 s"),
    (
        r#""main migrate""#,
        "refused while the one above runs: the same environment",
    ),
    (r#""feature/login e2e""#, "a build that fails: 5 s"),
    (
        r#"--channel random "main deploy""#,
        "refused: the wrong channel",
    ),
    (
        r#"--user visitor "main migrate""#,
        "refused: the wrong person",
    ),
    (r#""feature/login deploy""#, "refused: the wrong branch"),
    (r#""plan main deploy""#, "what that would do"),
    ("status", "what is open now; `cancel <id>` cancels it"),
    (r#""history status:failed""#, "what failed"),
    ("help", "what else there is"),
];

/// Stays until `stop` is ready.
pub(super) async fn stay(
    stage: Stage,
    timeline: &Timeline,
    slack: SocketAddr,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    {
        let mut circleci = stage.sandbox.circleci().lock();
        circleci.script("deploy", Script::success(Duration::from_secs(10)));
        circleci.script("migrate", Script::success(Duration::from_secs(6)));
        circleci.script("e2e", Script::failure(Duration::from_secs(5)));
    }
    invite(slack);
    tokio::select! {
        biased;
        () = timeline.watch() => {}
        ended = stage.run_until(stop) => ended?,
    }
    anstream::println!("\nStopped. Nothing of it is left.");
    Ok(())
}

fn invite(slack: SocketAddr) {
    let mut say = format!("{} say", this_program());
    if slack.to_string() != SLACK {
        say = format!("{say} --slack {slack}");
    }
    let widest = TYPE.iter().map(|(words, _)| words.len()).max();
    let width = widest.unwrap_or_default();
    anstream::println!(
        "\n{} In another terminal, type what you would type in Slack:\n",
        "It is your turn.".bold()
    );
    for (words, outcome) in TYPE {
        anstream::println!("    {say} {words:<width$}  {}", outcome.dimmed());
    }
    anstream::println!("\nWhat happens is shown here. Ctrl-C ends it.\n");
}

/// This program as it was called, so that what is printed can be pasted.
fn this_program() -> String {
    let name = std::env::args().next();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    name.filter(|name| !name.is_empty() && name.chars().all(plain))
        .unwrap_or_else(|| "chatops".to_owned())
}
