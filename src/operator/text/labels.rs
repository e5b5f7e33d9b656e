//! The names of people, runs and releases, and lists of names, as parts of other texts.

use chatops_core::audit::AuditActor;
use chatops_core::deploy::{ActedBy, CiPipeline, CiRunKind};
use chatops_core::id::QualifiedUser;
use chatops_core::release::ReplacedRelease;

use crate::output::sanitize;

/// Who caused an event.
pub(in crate::operator) fn actor_label(actor: &AuditActor) -> String {
    match actor {
        AuditActor::User(user) => user.to_string(),
        AuditActor::UnsignedUser(user) => unsigned_label(user),
        AuditActor::Operator(name) => format!("operator {}", sanitize(name)),
        AuditActor::Worker(_) => "worker".to_owned(),
    }
}

/// Who requested an action.
pub(in crate::operator) fn requester_label(by: &ActedBy) -> String {
    match by {
        ActedBy::User(user) => user.id.to_string(),
        ActedBy::UnsignedUser(user) => unsigned_label(&user.id),
        ActedBy::Operator { name } => format!("operator {}", sanitize(name)),
    }
}

fn unsigned_label(user: &QualifiedUser) -> String {
    format!("{user} (unsigned)")
}

/// The pipeline or build, by number.
pub(in crate::operator) fn run_label(pipeline: &CiPipeline) -> String {
    let kind = match pipeline.kind {
        CiRunKind::Pipeline => "pipeline",
        CiRunKind::Build => "build",
    };
    format!("{kind} {}", pipeline.number)
}

/// What a deploy has replaced.
pub(in crate::operator) fn replaced_release(replaced: &ReplacedRelease) -> String {
    match &replaced.revision {
        Some(commit) => format!("{} of deploy {}", sanitize(commit), replaced.short_id),
        None => format!("deploy {}", replaced.short_id),
    }
}

pub(super) fn name_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| sanitize(name)).collect();
    names.join(", ")
}

/// Names with CircleCI's status.
pub(super) fn named_statuses(all: &[(String, String)]) -> String {
    let one =
        |(name, status): &(String, String)| format!("{} {}", sanitize(name), sanitize(status));
    let all: Vec<String> = all.iter().map(one).collect();
    all.join(", ")
}

pub(super) fn with_message(what: &str, message: &str) -> String {
    match message.trim() {
        "" => what.to_owned(),
        message => format!("{what}: {}", sanitize(message)),
    }
}
