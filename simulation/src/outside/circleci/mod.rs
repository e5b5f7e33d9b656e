//! CircleCI in memory: the sandbox's model, how what it creates goes, and what it was asked.
//!
//! What it was asked is remembered whether the product records it or not. The invariants are checked
//! against that, so what it answers must never depend on what the product has on record.

mod client;
mod pipelines;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use chatops_core::Time;
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::ports::Clock;
use chatops_sandbox::circleci as model;

use super::observed::{AnsweredPoll, ReadFault, ReadTry, ReceivedPost, TriggerFault};
use super::{Outages, PipelineTruth, RotatingSecrets, ScriptedRun};
use chatops_testkit::memory::{ManualClock, MemoryLedger, lock_mutex};

#[derive(Debug, Default)]
struct MemoryCircleCiState {
    model: model::CircleCiModel,
    scripts: VecDeque<ScriptedRun>,
    scripted: BTreeMap<uuid::Uuid, ScriptedRun>,
    trigger_faults: VecDeque<TriggerFault>,
    read_faults: VecDeque<ReadFault>,
    /// Until when every read is refused.
    refused_until: Option<Time>,
    received_posts: Vec<ReceivedPost>,
    /// The deploys whose trigger was refused for good, and with which status.
    refusals: BTreeMap<DeployId, u16>,
    canceled_deploys: BTreeSet<DeployId>,
    answered_polls: Vec<AnsweredPoll>,
    read_tries: Vec<ReadTry>,
    /// The handler run that reads now.
    reader: u64,
}

/// How long after the last moment of a run everything in a pipeline has happened: CircleCI keeps
/// nothing open for so long.
const AFTER_ALL: chrono::TimeDelta = chrono::TimeDelta::days(400);

/// CircleCI in memory.
#[derive(Debug)]
pub struct MemoryCircleCi {
    state: Mutex<MemoryCircleCiState>,
    secrets: Arc<RotatingSecrets>,
    /// Read at each POST, so that a POST without the lock is seen from outside.
    ledger: Arc<MemoryLedger>,
    outages: Arc<Outages>,
    clock: ManualClock,
}

impl MemoryCircleCiState {
    /// The deploy whose id a pipeline carries.
    fn deploy_of_pipeline(&self, id: PipelineId) -> Option<DeployId> {
        let mut made = self.model.all_pipelines().iter();
        made.find(|made| made.id == id.0)
            .and_then(MemoryCircleCi::deploy_of)
    }
}

impl MemoryCircleCi {
    /// CircleCI with one project.
    #[must_use]
    pub fn new(
        project: model::FakeProject,
        secrets: &Arc<RotatingSecrets>,
        store: &Arc<MemoryLedger>,
        outages: &Arc<Outages>,
        clock: &ManualClock,
    ) -> Self {
        let mut state = MemoryCircleCiState::default();
        state.model.add_project(project);
        Self {
            state: Mutex::new(state),
            secrets: Arc::clone(secrets),
            ledger: Arc::clone(store),
            outages: Arc::clone(outages),
            clock: clock.clone(),
        }
    }

    /// Sets how the next pipeline goes.
    pub fn script_next(&self, script: impl Into<ScriptedRun>) {
        lock_mutex(&self.state).scripts.push_back(script.into());
    }

    /// Refuses every read until a moment.
    pub fn refuse_reads_until(&self, until: Time) {
        lock_mutex(&self.state).refused_until = Some(until);
    }

    /// Queues a fault for a POST.
    pub fn fail_trigger(&self, fault: TriggerFault) {
        lock_mutex(&self.state).trigger_faults.push_back(fault);
    }

    /// Queues a fault for a read.
    pub fn fail_read(&self, fault: ReadFault) {
        lock_mutex(&self.state).read_faults.push_back(fault);
    }

    /// Whether a failure waits for the next read.
    #[must_use]
    pub fn fails_next_read(&self) -> bool {
        !lock_mutex(&self.state).read_faults.is_empty()
    }

    /// Everything that was ever created.
    #[must_use]
    pub fn created_pipelines(&self) -> Vec<model::FakePipeline> {
        lock_mutex(&self.state).model.all_pipelines().to_vec()
    }

    /// Every POST that arrived.
    #[must_use]
    pub fn received_posts(&self) -> Vec<ReceivedPost> {
        lock_mutex(&self.state).received_posts.clone()
    }

    /// The status with which a deploy's trigger was refused for good.
    #[must_use]
    pub fn refusal_of(&self, deploy: DeployId) -> Option<u16> {
        lock_mutex(&self.state).refusals.get(&deploy).copied()
    }

    /// The deploys whose pipelines CircleCI was asked to cancel.
    #[must_use]
    pub fn canceled_deploys(&self) -> BTreeSet<DeployId> {
        lock_mutex(&self.state).canceled_deploys.clone()
    }

    /// Every poll that was answered.
    #[must_use]
    pub fn answered_polls(&self) -> Vec<AnsweredPoll> {
        lock_mutex(&self.state).answered_polls.clone()
    }

    /// Every read that reached CircleCI, or would have.
    #[must_use]
    pub fn read_tries(&self) -> Vec<ReadTry> {
        lock_mutex(&self.state).read_tries.clone()
    }

    /// From now on this handler run reads.
    pub(crate) fn set_reader(&self, reader: u64) {
        lock_mutex(&self.state).reader = reader;
    }

    /// The handler run has died or failed: what it read may be on no record.
    pub(crate) fn lose_reads(&self, reader: u64) {
        let mut state = lock_mutex(&self.state);
        let made = state.read_tries.iter_mut();
        for one in made.filter(|one| one.reader == reader) {
            one.is_lost = true;
        }
    }

    /// What CircleCI knows of every pipeline, also of what is still to come.
    #[must_use]
    pub fn truths(&self) -> Vec<PipelineTruth> {
        let state = lock_mutex(&self.state);
        let all = state.model.all_pipelines().iter();
        all.filter_map(|made| state.truth_of(made, self.clock.now() + AFTER_ALL))
            .collect()
    }

    /// The deploy id a pipeline carries.
    #[must_use]
    pub fn deploy_of(pipeline: &model::FakePipeline) -> Option<DeployId> {
        DeployId::parse(pipeline.parameters.get("deploy_id")?.as_str()?).ok()
    }
}
