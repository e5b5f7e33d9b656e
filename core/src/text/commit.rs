//! The commit that a deploy ships, and what it replaces.

use super::Mrkdwn;
use super::mrkdwn::cut;
use crate::config::{Config, Repository};
use crate::deploy::{DeployRecord, DeployState};

/// How much of a commit is shown.
const COMMIT_DIGITS: usize = 7;

/// The longest subject of a commit that is shown.
const MAX_SUBJECT: usize = 72;

/// The longest name of an author that is shown.
const MAX_AUTHOR: usize = 40;

/// The repository of a deploy.
fn repository(record: &DeployRecord, config: &Config) -> Option<Repository> {
    let project = record.request.project.as_ref();
    let known = project.and_then(|name| config.project(name));
    let set = known.and_then(|(_, project)| project.repository.clone());
    set.or_else(|| Repository::of_slug(&record.trigger_intent.as_ref()?.slug))
}

pub(super) fn short_commit(revision: &str) -> String {
    revision.chars().take(COMMIT_DIGITS).collect()
}

/// The commit after `line`, linked where the repository is known, and what it replaces, linked to the
/// comparison; `None` while the commit is not known.
pub(super) fn append_commit(
    line: Mrkdwn,
    record: &DeployRecord,
    config: &Config,
) -> Option<Mrkdwn> {
    let revision = record.revision()?;
    let repository = repository(record, config);
    let url = repository.as_ref().and_then(|one| one.commit_url(revision));
    let line = line.linked(url.as_ref(), short_commit(revision));
    // What a deploy leaves behind that did not succeed, nobody knows.
    let replaces = match record.state {
        DeployState::Triggered | DeployState::Running | DeployState::Succeeded => record
            .replaced()
            .and_then(|release| release.revision.as_deref()),
        _ => None,
    };
    Some(match replaces {
        None => line,
        Some(base) if base == revision => line.and(", the same as before"),
        Some(base) => {
            let url = repository.and_then(|one| one.compare_url(base, revision));
            let line = line.and(" replaces ");
            line.linked(url.as_ref(), short_commit(base))
        }
    })
}

/// The commit's subject and author, as far as CircleCI shows them.
pub(super) fn subject_line(record: &DeployRecord) -> Option<Mrkdwn> {
    let run = record.run.as_ref()?;
    let line = subject(run.subject.as_deref()?);
    Some(match run.author.as_deref() {
        Some(author) => line.and(" · by ").escaped(&cut(author, MAX_AUTHOR)),
        None => line,
    })
}

/// The first line of a commit's message.
pub(super) fn subject(line: &str) -> Mrkdwn {
    Mrkdwn::default().escaped(&cut(line, MAX_SUBJECT))
}
