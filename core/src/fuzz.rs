//! Whatever people type, write into files and send by queues, tried by a fuzzer. The tests run each target
//! over its corpus and over random inputs; `.ci/fuzz` searches for new ones by coverage.

use bolero::check;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit::{AuditEntry, AuditEvent, EventHash, verify_chain};
use crate::command::{self, ChatCommand, DeployCommand};
use crate::config::Config;
use crate::deploy::DeployRecord;
use crate::fixtures::id;
use crate::message::{MessageBody, NotifyMessage, WorkMessage};
use crate::notification::NotificationRecord;

/// What is understood as a deploy can leave for CircleCI, and means the same once it is written out.
#[test]
fn commands() {
    check!(name = "commands").for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else {
            return;
        };
        if let Ok(ChatCommand::Deploy(deploy)) = command::parse(text) {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
            assert!(deploy.git_ref.name().chars().all(is_safe), "{text:?}");
            let again = DeployCommand::from_words(&deploy.words());
            assert_eq!(again, Some(deploy), "{text:?}");
        }
    });
}

/// A configuration is read, or what is wrong with it is said in what can be shown.
#[test]
fn configurations() {
    check!(name = "configurations").for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else {
            return;
        };
        if let Err(error) = Config::parse(text, "chatops.toml") {
            let said = error.to_string();
            let is_shown = |c: char| c == '\n' || c == '\t' || !c.is_control();
            assert!(said.chars().all(is_shown), "{said:?}");
        }
    });
}

/// What can be read from a queue is the same once it is sent again.
#[test]
fn queue_messages() {
    check!(name = "queue_messages").for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else {
            return;
        };
        read_again::<WorkMessage>(text);
        read_again::<NotifyMessage>(text);
        let body = MessageBody::from_wire(text.to_owned());
        let crashed = body.crash_count();
        if let Ok(after) = body.after_crash() {
            assert!(after.crash_count() > crashed || crashed == u32::MAX);
        }
    });
}

/// A record is the same once it is written again.
#[test]
fn records() {
    check!(name = "records").for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else {
            return;
        };
        read_again::<DeployRecord>(text);
        read_again::<NotificationRecord>(text);
    });
}

/// Only a chain in which each event has the hash of its text and of the one before is verified.
#[test]
fn audits() {
    check!(name = "audits").for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else {
            return;
        };
        let first = text.lines().next().unwrap_or_default();
        let first = serde_json::from_str(first).map(|entry: AuditEntry| entry.deploy);
        let deploy = first.unwrap_or_else(|_| id());
        let sealed = (1..).zip(text.lines()).map(|(n, body)| AuditEvent {
            deploy,
            n,
            body: body.to_owned(),
            hash: EventHash::of(body),
        });
        let events: Vec<_> = sealed.collect();
        let last = events.last().map_or(EventHash::START, |event| event.hash);
        if verify_chain(deploy, &events, last).is_ok() {
            let mut prev = EventHash::START;
            for event in &events {
                let entry: AuditEntry = event.entry().unwrap();
                assert_eq!((entry.n, entry.prev), (event.n, prev));
                prev = event.hash;
            }
        }
    });
}

/// Reads a value, writes it, and reads it again.
fn read_again<T: DeserializeOwned + Serialize>(text: &str) {
    if let Ok(read) = serde_json::from_str::<T>(text) {
        let written = serde_json::to_value(&read).unwrap();
        let again: T = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), written);
    }
}
