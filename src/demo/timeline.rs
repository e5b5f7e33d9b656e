//! The timeline: the events of the sandbox as they happen. Colours only on a terminal.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_sandbox::{Journal, JournalEntry, JournalEvent, JournalSubscription};
use owo_colors::OwoColorize;

use super::directory;
use super::render::render_mrkdwn;
use super::world::DemoWorld;
use crate::output::print_line;
use chatops_local::clock::WallClock;

/// Prints events as they happen.
pub(super) struct Timeline {
    journal: Journal,
    start: Time,
    show_all_calls: bool,
}

impl Timeline {
    pub(super) fn new(world: &DemoWorld, show_all_calls: bool) -> Self {
        Self {
            journal: world.sandbox.journal().clone(),
            start: WallClock.now(),
            show_all_calls,
        }
    }

    pub(super) fn print_header() {
        print_line(format_args!(
            "{}\nSlack and CircleCI are stand-ins on this machine; the services between them, their \
             HTTP,\nsignatures and SQLite file are real.",
            "chatops demo".bold()
        ));
    }

    pub(super) fn print_title(title: &str) {
        print_line(format_args!("\n{}", title.bold()));
    }

    /// Plays a scenario and prints the events.
    pub(super) async fn follow_scenario(
        &self,
        play: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        let mut seen = self.journal.subscribe();
        let mut play = pin!(play);
        let result = loop {
            tokio::select! {
                biased;
                Some(entry) = seen.next() => self.print_entry(&entry),
                result = &mut play => break result,
            }
        };
        self.print_rest(&mut seen).await;
        result
    }

    /// Prints the events from now on.
    pub(super) async fn follow_journal(&self) {
        let mut seen = self.journal.subscribe();
        while let Some(entry) = seen.next().await {
            self.print_entry(&entry);
        }
    }

    /// Prints the events that are left after a scenario.
    async fn print_rest(&self, seen: &mut JournalSubscription) {
        loop {
            tokio::select! {
                biased;
                Some(entry) = seen.next() => self.print_entry(&entry),
                () = std::future::ready(()) => return,
            }
        }
    }

    pub(super) fn print_result(result: &Result<String>) {
        match result {
            Ok(said) => print_line(format_args!("{:>9}  {} {said}", "", "✓".green().bold())),
            Err(error) => print_line(format_args!("{:>9}  {} {error:#}", "", "✗".red().bold())),
        }
    }

    pub(super) fn print_summary(&self, scenarios: usize, failed: usize) {
        let took = as_seconds(WallClock.now() - self.start);
        if failed == 0 {
            print_line(format_args!(
                "\nAll {scenarios} scenarios ended as expected, in {took:.1} s."
            ));
        } else {
            print_line(format_args!(
                "\n{failed} of {scenarios} scenarios did not end as expected."
            ));
        }
    }

    fn print_entry(&self, entry: &JournalEntry) {
        if entry.is_get() && !self.show_all_calls && !is_lookup(entry) {
            return;
        }
        let at = format!("{:7.3} s", as_seconds(entry.at - self.start));
        let (who, what) = describe_entry(&entry.event);
        let mut lines = what.lines();
        let first = lines.next().unwrap_or_default();
        print_line(format_args!("{}  {:<22} {first}", at.dimmed(), who.cyan()));
        for line in lines {
            print_line(format_args!("{:9}  {:<22} {line}", "", ""));
        }
    }
}

fn as_seconds(span: chrono::TimeDelta) -> f64 {
    span.to_std().unwrap_or(Duration::ZERO).as_secs_f64()
}

/// The calls of a trigger lookup, which finds the pipeline of a lost answer.
fn is_lookup(entry: &JournalEntry) -> bool {
    match &entry.event {
        JournalEvent::CircleCiCall { path, .. } => {
            path.contains("branch=") || path.ends_with("/values")
        }
        _ => false,
    }
}

fn describe_entry(seen: &JournalEvent) -> (String, String) {
    match seen {
        JournalEvent::CommandTyped {
            user_name,
            channel_name,
            command,
            text,
            ..
        } => (
            format!("{user_name} in #{channel_name}"),
            format!("{command} {text}"),
        ),
        JournalEvent::CommandAcknowledged {
            user_id,
            latency,
            shown,
            public,
            ..
        } => {
            let whom =
                directory::audience_label(Some(user_id).filter(|_| !public).map(String::as_str));
            let ms = latency.as_secs_f64() * 1_000.0;
            if shown.is_empty() {
                return (format!("acknowledged, {ms:.1} ms"), "…".to_owned());
            }
            (format!("answer {whom}, {ms:.1} ms"), render_mrkdwn(shown))
        }
        JournalEvent::MessageDelivered {
            visible_to, shown, ..
        } => {
            let whom = directory::audience_label(visible_to.as_deref());
            (format!("Slack shows {whom}"), render_mrkdwn(shown))
        }
        JournalEvent::MessageEdited { shown, .. } => {
            ("Slack shows instead".to_owned(), render_mrkdwn(shown))
        }
        JournalEvent::MessageDeleted { .. } => (
            "Slack deletes".to_owned(),
            "a message of the bot".to_owned(),
        ),
        JournalEvent::MessageRejected { status, error } => (
            "Slack rejects".to_owned(),
            format!("{} {error}", status_label(*status)),
        ),
        JournalEvent::CircleCiCall {
            method,
            path,
            status,
            note,
        } => {
            let line = format!("{method} {path} → {} {note}", status_label(*status));
            ("CircleCI receives".to_owned(), line.trim_end().to_owned())
        }
        JournalEvent::WebhookSent {
            event,
            status,
            note,
        } => {
            let line = format!("{event} → {} {note}", status_label(*status));
            ("CircleCI sends".to_owned(), line.trim_end().to_owned())
        }
        JournalEvent::CircleCiDown => (
            "CircleCI".to_owned(),
            "cannot be reached from now on".to_owned(),
        ),
        JournalEvent::CircleCiUp => ("CircleCI".to_owned(), "can be reached again".to_owned()),
    }
}

fn status_label(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}
