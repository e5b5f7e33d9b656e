//! The record as the commands read it, and the queue they put wishes into: in a data file, or in a
//! deployment on AWS. Nothing here decides.

use std::path::Path;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::audit::stored::Chain;
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, DeployRef, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{Filter, Lane, Page, Position};

#[cfg(feature = "aws")]
use crate::aws::Cloud;
use crate::sqlite::guest::{Guest, enqueue};

/// How many chains are read from a file at a time: a long look would hold up the file's tidying.
const BATCH: usize = 200;

/// The record, opened to be read.
pub(super) enum Record {
    /// In a data file.
    File(Guest),
    /// In a deployment on AWS.
    #[cfg(feature = "aws")]
    Aws(Box<Cloud>),
}

impl Record {
    /// That of a data file.
    pub(super) fn file(path: &Path) -> Result<Self> {
        Ok(Self::File(Guest::open(path)?))
    }

    /// Who asks, where the record knows that by itself.
    pub(super) fn who(&self) -> Result<String> {
        match self {
            Self::File(_) => Err(anyhow::anyhow!(super::words::NO_NAME)),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.who()?),
        }
    }

    /// A deploy as it stands.
    pub(super) fn head(&self, id: DeployId) -> Result<Option<Head>> {
        match self {
            Self::File(guest) => Ok(guest.head(id)?),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.head(id)?),
        }
    }

    /// The deploy people call by this short id.
    pub(super) fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>> {
        match self {
            Self::File(guest) => Ok(guest.by_short(short)?),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.by_short(short)?),
        }
    }

    /// The deploy that somebody names.
    pub(super) fn find(&self, deploy: &DeployRef) -> Result<Option<Head>> {
        let id = match deploy {
            DeployRef::Full(id) => Some(*id),
            DeployRef::Short(short) => self.by_short(short)?,
        };
        id.map_or(Ok(None), |id| self.head(id))
    }

    /// At most `limit` deploys of a kind, newest first, all older than `before`.
    pub(super) fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page> {
        match self {
            Self::File(guest) => Ok(guest.list(filter, before, limit)?),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.list(filter, before, limit)?),
        }
    }

    /// A deploy and its audit, as they fit together.
    pub(super) fn deploy(&self, id: DeployId) -> Result<Option<(Head, Vec<Event>)>> {
        match self {
            Self::File(guest) => Ok(guest.deploy(id)?),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.deploy(id)?),
        }
    }

    /// How many deploys there are, where that is known beforehand.
    pub(super) fn count(&self) -> Result<Option<u64>> {
        match self {
            Self::File(guest) => Ok(Some(guest.count()?)),
            #[cfg(feature = "aws")]
            Self::Aws(_) => Ok(None),
        }
    }

    /// Shows every deploy's audit to `see` as it stands, whatever it is worth, with what `check` found.
    pub(super) fn each_chain<E>(
        &self,
        check: impl Fn(&Chain) -> Result<(), E>,
        mut see: impl FnMut(&Chain, Result<(), E>),
    ) -> Result<()> {
        match self {
            Self::File(guest) => {
                let mut after = String::new();
                loop {
                    let chains = guest.chains(&after, BATCH)?;
                    let Some(last) = chains.last() else {
                        return Ok(());
                    };
                    after.clone_from(&last.deploy);
                    for chain in &chains {
                        see(chain, check(chain));
                    }
                }
            }
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.each_chain(check, see)?),
        }
    }

    /// Puts a message into the worker's queue.
    pub(super) fn send(&self, body: &Body, now: Time) -> Result<()> {
        match self {
            Self::File(guest) => Ok(enqueue(guest.path(), Lane::Work, body, now)?),
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => Ok(cloud.send(body)?),
        }
    }

    /// Shows what lies in the work queue's dead-letter queue to `look`, all of it, and leaves it
    /// there. `progress` hears how many are read, and of how many.
    pub(super) fn letters<T>(
        &self,
        progress: impl FnMut(u64, u64),
        look: impl FnOnce(&[Body]) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::File(guest) => {
                let mut progress = progress;
                let letters = guest.letters(Lane::WorkDead)?;
                let all = letters.len() as u64;
                progress(all, all);
                look(&letters)
            }
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => cloud.letters(progress, look),
        }
    }
}
