//! A stand-in CircleCI: the calls of API v2 and v1.1 that start a run, poll it and cancel it.

mod build;
mod delivery;
mod model;
mod pipeline;
mod pipeline_run;
mod project;
mod script;
mod server;
mod v1;
mod v2;
mod view;
mod webhook;

#[cfg(test)]
mod tests;

pub use build::FakeBuild;
pub use delivery::WebhookMode;
pub(crate) use delivery::deliver_webhooks;
pub use model::{ApiError, CircleCiModel};
pub use pipeline::FakePipeline;
pub use pipeline_run::{GitReference, RunRequest, RunResponse};
pub(crate) use project::derived_uuid;
pub use project::{FakeProject, UndeclaredParameter};
pub use script::{AutoRerun, PipelineErrorView, PipelineStateView, RunScript, WorkflowScript};
pub(crate) use server::router;
pub use server::{CiCall, FakeCircleCi};
pub use view::{CreatedPipeline, PipelinePage, PipelineView, VcsView, WorkflowPage, WorkflowView};
pub use webhook::{EVENT_HEADER, OutboundEvent, SIGNATURE_HEADER, SignedEvent, sign_webhook};
