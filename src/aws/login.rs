//! The operator's credentials, from wherever the `aws` command finds them: the environment,
//! profiles, SSO, a process of their own. All of it goes through the product's own connections.

use std::error::Error;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chatops_aws::BadSettings;
use chatops_aws::client::{Roots, http_client};

use super::At;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one attempt may take: somebody waits at a terminal, and knows how to stop it.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long a call may take with all its attempts.
const CALL: Duration = Duration::from_mins(1);

/// Why nobody is known to AWS.
#[derive(Debug)]
pub(crate) enum NoLogin {
    /// A setting makes no sense.
    Settings(BadSettings),
    /// Nobody says which region.
    NoRegion,
    /// There are no credentials anywhere.
    None {
        /// The profile that was looked into.
        profile: Option<String>,
    },
    /// Those of single sign-on have run out, or were never fetched.
    Sso {
        /// The profile that was looked into.
        profile: Option<String>,
        /// What was found.
        why: String,
    },
    /// They could not be had.
    Broken(String),
}

/// What every client is made of, and the region.
pub(super) async fn login(at: &At) -> Result<(SdkConfig, String), NoLogin> {
    let roots = Roots::read(|name| std::env::var_os(name)).map_err(NoLogin::Settings)?;
    let http = http_client(roots).map_err(NoLogin::Settings)?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(5));
    if let Some(profile) = &at.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &at.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    let region = config.region().cloned().ok_or(NoLogin::NoRegion)?;
    let provider = match &at.profile {
        // Who names a profile means it, whatever the environment holds.
        Some(profile) => {
            let providers = ProviderConfig::without_region()
                .with_region(Some(region.clone()))
                .with_http_client(http);
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&providers)
                .profile_name(profile)
                .build();
            Some(SharedCredentialsProvider::new(provider))
        }
        None => config.credentials_provider(),
    };
    // Asked for now, so that what is wrong with them is said as such.
    let profile = at.profile.clone().or_else(named);
    let provider = provider.ok_or(NoLogin::None {
        profile: profile.clone(),
    })?;
    let first = provider.provide_credentials().await;
    let first = first.map_err(|error| no_login(&error, profile))?;
    let known = Known {
        first: Mutex::new(Some(first)),
        then: provider,
    };
    let provider = SharedCredentialsProvider::new(known);
    let config = config.into_builder().credentials_provider(provider).build();
    Ok((config, region.to_string()))
}

/// The profile that the environment names.
fn named() -> Option<String> {
    let name = std::env::var_os("AWS_PROFILE")?.into_string().ok()?;
    Some(name).filter(|name| !name.is_empty())
}

fn no_login(error: &CredentialsError, profile: Option<String>) -> NoLogin {
    let why = chain(error);
    if why.to_lowercase().contains("sso") {
        NoLogin::Sso { profile, why }
    } else if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        NoLogin::None { profile }
    } else {
        NoLogin::Broken(why)
    }
}

/// An error and what caused it, each cause once. What a process for credentials has written is left
/// out: nobody knows what it holds.
fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut causes, mut next) = (Vec::<String>::new(), Some(error));
    while let Some(cause) = next {
        let said = cause.to_string();
        let said = said.split(" Stderr:").next().unwrap_or_default();
        if !causes.iter().any(|before| before.contains(said)) {
            causes.push(said.to_owned());
        }
        next = cause.source();
    }
    causes.join(": ")
}

/// Credentials that have just been fetched, and those that come after them: what asks a person for a
/// code asks once.
struct Known {
    first: Mutex<Option<Credentials>>,
    then: SharedCredentialsProvider,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl ProvideCredentials for Known {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().ok().and_then(|mut first| first.take());
        match first {
            Some(first) => Provided::ready(Ok(first)),
            None => self.then.provide_credentials(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_credentials_is_told_apart() {
        let sso = CredentialsError::provider_error("the SSO token has expired");
        assert!(matches!(no_login(&sso, None), NoLogin::Sso { .. }));
        let none = CredentialsError::not_loaded("no providers in chain provided credentials");
        assert!(matches!(no_login(&none, None), NoLogin::None { .. }));
        let other = CredentialsError::invalid_configuration("a loop of profiles");
        assert!(matches!(no_login(&other, None), NoLogin::Broken(_)));
    }

    #[test]
    fn what_a_process_for_credentials_says_is_not_shown() {
        let error = CredentialsError::provider_error(
            "external process exited with code 1. Stderr: SecretAccessKey=canary",
        );
        let NoLogin::Broken(why) = no_login(&error, None) else {
            panic!("it is broken");
        };
        assert!(why.ends_with("exited with code 1."), "{why}");
    }
}
