//! The clients of DynamoDB, SQS and Secrets Manager, built by hand.
//!
//! Region and credentials come from the environment alone, which Lambda sets; that saves start-up time
//! and half a megabyte. All clients share one pool of connections, one TLS stack (rustls with ring) and
//! one set of roots: Amazon's own, which sign every AWS endpoint. A network with a certificate of its own
//! in between needs the system's roots.

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

use crate::settings::{SettingsError, read_var};

/// Amazon Root CA 1 to 4 and the Starfield root that signed them first.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// How long it may take to connect. Slack waits three seconds for all of ingest.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt may take, unless a setting says otherwise.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where an operator's credentials come from; Lambda sets them by itself.
const CREDENTIALS_SOURCE: &str = "what `aws configure export-credentials --format env` prints";

/// How long a call may take with all its attempts, unless a setting says otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

/// How often a call is tried. Only this layer repeats a request that failed on the way, with the same
/// request token; for what DynamoDB cancels see [`crate::dynamodb`].
const MAX_ATTEMPTS: u32 = 4;

/// A connection that was idle for longer is not used again: the other side may be closing it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a process may take to open a connection that it does not need yet.
pub(crate) const WARM_UP_TIMEOUT: Duration = Duration::from_millis(300);

/// Which certificates are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsRoots {
    /// Amazon's.
    #[default]
    Amazon,
    /// Those of the system.
    System,
}

impl TlsRoots {
    /// Reads the choice through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        match read_var(lookup, "CHATOPS_AWS_ROOTS")?.as_deref() {
            None | Some("amazon") => Ok(TlsRoots::Amazon),
            Some("system") => Ok(TlsRoots::System),
            Some(other) => Err(SettingsError::Invalid {
                name: "CHATOPS_AWS_ROOTS",
                value: other.to_owned(),
                expected: "it has to be 'amazon' or 'system'",
            }),
        }
    }
}

/// Where AWS is, and as whom to call it.
#[derive(Clone)]
pub struct AwsSettings {
    /// The region.
    pub region: String,
    /// The credentials.
    pub credentials: Credentials,
    /// Another URL for every service: an emulator's.
    pub endpoint: Option<String>,
    /// Which certificates are trusted.
    pub roots: TlsRoots,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long a call may take with all its attempts.
    pub call_timeout: Duration,
}

impl fmt::Debug for AwsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSettings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("roots", &self.roots)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

impl AwsSettings {
    /// Reads the settings through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let get = |name| read_var(&lookup, name);
        let need = |name, what| get(name)?.ok_or(SettingsError::Missing { name, what });
        let credentials = Credentials::new(
            need("AWS_ACCESS_KEY_ID", CREDENTIALS_SOURCE)?,
            need("AWS_SECRET_ACCESS_KEY", CREDENTIALS_SOURCE)?,
            get("AWS_SESSION_TOKEN")?,
            None,
            "environment",
        );
        let roots = TlsRoots::read(&lookup)?;
        let endpoint = get("AWS_ENDPOINT_URL")?;
        if let Some(value) = &endpoint
            && !(value.starts_with("http://") || value.starts_with("https://"))
        {
            return Err(SettingsError::Invalid {
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
            attempt_timeout: ATTEMPT_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
        })
    }
}

/// The configuration that every client of a process is made of.
#[derive(Debug, Clone)]
pub struct AwsSdk(SdkConfig);

impl From<SdkConfig> for AwsSdk {
    /// A configuration from elsewhere: an operator's, with their own credentials.
    fn from(config: SdkConfig) -> Self {
        Self(config)
    }
}

impl AwsSdk {
    /// Makes the connection pool; nothing is sent yet.
    pub fn new(settings: &AwsSettings) -> Result<Self, SettingsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(settings.attempt_timeout)
            .operation_timeout(settings.call_timeout)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(MAX_ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(50))
            .with_max_backoff(Duration::from_millis(800));
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(settings.credentials.clone()))
            .http_client(http_client(settings.roots)?)
            .timeout_config(timeouts)
            // The time-outs are enough; a function that was frozen has not met a stalled stream.
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
pub fn http_client(roots: TlsRoots) -> Result<SharedHttpClient, SettingsError> {
    let store = match roots {
        TlsRoots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        TlsRoots::System => TrustStore::empty().with_native_roots(true),
    };
    let context = TlsContext::builder().with_trust_store(store).build();
    let context = context.map_err(|error| SettingsError::Certificates(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build_https())
}

#[cfg(test)]
mod tests;
