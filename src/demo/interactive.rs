//! The demo with `--keep`: longer jobs, suggested commands, and a live timeline.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use chatops_sandbox::circleci::RunScript;
use owo_colors::OwoColorize;

use super::SLACK_ADDRESS;
use super::timeline::Timeline;
use super::world::DemoWorld;
use crate::output::print_line;

/// What to type, and the result.
const SUGGESTIONS: &[(&str, &str)] = &[
    (r#""main deploy""#, "a deploy: 10 s"),
    (r#""main migrate""#, "blocked while the one above runs"),
    (r#""feature/login e2e""#, "a build that fails: 5 s"),
    (
        r#"--channel random "main deploy""#,
        "not allowed in this channel",
    ),
    (
        r#"--user visitor "main migrate""#,
        "not allowed to this user",
    ),
    (r#""feature/login deploy""#, "not allowed on this branch"),
    (r#""plan main deploy""#, "what it would do"),
    ("status", "what is in progress; `cancel <id>` cancels it"),
    (r#""history status:failed""#, "the failed deploys"),
    ("help", "all commands"),
];

/// Runs until `stop` is ready.
pub(super) async fn keep_running(
    world: DemoWorld,
    timeline: &Timeline,
    slack: SocketAddr,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    {
        let mut circleci = world.sandbox.circleci().lock();
        let staged = |jobs: &[&str], seconds, status| {
            RunScript::staged(jobs, Duration::from_secs(seconds), status)
        };
        circleci.script_job(
            "deploy",
            staged(&["build", "test", "deploy"], 10, "success"),
        );
        circleci.script_job("migrate", staged(&["build", "migrate"], 6, "success"));
        circleci.script_job("e2e", staged(&["build", "e2e"], 5, "failed"));
    }
    print_suggestions(slack, &world.data_file());
    tokio::select! {
        biased;
        () = timeline.follow_journal() => {}
        ended = world.run_until(stop) => ended?,
    }
    print_line(format_args!("\nStopped. Its files are removed."));
    Ok(())
}

/// Where the page is, which shows the scenarios, too.
pub(super) fn print_page(slack: SocketAddr) {
    print_line(format_args!(
        "\nTo watch it in a browser, open http://{slack}/"
    ));
}

fn print_suggestions(slack: SocketAddr, data: &Path) {
    let program = program_name();
    let mut say = format!("{program} say");
    if slack.to_string() != SLACK_ADDRESS {
        say = format!("{say} --slack {slack}");
    }
    let widest = SUGGESTIONS.iter().map(|(words, _)| words.len()).max();
    let width = widest.unwrap_or_default();
    print_line(format_args!(
        "\n{} Open this page, and type there what you would type in Slack:\n\n    {}\n",
        "It is your turn.".bold(),
        format_args!("http://{slack}/").cyan().bold()
    ));
    print_line(format_args!("Or type in another terminal:\n"));
    for (words, outcome) in SUGGESTIONS {
        print_line(format_args!(
            "    {say} {words:<width$}  {}",
            outcome.dimmed()
        ));
    }
    print_line(format_args!(
        "\nAs an operator:\n\n    {program} history --data {}",
        data.display()
    ));
    print_line(format_args!(
        "\nEverything that happens is shown here. Ctrl-C ends it.\n"
    ));
}

/// This program as it was called, so that the commands can be pasted.
fn program_name() -> String {
    let name = std::env::args().next();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    name.filter(|name| !name.is_empty() && name.chars().all(plain))
        .unwrap_or_else(|| "chatops".to_owned())
}
