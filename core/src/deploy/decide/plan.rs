//! What a deploy would do: the result of every rule, the target and the request to CircleCI. It holds
//! for the current rules only and does not say which commit would be built.

use crate::config::{Config, WorkflowSelector};
use crate::deploy::{DeployRequest, Target};
use crate::policy::{self, RuleCheck};
use crate::ports::TriggerRequest;

/// The plan of a deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployPlan {
    /// The deploy, by the names of the configuration.
    pub request: DeployRequest,
    /// Every checked rule with its result.
    pub checks: Vec<RuleCheck>,
    /// The target that it would lock, if the job takes a lock.
    pub target: Option<Target>,
    /// What it would deploy to, if the job is known.
    pub place: Option<Target>,
    /// The request to CircleCI, if every rule allows it.
    pub trigger: Option<TriggerRequest>,
    /// Which workflows would decide how it ends, if the job is known.
    pub workflow: Option<WorkflowSelector>,
    /// Their jobs that would have to succeed.
    pub must_run: Vec<String>,
}

/// The placeholder for the deploy id.
const ID_TO_COME: &str = "(the deploy's id)";

/// Plans a deploy.
#[must_use]
pub fn plan_deploy(config: &Config, request: DeployRequest) -> DeployPlan {
    let policy::PolicyReport { checks, found } = policy::evaluate_rules(config, &request);
    let allowed = found.filter(|_| checks.iter().all(|check| check.verdict.is_ok()));
    DeployPlan {
        target: found.and_then(|found| found.target()),
        place: found.map(|found| found.place()),
        trigger: allowed.map(|allowed| {
            let slug = allowed.project.slug.clone();
            super::request_to_send(slug, &allowed, &request, ID_TO_COME)
        }),
        workflow: found.map(|found| found.job.workflow.clone()),
        must_run: found.map_or_else(Vec::new, |found| found.job.must_run.clone()),
        checks,
        request,
    }
}
