//! A deployment on AWS as the command line uses it: synchronous calls over the ports of
//! `chatops-aws`, with the operator's own credentials.
//!
//! Only reading and one kind of writing happen here: a wish into the work queue. What a failed call
//! means is put into one sentence with its fix.

mod login;
mod words;

use std::time::Duration;

use anyhow::Context;
use chatops_aws::client::Aws;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::operator::{Letters, Names, Trouble, inspect};
use chatops_aws::sqs::Sqs;
use chatops_core::audit::Event;
use chatops_core::audit::stored::Chain;
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{Filter, Lane, Page, Position, Queue, SendError, Store};
use tokio::runtime::Runtime;

pub(crate) use self::login::NoLogin;

/// How often a deploy is read that moves on meanwhile.
const TRIES: usize = 3;

/// Which deployment.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// Its stack.
    pub(crate) stack: String,
    /// Its region, if it was said.
    pub(crate) region: Option<String>,
    /// The profile of the credentials, if it was said.
    pub(crate) profile: Option<String>,
}

/// A call that was of no use, in one sentence with its fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

/// A deployment, and the way to it.
pub(crate) struct Cloud {
    runtime: Runtime,
    at: At,
    region: String,
    config: aws_config::SdkConfig,
    aws: Aws,
    names: Names,
    ledger: DynamoDb,
}

impl Cloud {
    /// Finds the credentials; nothing is asked of the deployment yet.
    pub(crate) fn open(at: At) -> Result<Self, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed(format!("the runtime could not be started: {error}")))?;
        let login = runtime.block_on(login::login(&at));
        let (config, region) = login.map_err(|why| Failed(words::no_login(&why)))?;
        let aws = Aws::from(config.clone());
        let names = Names::of_stack(&at.stack);
        let ledger = DynamoDb::new(aws.dynamodb(), names.table());
        Ok(Self {
            runtime,
            at,
            region,
            config,
            aws,
            names,
            ledger,
        })
    }

    /// What a failed call means here.
    fn failed(&self, trouble: impl Into<Trouble>) -> Failed {
        let trouble = trouble.into();
        let profile = self.at.profile.as_deref();
        Failed(words::trouble(
            &trouble,
            &self.at.stack,
            &self.region,
            profile,
        ))
    }

    /// Runs one call.
    fn block<T, E: Into<Trouble>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failed> {
        self.runtime
            .block_on(call)
            .map_err(|error| self.failed(error))
    }

    /// Who asks, as AWS says: an ARN.
    pub(crate) fn who(&self) -> Result<String, Failed> {
        self.block(self.identity())
    }

    async fn identity(&self) -> Result<String, Trouble> {
        let request = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        let answer = request.send().await;
        let answer = answer.map_err(|error| Trouble::of("sts:GetCallerIdentity", &error))?;
        let none = || Trouble::of_words("sts:GetCallerIdentity names nobody");
        answer.arn.ok_or_else(none)
    }

    pub(crate) fn head(&self, id: DeployId) -> Result<Option<Head>, Failed> {
        self.block(self.ledger.head(id))
    }

    pub(crate) fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, Failed> {
        self.block(self.ledger.by_short(short))
    }

    pub(crate) fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, Failed> {
        self.block(self.ledger.list(filter, before, limit))
    }

    /// A deploy and its audit. They are two reads; what does not fit together is read again, as it
    /// may have moved on in between.
    pub(crate) fn deploy(&self, id: DeployId) -> Result<Option<(Head, Vec<Event>)>, Failed> {
        let mut read = None;
        for _ in 0..TRIES {
            let Some(head) = self.head(id)? else {
                return Ok(None);
            };
            let events = self.block(self.ledger.events(id))?;
            let fits = head.events == events.len() as u64;
            read = Some((head, events));
            if fits {
                break;
            }
        }
        Ok(read)
    }

    /// Every deploy's audit as it stands in the table: a scan of all of it.
    pub(crate) fn each_chain<E>(
        &self,
        check: impl Fn(&Chain) -> Result<(), E>,
        see: impl FnMut(&Chain, Result<(), E>),
    ) -> Result<(), Failed> {
        self.block(self.ledger.each_chain(check, see))
    }

    /// Puts a message into the worker's queue.
    pub(crate) fn send(&self, body: &Body) -> Result<(), Failed> {
        let url = self.block(self.names.address(&self.aws, Lane::Work))?;
        let queues = Sqs::new(self.aws.sqs(), [(Lane::Work, url)].into_iter().collect());
        let sent = queues.send(Lane::Work, body, Duration::ZERO);
        self.runtime.block_on(sent).map_err(|error| match error {
            SendError::NotSent(why) => self.failed(Trouble::of_words(&why)),
            unknown @ SendError::Unknown(_) => Failed(words::perhaps_sent(&unknown)),
        })
    }

    /// Shows every letter of the work queue's dead-letter queue, and gives them back.
    pub(crate) fn letters<T>(
        &self,
        mut progress: impl FnMut(u64, u64),
        look: impl FnOnce(&[Body]) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let url = self.block(self.names.address(&self.aws, Lane::WorkDead))?;
        let mut letters = Letters::at(self.aws.sqs(), url);
        let all = self.block(letters.count())?;
        let taken = letters.take(|taken| {
            let taken = taken as u64;
            progress(taken, all.max(taken));
        });
        let taken = self.block(taken);
        let looked = taken
            .map_err(anyhow::Error::from)
            .and_then(|taken| look(&taken));
        let back = self.block(letters.give_back());
        let looked = looked?;
        back.context(words::NOT_GIVEN_BACK)?;
        Ok(looked)
    }

    /// How the deployment is set up.
    pub(crate) fn examine(&self) -> Examined {
        let (aws, names) = (&self.aws, &self.names);
        let ask = |lane| self.runtime.block_on(inspect::queue(aws, names, lane));
        let secret = |name: String| {
            let found = self.runtime.block_on(inspect::secret(aws, &name));
            (name, found)
        };
        Examined {
            who: self.runtime.block_on(self.identity()),
            region: self.region.clone(),
            table: (
                names.table(),
                self.runtime.block_on(inspect::table(aws, names)),
            ),
            recovery: self
                .runtime
                .block_on(inspect::point_in_time_recovery(aws, names)),
            queues: Lane::ALL
                .map(|lane| (lane, names.queue(lane), ask(lane)))
                .into(),
            secrets: names.secrets().map(secret).into(),
        }
    }
}

/// What was found of a deployment, each thing or why it is not known.
#[derive(Debug)]
pub(crate) struct Examined {
    /// Who asks.
    pub(crate) who: Result<String, Trouble>,
    /// Where.
    pub(crate) region: String,
    /// The table's name, and what differs from the one that the template makes.
    pub(crate) table: (String, Result<Vec<String>, Trouble>),
    /// Whether the table can be brought back to how it was at a moment.
    pub(crate) recovery: Result<bool, Trouble>,
    /// The queues, with their names.
    pub(crate) queues: Vec<(Lane, String, Result<inspect::QueueState, Trouble>)>,
    /// The secrets' names, and whether they exist.
    pub(crate) secrets: Vec<(String, Result<(), Trouble>)>,
}
