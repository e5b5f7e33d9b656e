//! The pause that CircleCI asks for holds for every call of the process.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::ports::{Ci, Outcome};
use chatops_sandbox::circleci::{Call, Script};

use crate::ends::{every_call, post_of};
use crate::support::{
    ago, build, built, calls, client, created, order, order_by, refuse, run, sandbox, scripted,
    search_by, slug,
};

const SAID: &str = "CircleCI has asked for a pause (HTTP 429)";

/// Within the pause, and almost all of it: the test itself takes a moment.
fn left(after: Option<Duration>, whole: u64) {
    let after = after.unwrap();
    assert!(
        after <= Duration::from_secs(whole) && after > Duration::from_secs(whole / 2),
        "{after:?}"
    );
}

#[tokio::test]
async fn many_deploys_send_nothing_while_circleci_wants_a_pause() {
    let sandbox = sandbox().await;
    let circleci = client(sandbox.circleci_url());
    let pipeline = run(scripted(&sandbox, Script::endless(), 60));
    let number = built(&sandbox, ago(60), "feature/x", "x");
    sandbox
        .circleci()
        .fail_next(Call::Pipeline, refuse(429, Some(200)));
    let error = circleci.look(&slug(), &pipeline).await.unwrap_err();
    assert_eq!(error.message, "HTTP 429: No, sorry");
    assert_eq!(error.after, Some(Duration::from_secs(200)));
    let (asked, started) = (calls(&sandbox).len(), created(&sandbox));
    assert_eq!(asked, 1);

    for _ in 0..50 {
        for call in every_call() {
            let Outcome::NotNow { obstacle, after } = circleci.trigger(&order_by(&call)).await
            else {
                panic!("{call:?}")
            };
            assert_eq!(obstacle, SAID);
            left(after, 200);
            let error = circleci
                .search(&search_by(&call, ago(60)))
                .await
                .unwrap_err();
            assert_eq!(error.message, SAID);
            left(error.after, 200);
        }
        for run in [&pipeline, &build(number)] {
            let error = circleci.look(&slug(), run).await.unwrap_err();
            assert!(!error.unauthorized);
            left(error.after, 200);
            let error = circleci.cancel(&slug(), run, "x").await.unwrap_err();
            left(error.after, 200);
        }
    }
    assert_eq!(calls(&sandbox).len(), asked, "nothing was sent");
    assert_eq!(created(&sandbox), started);
}

#[tokio::test]
async fn any_call_can_be_the_one_that_is_told() {
    for call in every_call() {
        let sandbox = sandbox().await;
        let circleci = client(sandbox.circleci_url());
        sandbox
            .circleci()
            .fail_next(post_of(&call), refuse(429, Some(200)));
        let outcome = circleci.trigger(&order_by(&call)).await;
        assert!(matches!(outcome, Outcome::NotNow { .. }), "{outcome:?}");
        assert!(circleci.look(&slug(), &build(3_926)).await.is_err());
        assert_eq!(calls(&sandbox).len(), 1, "{call:?}");
    }
    let told = [
        (Call::List, TriggerCall::Pipeline),
        (Call::Builds, TriggerCall::Job),
    ];
    for (listing, call) in told {
        let sandbox = sandbox().await;
        let circleci = client(sandbox.circleci_url());
        sandbox
            .circleci()
            .fail_next(listing, refuse(429, Some(200)));
        assert!(circleci.search(&search_by(&call, ago(60))).await.is_err());
        circleci.trigger(&order()).await;
        assert_eq!(calls(&sandbox).len(), 1, "{call:?}");
    }
}

#[tokio::test]
async fn other_refusals_and_other_processes_make_no_pause() {
    let sandbox = sandbox().await;
    let circleci = client(sandbox.circleci_url());
    for status in [401, 403, 404, 500, 503] {
        sandbox
            .circleci()
            .fail_next(Call::Trigger, refuse(status, Some(200)));
        circleci.trigger(&order()).await;
    }
    assert_eq!(calls(&sandbox).len(), 5);
    sandbox
        .circleci()
        .fail_next(Call::Trigger, refuse(429, Some(200)));
    circleci.trigger(&order()).await;
    let outcome = client(sandbox.circleci_url()).trigger(&order()).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
}
