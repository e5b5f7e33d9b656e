//! Items: their keys, and records in and out of them.
//!
//! A record's JSON in `body` decides; the attributes beside it are for conditions and indexes. The
//! prefixes `A#` and `C#` are reserved, see the [list of items](super).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chatops_core::Time;
use chatops_core::audit::{AuditEvent, EventHash};
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, PipelineId, QualifiedUser, RequestId, ShortId};
use chatops_core::name::ProjectName;
use chatops_core::notification::{NotificationRecord, Undelivered};
use chatops_core::ports::{
    ActionCount, ActionRecord, LedgerError, LedgerPosition, PortErrorKind, ProjectFacts, TargetLock,
};
use chatops_core::release::ReleaseHistory;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::{
    DUE_AT, MEMBER, PK, REQUESTED_AT, SK, TableIndex, UNDELIVERED, shard, sortable_time,
};

/// An item, or a key of one.
pub(super) type TableItem = HashMap<String, AttributeValue>;

/// The prefix of a deploy's partition key.
pub(super) const DEPLOY: &str = "D#";

/// Between the moment and the id in the `due_at` of a notification record.
pub(super) const NOTIFICATION_MARK: &str = " N ";

/// The attribute of a notification record, which holds a response URL. No other item has it, so that
/// who scans for audits can be kept from it by its name.
const NOTIFICATION_BODY: &str = "notification";

/// The sort key of a deploy's record.
pub(super) const RECORD_SORT: &str = "RECORD";

/// The sort key of an item that is alone in its partition.
const ONLY_SORT: &str = "-";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn item_key(partition: String, sort: impl Into<String>) -> TableItem {
    [
        (PK.to_owned(), text(partition)),
        (SK.to_owned(), text(sort)),
    ]
    .into()
}

pub(super) fn deploy_partition(id: DeployId) -> String {
    format!("{DEPLOY}{id}")
}

pub(super) fn record_key(id: DeployId) -> TableItem {
    item_key(deploy_partition(id), RECORD_SORT)
}

pub(super) fn event_key(id: DeployId, n: u64) -> TableItem {
    item_key(deploy_partition(id), event_sort(n))
}

/// Padded, so that events sort by number.
pub(super) fn event_sort(n: u64) -> String {
    format!("E#{n:020}")
}

pub(super) fn notification_key(id: DeployId) -> TableItem {
    item_key(format!("N#{id}"), ONLY_SORT)
}

pub(super) fn undelivered_key(id: DeployId) -> TableItem {
    item_key(format!("V#{id}"), ONLY_SORT)
}

/// What a notification record says was not delivered, in an item of its own: it holds no response URL,
/// so that those may read it who may not read that record.
pub(super) fn undelivered_item(undelivered: &Undelivered) -> Result<TableItem, LedgerError> {
    let mut item = undelivered_key(undelivered.deploy);
    item.insert("body".to_owned(), text(to_json(undelivered)?));
    if !undelivered.told_later {
        let since = format!("{} V {}", sortable_time(undelivered.at), undelivered.deploy);
        item.insert(DUE_AT.to_owned(), text(since));
        let partition = TableIndex::Due.partition_key().to_owned();
        item.insert(partition, text(UNDELIVERED));
    }
    Ok(item)
}

pub(super) fn lock_key(target: &Target) -> TableItem {
    item_key(format!("LOCK#{target}"), ONLY_SORT)
}

pub(super) fn releases_key(target: &Target) -> TableItem {
    item_key(format!("T#{target}"), ONLY_SORT)
}

pub(super) fn releases_item(
    target: &Target,
    history: &ReleaseHistory,
    version: u64,
) -> Result<TableItem, LedgerError> {
    let mut item = releases_key(target);
    item.insert("body".to_owned(), text(to_json(history)?));
    item.insert("v".to_owned(), number(version));
    Ok(item)
}

pub(super) fn pipeline_key(pipeline: PipelineId) -> TableItem {
    item_key(format!("P#{pipeline}"), ONLY_SORT)
}

pub(super) fn short_id_key(short: &ShortId) -> TableItem {
    item_key(format!("S#{short}"), ONLY_SORT)
}

pub(super) fn project_key(slug: &ProjectSlug) -> TableItem {
    item_key(format!("C#{slug}"), ONLY_SORT)
}

pub(super) fn project_item(
    slug: &ProjectSlug,
    facts: &ProjectFacts,
) -> Result<TableItem, LedgerError> {
    let mut item = project_key(slug);
    item.insert("body".to_owned(), text(to_json(facts)?));
    Ok(item)
}

/// The last deploy of the chain of retries that begins with `root`.
pub(super) fn chain_key(root: DeployId) -> TableItem {
    item_key(format!("R#{root}"), ONLY_SORT)
}

pub(super) fn action_key(id: RequestId) -> TableItem {
    item_key(format!("A#{id}"), ONLY_SORT)
}

pub(super) fn action_item(action: &ActionRecord) -> Result<TableItem, LedgerError> {
    let mut item = action_key(action.id);
    item.insert("body".to_owned(), text(to_json(action)?));
    Ok(item)
}

pub(super) fn action_count_key(user: &QualifiedUser) -> TableItem {
    item_key(format!("U#{user}"), ONLY_SORT)
}

pub(super) fn action_count_item(
    user: &QualifiedUser,
    count: &ActionCount,
) -> Result<TableItem, LedgerError> {
    let mut item = action_count_key(user);
    item.insert("body".to_owned(), text(to_json(count)?));
    Ok(item)
}

/// The partition key of no item, which the rights of every function with a table cover.
pub const WARM_UP_KEY: &str = "N#";

pub(super) fn warm_key() -> TableItem {
    item_key(WARM_UP_KEY.to_owned(), ONLY_SORT)
}

/// A position in the ledger's order, as keys hold it.
pub(super) fn encode_position(position: LedgerPosition) -> String {
    format!("{} {}", sortable_time(position.requested_at), position.id)
}

/// The deploy at a position.
pub(super) fn decode_position(place: &str) -> Result<DeployId, LedgerError> {
    let id = place.split(' ').next_back().unwrap_or_default();
    parse_id(id)
}

pub(super) fn record_item(record: &DeployRecord) -> Result<TableItem, LedgerError> {
    let request = &record.request;
    let mut item = record_key(record.id);
    let user_name = request.user_name.as_deref().map(str::to_lowercase);
    let in_index = |index: TableIndex, key: &str, is: bool| {
        (index.partition_key(), is.then(|| key.to_owned()))
    };
    let (id, shard) = (record.id, shard(record.id));
    let due_at = record.due_at;
    let due_at = due_at.map(|at| format!("{} D {id}", sortable_time(at)));
    let project = request.project.as_ref().map(ProjectName::as_str);
    let position = encode_position(LedgerPosition::of(record));
    let texts = [
        ("body", Some(to_json(record)?)),
        (REQUESTED_AT, Some(position)),
        ("user", Some(request.qualified_user().to_string())),
        ("user_name", user_name.filter(|name| !name.is_empty())),
        ("branch", Some(request.git_ref.to_string())),
        ("job", Some(request.job.as_str().to_owned())),
        ("project", project.map(str::to_owned)),
        ("environment", request.environment.clone()),
        ("state", Some(record.state.as_str().to_owned())),
        in_index(TableIndex::All, shard, true),
        in_index(TableIndex::AwaitingRetry, MEMBER, record.awaits_retry()),
        in_index(TableIndex::Due, shard, due_at.is_some()),
        (DUE_AT, due_at),
    ];
    for (name, value) in texts {
        item.extend(value.map(|value| (name.to_owned(), text(value))));
    }
    item.insert("v".to_owned(), number(record.version));
    item.insert("events".to_owned(), number(record.events));
    Ok(item)
}

pub(super) fn event_item(event: &AuditEvent) -> TableItem {
    let mut item = event_key(event.deploy, event.n);
    item.insert("n".to_owned(), number(event.n));
    item.insert("body".to_owned(), text(&event.body));
    item.insert("hash".to_owned(), text(event.hash.to_string()));
    item
}

pub(super) fn notification_item(
    notification: &NotificationRecord,
) -> Result<TableItem, LedgerError> {
    let mut item = notification_key(notification.deploy);
    item.insert(NOTIFICATION_BODY.to_owned(), text(to_json(notification)?));
    item.insert("v".to_owned(), number(notification.version));
    if let Some(at) = notification.due_at() {
        let id = notification.deploy;
        let due_at = format!("{}{NOTIFICATION_MARK}{id}", sortable_time(at));
        item.insert(DUE_AT.to_owned(), text(due_at));
        item.insert(TableIndex::Due.partition_key().to_owned(), text(shard(id)));
    }
    Ok(item)
}

pub(super) fn lock_item(target: &Target, lock: &TargetLock) -> Result<TableItem, LedgerError> {
    let mut item = with_owner(lock_key(target), lock.deploy);
    item.insert("body".to_owned(), text(to_json(lock)?));
    if let Some(until) = lock.until {
        item.insert("until".to_owned(), text(sortable_time(until)));
    }
    Ok(item)
}

/// The lock in an item; a free one is only a key.
pub(super) fn parse_lock(item: &TableItem) -> Result<Option<TargetLock>, LedgerError> {
    let held = item.contains_key("body");
    held.then(|| parse_body(item)).transpose()
}

/// An item that belongs to a deploy.
pub(super) fn with_owner(mut key: TableItem, deploy: DeployId) -> TableItem {
    key.insert("deploy".to_owned(), text(deploy.to_string()));
    key
}

pub(super) fn owner(item: &TableItem) -> Result<DeployId, LedgerError> {
    parse_id(get_text(item, "deploy")?)
}

pub(super) fn parse_event(deploy: DeployId, item: &TableItem) -> Result<AuditEvent, LedgerError> {
    let hash = get_text(item, "hash")?;
    Ok(AuditEvent {
        deploy,
        n: get_number(item, "n")?,
        body: get_text(item, "body")?.to_owned(),
        hash: EventHash::parse(hash).ok_or_else(|| bad_attribute(item, "hash"))?,
    })
}

/// The record in an item's body.
pub(super) fn parse_body<T: DeserializeOwned>(item: &TableItem) -> Result<T, LedgerError> {
    parse_json(item, "body")
}

pub(super) fn parse_notification(item: &TableItem) -> Result<NotificationRecord, LedgerError> {
    parse_json(item, NOTIFICATION_BODY)
}

fn parse_json<T: DeserializeOwned>(item: &TableItem, attribute: &str) -> Result<T, LedgerError> {
    serde_json::from_str(get_text(item, attribute)?)
        .map_err(|error| unreadable(format!("{} cannot be read: {error}", key_text(item))))
}

pub(super) fn get_text<'i>(item: &'i TableItem, attribute: &str) -> Result<&'i str, LedgerError> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    let value = value.map(String::as_str);
    value.ok_or_else(|| bad_attribute(item, attribute))
}

pub(super) fn get_number(item: &TableItem, attribute: &str) -> Result<u64, LedgerError> {
    let value = item.get(attribute).and_then(|value| value.as_n().ok());
    let value = value.and_then(|digits| digits.parse().ok());
    value.ok_or_else(|| bad_attribute(item, attribute))
}

/// Sorts after every sort key that begins with this moment or an earlier one.
pub(super) fn upper_bound(time: Time) -> String {
    // In a key a space follows the moment.
    format!("{}~", sortable_time(time))
}

fn parse_id(id: &str) -> Result<DeployId, LedgerError> {
    DeployId::parse(id).map_err(|_| unreadable(format!("'{id}' in the table is no deploy's id")))
}

fn to_json(record: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(record).map_err(|error| {
        let what = format!("a record cannot be written as JSON: {error}");
        LedgerError::new(PortErrorKind::Defect, what)
    })
}

fn bad_attribute(item: &TableItem, attribute: &str) -> LedgerError {
    unreadable(format!("{} has no fitting '{attribute}'", key_text(item)))
}

fn unreadable(what: String) -> LedgerError {
    LedgerError::new(PortErrorKind::Unreadable, what)
}

/// An item's keys, for error messages.
fn key_text(item: &TableItem) -> String {
    let part = |name| item.get(name).and_then(|value| value.as_s().ok());
    let part = |name| part(name).map_or("?", String::as_str);
    format!("the item {} / {}", part(PK), part(SK))
}
