//! A deployment on AWS as the command line uses it: synchronous calls over the ports of
//! `chatops-aws`, with the operator's own credentials.
//!
//! It reads, and writes one thing: messages into the work queue. A failed call becomes one sentence
//! with its fix.

mod login;
mod text;

use std::time::Duration;

use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use chatops_aws::client::AwsSdk;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::operator::{StackNames, inspect};
use chatops_aws::sqs::Sqs;
use chatops_aws::{AwsError, failed};
use chatops_core::audit::stored::{EventOnRecord, ExaminedPart, StoredChain};
use chatops_core::id::DeployId;
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

    /// The caller's user id: of a role with the name of the session behind a colon.
    pub(crate) fn caller_user_id(&self) -> Result<String, CallError> {
        self.run_call(async { named(self.read_caller().await?.user_id) })
    }

    async fn read_caller_arn(&self) -> Result<String, AwsError> {
        named(self.read_caller().await?.arn)
    }

    async fn read_caller(&self) -> Result<GetCallerIdentityOutput, AwsError> {
        let request = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        let sent = request.send().await;
        sent.map_err(failed("sts:GetCallerIdentity"))
    }

    /// Reads from the ledger.
    pub(crate) fn read<T>(
        &self,
        read: impl AsyncFnOnce(&DynamoDb) -> Result<T, LedgerError>,
    ) -> Result<T, CallError> {
        self.run_call(read(&self.ledger))
    }

    /// What it is called in a file that names a place in it.
    pub(crate) fn name(&self) -> String {
        format!("{} in {}", self.names.table(), self.region)
    }

    /// Some deploys as they stand in the table.
    pub(crate) fn read_chains(
        &self,
        cursor: Option<&str>,
    ) -> Result<(Vec<StoredChain>, Option<String>), CallError> {
        self.run_call(self.ledger.read_chains(cursor))
    }

    /// Examines a part of the table.
    pub(crate) fn examine(&self, cursor: Option<&str>) -> Result<ExaminedPart, CallError> {
        self.run_call(self.ledger.examine(cursor))
    }

    /// What is on record of events that a log names.
    pub(crate) fn logged_events(
        &self,
        keys: &[(DeployId, u64)],
    ) -> Result<Vec<EventOnRecord>, CallError> {
        self.run_call(self.ledger.logged_events(keys))
    }

    /// Puts an action into the operators' queue.
    pub(crate) fn send_message(&self, body: &MessageBody) -> Result<(), CallError> {
        let queue = QueueName::Operators;
        let url = self.run_call(self.names.queue_url(&self.aws, queue))?;
        let queues = Sqs::new(self.aws.sqs(), [(queue, url)].into_iter().collect());
        let sent = queues.send(queue, body, Duration::ZERO);
        self.runtime.block_on(sent).map_err(|error| match error {
            SendError::NotSent(error) => self.explain_error(error),
            unknown @ SendError::Unknown(_) => CallError(text::send_unknown(&unknown)),
        })
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

/// A name of the caller, which AWS always gives.
fn named(name: Option<String>) -> Result<String, AwsError> {
    name.ok_or_else(|| AwsError {
        action: None,
        kind: PortErrorKind::Unreadable,
        message: "sts:GetCallerIdentity names nobody".to_owned(),
    })
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
