//! What is known of the project: read before each read of CircleCI, and noted where there is news.

use std::time::Duration;

use super::{DeployRun, ReservingRead, RunMemory, Writing};
use crate::config::ProjectSlug;
use crate::deploy::DeployRecord;
use crate::deploy::decide::{self, CiRead, Context, ReadPlan};
use crate::phase::Phase;
use crate::ports::{
    LedgerError, MAX_ASKED_PAUSE, NoteProject, ProjectFacts, ProjectNote, ReadProject,
};

/// Reads what is known of the project, before CircleCI is read.
#[derive(Debug, Clone)]
pub struct ReadingProject {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The deploy as it was read.
    pub record: Box<DeployRecord>,
    /// What is read then.
    pub read: CiRead,
}

/// Notes something of the project, then goes on.
#[derive(Debug, Clone)]
pub struct NotingProject {
    /// The project.
    pub slug: ProjectSlug,
    /// What.
    pub note: ProjectNote,
    /// The run after it.
    pub next: Box<DeployRun>,
}

impl ReadingProject {
    fn slug(&self) -> &ProjectSlug {
        match &self.read {
            CiRead::LookUp(lookup) => &lookup.slug,
            CiRead::Poll(poll) => &poll.slug,
        }
    }
}

impl Phase for ReadingProject {
    type Request = ReadProject;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadProject {
        ReadProject(self.slug().clone())
    }

    // If it fails, CircleCI is read at the usual pace.
    fn resume(self, answer: Result<ProjectFacts, LedgerError>, ctx: Context<'_>) -> DeployRun {
        let facts = answer.unwrap_or_default();
        let slug = self.slug().clone();
        let notes_webhook = self.memory.by_webhook && facts.notes_webhook(ctx.now);
        let Self {
            memory,
            record,
            read,
        } = self;
        let next = match decide::reserve_read(&record, &facts, memory.context(ctx)) {
            ReadPlan::Now(commit) => DeployRun::ReserveRead(ReservingRead {
                memory,
                commit,
                read,
            }),
            ReadPlan::Later(commit) => DeployRun::Write(Writing {
                memory,
                record,
                commit,
            }),
        };
        if notes_webhook {
            note(slug, ProjectNote::Webhook(ctx.now), next)
        } else {
            next
        }
    }
}

impl Phase for NotingProject {
    type Request = NoteProject;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> NoteProject {
        NoteProject {
            slug: self.slug.clone(),
            note: self.note,
        }
    }

    // If it fails, only the pace is not the best one.
    fn resume(self, _: Result<(), LedgerError>, _: Context<'_>) -> DeployRun {
        *self.next
    }
}

fn note(slug: ProjectSlug, note: ProjectNote, next: DeployRun) -> DeployRun {
    let next = Box::new(next);
    DeployRun::NoteProject(NotingProject { slug, note, next })
}

/// Notes a pause that CircleCI asked for, if it did: it holds for every run.
pub(super) fn note_pause(
    slug: ProjectSlug,
    asked: Option<Duration>,
    next: DeployRun,
    ctx: Context<'_>,
) -> DeployRun {
    match asked {
        Some(asked) if !asked.is_zero() => {
            let until = ctx.now + asked.min(MAX_ASKED_PAUSE);
            note(slug, ProjectNote::Pause(until), next)
        }
        _ => next,
    }
}
