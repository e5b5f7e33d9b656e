//! A run of a handler, as a value that is driven from outside.
//!
//! A run is an enum of phases. Each phase names one typed request and is resumed with that request's
//! answer, which gives the next phase. Nothing here performs a request, counts tries or reads a clock:
//! that is the driver's part. A crash is a run that is not resumed.

use crate::ports::Request;

/// A point of a run at which it needs an answer.
pub trait Phase: Sized {
    /// What it asks for.
    type Request: Request;
    /// What is needed besides the answer to go on: the time, the invocation, the configuration.
    type Context<'a>: Copy;
    /// The run that it is a phase of.
    type Run;

    /// The request.
    fn request(&self) -> Self::Request;

    /// The run after the answer.
    fn resume(
        self,
        answer: <Self::Request as Request>::Answer,
        ctx: Self::Context<'_>,
    ) -> Self::Run;
}

/// A failure after which only this run knows how to go on.
#[derive(Debug, Clone)]
pub struct Interrupted<Run, Error> {
    /// The run from where it tries again.
    pub next: Box<Run>,
    /// What the run ends with if it may not.
    pub error: Error,
}
