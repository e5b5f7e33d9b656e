//! A plan, compared with what is really sent.

use super::*;
use crate::command::DeployCommand;
use crate::parameters::Parameters;
use crate::policy::PolicyRule;

fn asked(project: Option<&str>, branch_name: &str, job_name: &str) -> DeployRequest {
    let deploy = DeployCommand {
        project: project.map(crate::fixtures::project),
        git_ref: branch(branch_name),
        job: job(job_name),
        parameters: Parameters::default(),
    };
    requester().deploy_request(&deploy, start(), &config())
}

/// What is sent for this.
fn sent(request: DeployRequest) -> TriggerRequest {
    let mut record = requested();
    record.request = request;
    let triggering = written(&record, start()).record;
    match step(&triggering, &me(), 0, start()) {
        Post(trigger) => trigger,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_planned_request_is_the_sent_one_but_for_the_id() {
    for (project, branch, job) in [
        (None, "main", "deploy"),
        (Some("web"), "release/1", "deploy"),
        (Some("site"), "main", "ship"),
        (None, "any/branch", "test"),
    ] {
        let request = asked(project, branch, job);
        let mut planned = plan_deploy(&config(), request.clone()).trigger.unwrap();
        let mut sent = sent(request);
        let id_sent = sent.parameters.remove("deploy_id");
        let id_planned = planned.parameters.remove("deploy_id");
        assert_eq!(planned, sent);
        let carries_id = job != "test";
        let id = carries_id.then(|| Value::String(id().to_string()));
        assert_eq!(id_sent, id);
        let placeholder = carries_id.then(|| Value::String("(the deploy's id)".into()));
        assert_eq!(id_planned, placeholder);
    }
}

#[test]
fn another_name_is_sent_as_the_jobs_own() {
    let own = Value::String("deploy".into());
    let request = asked(Some("site"), "main", "ship");
    assert_eq!(
        plan_deploy(&config(), request).trigger.unwrap().parameters["job"],
        own
    );
    // The same for a stored name that was the job's own at the time of the request.
    let old = DeployRequest {
        job: job("ship"),
        ..requested().request
    };
    assert_eq!(sent(old).parameters["job"], own);
}

#[test]
fn a_plan_has_every_rules_answer_and_the_target() {
    let all = [
        PolicyRule::Team,
        PolicyRule::Project,
        PolicyRule::Job,
        PolicyRule::Channel,
        PolicyRule::User,
        PolicyRule::Branch,
    ];
    let yes = plan_deploy(&config(), asked(None, "main", "deploy"));
    let rules: Vec<_> = yes.checks.iter().map(|check| check.rule).collect();
    assert_eq!(rules, all);
    assert!(yes.checks.iter().all(|check| check.verdict.is_ok()));
    assert_eq!(yes.target, Some(target()));
    let unlocked = plan_deploy(&config(), asked(None, "main", "test"));
    assert!(unlocked.target.is_none() && unlocked.trigger.is_some());

    // A rejection still names the target, but nothing would be sent.
    let no = plan_deploy(&config(), asked(None, "feature", "deploy"));
    assert_eq!(no.checks.len(), all.len());
    assert_eq!((no.target, no.trigger), (Some(target()), None));
    assert_eq!(no.request.git_ref, branch("feature"));

    let unknown = plan_deploy(&config(), asked(None, "main", "none"));
    assert_eq!(unknown.checks.len(), 3);
    assert_eq!((unknown.target, unknown.trigger), (None, None));
}
