//! What chatops has released to a target: its latest successes, and how its last deploy ended.
//!
//! The history is written in the transaction that ends a deploy, and read once by the next deploy of the
//! target: what it replaces, and how long such a deploy usually takes. What was released past chatops
//! is not in it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::deploy::{DeployRecord, DeployState, SlackUser, Target};
use crate::id::{DeployId, ShortId};
use crate::name::{GitRef, JobName};

/// How many releases a history keeps.
pub const MAX_RELEASES: usize = 10;

/// A deploy that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// The deploy.
    pub deploy: DeployId,
    /// Its short id.
    pub short_id: ShortId,
    /// The job.
    pub job: JobName,
    /// The branch or tag.
    pub git_ref: GitRef,
    /// The commit, if CircleCI has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The first line of the commit's message, if CircleCI has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who requested it.
    pub by: SlackUser,
    /// When it ended.
    pub at: Time,
    /// How long it took, from the trigger to the end.
    pub took: Duration,
}

/// How a deploy ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LastEnd {
    /// The deploy.
    pub deploy: DeployId,
    /// Its short id.
    pub short_id: ShortId,
    /// The terminal state.
    pub state: DeployState,
    /// When.
    pub at: Time,
}

/// The end of a deploy that may have changed its target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetEnd {
    /// The target.
    pub target: Target,
    /// How it ended.
    pub last: LastEnd,
    /// What it released, if it succeeded.
    pub release: Option<Release>,
}

impl TargetEnd {
    /// The end of `record`; `None` if it has not ended, or has certainly changed nothing.
    #[must_use]
    pub fn of(record: &DeployRecord) -> Option<Self> {
        let target = record.target()?;
        let end = record.end.as_ref()?;
        let may_have_changed = match record.state {
            DeployState::Succeeded
            | DeployState::Failed
            | DeployState::Canceled
            | DeployState::LostTrack => record.run.is_some(),
            DeployState::Unresolved => true,
            _ => false,
        };
        if !may_have_changed {
            return None;
        }
        let last = LastEnd {
            deploy: record.id,
            short_id: record.short_id.clone(),
            state: record.state,
            at: end.at,
        };
        let request = &record.request;
        let run = record.run.as_ref();
        let release = (record.state == DeployState::Succeeded).then(|| Release {
            deploy: record.id,
            short_id: record.short_id.clone(),
            job: request.job.clone(),
            git_ref: request.git_ref.clone(),
            revision: run.and_then(|run| run.revision.clone()),
            subject: run.and_then(|run| run.subject.clone()),
            by: request.slack_user(),
            at: end.at,
            took: record.duration().unwrap_or_default(),
        });
        Some(Self {
            target,
            last,
            release,
        })
    }
}

/// The releases of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReleaseHistory {
    /// The latest successes, newest first, at most [`MAX_RELEASES`].
    #[serde(default)]
    pub releases: Vec<Release>,
    /// How the last deploy ended that may have changed the target.
    #[serde(default)]
    pub last: Option<LastEnd>,
}

impl ReleaseHistory {
    /// The history once a deploy of the target has ended.
    #[must_use]
    pub fn after(mut self, end: &TargetEnd) -> Self {
        self.last = Some(end.last.clone());
        if let Some(release) = &end.release {
            self.releases.insert(0, release.clone());
            self.releases.truncate(MAX_RELEASES);
        }
        self
    }

    /// What is on the target, as far as chatops knows.
    #[must_use]
    pub fn current(&self) -> Option<&Release> {
        self.releases.first()
    }

    /// How long a job usually takes: the median of its releases here; of an even number the lower of
    /// the middle two.
    #[must_use]
    pub fn usual(&self, job: &JobName) -> Option<Duration> {
        let same = self.releases.iter().filter(|release| release.job == *job);
        let mut took: Vec<Duration> = same.map(|release| release.took).collect();
        took.sort_unstable();
        took.get(took.len().checked_sub(1)? / 2).copied()
    }

    /// What a deploy of `job` has to know of it.
    #[must_use]
    pub fn before(&self, job: &JobName) -> TargetBefore {
        let replaced = self.current().map(|release| ReplacedRelease {
            deploy: release.deploy,
            short_id: release.short_id.clone(),
            revision: release.revision.clone(),
        });
        TargetBefore {
            replaced,
            usual: self.usual(job),
        }
    }
}

/// The target as a deploy found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetBefore {
    /// What the deploy replaces; `None` if nothing was released there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ReplacedRelease>,
    /// How long such a deploy usually takes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<Duration>,
}

/// The release that a deploy replaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplacedRelease {
    /// The deploy.
    pub deploy: DeployId,
    /// Its short id.
    pub short_id: ShortId,
    /// Its commit, if CircleCI has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, id, record_in};

    fn release(took: u64) -> TargetEnd {
        let mut record = record_in(DeployState::Succeeded);
        if let (Some(intent), Some(end)) = (&mut record.trigger_intent, &mut record.end) {
            intent.at = at(0);
            end.at = at(i64::try_from(took).unwrap());
        }
        TargetEnd::of(&record).unwrap()
    }

    fn history(took: &[u64]) -> ReleaseHistory {
        let start = ReleaseHistory::default();
        took.iter()
            .fold(start, |history, took| history.after(&release(*took)))
    }

    #[test]
    fn the_newest_success_is_what_is_there() {
        let history = history(&[60, 90]);
        assert_eq!(history.current().unwrap().took, Duration::from_secs(90));
        let failed = TargetEnd::of(&record_in(DeployState::Failed)).unwrap();
        let after = history.clone().after(&failed);
        assert_eq!(after.releases, history.releases);
        assert_eq!(after.last.unwrap().state, DeployState::Failed);
        assert_eq!(
            history
                .before(&release(1).release.unwrap().job)
                .replaced
                .unwrap()
                .deploy,
            id()
        );
    }

    #[test]
    fn what_has_certainly_changed_nothing_is_not_in_the_history() {
        for state in DeployState::ALL
            .into_iter()
            .filter(|state| state.is_terminal())
        {
            let changes = !matches!(
                state,
                DeployState::Rejected
                    | DeployState::TriggerFailed
                    | DeployState::NothingRan
                    | DeployState::CiError
            );
            assert_eq!(
                TargetEnd::of(&record_in(state)).is_some(),
                changes,
                "{state}"
            );
        }
        let mut canceled = record_in(DeployState::Canceled);
        canceled.run = None;
        assert_eq!(TargetEnd::of(&canceled), None);
    }

    #[test]
    fn the_usual_duration_is_the_median_of_the_job() {
        let job = release(1).release.unwrap().job;
        let other = JobName::parse("other").unwrap();
        let usual = |took: &[u64]| history(took).usual(&job).map(|usual| usual.as_secs());
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&[60]), Some(60));
        assert_eq!(usual(&[60, 1_000]), Some(60));
        assert_eq!(usual(&[60, 1_000, 70]), Some(70));
        assert_eq!(history(&[60]).usual(&other), None);
    }

    #[test]
    fn a_history_keeps_ten_releases() {
        let many: Vec<u64> = (1..=30).collect();
        let history = history(&many);
        assert_eq!(history.releases.len(), MAX_RELEASES);
        assert_eq!(history.current().unwrap().took.as_secs(), 30);
    }
}
