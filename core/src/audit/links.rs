//! Whether the rest of the ledger agrees with a deploy: its short id, the pipeline that it claimed, its
//! lock, its chain of retries, its action, its notification record and the releases of its target.
//!
//! A store looks these up by key, for one deploy at a time. In the other direction, each row that names a
//! deploy is compared with that deploy; so a row too many is found, too.

use super::finding::Finding;
use super::{AuditChange, EventHash, Replayed};
use crate::deploy::{DeployRecord, DeployState, Target};
use crate::id::DeployId;
use crate::notification::{DeliveryStatus, NotificationKind, NotificationRecord};
use crate::ports::{ActionOutcome, ActionRecord, TargetLock};
use crate::release::{MAX_RELEASES, ReleaseHistory, TargetEnd};

/// Another deploy of a chain of retries.
#[derive(Debug, Clone)]
pub enum Neighbour {
    /// It is not in the ledger.
    Missing,
    /// It was removed after an export.
    Pruned,
    /// Its record.
    There(Box<DeployRecord>),
}

/// What a store found under the keys that a deploy names. What was not asked for, or may not be read, is
/// `None` on the outside.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The deploy that has its short id.
    pub short_id: Option<Option<String>>,
    /// The deploy that has claimed its pipeline.
    pub pipeline: Option<Option<String>>,
    /// The lock of the target that it holds.
    pub lock: Option<Option<TargetLock>>,
    /// The deploy that it repeats.
    pub repeats: Option<Neighbour>,
    /// The deploy that repeats it.
    pub repeated_by: Option<Neighbour>,
    /// The last deploy of its chain.
    pub last_of_chain: Option<Option<String>>,
    /// The record of the action that asked for it, as it is stored.
    pub action: Option<Option<String>>,
    /// Its notification record.
    pub notification: Option<Option<Box<NotificationRecord>>>,
    /// The releases of its target.
    pub releases: Option<ReleaseHistory>,
}

/// What of the rest of the ledger does not agree with a deploy.
#[must_use]
pub fn check_links(replayed: &Replayed, stored: &DeployRecord, links: &Links) -> Vec<Finding> {
    let record = &replayed.record;
    let id = record.id.to_string();
    let mut findings = vec![];
    let mut owned = |what: &str, owner: &Option<Option<String>>| {
        if let Some(owner) = owner
            && owner.as_deref() != Some(&*id)
        {
            findings.push(Finding::differs(&id, what, owner.as_deref(), Some(&id)));
        }
    };
    owned("the deploy of its short id", &links.short_id);
    owned("the deploy that claimed its pipeline", &links.pipeline);
    // The last deploy of a chain is nobody's predecessor.
    let is_retry = stored.retry_root.is_some();
    if is_retry && record.retried_by.is_none() {
        owned("the last deploy of its chain", &links.last_of_chain);
    }
    if record.retried_by.is_some() && matches!(&links.last_of_chain, Some(None)) {
        findings.push(Finding::about(
            &id,
            "has a chain of retries without a last deploy",
        ));
    }
    findings.extend(check_lock(replayed, links));
    if let Some(neighbour) = &links.repeats {
        let agrees = |old: &DeployRecord| {
            old.retried_by == Some(record.id) && stored.retry_root == Some(old.chain_root())
        };
        findings.extend(check_neighbour(&id, "repeats", neighbour, agrees));
    }
    if let Some(neighbour) = &links.repeated_by {
        let agrees = |new: &DeployRecord| {
            new.retry_of == Some(record.id) && new.retry_root == Some(stored.chain_root())
        };
        findings.extend(check_neighbour(&id, "is repeated by", neighbour, agrees));
    }
    if let Some(action) = &links.action {
        let agrees = action
            .as_ref()
            .is_some_and(|action| agrees(action, replayed));
        if !agrees {
            let what = "has another record of the action that asked for it";
            findings.push(Finding::about(&id, what));
        }
    }
    if let Some(notification) = &links.notification {
        match notification {
            Some(notification) => findings.extend(check_notification(replayed, notification)),
            None => findings.push(Finding::about(&id, "has no notification record")),
        }
    }
    if let (Some(history), Some(ended)) = (&links.releases, &replayed.ended)
        && let Some(end) = TargetEnd::of(ended)
        && !replayed.is_earlier
    {
        let is_full = history.releases.len() == MAX_RELEASES;
        let is_there = |release| history.releases.contains(release);
        let listed = is_full || end.release.as_ref().is_none_or(is_there);
        if !listed || history.last.is_none() {
            let what = format!("is not among the releases of {}", end.target);
            findings.push(Finding::about(&id, what));
        }
    }
    findings
}

fn check_neighbour(
    id: &str,
    how: &str,
    neighbour: &Neighbour,
    agrees: impl Fn(&DeployRecord) -> bool,
) -> Option<Finding> {
    match neighbour {
        Neighbour::Pruned => None,
        Neighbour::Missing => Some(format!("{how} a deploy that is not on record")),
        Neighbour::There(other) if agrees(other) => None,
        Neighbour::There(other) => Some(format!("{how} {}, which does not say so", other.id)),
    }
    .map(|what| Finding::about(id, what))
}

/// When a deploy took the lock that it holds.
fn locked_since(replayed: &Replayed) -> Option<crate::Time> {
    let taken = |change: &AuditChange| matches!(change, AuditChange::TriggerBegun { target, .. } if target.is_some());
    let first = replayed.entries.iter().find(|entry| taken(&entry.change));
    first.map(|entry| entry.at)
}

fn check_lock(replayed: &Replayed, links: &Links) -> Option<Finding> {
    let target = replayed.record.locked_target.as_ref()?;
    let lock = links.lock.as_ref()?;
    let id = replayed.record.id;
    let expected = TargetLock {
        deploy: id,
        since: locked_since(replayed)?,
        until: None,
    };
    let show = |lock: &TargetLock| {
        let until = lock
            .until
            .map_or("its end".to_owned(), |until| until.to_string());
        format!("{} from {} until {until}", lock.deploy, lock.since)
    };
    (lock.as_ref() != Some(&expected)).then(|| {
        let is = lock.as_ref().map(show);
        let field = format!("the lock of {target}");
        Finding::differs(id.to_string(), field, is.as_deref(), Some(&show(&expected)))
    })
}

/// Whether the record of an action, as it is stored, is the one that the deploy says it was asked for by.
fn agrees(body: &str, replayed: &Replayed) -> bool {
    let first = replayed.entries.first();
    let digest = first.and_then(|entry| match &entry.change {
        AuditChange::Requested { opened, .. } => opened.as_ref()?.action,
        _ => None,
    });
    if digest.is_some() {
        return digest == Some(EventHash::of(body));
    }
    let Ok(action) = serde_json::from_str::<ActionRecord>(body) else {
        return false;
    };
    let by = first.map(|entry| (entry.at, entry.by.clone()));
    let deploy = replayed.record.id;
    action.outcome == ActionOutcome::Retried { deploy }
        && by == Some((action.at, action.requested_by.into()))
}

/// Which deliveries were requested follows from what happened. How they went is the notifier's alone.
fn check_notification(replayed: &Replayed, notification: &NotificationRecord) -> Vec<Finding> {
    let id = replayed.record.id.to_string();
    let happened =
        |is: &dyn Fn(&AuditChange) -> bool| replayed.entries.iter().any(|entry| is(&entry.change));
    let mut findings = vec![];
    if notification.deploy != replayed.record.id {
        let other = notification.deploy.to_string();
        findings.push(Finding::differs(
            &id,
            "notification.deploy",
            Some(&other),
            Some(&id),
        ));
    }
    for kind in NotificationKind::ALL {
        let wanted = match kind {
            NotificationKind::Progress => happened(&|c| matches!(c, AuditChange::Started { .. })),
            NotificationKind::Hold => happened(&|c| matches!(c, AuditChange::Held { .. })),
            NotificationKind::Final => happened(&|c| matches!(c, AuditChange::Ended { .. })),
            NotificationKind::Notice => happened(&|c| {
                matches!(
                    c,
                    AuditChange::Noticed { .. }
                        | AuditChange::TriggerRolledBack { told: true, .. }
                        | AuditChange::Unlocked { by: Some(_) }
                )
            }),
        };
        let fits = match notification.delivery(kind) {
            DeliveryStatus::NotRequested => !wanted,
            DeliveryStatus::Skipped => true,
            _ => wanted,
        };
        if !fits {
            let is = if wanted { "not requested" } else { "requested" };
            let by = if wanted { "requested" } else { "not requested" };
            let field = format!("notification.{}", notification_field(kind));
            findings.push(Finding::differs(&id, field, Some(is), Some(by)));
        }
    }
    findings
}

fn notification_field(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Progress => "progress",
        NotificationKind::Hold => "hold",
        NotificationKind::Final => "final_status",
        NotificationKind::Notice => "notice",
    }
}

/// What is wrong with the lock of a target, whose deploy is `owner`.
#[must_use]
pub fn check_held(target: &Target, lock: &TargetLock, owner: Option<&Replayed>) -> Option<Finding> {
    let row = || format!("the lock of {target}");
    let Some(owner) = owner else {
        return Some(Finding::about(row(), "belongs to no deploy on record"));
    };
    let record = &owner.record;
    if record.locked_target.as_ref() == Some(target) {
        return None;
    }
    // An end that cannot be sure lets the lock expire.
    let mut changes = owner.entries.iter().map(|entry| &entry.change);
    let took = |change: &AuditChange| matches!(change, AuditChange::TriggerBegun { target: Some(taken), .. } if taken == target);
    let freed = |entry: &super::AuditEntry| matches!(entry.change, AuditChange::Unlocked { .. });
    let expires = matches!(
        record.state,
        DeployState::Unresolved | DeployState::LostTrack
    ) && changes.any(took)
        && !owner.entries.iter().any(freed)
        && locked_since(owner) == Some(lock.since)
        && (record.end.as_ref()).is_some_and(|end| lock.until.is_some_and(|until| until >= end.at));
    (!expires).then(|| Finding::about(row(), format!("is not held by deploy {}", record.id)))
}

/// What is wrong with a row that gives a deploy a short id.
#[must_use]
pub fn check_short_id(key: &str, deploy: &str, owner: Option<&DeployRecord>) -> Option<Finding> {
    let fits =
        owner.is_some_and(|owner| owner.short_id.as_str() == key && owner.id.to_string() == deploy);
    (!fits).then(|| foreign(format!("the short id {key}"), deploy))
}

/// What is wrong with a row that gives a deploy a pipeline.
#[must_use]
pub fn check_claim(key: &str, deploy: &str, owner: Option<&DeployRecord>) -> Option<Finding> {
    let run = owner.and_then(|owner| owner.run.as_ref());
    let fits = run.is_some_and(|run| run.pipeline.id.to_string() == key);
    (!fits).then(|| foreign(format!("the pipeline {key}"), deploy))
}

/// What is wrong with a row that gives a chain of retries its last deploy.
#[must_use]
pub fn check_chain(root: &str, last: &str, owner: Option<&DeployRecord>) -> Option<Finding> {
    let fits = owner.is_some_and(|owner| {
        owner
            .retry_root
            .is_some_and(|known| known.to_string() == root)
            && owner.retried_by.is_none()
    });
    (!fits).then(|| foreign(format!("the chain of retries from {root}"), last))
}

/// The deploy that an action has made, by its record as it is stored; an error if that is another action's.
pub fn made_by_action(key: &str, body: &str) -> Result<Option<DeployId>, Box<Finding>> {
    let wrong = |what: &str| Box::new(Finding::about(format!("the action {key}"), what));
    let action: ActionRecord =
        serde_json::from_str(body).map_err(|_| wrong("has a record that cannot be read"))?;
    if action.id.to_string() != key {
        return Err(wrong("has the record of another action"));
    }
    Ok(match action.outcome {
        ActionOutcome::Retried { deploy } => Some(deploy),
        _ => None,
    })
}

/// What is wrong with the record of an action that has made the deploy `owner`.
#[must_use]
pub fn check_action(key: &str, body: &str, owner: Option<&Replayed>) -> Option<Finding> {
    let fits = owner.is_some_and(|owner| {
        let request = owner
            .record
            .retry_request
            .map(|request| request.to_string());
        agrees(body, owner) && (owner.is_earlier || request.as_deref() == Some(key))
    });
    let deploy = owner.map_or("?".to_owned(), |owner| owner.record.id.to_string());
    (!fits).then(|| foreign(format!("the action {key}"), &deploy))
}

/// What is wrong with the releases of a target. `replayed` looks a deploy up.
pub fn check_releases<E>(
    target: &Target,
    history: &ReleaseHistory,
    mut replayed: impl FnMut(DeployId) -> Result<Option<Replayed>, E>,
) -> Result<Vec<Finding>, E> {
    let row = || format!("the releases of {target}");
    let mut findings = vec![];
    let mut ends = |id: DeployId| -> Result<Option<(TargetEnd, bool)>, E> {
        let Some(replayed) = replayed(id)? else {
            return Ok(None);
        };
        let end = replayed.ended.as_deref().and_then(TargetEnd::of);
        let end = end.filter(|end| end.target == *target);
        Ok(end.map(|end| (end, replayed.is_earlier)))
    };
    for release in &history.releases {
        let found = ends(release.deploy)?;
        let fits = found.is_some_and(|(end, is_earlier)| {
            end.release.is_some_and(|mut known| {
                // What the events of an earlier version do not say.
                if is_earlier {
                    known.short_id = release.short_id.clone();
                    known.subject.clone_from(&release.subject);
                    known.revision = known.revision.or(release.revision.clone());
                }
                known == *release
            })
        });
        if !fits {
            findings.push(foreign(row(), &release.deploy.to_string()));
        }
    }
    let mut seen: Vec<DeployId> = history.releases.iter().map(|one| one.deploy).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|two| two[0] == two[1]) {
        findings.push(Finding::about(row(), "name a deploy twice"));
    }
    match &history.last {
        Some(last) => {
            let found = ends(last.deploy)?;
            let fits = found.is_some_and(|(mut end, is_earlier)| {
                if is_earlier {
                    end.last.short_id = last.short_id.clone();
                }
                end.last == *last
            });
            if !fits {
                findings.push(foreign(row(), &last.deploy.to_string()));
            }
        }
        None => findings.push(Finding::about(row(), "do not name the last deploy")),
    }
    Ok(findings)
}

fn foreign(row: String, deploy: &str) -> Finding {
    let what = format!("is not as deploy {deploy} says, or that is not on record");
    Finding::about(row, what)
}
