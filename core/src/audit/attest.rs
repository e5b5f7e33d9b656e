//! Whether a record is what its events make of it: they are replayed through the state machine, and
//! everything in the record that they say is compared.

use serde_json::Value;

use super::finding::{Finding, compare};
use super::stored::StoredChain;
use super::{AuditChange, AuditEntry, AuditEvent, BrokenChain, EventHash};
use crate::deploy::{DeployRecord, machine};
use crate::id::DeployId;

/// A deploy as its events say that it is.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Its record; what the worker keeps between two events is not in it.
    pub record: DeployRecord,
    /// The record as it was when it ended.
    pub ended: Option<Box<DeployRecord>>,
    /// What happened.
    pub entries: Vec<AuditEntry>,
    /// Whether an earlier version began it, whose events say less.
    pub is_earlier: bool,
}

/// What was found of one deploy.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// Its stored record, if it can be read.
    pub record: Option<DeployRecord>,
    /// The same by its events, if its chain is sound.
    pub replayed: Option<Box<Replayed>>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The record after more events, where `before` is the one before them; `None` of no events at all. What
/// the worker keeps between two events is not in it. Hashes are not checked.
pub fn fold_events(
    before: Option<&DeployRecord>,
    events: &[AuditEvent],
) -> Result<Option<DeployRecord>, BrokenChain> {
    events.iter().try_fold(before.cloned(), |record, event| {
        let entry = read_entry(event)?;
        next_record(record.as_ref(), event, entry).map(Some)
    })
}

fn read_entry(event: &AuditEvent) -> Result<AuditEntry, BrokenChain> {
    let why = "cannot be read";
    event.entry().map_err(|_| BrokenChain { n: event.n, why })
}

fn next_record(
    record: Option<&DeployRecord>,
    event: &AuditEvent,
    entry: AuditEntry,
) -> Result<DeployRecord, BrokenChain> {
    let broken = |why| BrokenChain { n: event.n, why };
    let state = entry.state;
    let next = match record {
        None => machine::replay_first(event, entry)
            .ok_or_else(|| broken("is no request of a deploy"))?,
        Some(record) => machine::replay_next(record, event, entry)
            .map_err(|_| broken("cannot happen in the state before it"))?,
    };
    if next.state == state {
        Ok(next)
    } else {
        Err(broken("says another state than what happened leads to"))
    }
}

/// Replays the events of a deploy, whose chain is verified.
pub fn replay(events: &[AuditEvent]) -> Result<Replayed, BrokenChain> {
    let (mut record, mut ended) = (None, None);
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        let entry = read_entry(event)?;
        let next = next_record(record.as_ref(), event, entry.clone())?;
        if matches!(entry.change, AuditChange::Ended { .. }) {
            ended = Some(Box::new(next.clone()));
        }
        entries.push(entry);
        record = Some(next);
    }
    let why = "is missing";
    let record = record.ok_or(BrokenChain { n: 1, why })?;
    let is_earlier = entries.first().is_some_and(
        |entry| matches!(&entry.change, AuditChange::Requested { opened, .. } if opened.is_none()),
    );
    Ok(Replayed {
        record,
        ended,
        entries,
        is_earlier,
    })
}

/// What of `stored` is not as its events say.
#[must_use]
pub fn check_record(stored: &DeployRecord, replayed: &Replayed) -> Vec<Finding> {
    let mut expected = replayed.record.clone();
    if replayed.is_earlier {
        let said = replayed.entries.iter().any(|entry| entry.facts.is_some());
        expected = expected.with_earlier_part(stored, said);
    }
    let expected = expected.with_working_part(stored);
    if expected == *stored {
        return vec![];
    }
    let json = |record: &DeployRecord| serde_json::to_value(record).unwrap_or_default();
    let mut findings = vec![];
    compare("", &json(stored), &json(&expected), &mut |field, is, by| {
        findings.push(Finding::differs(stored.id.to_string(), field, is, by));
    });
    if findings.is_empty() {
        // Something empty instead of nothing.
        findings.push(Finding::about(
            stored.id.to_string(),
            "has a record that differs from its events",
        ));
    }
    findings
}

/// Examines a deploy as it is stored: its chain, and its record.
#[must_use]
pub fn examine(chain: &StoredChain) -> Examined {
    let key = &chain.deploy;
    let only = |finding| Examined {
        findings: vec![finding],
        ..Examined::default()
    };
    let id = DeployId::parse(key).ok();
    let Some(id) = id.filter(|id| id.to_string() == *key) else {
        return only(Finding::about(key, "has a key that is no deploy's id"));
    };
    let Some(body) = &chain.record else {
        return only(Finding::about(key, "has events and no record"));
    };
    let Ok(record) = serde_json::from_str::<DeployRecord>(body) else {
        return only(Finding::about(key, "has a record that cannot be read"));
    };
    let mut findings = vec![];
    let replayed = match read_events(id, chain).and_then(|events| {
        super::verify_chain(id, &events, record.last_hash).map_err(|at| (Some(at.n), at.why))?;
        replay(&events).map_err(|at| (Some(at.n), at.why))
    }) {
        Ok(replayed) => {
            findings.extend(check_record(&record, &replayed));
            // Earlier versions kept fields that are not known any more.
            if !replayed.is_earlier {
                findings.extend(unknown_fields(key, body, &record));
            }
            Some(Box::new(replayed))
        }
        Err((event, why)) => {
            findings.push(Finding {
                event,
                ..Finding::about(key, why)
            });
            None
        }
    };
    if record.id != id {
        findings.push(Finding::about(key, "has the record of another deploy"));
    }
    Examined {
        record: Some(record),
        replayed,
        findings,
    }
}

/// What a record says that no version of it knows.
fn unknown_fields(key: &str, body: &str, record: &DeployRecord) -> Vec<Finding> {
    let raw: Value = serde_json::from_str(body).unwrap_or_default();
    let known = serde_json::to_value(record).unwrap_or_default();
    let mut findings = vec![];
    compare("", &raw, &known, &mut |field, is, by| {
        // A default that was not written, or a time in another form, is the same.
        if let (Some(is), None) = (is, by) {
            findings.push(Finding::differs(key, field, Some(is), None));
        }
    });
    findings
}

type BadEvent = (Option<u64>, &'static str);

fn read_events(id: DeployId, chain: &StoredChain) -> Result<Vec<AuditEvent>, BadEvent> {
    if chain.events.is_empty() {
        return Err((None, "has a record and no events"));
    }
    let read = |(n, raw): (u64, &super::stored::StoredEvent)| {
        let hash = EventHash::parse(&raw.hash).filter(|hash| hash.to_string() == raw.hash);
        Ok(AuditEvent {
            deploy: id,
            n: raw.n.cast_unsigned(),
            body: raw.body.clone(),
            hash: hash.ok_or((Some(n), "has no hash"))?,
        })
    };
    (1..).zip(&chain.events).map(read).collect()
}
