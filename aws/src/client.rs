//! The clients of DynamoDB, SQS and Secrets Manager, built by hand.
//!
//! There is no chain of places where settings might be found: region and credentials stand in the
//! environment that Lambda makes, and an operator can put them there. What that saves is start-up
//! time and half a megabyte. All clients share one pool of connections, one TLS stack (rustls with
//! ring) and one set of roots: Amazon's own, which sign every AWS endpoint. Anybody whose network
//! puts a certificate of its own in between switches to the system's.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;

use crate::settings::{BadSettings, get};

/// Amazon Root CA 1 to 4 and the Starfield root that signed them first.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// How long it may take to connect. Slack waits three seconds for all of ingest.
const CONNECT: Duration = Duration::from_secs(1);

/// How long one attempt may take, unless a setting says otherwise.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Where an operator's credentials come from; Lambda sets them by itself.
const KEYS: &str = "what `aws configure export-credentials --format env` prints";

/// How long a call may take with all its attempts, unless a setting says otherwise.
const CALL: Duration = Duration::from_secs(6);

/// How often a call is tried. This layer alone sends again what failed on the way, with the same
/// request token; what DynamoDB cancels is another matter, see [`crate::dynamodb`].
const ATTEMPTS: u32 = 4;

/// A connection that has been idle for longer is not used again: the other side may just be
/// closing it.
const IDLE: Duration = Duration::from_secs(15);

/// How long a process may take to open a connection that it does not need yet.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);

/// Which certificates are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roots {
    /// Amazon's.
    #[default]
    Amazon,
    /// Those of the system.
    System,
}

impl Roots {
    /// Reads the choice through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSettings> {
        match get(lookup, "CHATOPS_AWS_ROOTS")?.as_deref() {
            None | Some("amazon") => Ok(Roots::Amazon),
            Some("system") => Ok(Roots::System),
            Some(other) => Err(BadSettings::Unfit {
                name: "CHATOPS_AWS_ROOTS",
                value: other.to_owned(),
                expected: "it has to be 'amazon' or 'system'",
            }),
        }
    }
}

/// Where AWS is, and who asks.
#[derive(Clone)]
pub struct Settings {
    /// The region.
    pub region: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Another address for every service: an emulator's.
    pub endpoint: Option<String>,
    /// Which certificates are trusted.
    pub roots: Roots,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long a call may take with all its attempts.
    pub patience: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("roots", &self.roots)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the settings through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSettings> {
        let get = |name| get(&lookup, name);
        let need = |name, what| get(name)?.ok_or(BadSettings::Missing { name, what });
        let credentials = Credentials::new(
            need("AWS_ACCESS_KEY_ID", KEYS)?,
            need("AWS_SECRET_ACCESS_KEY", KEYS)?,
            get("AWS_SESSION_TOKEN")?,
            None,
            "environment",
        );
        let roots = Roots::read(&lookup)?;
        let endpoint = get("AWS_ENDPOINT_URL")?;
        if let Some(value) = &endpoint
            && !(value.starts_with("http://") || value.starts_with("https://"))
        {
            return Err(BadSettings::Unfit {
                name: "AWS_ENDPOINT_URL",
                value: value.clone(),
                expected: "it has to begin with http:// or https://",
            });
        }
        Ok(Self {
            region: need("AWS_REGION", "the region of the deployment")?,
            credentials,
            endpoint,
            roots,
            attempt: ATTEMPT,
            patience: CALL,
        })
    }
}

/// The way to AWS: every client of a process is made of one.
#[derive(Debug, Clone)]
pub struct Aws(SdkConfig);

impl From<SdkConfig> for Aws {
    /// The way that somebody else has put together: an operator's, with credentials from wherever
    /// they keep them.
    fn from(config: SdkConfig) -> Self {
        Self(config)
    }
}

impl Aws {
    /// Makes the connection pool; nothing is sent yet.
    pub fn new(settings: &Settings) -> Result<Self, BadSettings> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(settings.attempt)
            .operation_timeout(settings.patience)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(50))
            .with_max_backoff(Duration::from_millis(800));
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(settings.credentials.clone()))
            .http_client(http_client(settings.roots)?)
            .timeout_config(timeouts)
            // The time-outs say it all; a function that was frozen between two messages has not
            // met a stalled stream.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(retries);
        config.set_endpoint_url(settings.endpoint.clone());
        Ok(Self(config.build()))
    }

    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    /// A client of SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }

    /// A client of Secrets Manager.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0)
    }
}

/// The connections, with the one TLS stack there is.
pub fn http_client(roots: Roots) -> Result<SharedHttpClient, BadSettings> {
    let store = match roots {
        Roots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        Roots::System => TrustStore::empty().with_native_roots(true),
    };
    let context = TlsContext::builder().with_trust_store(store).build();
    let context = context.map_err(|error| BadSettings::Roots(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .pool_idle_timeout(IDLE)
        .build_https())
}

#[cfg(test)]
mod tests;
