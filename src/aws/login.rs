//! The operator's credentials, from wherever the `aws` command finds them: the environment,
//! profiles, SSO, a process of their own. All of it goes through the product's own connections.

use std::error::Error;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chatops_aws::SettingsError;
use chatops_aws::client::{TlsRoots, http_client};

use super::StackLocation;

/// Why there are no credentials to call AWS with.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// A setting makes no sense.
    Settings(SettingsError),
    /// No region is set.
    NoRegion,
    /// There are no credentials anywhere.
    Missing {
        /// The profile that was read.
        profile: Option<String>,
    },
    /// Those of single sign-on have expired, or were never fetched.
    Sso {
        /// The profile that was read.
        profile: Option<String>,
        /// The error.
        why: String,
    },
    /// Fetching them failed.
    Unavailable(String),
}

/// What every client is made of, and the region.
pub(super) async fn load_login(at: &StackLocation) -> Result<(SdkConfig, String), LoginError> {
    let roots = TlsRoots::read(|name| std::env::var_os(name)).map_err(LoginError::Settings)?;
    let http = http_client(roots).map_err(LoginError::Settings)?;
    // Somebody waits at a terminal, and knows how to stop it.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_mins(1))
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
    let region = config.region().cloned().ok_or(LoginError::NoRegion)?;
    let provider = match &at.profile {
        // A named profile counts, whatever the environment holds.
        Some(profile) => {
            let providers = ProviderConfig::without_region().with_region(Some(region.clone()));
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&providers.with_http_client(http))
                .profile_name(profile);
            Some(SharedCredentialsProvider::new(provider.build()))
        }
        None => config.credentials_provider(),
    };
    // Fetched now, so that an error is reported as one of the credentials.
    let profile = at.profile.clone().or_else(env_profile);
    let none = profile.clone();
    let provider = provider.ok_or(LoginError::Missing { profile: none })?;
    let first = match provider.provide_credentials().await {
        Ok(first) => Mutex::new(Some(first)),
        Err(error) => {
            let uses_sso = uses_sso(profile.as_deref()).await;
            return Err(classify(&error, profile, uses_sso));
        }
    };
    let provider = SharedCredentialsProvider::new(FetchedCredentials { first, provider });
    let config = config.into_builder().credentials_provider(provider).build();
    Ok((config, region.to_string()))
}

/// The profile that the environment names.
fn env_profile() -> Option<String> {
    let name = std::env::var_os("AWS_PROFILE")?.into_string().ok()?;
    Some(name).filter(|name| !name.is_empty())
}

/// Whether a profile, or one that it takes its credentials from, signs in by SSO. The SDK has no error
/// type of its own for that.
async fn uses_sso(profile: Option<&str>) -> bool {
    let name = profile.map(|name| name.to_owned().into());
    let (fs, env, files) = Default::default();
    let all = profile::load(&fs, &env, &files, name).await;
    let Ok(all) = all else { return false };
    let mut next = Some(all.selected_profile());
    // A longer chain than there are profiles is a loop.
    all.profiles().any(|_| {
        let profile = next.and_then(|name| all.get_profile(name));
        let get = |key| profile.and_then(|profile| profile.get(key));
        next = get("source_profile");
        get("sso_session").or(get("sso_start_url")).is_some()
    })
}

fn classify(error: &CredentialsError, profile: Option<String>, uses_sso: bool) -> LoginError {
    let why = cause_chain(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => LoginError::Missing { profile },
        CredentialsError::ProviderError(_) if uses_sso => LoginError::Sso { profile, why },
        _ => LoginError::Unavailable(why),
    }
}

/// An error and its causes, each once, without the stderr of a process for credentials, which may hold
/// anything.
fn cause_chain(error: &(dyn Error + 'static)) -> String {
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

/// Credentials that have just been fetched, and later ones: a provider that asks a person for a code
/// asks once.
struct FetchedCredentials {
    first: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
}

impl fmt::Debug for FetchedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedCredentials").finish_non_exhaustive()
    }
}

impl ProvideCredentials for FetchedCredentials {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().ok().and_then(|mut first| first.take());
        match first {
            Some(first) => Provided::ready(Ok(first)),
            None => self.provider.provide_credentials(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_credentials_are_classified() {
        let sso = CredentialsError::provider_error("the SSO token has expired");
        assert!(matches!(classify(&sso, None, true), LoginError::Sso { .. }));
        let process = classify(&sso, None, false);
        assert!(matches!(process, LoginError::Unavailable(_)));
        let none = CredentialsError::not_loaded("no providers in chain provided credentials");
        let none = classify(&none, None, true);
        assert!(matches!(none, LoginError::Missing { .. }));
        let other = CredentialsError::invalid_configuration("a loop of profiles");
        let other = classify(&other, None, true);
        assert!(matches!(other, LoginError::Unavailable(_)));
    }

    #[test]
    fn the_stderr_of_a_process_for_credentials_is_not_shown() {
        let error = CredentialsError::provider_error(
            "external process exited with code 1. Stderr: SecretAccessKey=canary",
        );
        let LoginError::Unavailable(why) = classify(&error, None, false) else {
            panic!("it is broken");
        };
        assert!(why.ends_with("exited with code 1."), "{why}");
    }
}
