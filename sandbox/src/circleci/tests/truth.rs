//! The truth: which job ran for which revision, and what is still to come.

use super::*;

#[test]
fn the_truth_knows_which_job_ran_for_which_commit() {
    let (model, id) = scripted(RunScript::green_without_job(SECOND));
    let truth = model.pipeline_truth(at(0), id).unwrap();
    assert_eq!((truth.pending_workflows, truth.is_open()), (1, true));
    assert_eq!(
        (&truth.workflows[0].status, truth.workflows[0].jobs.len()),
        (&None, 0)
    );
    let truth = model.pipeline_truth(at(300), id).unwrap();
    assert_eq!((truth.pending_workflows, truth.is_open()), (0, true));
    let truth = model.pipeline_truth(at(1000), id).unwrap();
    assert!(!truth.is_open() && truth.workflows[0].is_final);
    let jobs: Vec<_> = truth.workflows[0].jobs.iter().collect();
    let shown = model.get_pipeline(at(1000), id).unwrap().vcs.unwrap();
    assert_eq!(jobs[0].revision.as_ref(), Some(&shown.revision));
    assert_eq!((&*jobs[1].status, &jobs[1].revision), ("not_run", &None));
    assert!(jobs.iter().all(|job| job.is_final && !job.is_approval));
}

#[test]
fn a_push_changes_what_later_pipelines_run_for() {
    let mut model = model();
    let before = trigger(&mut model, 0).id;
    let pushed = "fedcba9876543210fedcba9876543210fedcba98";
    model.push_commit("github/acme/web", "main", pushed);
    let after = trigger(&mut model, 0).id;
    let revision = |id| model.pipeline_truth(at(0), id).unwrap().revision;
    assert_ne!(revision(before), pushed);
    assert_eq!(revision(after), pushed);
    let build = model.start_build(at(0), TOKEN, SLUG, "main", BTreeMap::new());
    assert_eq!(build.unwrap()["vcs_revision"], pushed);
    assert_eq!(model.build_truths(at(0))[0].revision, pushed);
}

#[test]
fn a_run_that_is_listed_late_or_held_is_open() {
    let late = RunScript::late_workflow(60 * SECOND, 90 * SECOND, "success");
    let (model, id) = scripted(late);
    let open = |model: &CircleCiModel, id, milliseconds| {
        let truth = model.pipeline_truth(at(milliseconds), id).unwrap();
        (truth.pending_workflows, truth.is_open())
    };
    assert_eq!(open(&model, id, 59_999), (1, true));
    assert_eq!(open(&model, id, 60_000), (0, true));
    assert_eq!(open(&model, id, 90_000), (0, false));
    let (model, id) = scripted(RunScript::no_workflow());
    assert_eq!(open(&model, id, 0), (0, false));
    let (model, id) = scripted(RunScript::on_hold_then(SECOND, "success"));
    assert_eq!(open(&model, id, 500), (0, true));
    let truth = model.pipeline_truth(at(500), id).unwrap();
    let hold = &truth.workflows[0].jobs[0];
    assert!(hold.is_approval && hold.revision.is_none());
    // The failed original is closed; its rerun is to come.
    let (model, id) = scripted(RunScript::auto_rerun(SECOND));
    let truth = model.pipeline_truth(at(499), id).unwrap();
    let open: Vec<_> = truth.workflows.iter().map(|run| run.is_open).collect();
    assert_eq!(open, [true, true]);
    let truth = model.pipeline_truth(at(1000), id).unwrap();
    let ends: Vec<_> = truth
        .workflows
        .iter()
        .map(|run| run.status.clone())
        .collect();
    assert_eq!(
        ends,
        [Some("failed".to_owned()), Some("success".to_owned())]
    );
}

#[test]
fn a_retried_build_is_closed_and_its_retry_open() {
    let mut model = model();
    model.script_next(RunScript::retried_build(SECOND, 3 * SECOND, "failed"));
    let parameters = parameters(&[("CIRCLE_JOB", "ship")]);
    let build = model.start_build(at(0), TOKEN, SLUG, "main", parameters);
    build.unwrap();
    let truths = model.build_truths(at(500));
    assert_eq!(truths[0].retry, Some(truths[1].number));
    assert_eq!(truths[1].retry_of, Some(truths[0].number));
    assert_eq!((&truths[1].status, truths[1].is_open), (&None, true));
    let truths = model.build_truths(at(1000));
    assert_eq!((truths[0].is_final, truths[1].is_open), (true, true));
    let truths = model.build_truths(at(3000));
    assert_eq!(
        (truths[1].status.as_deref(), truths[1].is_open),
        (Some("failed"), false)
    );
    assert!(
        truths
            .iter()
            .all(|build| build.has_run && build.job == "ship")
    );
}
