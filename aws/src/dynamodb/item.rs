//! Items: their keys, and records in and out of them.
//!
//! A record's JSON in `body` is the truth; the attributes beside it are what conditions compare
//! and indexes hold.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chatops_core::Time;
use chatops_core::audit::{Event, Hash};
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::name::ProjectName;
use chatops_core::ports::{Lock, Position, StoreError};
use chatops_core::reply::Reply;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::{ASKED, DUE_AT, Index, MEMBER, PK, SK, moment};

/// An item, or a key of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// What the partition key of a deploy begins with.
pub(super) const DEPLOY: &str = "D#";

/// The sort key of a deploy's record.
pub(super) const HEAD: &str = "HEAD";

/// The sort key of an item that is alone in its partition.
const ALONE: &str = "-";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(partition: String, sort: impl Into<String>) -> Item {
    Item::from([
        (PK.to_owned(), text(partition)),
        (SK.to_owned(), text(sort)),
    ])
}

pub(super) fn deploy_partition(id: DeployId) -> String {
    format!("{DEPLOY}{id}")
}

pub(super) fn head_key(id: DeployId) -> Item {
    key(deploy_partition(id), HEAD)
}

pub(super) fn event_key(id: DeployId, n: u64) -> Item {
    key(deploy_partition(id), event_sort(n))
}

/// The number has as many digits as any, so that events sort by it.
pub(super) fn event_sort(n: u64) -> String {
    format!("E#{n:020}")
}

pub(super) fn reply_key(id: DeployId) -> Item {
    key(format!("N#{id}"), ALONE)
}

pub(super) fn lock_key(target: &Target) -> Item {
    key(format!("LOCK#{target}"), ALONE)
}

pub(super) fn claim_key(pipeline: PipelineId) -> Item {
    key(format!("P#{pipeline}"), ALONE)
}

pub(super) fn short_key(short: &ShortId) -> Item {
    key(format!("S#{short}"), ALONE)
}

/// The key of no item, among those that every function with a right to the table may read.
pub(super) fn warm_key() -> Item {
    key("N#".to_owned(), ALONE)
}

/// A place in the order of the ledger, as it stands in keys.
pub(super) fn place(position: Position) -> String {
    format!("{} {}", moment(position.asked_at), position.id)
}

/// The deploy at a place.
pub(super) fn placed(place: &str) -> Result<DeployId, StoreError> {
    let id = place.split(' ').next_back().unwrap_or_default();
    parse_id(id)
}

pub(super) fn head_item(head: &Head) -> Result<Item, StoreError> {
    let ask = &head.ask;
    let mut item = head_key(head.id);
    let user_name = ask.user_name.as_deref().map(str::to_lowercase);
    let member = |index: Index, is: bool| (index.partition(), is.then(|| MEMBER.to_owned()));
    let due_at = head
        .due_at
        .map(|at| format!("{} D {}", moment(at), head.id));
    let texts = [
        ("body", Some(json(head)?)),
        (ASKED, Some(place(Position::of(head)))),
        ("user", Some(ask.user.as_str().to_owned())),
        ("user_name", user_name.filter(|name| !name.is_empty())),
        ("branch", Some(ask.branch.as_str().to_owned())),
        ("job", Some(ask.job.as_str().to_owned())),
        (
            "project",
            ask.project
                .as_ref()
                .map(|p: &ProjectName| p.as_str().to_owned()),
        ),
        ("state", Some(head.state.word().to_owned())),
        member(Index::All, true),
        member(Index::Awaits, head.awaits_retry()),
        member(Index::Due, due_at.is_some()),
        (DUE_AT, due_at),
    ];
    for (name, value) in texts {
        item.extend(value.map(|value| (name.to_owned(), text(value))));
    }
    item.insert("v".to_owned(), number(head.version));
    item.insert("events".to_owned(), number(head.events));
    Ok(item)
}

pub(super) fn event_item(event: &Event) -> Item {
    let mut item = event_key(event.deploy, event.n);
    item.insert("n".to_owned(), number(event.n));
    item.insert("body".to_owned(), text(&event.body));
    item.insert("hash".to_owned(), text(event.hash.to_string()));
    item
}

pub(super) fn reply_item(reply: &Reply) -> Result<Item, StoreError> {
    let mut item = reply_key(reply.deploy);
    item.insert("body".to_owned(), text(json(reply)?));
    item.insert("v".to_owned(), number(reply.version));
    if let Some(at) = reply.due_at() {
        let due_at = format!("{} R {}", moment(at), reply.deploy);
        item.insert(DUE_AT.to_owned(), text(due_at));
        item.insert(Index::Due.partition().to_owned(), text(MEMBER));
    }
    Ok(item)
}

pub(super) fn lock_item(target: &Target, lock: &Lock) -> Result<Item, StoreError> {
    let mut item = owned(lock_key(target), lock.deploy);
    item.insert("body".to_owned(), text(json(lock)?));
    if let Some(until) = lock.until {
        item.insert("until".to_owned(), text(moment(until)));
    }
    Ok(item)
}

/// The lock in an item; one that was given up is a key and nothing else.
pub(super) fn lock(item: &Item) -> Result<Option<Lock>, StoreError> {
    let held = item.contains_key("body");
    held.then(|| record(item)).transpose()
}

/// An item that says whose it is.
pub(super) fn owned(mut key: Item, deploy: DeployId) -> Item {
    key.insert("deploy".to_owned(), text(deploy.to_string()));
    key
}

pub(super) fn owner(item: &Item) -> Result<DeployId, StoreError> {
    parse_id(get(item, "deploy")?)
}

pub(super) fn event(deploy: DeployId, item: &Item) -> Result<Event, StoreError> {
    let hash = get(item, "hash")?;
    Ok(Event {
        deploy,
        n: count(item, "n")?,
        body: get(item, "body")?.to_owned(),
        hash: Hash::parse(hash).ok_or_else(|| unfit(item, "hash"))?,
    })
}

/// The record in an item's body.
pub(super) fn record<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    serde_json::from_str(get(item, "body")?)
        .map_err(|error| StoreError(format!("{} cannot be read: {error}", name(item))))
}

pub(super) fn get<'i>(item: &'i Item, attribute: &str) -> Result<&'i str, StoreError> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    let value = value.map(String::as_str);
    value.ok_or_else(|| unfit(item, attribute))
}

pub(super) fn count(item: &Item, attribute: &str) -> Result<u64, StoreError> {
    let value = item.get(attribute).and_then(|value| value.as_n().ok());
    let value = value.and_then(|digits| digits.parse().ok());
    value.ok_or_else(|| unfit(item, attribute))
}

/// A moment at the head of a sort key.
pub(super) fn until(time: Time) -> String {
    // Everything behind the moment in a key begins with a space.
    format!("{}~", moment(time))
}

fn parse_id(id: &str) -> Result<DeployId, StoreError> {
    DeployId::parse(id).map_err(|_| StoreError(format!("'{id}' in the table is no deploy's id")))
}

fn json(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError(format!("a record cannot be written as JSON: {error}")))
}

fn unfit(item: &Item, attribute: &str) -> StoreError {
    StoreError(format!("{} has no fitting '{attribute}'", name(item)))
}

/// An item's keys, for a person to look.
fn name(item: &Item) -> String {
    let part = |name| item.get(name).and_then(|value| value.as_s().ok());
    let part = |name| part(name).map_or("?", String::as_str);
    format!("the item {} / {}", part(PK), part(SK))
}
