//! A second implementation of the verdict, written from the design's words, and compared.

use proptest::prelude::*;

use super::*;
use crate::deploy::decide::tests::properties::{any_report, any_run};

/// What the design says of a report, in the fewest words.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Not all is final.
    Open,
    /// The end, if nothing has to be waited for.
    End(DeployState),
    /// The same, after a wait.
    Wait(WaitReason, DeployState),
    /// More has to be read.
    Read,
}

/// Of these runs, the one that is the newest: the latest, and of equals the first.
fn newest<'r>(runs: &[&'r CiWorkflow]) -> &'r CiWorkflow {
    let latest = runs.iter().map(|run| run.created_at).max().unwrap();
    runs.iter().find(|run| run.created_at == latest).unwrap()
}

fn is_open(run: &CiWorkflow) -> bool {
    OPEN.contains(&run.status)
}

/// The verdict of the names that count.
#[expect(clippy::too_many_lines, reason = "it is read from top to bottom")]
fn verdict(
    names: Option<&[&str]>,
    must_run: Option<&str>,
    created: bool,
    seen: &RunReport,
) -> Verdict {
    let (pipeline, runs) = (&seen.poll.pipeline, &seen.poll.workflows);
    // Errors, or a state that says so, whatever else: but a run that goes on is no end.
    if let Some(details) = pipeline
        && (!details.errors.is_empty() || details.state == P::Errored)
    {
        return if runs.iter().any(is_open) {
            Verdict::Open
        } else {
            Verdict::End(DeployState::CiError)
        };
    }
    let counts = |run: &&CiWorkflow| {
        !run.is_setup && names.is_none_or(|names| names.contains(&run.name.as_str()))
    };
    if runs
        .iter()
        .any(|run| run.name == "(no name)" && is_open(run))
    {
        return Verdict::Open;
    }
    let counted: Vec<_> = runs.iter().filter(counts).collect();
    let setups: Vec<_> = runs.iter().filter(|run| run.is_setup).collect();
    if counted.is_empty() {
        return without_the_deploy(runs, &setups, pipeline.is_some());
    }
    if counted.iter().any(|run| is_open(run)) {
        return Verdict::Open;
    }
    // The newest of each name, and a name without a run as one that did not run.
    let mut deciding = vec![];
    let mut seen_names: Vec<&str> = counted.iter().map(|run| run.name.as_str()).collect();
    seen_names.sort_unstable();
    seen_names.dedup();
    for name in &seen_names {
        let of_name: Vec<_> = counted
            .iter()
            .copied()
            .filter(|run| run.name == **name)
            .collect();
        deciding.push((newest(&of_name), of_name));
    }
    // Green without a job that ran is not run.
    let builds = |run: &CiWorkflow| -> Vec<JobStatus> {
        let jobs = seen.jobs.get(&run.id).into_iter().flatten();
        jobs.filter(|one| one.is_build)
            .map(|one| one.status)
            .collect()
    };
    let end_of = |run: &CiWorkflow| {
        let builds = builds(run);
        let idle = !builds.is_empty() && builds.iter().all(|one| *one == JobStatus::NotRun);
        if run.status == W::Success && idle && must_run.is_none() {
            W::NotRun
        } else {
            run.status
        }
    };
    let mut ends: Vec<W> = deciding.iter().map(|(run, _)| end_of(run)).collect();
    let is_missing = names.is_some_and(|names| names.iter().any(|n| !seen_names.contains(n)));
    if is_missing {
        ends.push(W::NotRun);
    }
    let failed = [W::Failed, W::Error, W::Unauthorized];
    let state = if ends.iter().any(|end| failed.contains(end)) {
        DeployState::Failed
    } else if ends.contains(&W::Canceled) {
        DeployState::Canceled
    } else if ends.iter().all(|end| *end == W::NotRun) {
        DeployState::NothingRan
    } else if ends.contains(&W::NotRun) {
        DeployState::Failed
    } else {
        DeployState::Succeeded
    };
    let ran = |job: &str, runs: &[&CiWorkflow]| {
        let jobs = runs
            .iter()
            .filter_map(|run| seen.jobs.get(&run.id))
            .flatten();
        jobs.into_iter()
            .any(|one| one.name == job && one.status == JobStatus::Success)
    };
    let is_met = must_run.is_none_or(|job| ran(job, &counted));
    let with_jobs = match state {
        DeployState::Succeeded if !is_met => DeployState::Failed,
        state => state,
    };
    let reruns = |(run, of_name): &(&CiWorkflow, Vec<&CiWorkflow>)| {
        let number = run.auto_rerun_number.unwrap_or(0);
        let originals = of_name.iter().filter(|run| run.auto_rerun_number.is_none());
        let others = originals.filter(|other| other.id != run.id).count();
        run.status == W::Failed
            && number < run.max_auto_reruns.unwrap_or(0)
            && (number > 0 || others == 0)
    };
    if deciding.iter().any(reruns) {
        return Verdict::Wait(Rerun, with_jobs);
    }
    if is_missing {
        return Verdict::Wait(JobWorkflow, with_jobs);
    }
    let past_setup = created
        || pipeline
            .as_ref()
            .is_some_and(|seen| [P::Created, P::Unknown].contains(&seen.state));
    if !past_setup {
        let never_left = match with_jobs {
            DeployState::Succeeded => DeployState::NothingRan,
            state => state,
        };
        return match pipeline {
            None => Verdict::Read,
            Some(_) => Verdict::Wait(AfterSetup, never_left),
        };
    }
    let asks_again = with_jobs == DeployState::Succeeded && !setups.is_empty();
    if asks_again && pipeline.is_none() {
        return Verdict::Read;
    }
    if with_jobs != DeployState::NothingRan {
        let unread = |run: &&CiWorkflow| !seen.jobs.contains_key(&run.id);
        let only_green = deciding.iter().all(|(run, _)| run.status == W::Success);
        let most = if names.is_none() && must_run.is_none() {
            5
        } else {
            usize::MAX
        };
        if deciding.iter().take(most).any(|(run, _)| unread(run))
            || (only_green && !is_met && counted.iter().any(unread))
        {
            return Verdict::Read;
        }
    }
    if deciding
        .iter()
        .any(|(run, _)| builds(run).contains(&JobStatus::Open))
    {
        return Verdict::Wait(Jobs, with_jobs);
    }
    Verdict::End(with_jobs)
}

/// The verdict where nothing of the deploy's own is listed.
fn without_the_deploy(runs: &[CiWorkflow], setups: &[&CiWorkflow], has_details: bool) -> Verdict {
    if runs.is_empty() {
        return Verdict::Wait(AnyWorkflow, DeployState::NothingRan);
    }
    if setups.iter().any(|run| is_open(run)) {
        return Verdict::Open;
    }
    if !setups.is_empty() && !has_details {
        return Verdict::Read;
    }
    if !setups.is_empty() && setups.len() == runs.len() {
        match newest(setups).status {
            W::Failed | W::Error | W::Unauthorized => {
                return Verdict::Wait(AfterSetup, DeployState::Failed);
            }
            W::Canceled => return Verdict::Wait(AfterSetup, DeployState::Canceled),
            _ => {}
        }
    }
    Verdict::Wait(JobWorkflow, DeployState::NothingRan)
}

fn shortened(outcome: &RunOutcome) -> Verdict {
    match *outcome {
        RunOutcome::Open => Verdict::Open,
        RunOutcome::Ended(state, _) => Verdict::End(state),
        RunOutcome::Waits(reason, state, _) => Verdict::Wait(reason, state),
        RunOutcome::NeedsDetails | RunOutcome::NeedsJobs(_) => Verdict::Read,
    }
}

fn any_rule() -> impl Strategy<Value = (Option<Vec<&'static str>>, Option<&'static str>, bool)> {
    let names = prop_oneof![
        3 => Just(Some(vec!["deploy"])),
        2 => Just(Some(vec!["deploy", "smoke"])),
        1 => Just(None),
    ];
    let job = prop::option::of(Just("deploy-prod"));
    (names, job, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn both_implementations_agree((names, job, is_created) in any_rule(), report in any_report()) {
        let expected = verdict(names.as_deref(), job, is_created, &report);
        let rule = RunRule {
            must_run: job.map(str::to_owned).into_iter().collect(),
            is_created,
            ..names.as_ref().map_or_else(all, |names| named(names))
        };
        prop_assert_eq!(shortened(&rule.outcome(&report)), expected);
    }

    #[test]
    fn success_is_said_only_of_a_pipeline_past_its_setup_that_ran_the_deploy(
        runs in prop::collection::vec(any_run(), 0..5),
        report in any_report(),
    ) {
        for report in [report, without_jobs(P::Created, runs)] {
            if let RunOutcome::Ended(DeployState::Succeeded, _) = rule().outcome(&report) {
                let ran = |run: &CiWorkflow| {
                    run.name == "deploy" && !run.is_setup && run.status == W::Success
                };
                prop_assert!(report.poll.workflows.iter().any(ran));
                let open = |run: &CiWorkflow| run.name == "deploy" && !run.is_setup && is_open(run);
                prop_assert!(!report.poll.workflows.iter().any(open));
            }
        }
    }

    #[test]
    fn reading_what_is_needed_comes_to_an_end(mut report in any_report(), (names, job, is_created) in any_rule()) {
        let rule = RunRule {
            must_run: job.map(str::to_owned).into_iter().collect(),
            is_created,
            ..names.as_ref().map_or_else(all, |names| named(names))
        };
        let all = report.poll.workflows.len();
        for reads in 0.. {
            match rule.outcome(&report) {
                RunOutcome::NeedsDetails => {
                    prop_assert!(report.poll.pipeline.is_none());
                    report.poll.pipeline = poll(P::Created, vec![]).pipeline;
                }
                RunOutcome::NeedsJobs(ids) => {
                    prop_assert!(!ids.is_empty() && !report.jobs.contains_key(&ids[0]));
                    report.jobs.insert(ids[0].clone(), vec![]);
                }
                _ => break,
            }
            prop_assert!(reads <= all + 1);
        }
    }
}
