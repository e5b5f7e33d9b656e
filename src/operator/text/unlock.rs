//! The texts of `chatops unlock`.

use chatops_core::deploy::decide::{UnlockCause, unlockable_from};
use chatops_core::deploy::{DeployRecord, DeployState, TargetRef};

use super::labels::requester_label;
use super::taken_up;
use crate::operator::Installation;
use crate::output::iso_time;

/// No project of the configuration deploys there.
pub(in crate::operator) fn unknown_target(typed: &TargetRef, known: &[String]) -> String {
    let known = match known {
        [] => "no configuration was read: name its place, such as gh/acme/web/production, or the \
               file with --config"
            .to_owned(),
        known => format!("the targets are {}", known.join(", ")),
    };
    format!("no job deploys to {typed}; {known}")
}

/// Nobody holds it.
pub(in crate::operator) fn not_locked(target: &str) -> String {
    format!("no deploy holds {target}")
}

/// It is freed only with `--confirm`.
pub(in crate::operator) fn unlock_needs_confirm(
    target: &str,
    record: &DeployRecord,
    cause: UnlockCause,
    call: &str,
) -> String {
    let why = match (cause, record.state) {
        (UnlockCause::Ended, DeployState::Unresolved) => "whether CircleCI started it is not known",
        (UnlockCause::Ended, DeployState::LostTrack) => {
            "how it ended at CircleCI is not known; it may still run"
        }
        (UnlockCause::Ended, _) => "something of it may still start at CircleCI",
        (UnlockCause::Unreadable, _) => "CircleCI cannot be read, so it may still run",
        (UnlockCause::NotCanceled, _) => {
            "CircleCI has not carried out its cancel, so it may still run"
        }
    };
    format!(
        "{}: {why}. Look at CircleCI; if nothing of it runs there: {call} unlock {target} --confirm",
        held_by(target, record)
    )
}

/// Its deploy has to be canceled.
pub(in crate::operator) fn unlock_in_progress(
    target: &str,
    record: &DeployRecord,
    call: &str,
) -> String {
    let held = held_by(target, record);
    match (&record.cancel, unlockable_from(record)) {
        (Some(cancel), Some(from)) => format!(
            "{held}: its cancel was requested at {} by {}; if CircleCI has not carried it out, the \
             lock can be freed from {} on",
            iso_time(cancel.at),
            requester_label(&cancel.by),
            iso_time(from)
        ),
        _ => format!("{held}, in progress: `{call} cancel {}`", record.short_id),
    }
}

/// The request is in the queue.
pub(in crate::operator) fn unlock_enqueued(
    target: &str,
    record: &DeployRecord,
    name: &str,
    installation: &Installation,
) -> String {
    format!(
        "Enqueued: unlock {}, as operator {name}\n\
         {}.\n\
         The outcome: {} show {}\n",
        held_by(target, record),
        taken_up(installation),
        installation.command_prefix(),
        record.short_id,
    )
}

fn held_by(target: &str, record: &DeployRecord) -> String {
    let (id, state) = (&record.short_id, record.state);
    format!("{target}, held by deploy {id}, {state}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::example;

    #[test]
    fn the_answers_name_the_holder_and_the_way_out() {
        let target = "web/production";
        let unresolved = example::unresolved();
        let said = unlock_needs_confirm(target, &unresolved, UnlockCause::Ended, "chatops");
        insta::assert_snapshot!(said, @"web/production, held by deploy 136fea10, UNRESOLVED: whether CircleCI started it is not known. Look at CircleCI; if nothing of it runs there: chatops unlock web/production --confirm");
        let running = example::requested();
        insta::assert_snapshot!(unlock_in_progress(target, &running, "chatops"), @"web/production, held by deploy 50176d64, REQUESTED, in progress: `chatops cancel 50176d64`");
        let canceled = example::canceled();
        insta::assert_snapshot!(unlock_in_progress(target, &canceled, "chatops"), @"web/production, held by deploy 1aee4c77, CANCELED: its cancel was requested at 2027-01-15T08:01:40Z by operator ada; if CircleCI has not carried it out, the lock can be freed from 2027-01-15T08:11:40Z on");
        insta::assert_snapshot!(not_locked(target), @"no deploy holds web/production");
        let typed = TargetRef::parse("web/prod").unwrap();
        insta::assert_snapshot!(unknown_target(&typed, &[]), @"no job deploys to web/prod; no configuration was read: name its place, such as gh/acme/web/production, or the file with --config");
        insta::assert_snapshot!(unknown_target(&typed, &[target.to_owned()]), @"no job deploys to web/prod; the targets are web/production");
    }
}
