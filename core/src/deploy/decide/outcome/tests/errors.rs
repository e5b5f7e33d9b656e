//! Errors of the pipeline are an end whatever its state says.

use super::*;

fn error(kind: PipelineErrorKind) -> PipelineError {
    let message = "no".to_owned();
    PipelineError { kind, message }
}

fn with_errors(state: P, runs: Vec<CiWorkflow>, errors: Vec<PipelineError>) -> RunReport {
    let mut report = without_jobs(state, runs);
    if let Some(details) = &mut report.poll.pipeline {
        details.errors = errors;
    }
    report
}

#[test]
fn errors_end_it_in_every_state() {
    use PipelineErrorKind::*;
    let kinds = [
        Config,
        ConfigFetch,
        InvalidTriggerSetup,
        Timeout,
        Permission,
        Plan,
        TriggerRule,
        Other,
    ];
    for state in [
        P::SetupPending,
        P::Setup,
        P::Pending,
        P::Created,
        P::Errored,
        P::Unknown,
    ] {
        for kind in kinds {
            // A2, A7, and the green workflow that hides them.
            for runs in [
                vec![],
                vec![setup(W::Success)],
                vec![workflow("deploy", 1, W::Success)],
                vec![workflow("lint", 1, W::Failed)],
            ] {
                let errors = vec![error(kind)];
                let report = with_errors(state, runs, errors.clone());
                let reason = EndReason::PipelineErrors { errors };
                let expected = RunOutcome::Ended(DeployState::CiError, reason);
                assert_eq!(rule().outcome(&report), expected, "{state:?}");
            }
        }
    }
}

#[test]
fn an_errored_pipeline_without_errors_is_one_too() {
    let outcome = rule().outcome(&with_errors(P::Errored, vec![], vec![]));
    let reason = EndReason::PipelineErrors { errors: vec![] };
    assert_eq!(outcome, RunOutcome::Ended(DeployState::CiError, reason));
}

#[test]
fn what_still_runs_keeps_it_open() {
    for open in OPEN {
        for run in [
            setup(open),
            workflow("lint", 1, open),
            workflow("deploy", 1, open),
        ] {
            let errors = vec![error(PipelineErrorKind::Config)];
            let report = with_errors(P::Created, vec![run], errors);
            assert_eq!(rule().outcome(&report), RunOutcome::Open);
        }
    }
}

#[test]
fn the_record_keeps_the_first_errors() {
    let many = vec![error(PipelineErrorKind::Config); 200];
    let outcome = rule().outcome(&with_errors(P::Errored, vec![], many));
    let RunOutcome::Ended(_, EndReason::PipelineErrors { errors }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(errors.len(), MAX_NAMED);
}
