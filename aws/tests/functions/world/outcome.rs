//! What became of a command: in the ledger, at CircleCI and in Slack. Nothing is changed here.

use chatops_core::audit;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::ports::{DeployFilter, DeployReader, NotificationStore};
use chatops_sandbox::circleci::FakePipeline;
use chatops_sandbox::slack::{CommandRequest, ShownMessage};
use chatops_sandbox::{JournalEntry, JournalEvent};
use chatops_testkit::{deploy_id, wait_until};

use super::LambdaWorld;

impl LambdaWorld {
    pub(crate) async fn record(&self, id: DeployId) -> Option<DeployRecord> {
        self.store.read_deploy(id).await.unwrap()
    }

    /// Waits for the end of a deploy, see [`LambdaWorld::wait_until_notified`]; it has this state and
    /// this many pipelines.
    pub(crate) async fn wait_for_end(
        &self,
        sent: &CommandRequest,
        state: DeployState,
        pipelines: usize,
    ) -> DeployRecord {
        let (record, made) = self.wait_until_notified(sent).await;
        assert_eq!((record.state, made), (state, pipelines), "{record:#?}");
        record
    }

    /// Waits until a deploy has ended and its final status was delivered, and verifies its audit. With
    /// the number of its pipelines.
    pub(crate) async fn wait_until_notified(&self, sent: &CommandRequest) -> (DeployRecord, usize) {
        let id = deploy_id(sent);
        let settled = async || {
            let record = self.record(id).await?;
            let notification = self.store.read_notification(id).await.unwrap()?;
            (record.state.is_terminal() && notification.final_status.is_settled()).then_some(record)
        };
        let record = wait_until(&format!("the final status of {id}"), settled).await;
        let events = self.store.read_events(id).await.unwrap();
        assert_eq!(events.len() as u64, record.events);
        audit::verify_chain(id, &events, record.last_hash).unwrap();
        let ended = |event: &&audit::AuditEvent| event.body.contains(r#""kind":"ended""#);
        assert_eq!(events.iter().filter(ended).count(), 1);
        let made = self.pipelines();
        let of_this = |p: &&FakePipeline| p.parameters["deploy_id"] == id.to_string();
        let made: Vec<_> = made.iter().filter(of_this).collect();
        if let (Some(run), [pipeline]) = (&record.run, &made[..]) {
            assert_eq!(run.pipeline.id.0, pipeline.id);
        }
        (record, made.len())
    }

    pub(crate) fn pipelines(&self) -> Vec<FakePipeline> {
        self.sandbox.circleci().lock().all_pipelines().to_vec()
    }

    pub(crate) async fn count_deploys(&self) -> usize {
        let all = DeployFilter::default();
        let page = self.store.list_deploys(&all, None, 100).await;
        page.unwrap().deploys.len()
    }

    /// What came through the response URL of one command, in order.
    pub(crate) fn notified(&self, sent: &CommandRequest) -> Vec<String> {
        let model = self.sandbox.slack().lock();
        let mine = |m: &&ShownMessage| m.response_path == sent.response_path && m.nth_use > 0;
        let mine = model.messages().iter().filter(mine);
        mine.map(ShownMessage::shown_text).collect()
    }

    /// How often CircleCI's trigger was called.
    pub(crate) fn posts(&self) -> usize {
        let is_trigger = |entry: &&JournalEntry| matches!(&entry.event, JournalEvent::CircleCiCall { method, path, .. } if method == "POST" && path.ends_with("/pipeline/run"));
        let entries = self.sandbox.journal().entries();
        entries.iter().filter(is_trigger).count()
    }

    /// What the webhooks that CircleCI sent were answered with.
    pub(crate) fn webhook_answers(&self) -> Vec<u16> {
        let entries = self.sandbox.journal().entries();
        let answers = entries.iter().filter_map(|entry| match &entry.event {
            JournalEvent::WebhookSent { status, .. } => *status,
            _ => None,
        });
        answers.collect()
    }

    /// Whether CircleCI has been called at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        let mut calls = entries.iter().map(|entry| &entry.event);
        calls.any(|what| matches!(what, JournalEvent::CircleCiCall { .. }))
    }
}
