//! Questions about the record: read, put into words, handed to the notifier. Nothing is written.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::command::{Deploy, HistoryFilter, PAGE, Question, Status};
use chatops_core::decide;
use chatops_core::deploy::Standing;
use chatops_core::id::DeployRef;
use chatops_core::message::{AnswerMessage, Asker, Body, NoticeMessage, QuestionMessage};
use chatops_core::policy;
use chatops_core::ports::{Ci, Clock, Filter, Lane, Page, Position, Queue, Secrets, Store};
use chatops_core::words::{self, Post};
use tracing::{info, warn};

use crate::{HandlerError, Worker};

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Answers a question.
    pub(crate) async fn question(&self, message: &QuestionMessage) -> Result<(), HandlerError> {
        let asker = &message.asker;
        if policy::listens(&self.config, &asker.team).is_err() {
            warn!(team = %asker.team, "a question from a workspace that is not listened to");
            return Ok(());
        }
        let post = match &message.question {
            Question::Plan(deploy) => self.plan(asker, deploy, message.asked_at).await?,
            Question::Status { deploy } => match self.find(deploy).await? {
                Some(head) => words::status(&head, &self.config),
                None => words::unknown_deploy(deploy, &self.config),
            },
            Question::Open => {
                let filter = Filter {
                    status: Some(Status::Standing(Standing::Open)),
                    ..Filter::default()
                };
                let page = self.store.list(&filter, None, usize::from(PAGE)).await?;
                words::open_now(&page, &self.config)
            }
            Question::History(filter) => self.history(asker, filter).await?,
            Question::Failed { before } => {
                let filter = Filter {
                    awaits_retry: true,
                    ..Filter::default()
                };
                match self.page(&filter, before.as_ref(), PAGE).await? {
                    Ok(page) => words::failed(&page, &self.config),
                    Err(unknown) => unknown,
                }
            }
        };
        self.answer(asker, message.asked_at, post).await
    }

    async fn plan(
        &self,
        asker: &Asker,
        deploy: &Deploy,
        asked_at: Time,
    ) -> Result<Post, HandlerError> {
        let plan = decide::plan(&self.config, asker.ask(deploy, asked_at, &self.config));
        let lock = match &plan.target {
            Some(target) => self.store.lock(target).await?,
            None => None,
        };
        let lock = lock.filter(|lock| lock.is_held(self.clock.now()));
        let holder = match &lock {
            Some(lock) => self.store.head(lock.deploy).await?,
            None => None,
        };
        let holder = lock.as_ref().zip(holder.as_ref());
        Ok(words::plan(&plan, holder, &self.config))
    }

    async fn history(&self, asker: &Asker, typed: &HistoryFilter) -> Result<Post, HandlerError> {
        let filter = Filter::meant(typed, Some(&asker.user), self.clock.now(), &self.config);
        let limit = typed.limit.unwrap_or(PAGE);
        Ok(
            match self.page(&filter, typed.before.as_ref(), limit).await? {
                Ok(page) => words::history(typed, &page, &self.config),
                Err(unknown) => unknown,
            },
        )
    }

    /// A page, or what to say where the deploy it is to begin behind is not known.
    async fn page(
        &self,
        filter: &Filter,
        before: Option<&DeployRef>,
        limit: u8,
    ) -> Result<Result<Page, Post>, HandlerError> {
        let before = match before {
            None => None,
            Some(deploy) => match self.find(deploy).await? {
                Some(head) => Some(Position::of(&head)),
                None => return Ok(Err(words::unknown_deploy(deploy, &self.config))),
            },
        };
        let page = self.store.list(filter, before, usize::from(limit)).await?;
        Ok(Ok(page))
    }

    /// Hands an answer to the notifier, while Slack still takes it.
    pub(crate) async fn answer(
        &self,
        asker: &Asker,
        asked_at: Time,
        post: Post,
    ) -> Result<(), HandlerError> {
        let until = asked_at + self.config.times.reply_for;
        let Some(to) = asker.reply_to.clone().filter(|_| self.clock.now() < until) else {
            info!(user = %asker.user, "an answer that nobody waits for any more");
            return Ok(());
        };
        let body = Body::encode(&NoticeMessage::Answer(Box::new(AnswerMessage {
            to,
            post,
            until,
            tries: 0,
        })))?;
        Ok(self.queue.send(Lane::Notice, &body, Duration::ZERO).await?)
    }
}
