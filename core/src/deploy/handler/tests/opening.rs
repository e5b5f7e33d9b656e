//! How a run opens the deploy of a command, however often the command comes.

use super::*;
use crate::fixtures::message;

#[test]
fn a_command_that_comes_twice_is_opened_once() {
    let DeployRun::ReadCommand(phase) = DeployRun::open(message()) else {
        panic!("it does not read first")
    };
    let run = phase.clone().resume(Ok(None), context!(start()));
    let DeployRun::Open(opens) = run else {
        panic!("{run:?}")
    };
    assert!(opens.request().open_notifications.is_some());
    // Another run was first, or the short id is taken.
    let overtaken = opens
        .clone()
        .resume(Err(Conflict::StaleVersion.into()), context!(start()));
    assert!(matches!(overtaken, DeployRun::Read(_)), "{overtaken:?}");
    let taken = opens.resume(Err(Conflict::ShortId.into()), context!(start()));
    let DeployRun::Open(longer) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(longer.request().record.short_id.as_str().len(), 16);
    let taken = longer.resume(Err(Conflict::ShortId.into()), context!(start()));
    assert!(
        matches!(taken, DeployRun::Done(Err(RunError::Conflict(_)))),
        "{taken:?}"
    );
    let known = phase.resume(
        Ok(Some(record_in(DeployState::Requested))),
        context!(start()),
    );
    assert!(matches!(known, DeployRun::Read(_)), "{known:?}");
}
