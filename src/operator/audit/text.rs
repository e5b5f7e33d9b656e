//! The words of `chatops audit`.

use chatops_local::sqlite::prune::Kept;

use super::report::{AuditReport, Difference};
use crate::operator::text::plural;
use crate::output::sanitize;

pub(super) const NOT_PRUNED_ON_AWS: &str = "audit prune is for a data file: on AWS nothing has the right to remove an event (docs/operations.md)";

/// A difference in one line.
pub(super) fn difference(one: &Difference) -> String {
    let (deploy, reason) = (sanitize(&one.deploy), sanitize(&one.reason));
    let what = match one.event {
        Some(n) => format!("{deploy}: event {n} {reason}"),
        None => format!("{deploy}: it {reason}"),
    };
    let value = |value: &Option<String>| match value {
        Some(value) => format!("'{}'", sanitize(value)),
        None => "nothing".to_owned(),
    };
    match &one.field {
        Some(field) => {
            let (stored, by) = (value(&one.stored), value(&one.by_events));
            format!(
                "{what}: {} is {stored}, by the events {by}",
                sanitize(field)
            )
        }
        None => what,
    }
}

/// After the first ones.
pub(super) fn more_differences(hidden: u64) -> String {
    format!("… and {hidden} more: --all lists them")
}

/// The last line of the verification.
pub(super) fn verify_result(report: &AuditReport) -> String {
    let mut read = vec![
        plural(report.deploys, "deploy"),
        plural(report.events, "event"),
    ];
    if report.logged > 0 {
        read.push(format!("{} in the log", plural(report.logged, "event")));
    }
    let read = read.join(", ");
    match report.broken {
        0 => format!("{read} read: everything agrees."),
        1 => format!("{read} read: 1 deploy or row differs. Compare it with a backup."),
        n => format!("{read} read: {n} deploys or rows differ. Compare them with a backup."),
    }
}

/// Events in the log whose deploys were pruned.
pub(super) fn pruned_in_log(events: u64) -> String {
    let events = plural(events, "event");
    format!(
        "{events} in the log belong to deploys that were pruned: --pruned compares their export, too"
    )
}

/// A log without a line of an event.
pub(super) fn no_anchor(log: &str) -> String {
    format!(
        "{log} has no line of a recorded event: give the log of `chatops serve`, or of the worker's function, at \
         level info (a line says `recorded` and has deploy.id, event.n and event.hash)"
    )
}

/// What was exported.
pub(super) fn exported(deploys: u64, events: u64, to: &str) -> String {
    format!(
        "{} and {} written to {to}",
        plural(deploys, "deploy"),
        plural(events, "event")
    )
}

/// What is, or would be, removed.
pub(super) fn pruned(deploys: u64, dry: bool) -> String {
    let deploys = plural(deploys, "deploy");
    if dry {
        format!("{deploys} would be removed")
    } else {
        format!("{deploys} removed")
    }
}

/// How many are kept for one reason.
pub(super) fn kept(why: Kept, deploys: u64) -> String {
    let reason: &str = why.into();
    format!("  kept {}: {reason}", plural(deploys, "deploy"))
}

/// Before anything is removed.
pub(super) fn ask_to_prune(deploys: u64, export: &str) -> String {
    format!(
        "Remove {} from the data file? {export} is the only proof of them from then on. [y/N] ",
        plural(deploys, "deploy")
    )
}

pub(super) const NOBODY_TO_ASK: &str =
    "nothing is removed without an answer: add --yes, or --dry-run to see what would be";
pub(super) const TOO_YOUNG: &str = "--before is less than 30 days ago: what is younger stays, since messages about it may still come";
