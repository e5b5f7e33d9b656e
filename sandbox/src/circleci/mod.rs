//! A stand-in CircleCI: the API v2 calls that start a pipeline, follow it and cancel it.

mod model;
mod pipeline;
mod project;
mod script;
mod server;
mod view;

#[cfg(test)]
mod tests;

pub use model::{Model, Refusal};
pub use pipeline::Pipeline;
pub use project::{Project, Undeclared};
pub use script::{AutoRerun, PipelineError, PipelineState, Script, WorkflowScript};
pub(crate) use server::router;
pub use server::{Call, CircleCi};
pub use view::{
    Actor, Created, PipelinePage, PipelineView, TriggerView, Vcs, WorkflowPage, WorkflowView,
};
