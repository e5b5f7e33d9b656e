//! The configuration that the runs of the model read, and the context that they decide in.
//!
//! It never changes during a search: a decision is remembered by what it was made from, and that
//! does not name the configuration.

use std::sync::LazyLock;

use chatops_core::config::{Config, Timeouts};
use chatops_core::deploy::decide::Context;
use chatops_core::id::InvocationId;
use chatops_testkit::config::{TestConfig, TestJob};

use super::clock::now;

/// All short, their order as in the product's defaults.
const TIMEOUTS: &str = r#"
request_ttl = "13s"
connect_timeout = "2s"
request_timeout = "10s"
trigger_window = "15s"
lookup_timeout = "10s"
lookup_give_up = "20s"
workflow_start_timeout = "10s"
empty_pipeline_timeout = "20s"
poll_interval_min = "10s"
poll_interval_max = "10s"
retry_backoff = "5s"
follow_timeout = "20s"
lock_ttl = "10s"
"#;

/// One project with one job that takes a lock.
pub(super) static MODEL_CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let job = TestJob::limited("deploy", &["main"], &["C0001"], &["*"]);
    let config = TestConfig::new().timeouts(TIMEOUTS);
    config.project("web", &[job]).parse()
});

/// The times of the model.
pub(super) fn timeouts() -> &'static Timeouts {
    &MODEL_CONFIG.timeouts
}

/// What a run by this name knows of the present.
pub(super) fn context(me: &InvocationId) -> Context<'_> {
    Context {
        now: now(),
        invocation: me,
        posted_attempt: 0,
        deadline: None,
        config: &MODEL_CONFIG,
    }
}
