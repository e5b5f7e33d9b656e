//! Queries: read the ledger, make the reply and queue it for the notifier. Nothing is written.

use std::collections::BTreeSet;

use chatops_core::Time;
use chatops_core::command::{DeployCommand, HistoryFilter, PAGE_SIZE, Query, StatusFilter};
use chatops_core::deploy::decide;
use chatops_core::deploy::{DeployOutcome, DeployRecord};
use chatops_core::id::DeployRef;
use chatops_core::message::{DeployMessage, NotifyMessage, QueryMessage, QueryReply, Requester};
use chatops_core::name::ProjectName;
use chatops_core::notification::Undelivered;
use chatops_core::policy;
use chatops_core::ports::{
    DeployFilter, DeployPage, LedgerPosition, ListDeploys, ListUndelivered, OutgoingMessage,
    ReadDeploy, ReadLock, ReadReleases, ReadUndelivered, WorkerPorts,
};
use chatops_core::release::ReleaseHistory;
use chatops_core::text::{self, PlanRequest, SlackMessage};
use tracing::{info, warn};

use crate::{WorkError, Worker};

/// How many deploys that Slack was not told about are looked at, and how many are shown.
const MAX_UNTOLD_READ: usize = 100;
const MAX_UNTOLD_SHOWN: usize = 5;

fn is_readable(record: &DeployRecord, readable: &BTreeSet<ProjectName>) -> bool {
    let project = record.request.project.as_ref();
    project.is_some_and(|project| readable.contains(project))
}

impl<P: WorkerPorts> Worker<P> {
    pub(crate) async fn handle_query(&self, message: &QueryMessage) -> Result<(), WorkError> {
        let requester = &message.requester;
        if policy::check_team(&self.config, &requester.team).is_err() {
            warn!(team = %requester.team, "query ignored: its workspace is not allowed");
            return Ok(());
        }
        let (user, channel) = (requester.qualified_user(), requester.qualified_channel());
        let readable = policy::readable_projects(&self.config, &user, &channel);
        let is_list = matches!(
            message.query,
            Query::InProgress | Query::History(_) | Query::Failed { .. }
        );
        if is_list && readable.is_empty() && !self.config.projects.is_empty() {
            let reply = text::nothing_readable(requester, &self.config);
            return self
                .send_reply(requester, message.requested_at, reply)
                .await;
        }
        let listed = text::listed_projects(&readable, &self.config).filter(|_| is_list);
        let reply = match &message.query {
            Query::Plan(deploy) => self.answer_plan(message, deploy).await?,
            Query::Form(input) => text::deploy_form(input, &user, &channel, &self.config),
            Query::FormMenu => text::deploy_menu(&user, &channel, &self.config),
            Query::UnknownButton => text::unknown_button(&self.config),
            Query::Help => text::help_message(None, &user, &channel, &self.config),
            Query::Status { deploy } => match self.find_readable(deploy, &readable).await? {
                Some(record) => {
                    let undelivered = self.ports.perform(ReadUndelivered(record.id)).await?;
                    text::deploy_status(&record, undelivered.as_ref(), &self.config)
                }
                None => text::unknown_deploy(deploy, &self.config),
            },
            Query::InProgress => {
                let filter = DeployFilter {
                    status: Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
                    readable: Some(readable),
                    ..DeployFilter::default()
                };
                let limit = usize::from(PAGE_SIZE);
                let list = ListDeploys {
                    filter,
                    before: None,
                    limit,
                };
                let page = self.ports.perform(list).await?;
                text::in_progress(&page, &self.config)
            }
            Query::History(filter) => self.answer_history(requester, filter, readable).await?,
            Query::Failed { before } => {
                // The first page alone has them.
                let untold = match before {
                    None => self.list_untold(&readable).await?,
                    Some(_) => vec![],
                };
                let filter = DeployFilter {
                    awaits_retry: true,
                    readable: Some(readable),
                    ..DeployFilter::default()
                };
                match self.list_page(&filter, before.as_ref(), PAGE_SIZE).await? {
                    Ok(page) => text::awaiting_retry(&page, &self.config)
                        .details(text::untold_deploys(&untold, &self.config)),
                    Err(unknown) => unknown,
                }
            }
        };
        let reply = reply.details(listed);
        let requested_at = message.requested_at;
        self.queue_reply(requester, requested_at, reply, message.in_place)
            .await
    }

    /// A deploy on record, if it is of one of the projects that may be read.
    async fn find_readable(
        &self,
        deploy: &DeployRef,
        readable: &BTreeSet<ProjectName>,
    ) -> Result<Option<DeployRecord>, WorkError> {
        let found = self.find(deploy).await?;
        Ok(found.filter(|record| is_readable(record, readable)))
    }

    /// What Slack took no message about lately, the newest first.
    async fn list_untold(
        &self,
        readable: &BTreeSet<ProjectName>,
    ) -> Result<Vec<(Undelivered, DeployRecord)>, WorkError> {
        let since = self.clock.now() - self.config.timeouts.retry_window;
        let limit = MAX_UNTOLD_READ;
        let listed = self.ports.perform(ListUndelivered { since, limit }).await?;
        let mut untold = Vec::new();
        for undelivered in listed.into_iter().rev() {
            if untold.len() == MAX_UNTOLD_SHOWN {
                break;
            }
            let record = self.ports.perform(ReadDeploy(undelivered.deploy)).await?;
            let record = record.filter(|record| is_readable(record, readable));
            untold.extend(record.map(|record| (undelivered, record)));
        }
        Ok(untold)
    }

    /// Says how a deploy stands to whoever presses a plan's button after it was pressed before: nothing else is said
    /// about that press.
    pub(crate) async fn answer_repeated_press(
        &self,
        message: &DeployMessage,
    ) -> Result<(), WorkError> {
        if message.press.is_none() {
            return Ok(());
        }
        let record = self.ports.perform(ReadDeploy(message.id)).await?;
        let Some(record) = record.filter(|record| record.request.press != message.press) else {
            return Ok(());
        };
        let undelivered = self.ports.perform(ReadUndelivered(record.id)).await?;
        let status = text::deploy_status(&record, undelivered.as_ref(), &self.config);
        self.queue_reply(&message.requester, message.requested_at, status, true)
            .await
    }

    async fn answer_plan(
        &self,
        query: &QueryMessage,
        deploy: &DeployCommand,
    ) -> Result<SlackMessage, WorkError> {
        let requester = &query.requester;
        let request = requester.deploy_request(deploy, query.requested_at, &self.config);
        let (user, channel) = (requester.qualified_user(), requester.qualified_channel());
        let known = request.project.as_ref();
        if let Some((project, _)) = known.and_then(|name| self.config.project(name))
            && !policy::may_read(&self.config, &user, &channel, Some(project))
        {
            let (config, project) = (&self.config, project);
            return Ok(text::plan_not_readable(
                deploy, requester, project, &request, config,
            ));
        }
        let plan = decide::plan_deploy(&self.config, request);
        let lock = match &plan.target {
            Some(target) => self.ports.perform(ReadLock(target.clone())).await?,
            None => None,
        };
        let lock = lock.filter(|lock| lock.is_held(self.clock.now()));
        let holder = match &lock {
            Some(lock) => self.ports.perform(ReadDeploy(lock.deploy)).await?,
            None => None,
        };
        let holder = lock.as_ref().zip(holder.as_ref());
        let releases = match &plan.place {
            Some(place) => self.ports.perform(ReadReleases(place.clone())).await?,
            None => ReleaseHistory::default(),
        };
        let from_form = query.in_place;
        let asked = query.id.map(|id| PlanRequest { id, from_form });
        Ok(text::plan_report(
            &plan,
            holder,
            &releases,
            asked,
            &self.config,
        ))
    }

    async fn answer_history(
        &self,
        requester: &Requester,
        typed: &HistoryFilter,
        readable: BTreeSet<ProjectName>,
    ) -> Result<SlackMessage, WorkError> {
        let (user, now) = (requester.qualified_user(), self.clock.now());
        let filter = DeployFilter {
            readable: Some(readable),
            ..DeployFilter::from_typed(typed, Some(&user), now, &self.config)
        };
        let (before, limit) = (typed.before.as_ref(), typed.limit.unwrap_or(PAGE_SIZE));
        let page = self.list_page(&filter, before, limit).await?;
        Ok(page.map_or_else(
            |unknown| unknown,
            |page| text::deploy_history(typed, &page, &self.config),
        ))
    }

    /// A page, or the reply if there is no deploy `before`.
    async fn list_page(
        &self,
        filter: &DeployFilter,
        before: Option<&DeployRef>,
        limit: u8,
    ) -> Result<Result<DeployPage, SlackMessage>, WorkError> {
        let before = match before {
            None => None,
            Some(deploy) => match self.find(deploy).await? {
                Some(record)
                    if filter.reads(record.request.project.as_ref().map(ProjectName::as_str)) =>
                {
                    Some(LedgerPosition::of(&record))
                }
                Some(_) | None => return Ok(Err(text::unknown_deploy(deploy, &self.config))),
            },
        };
        let list = ListDeploys {
            filter: filter.clone(),
            before,
            limit: usize::from(limit),
        };
        Ok(Ok(self.ports.perform(list).await?))
    }

    /// Queues a reply for the notifier, as a message of its own.
    pub(crate) async fn send_reply(
        &self,
        requester: &Requester,
        requested_at: Time,
        message: SlackMessage,
    ) -> Result<(), WorkError> {
        self.queue_reply(requester, requested_at, message, false)
            .await
    }

    /// Queues a reply for the notifier, while Slack still accepts it.
    async fn queue_reply(
        &self,
        requester: &Requester,
        requested_at: Time,
        message: SlackMessage,
        in_place: bool,
    ) -> Result<(), WorkError> {
        let expires_at = requested_at + self.config.timeouts.response_url_ttl;
        let url = requester.response_url.clone();
        let Some(response_url) = url.filter(|_| self.clock.now() < expires_at) else {
            info!(user = %requester.user, "reply dropped: the response URL has expired");
            return Ok(());
        };
        let reply = NotifyMessage::QueryReply(Box::new(QueryReply {
            response_url,
            message,
            expires_at,
            attempts: 0,
            in_place,
        }));
        Ok(self.send_now(OutgoingMessage::Notify(reply)).await?)
    }
}
