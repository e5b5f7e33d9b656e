//! A stand-in CircleCI: the calls of API v2 and v1.1 that start a run, follow it and cancel it.

mod build;
mod deliver;
mod model;
mod pipeline;
mod project;
mod run;
mod script;
mod server;
mod v1;
mod v2;
mod view;
mod webhook;

#[cfg(test)]
mod tests;

pub use build::Build;
pub use deliver::Delivery;
pub(crate) use deliver::deliver;
pub use model::{Model, Refusal};
pub use pipeline::Pipeline;
pub use project::{Project, Undeclared};
pub use run::{Ran, Reference, RunRequest};
pub use script::{AutoRerun, PipelineError, PipelineState, Script, WorkflowScript};
pub(crate) use server::router;
pub use server::{Call, CircleCi};
pub use view::{
    Actor, Created, PipelinePage, PipelineView, TriggerView, Vcs, WorkflowPage, WorkflowView,
};
pub use webhook::{EVENT_HEADER, Event, SIGNATURE_HEADER, SignedEvent, sign};
