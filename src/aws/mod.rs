//! A deployment on AWS as the command line uses it: synchronous calls over the ports of
//! `chatops-aws`, with the operator's own credentials.
//!
//! It reads, and writes one thing: messages into the work queue. A failed call becomes one sentence
//! with its fix.

mod login;
mod text;

use std::time::Duration;

use anyhow::Context;
use chatops_aws::client::AwsSdk;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::operator::{DeadLetters, StackNames, inspect};
use chatops_aws::sqs::Sqs;
use chatops_aws::{AwsError, failed};
use chatops_core::audit::stored::StoredChain;
use chatops_core::message::MessageBody;
use chatops_core::ports::{LedgerError, MessageQueue, PortErrorKind, QueueName, SendError};
use tokio::runtime::Runtime;

pub(crate) use self::login::LoginError;

/// Which deployment.
#[derive(Debug, Clone)]
pub(crate) struct StackLocation {
    /// Its stack.
    pub(crate) stack: String,
    /// Its region, if it was named.
    pub(crate) region: Option<String>,
    /// The profile of the credentials, if it was named.
    pub(crate) profile: Option<String>,
}

/// A failed call, in one sentence with its fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallError(pub(crate) String);

/// A deployment, and the clients for it.
pub(crate) struct AwsInstallation {
    runtime: Runtime,
    location: StackLocation,
    region: String,
    config: aws_config::SdkConfig,
    aws: AwsSdk,
    names: StackNames,
    ledger: DynamoDb,
}

impl AwsInstallation {
    /// Finds the credentials; the deployment is not called yet.
    pub(crate) fn open(at: StackLocation) -> Result<Self, CallError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CallError(format!("the runtime could not be started: {error}")))?;
        let login = runtime.block_on(login::load_login(&at));
        let (config, region) = login.map_err(|why| CallError(text::login_error(&why)))?;
        let aws = AwsSdk::from(config.clone());
        let names = StackNames::new(&at.stack);
        let ledger = DynamoDb::new(aws.dynamodb(), names.table());
        Ok(Self {
            runtime,
            location: at,
            region,
            config,
            aws,
            names,
            ledger,
        })
    }

    /// What a failed call means here.
    fn explain_error(&self, error: impl Into<AwsError>) -> CallError {
        let error = error.into();
        let (location, region) = (&self.location, &self.region);
        let profile = location.profile.as_deref();
        CallError(text::aws_error(&error, &location.stack, region, profile))
    }

    /// Runs one call.
    fn run_call<T, E: Into<AwsError>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError> {
        let ended = self.runtime.block_on(call);
        ended.map_err(|error| self.explain_error(error))
    }

    /// The caller's ARN.
    pub(crate) fn caller_arn(&self) -> Result<String, CallError> {
        self.run_call(self.read_caller_arn())
    }

    async fn read_caller_arn(&self) -> Result<String, AwsError> {
        let request = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        let answer = request
            .send()
            .await
            .map_err(failed("sts:GetCallerIdentity"))?;
        answer.arn.ok_or_else(|| AwsError {
            action: None,
            kind: PortErrorKind::Unreadable,
            message: "sts:GetCallerIdentity names nobody".to_owned(),
        })
    }

    /// Reads from the ledger.
    pub(crate) fn read<T>(
        &self,
        read: impl AsyncFnOnce(&DynamoDb) -> Result<T, LedgerError>,
    ) -> Result<T, CallError> {
        self.run_call(read(&self.ledger))
    }

    /// Every deploy's audit as it stands in the table: a scan of all of it.
    pub(crate) fn for_each_chain<E>(
        &self,
        check: impl Fn(&StoredChain) -> Result<(), E>,
        see: impl FnMut(&StoredChain, Result<(), E>),
    ) -> Result<(), CallError> {
        self.run_call(self.ledger.for_each_chain(check, see))
    }

    /// Puts a message into the worker's queue.
    pub(crate) fn send_message(&self, body: &MessageBody) -> Result<(), CallError> {
        let url = self.run_call(self.names.queue_url(&self.aws, QueueName::Work))?;
        let urls = [(QueueName::Work, url)].into_iter().collect();
        let queues = Sqs::new(self.aws.sqs(), urls);
        let sent = queues.send(QueueName::Work, body, Duration::ZERO);
        self.runtime.block_on(sent).map_err(|error| match error {
            SendError::NotSent(error) => self.explain_error(error),
            unknown @ SendError::Unknown(_) => CallError(text::send_unknown(&unknown)),
        })
    }

    /// Shows all dead letters of the work queue to `visit`, and releases them.
    pub(crate) fn dead_letters<T>(
        &self,
        mut progress: impl FnMut(u64, u64),
        visit: impl FnOnce(&[MessageBody]) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let url = self.run_call(self.names.queue_url(&self.aws, QueueName::WorkDlq))?;
        let mut letters = DeadLetters::new(self.aws.sqs(), url);
        let all = self.run_call(letters.count_letters())?;
        let taken = letters.take_all(|taken| {
            let taken = taken as u64;
            progress(taken, all.max(taken));
        });
        let taken = self.run_call(taken);
        let visited = taken.map_err(anyhow::Error::from);
        let visited = visited.and_then(|taken| visit(&taken));
        let back = self.run_call(letters.release_all());
        let visited = visited?;
        back.context(text::NOT_RELEASED)?;
        Ok(visited)
    }

    /// How the deployment is set up.
    pub(crate) fn inspect(&self) -> InstallationReport {
        let (aws, names) = (&self.aws, &self.names);
        let queue = |queue_name| {
            let found = inspect::read_queue(aws, names, queue_name);
            let found = self.runtime.block_on(found);
            (queue_name, names.queue(queue_name), found)
        };
        let secret = |name: String| {
            let found = self.runtime.block_on(inspect::check_secret(aws, &name));
            (name, found)
        };
        let table = self.runtime.block_on(inspect::check_table(aws, names));
        let recovery = inspect::is_recovery_enabled(aws, names);
        InstallationReport {
            caller_arn: self.runtime.block_on(self.read_caller_arn()),
            region: self.region.clone(),
            table: (names.table(), table),
            recovery: self.runtime.block_on(recovery),
            queues: QueueName::ALL.map(queue).into(),
            secrets: names.secrets().map(secret).into(),
        }
    }
}

/// What was found of a deployment; for each part, or the error.
#[derive(Debug)]
pub(crate) struct InstallationReport {
    /// The caller.
    pub(crate) caller_arn: Result<String, AwsError>,
    /// Where.
    pub(crate) region: String,
    /// The table's name, and what differs from the one that the template makes.
    pub(crate) table: (String, Result<Vec<String>, AwsError>),
    /// Whether the table can be brought back to how it was at a moment.
    pub(crate) recovery: Result<bool, AwsError>,
    /// The queues, with their names.
    pub(crate) queues: Vec<(QueueName, String, Result<inspect::QueueState, AwsError>)>,
    /// The secrets' names, and whether they exist.
    pub(crate) secrets: Vec<(String, Result<(), AwsError>)>,
}
