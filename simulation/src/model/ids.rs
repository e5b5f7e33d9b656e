//! The ids of the model: everybody and everything that a state refers to by a small number.
//!
//! A deploy is known by its place: the id of a retry says what caused it, and there are more causes
//! than places. No id may depend on the order in which states are found.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chatops_core::id::{DeployId, InvocationId, PipelineId, RequestId};

/// Who can retry.
pub(super) const USERS: [&str; 2] = ["U0001", "U0002"];

/// Deploys a state has room for.
pub(super) const PLACES: usize = 4;

/// The deploys of the model: two that are requested, the retry of the first, and the retry of that.
pub(super) static DEPLOYS: LazyLock<[DeployId; PLACES]> = LazyLock::new(|| {
    let first = DeployId::of_request("T0001", "A0001", "first");
    let second = DeployId::of_request("T0001", "A0001", "second");
    let retry = DeployId::of_retry(first, None);
    [first, second, retry, DeployId::of_retry(retry, None)]
});

/// The places of all ids: those of retries say what caused them, and that of the deploy before.
static ALL_PLACES: LazyLock<BTreeMap<DeployId, usize>> = LazyLock::new(|| {
    let causes = [None, Some(request_id(0)), Some(request_id(1))];
    let [first, second, ..] = *DEPLOYS;
    let mut places = BTreeMap::from([(first, 0), (second, 1)]);
    for cause in causes {
        let retry = DeployId::of_retry(first, cause);
        places.insert(retry, 2);
        for cause in causes {
            places.insert(DeployId::of_retry(retry, cause), 3);
        }
    }
    places
});

/// The place of a deploy, if there is room for it.
pub(super) fn known_place(id: DeployId) -> Option<usize> {
    ALL_PLACES.get(&id).copied()
}

/// The place of a deploy that has one.
pub(super) fn place_of(id: DeployId) -> usize {
    known_place(id).unwrap_or(0)
}

/// The place of the retry of a deploy, if there is room for one.
pub(super) fn retry_of(place: usize) -> Option<usize> {
    match place {
        0 => Some(2),
        2 => Some(3),
        _ => None,
    }
}

/// The place of the deploy that the one in `place` retries, if it is a retry.
pub(super) fn repeated_by(place: usize) -> Option<usize> {
    (0..PLACES).find(|old| retry_of(*old) == Some(place))
}

/// The one pipeline that carries a deploy's id.
pub(super) fn pipeline_of(deploy: usize) -> PipelineId {
    PipelineId(uuid::Uuid::from_u128(deploy as u128 + 1))
}

/// What a run in a slot is called, and what one that is no more.
pub(super) fn run_name(slot: Option<usize>) -> InvocationId {
    InvocationId::new(slot.map_or("gone".to_owned(), |slot| format!("run {}", slot + 1)))
}

/// What identifies the request of a person.
pub(super) fn request_id(who: usize) -> RequestId {
    RequestId::of_request("T0001", "A0001", USERS[who])
}

/// One more than the person whose request that is.
pub(super) fn retrier_of(action: RequestId) -> u8 {
    let who = (0..USERS.len()).find(|who| request_id(*who) == action);
    who.map_or(0, |who| u8::try_from(who + 1).unwrap_or(0))
}
