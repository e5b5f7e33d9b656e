//! Whether a deploy is retried, by its state and age alone, and what the rooms below share: who asks, and
//! with what configuration. No detail of rights, doubts or records belongs here.

mod dismissed;
mod doubts;
mod rights;
mod transaction;

use super::RetryDecision::{HasRun, InProgress, NeedsConfirm, Retried, TooOld, Yes};
use super::*;
use crate::parameters::Parameters;

/// A configuration that lets others deploy, too.
fn config() -> Config {
    let text = crate::fixtures::CONFIG
        .replace("[\"C012ABCDEF\"]", "[\"C012ABCDEF\", \"C99\"]")
        .replace("[\"U012ABCDEF\"]", "[\"U012ABCDEF\", \"U99\", \"U11\"]");
    Config::parse(&text, "chatops.toml").unwrap()
}

/// Another requester, in another conversation.
fn grace() -> Requester {
    Requester {
        channel: ChannelId::parse("C99").unwrap(),
        user: UserId::parse("U99").unwrap(),
        user_name: Some("grace".into()),
        ..requester()
    }
}

fn operator() -> ActionRequester {
    ActionRequester::Operator {
        name: "root".into(),
    }
}

fn retry(from: ActionRequester, confirm: bool, force: bool) -> ActionMessage {
    let deploy = DeployRef::Full(id());
    ActionMessage {
        requested_at: at(100),
        ..action(
            from,
            DeployAction::Retry {
                deploy,
                confirm,
                force,
            },
        )
    }
}

fn another_parameter() -> Parameters {
    let mut parameters = Parameters::default();
    assert!(parameters.add("of", "another"));
    parameters
}

/// The request of the first deploy of the chain: what it asked for is not what is retried.
fn first() -> DeployRequest {
    DeployRequest {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        project: Some(project("another")),
        git_ref: branch("of-another-time"),
        job: job("another"),
        parameters: another_parameter(),
        environment: Some("another".to_owned()),
        ..requested().request
    }
}

fn begun(old: &DeployRecord, cause: RetryCause<'_>) -> Decision<Commit> {
    let (config, me) = (config(), me());
    let begun = begin_retry(old, &first(), cause, 8, ctx(&config, &me, 0, at(120)));
    begun.map(|allowed| allowed.unwrap())
}

/// What is decided about `old` at that second.
fn decided(old: &DeployRecord, cause: RetryCause<'_>, second: i64) -> RetryDecision {
    let (config, me) = (config(), me());
    decide_retry(old, &first(), cause, ctx(&config, &me, 0, at(second)))
}

/// Users and channels that have no right to the job, each alone.
fn strangers() -> [Requester; 3] {
    let mallory = UserId::parse("U66").unwrap();
    let elsewhere = ChannelId::parse("C66").unwrap();
    [
        Requester {
            user: mallory,
            ..grace()
        },
        Requester {
            channel: elsewhere,
            ..grace()
        },
        Requester {
            team: TeamId::parse("T66").unwrap(),
            ..grace()
        },
    ]
}

/// Every state with the decisions for a ticket, an action and one with `confirm` while it is young.
const TABLE: [(DeployState, [RetryDecision; 3]); 13] = [
    (Requested, [InProgress, InProgress, InProgress]),
    (Triggering, [InProgress, InProgress, InProgress]),
    (Triggered, [InProgress, InProgress, InProgress]),
    (Running, [InProgress, InProgress, InProgress]),
    (Succeeded, [HasRun, HasRun, HasRun]),
    (Failed, [HasRun, HasRun, HasRun]),
    (Canceled, [HasRun, HasRun, HasRun]),
    (NothingRan, [HasRun, HasRun, HasRun]),
    (CiError, [HasRun, HasRun, HasRun]),
    (TriggerFailed, [Yes, Yes, Yes]),
    (Rejected, [HasRun, Yes, Yes]),
    (Unresolved, [HasRun, NeedsConfirm, Yes]),
    (LostTrack, [HasRun, HasRun, HasRun]),
];

#[test]
fn every_state_under_every_cause_at_every_age() {
    let person = || ActionRequester::User(grace());
    // The action, its column, and whether the deploy may be old.
    let actions = [
        (None, 0, false),
        (Some(retry(person(), false, false)), 1, false),
        (Some(retry(person(), true, false)), 2, false),
        (Some(retry(operator(), false, false)), 1, false),
        (Some(retry(operator(), true, false)), 2, false),
        (Some(retry(operator(), false, true)), 1, true),
        (Some(retry(operator(), true, true)), 2, true),
        // Nobody in Slack can force, whatever a message says.
        (Some(retry(person(), true, true)), 2, false),
    ];
    for (state, row) in TABLE {
        for (action, column, forced) in &actions {
            for (age, old) in [(0, false), (86_400, false), (86_401, true), (900_000, true)] {
                let action = action.clone().map(|action| ActionMessage {
                    requested_at: at(age),
                    ..action
                });
                let cause = action
                    .as_ref()
                    .map_or(RetryCause::Ticket, RetryCause::Action);
                for retried in [false, true] {
                    let mut record = record_in(state);
                    record.retried_by = retried.then(|| DeployId::of_retry(record.id, None));
                    let young = row[*column].clone();
                    let expected = match young {
                        InProgress | HasRun => young,
                        _ if retried => Retried,
                        _ if old && !forced => TooOld,
                        _ => young,
                    };
                    let decided = decided(&record, cause, age);
                    assert_eq!(decided, expected, "{state} {cause:?} {age} {retried}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_retried_is_illegal() {
    for (state, row) in TABLE {
        let can = row.contains(&Yes);
        let action = retry(operator(), true, true);
        for cause in [RetryCause::Ticket, RetryCause::Action(&action)] {
            let opened = begun(&record_in(state), cause);
            assert_eq!(opened.is_ok(), can, "{state}");
            if let Err(illegal) = opened {
                assert_eq!(illegal.from, state);
            }
        }
    }
}

#[test]
fn what_a_repetition_cannot_change_waits_for_none() {
    for (status, waits) in [
        (400, false),
        (404, false),
        (422, false),
        (401, true),
        (403, true),
    ] {
        let refused = TriggerOutcome::Refused {
            status,
            message: "no".into(),
        };
        let old = posted(&triggering(), &refused, at(1)).unwrap().record;
        assert_eq!(
            (old.owes_ticket, old.awaits_retry()),
            (waits, waits),
            "{status}"
        );
        // A person may know better.
        let person = retry(ActionRequester::User(grace()), false, false);
        assert_eq!(decided(&old, RetryCause::Action(&person), 120), Yes);
    }
}
