//! What a deploy would do: every rule's answer, the target, and what would be sent. It is a look at
//! this moment's rules and promises nothing, least of all which commit would be built.

use crate::config::Config;
use crate::deploy::{DeployRequest, Target};
use crate::policy::{self, RuleCheck};
use crate::ports::TriggerRequest;

/// What would happen.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployPlan {
    /// The deploy, by the names of the configuration.
    pub request: DeployRequest,
    /// Every rule that was asked, and what it said.
    pub checks: Vec<RuleCheck>,
    /// What it would lock, if the job takes a lock.
    pub target: Option<Target>,
    /// What would be sent to CircleCI, if every rule says yes.
    pub trigger: Option<TriggerRequest>,
}

/// What stands in the plan for the id that the deploy would get.
const ID_TO_COME: &str = "(the deploy's id)";

/// Plans.
#[must_use]
pub fn plan_deploy(config: &Config, ask: DeployRequest) -> DeployPlan {
    let policy::PolicyReport { checks, found } = policy::evaluate_rules(config, &ask);
    let allowed = found.filter(|_| checks.iter().all(|check| check.verdict.is_ok()));
    DeployPlan {
        target: found.and_then(|found| found.target()),
        trigger: allowed.map(|allowed| {
            let slug = allowed.project.slug.clone();
            super::request_to_send(slug, &allowed, &ask.branch, ID_TO_COME)
        }),
        checks,
        request: ask,
    }
}
