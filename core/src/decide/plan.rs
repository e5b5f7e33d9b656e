//! What a deploy would do: every rule's answer, the target, and what would be sent. It is a look at
//! this moment's rules and promises nothing, least of all which commit would be built.

use crate::config::Config;
use crate::deploy::{Ask, Target};
use crate::policy::{self, Check};
use crate::ports::Trigger;

/// What would happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The deploy, by the names of the configuration.
    pub ask: Ask,
    /// Every rule that was asked, and what it said.
    pub checks: Vec<Check>,
    /// What it would lock, if the job takes a lock.
    pub target: Option<Target>,
    /// What would be sent to CircleCI, if every rule says yes.
    pub trigger: Option<Trigger>,
}

/// What stands in the plan for the id that the deploy would get.
const ID_TO_COME: &str = "(the deploy's id)";

/// Plans.
#[must_use]
pub fn plan(config: &Config, ask: Ask) -> Plan {
    let policy::Explained { checks, found } = policy::explain(config, &ask);
    let allowed = found.filter(|_| checks.iter().all(|check| check.verdict.is_ok()));
    Plan {
        target: found.and_then(|found| found.target()),
        trigger: allowed.map(|allowed| {
            let slug = allowed.project.slug.clone();
            super::request_to_send(slug, &allowed, &ask.branch, ID_TO_COME)
        }),
        checks,
        ask,
    }
}
