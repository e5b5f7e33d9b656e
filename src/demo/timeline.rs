//! The timeline: what the sandbox saw, one line each, as it happens. Colour only on a terminal.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_sandbox::{Entry, Journal, Seen, Subscription};
use owo_colors::OwoColorize;

use super::cast;
use super::readable::readable;
use super::stage::Stage;
use crate::clock::SystemClock;

/// Prints as things happen.
pub(super) struct Timeline {
    journal: Journal,
    start: Time,
    calls: bool,
}

impl Timeline {
    pub(super) fn new(stage: &Stage, calls: bool) -> Self {
        Self {
            journal: stage.sandbox.journal().clone(),
            start: SystemClock.now(),
            calls,
        }
    }

    pub(super) fn open() {
        anstream::println!(
            "{}\nSlack and CircleCI are stand-ins on this machine; the pipeline between them, its \
             HTTP, its\nsignatures and its SQLite file are real.",
            "chatops demo".bold()
        );
    }

    pub(super) fn title(title: &str) {
        anstream::println!("\n{}", title.bold());
    }

    /// Plays an act and prints what is seen meanwhile.
    pub(super) async fn follow(
        &self,
        play: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        let mut seen = self.journal.subscribe();
        let mut play = pin!(play);
        let verdict = loop {
            tokio::select! {
                biased;
                Some(entry) = seen.next() => self.entry(&entry),
                verdict = &mut play => break verdict,
            }
        };
        self.rest(&mut seen).await;
        verdict
    }

    /// Prints what is seen from now on, for as long as it is asked to.
    pub(super) async fn watch(&self) {
        let mut seen = self.journal.subscribe();
        while let Some(entry) = seen.next().await {
            self.entry(&entry);
        }
    }

    /// What was seen before the act ended and is not printed yet.
    async fn rest(&self, seen: &mut Subscription) {
        loop {
            tokio::select! {
                biased;
                Some(entry) = seen.next() => self.entry(&entry),
                () = std::future::ready(()) => return,
            }
        }
    }

    pub(super) fn verdict(verdict: &Result<String>) {
        match verdict {
            Ok(said) => anstream::println!("{:>9}  {} {said}", "", "✓".green().bold()),
            Err(error) => anstream::println!("{:>9}  {} {error:#}", "", "✗".red().bold()),
        }
    }

    pub(super) fn close(&self, acts: usize, failed: usize) {
        let took = seconds(SystemClock.now() - self.start);
        if failed == 0 {
            anstream::println!("\nAll {acts} acts ended as they must, in {took:.1} s.");
        } else {
            anstream::println!("\n{failed} of {acts} acts did not end as they must.");
        }
    }

    fn entry(&self, entry: &Entry) {
        if entry.is_poll() && !self.calls && !is_search(entry) {
            return;
        }
        let at = format!("{:7.3} s", seconds(entry.at - self.start));
        let (who, what) = describe(&entry.what);
        let mut lines = what.lines();
        let first = lines.next().unwrap_or_default();
        anstream::println!("{}  {:<22} {first}", at.dimmed(), who.cyan());
        for line in lines {
            anstream::println!("{:9}  {:<22} {line}", "", "");
        }
    }
}

fn seconds(span: chrono::TimeDelta) -> f64 {
    span.to_std().unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Reading the listing or a pipeline's values is how a lost answer is found again: worth showing.
fn is_search(entry: &Entry) -> bool {
    match &entry.what {
        Seen::CircleCall { path, .. } => path.contains("branch=") || path.ends_with("/values"),
        _ => false,
    }
}

fn describe(seen: &Seen) -> (String, String) {
    match seen {
        Seen::Typed {
            user_name,
            channel_name,
            command,
            text,
            ..
        } => (
            format!("{user_name} in #{channel_name}"),
            format!("{command} {text}"),
        ),
        Seen::Acknowledged {
            user_id,
            latency,
            shown,
            public,
        } => {
            let whom = cast::audience(Some(user_id).filter(|_| !public).map(String::as_str));
            let ms = latency.as_secs_f64() * 1_000.0;
            if shown.is_empty() {
                return (format!("acknowledged, {ms:.1} ms"), "…".to_owned());
            }
            (format!("answer {whom}, {ms:.1} ms"), readable(shown))
        }
        Seen::SlackMessage {
            visible_to, shown, ..
        } => {
            let whom = cast::audience(visible_to.as_deref());
            (format!("Slack shows {whom}"), readable(shown))
        }
        Seen::SlackRefused { status, error } => (
            "Slack refuses".to_owned(),
            format!("{} {error}", answered(*status)),
        ),
        Seen::CircleCall {
            method,
            path,
            status,
            note,
        } => {
            let line = format!("{method} {path} → {} {note}", answered(*status));
            ("CircleCI receives".to_owned(), line.trim_end().to_owned())
        }
        Seen::Webhook {
            event,
            status,
            note,
        } => {
            let line = format!("{event} → {} {note}", answered(*status));
            ("CircleCI sends".to_owned(), line.trim_end().to_owned())
        }
        Seen::CircleGone => (
            "CircleCI".to_owned(),
            "cannot be reached from now on".to_owned(),
        ),
        Seen::CircleBack => ("CircleCI".to_owned(), "can be reached again".to_owned()),
    }
}

fn answered(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}
