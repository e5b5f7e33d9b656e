//! A stand-in CircleCI: the calls of API v2 and v1.1 that start a run, poll it and cancel it.

mod model;
mod pipeline_run;
mod script;
mod server;
mod truth;

#[cfg(test)]
mod tests;

pub use model::build::FakeBuild;
pub use model::config::ConfigView;
pub use model::pipeline::FakePipeline;
pub(crate) use model::project::derived_uuid;
pub use model::project::{FakeProject, ParameterType, UndeclaredParameter};
pub use model::view::{
    CreatedPipeline, JobPage, JobView, PipelinePage, PipelineView, VcsView, WorkflowPage,
    WorkflowView,
};
pub use model::webhook::{
    EVENT_HEADER, OutboundEvent, SIGNATURE_HEADER, SignedEvent, sign_webhook,
};
pub use model::{ApiError, CircleCiModel};
pub use pipeline_run::{GitReference, RunRequest, RunResponse};
pub use script::{
    AutoRerun, BuildScript, JobKind, JobScript, PipelineErrorView, PipelineStateView, RunScript,
    WorkflowScript,
};
pub use server::delivery::WebhookMode;
pub(crate) use server::delivery::deliver_webhooks;
pub(crate) use server::online::CircleCiServer;
pub(crate) use server::router;
pub use server::{CiCall, FakeCircleCi};
pub use truth::{BuildTruth, JobTruth, PipelineTruth, WorkflowTruth};
