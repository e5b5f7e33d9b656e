//! Secrets: read once, read afresh once a minute, and the one before for a day.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use chatops_aws::secrets::{AwsSecrets, SecretSources};
use chatops_core::Time;
use chatops_core::ports::{Clock, PortErrorKind, SecretName, SecretReader};
use chatops_testkit::emulator::{self, endpoint, unique};
use chrono::TimeDelta;
use secrecy::ExposeSecret;

use chatops_testkit::suites::support::block_on;

const DAY: Duration = Duration::from_hours(24);

#[derive(Debug)]
struct HandClock(Mutex<Time>);

impl HandClock {
    /// What the service's own clock shows; a secret's age is told by that one.
    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator's clock is the real one"
    )]
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(chrono::Utc::now())))
    }

    fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

async fn shown(secrets: &AwsSecrets, name: SecretName) -> (String, Option<String>) {
    let versions = secrets.get(name).await.unwrap();
    let text = |secret: secrecy::SecretString| secret.expose_secret().to_owned();
    (text(versions.current), versions.previous.map(text))
}

fn signing(value: &str) -> String {
    format!(r#"{{"slack_signing_secret":"{value}","circleci_webhook_secret":"hook"}}"#)
}

async fn remove(client: &Client, name: &str) {
    let request = client.delete_secret().secret_id(name);
    let request = request.force_delete_without_recovery(true);
    request.send().await.unwrap();
}

#[test]
fn secrets_are_cached_refreshed_and_rotated() {
    block_on(async {
        let (aws, clock) = (emulator::aws_clients(&endpoint().url), HandClock::new());
        let client = aws.secrets();
        let (inbound, outbound) = (unique(), unique());
        let put = async |value: &str| {
            let request = client.put_secret_value().secret_id(&inbound);
            request.secret_string(signing(value)).send().await.unwrap();
        };
        for (name, value) in [
            (&inbound, signing("one")),
            (&outbound, r#"{"slack_bot_token":" bot\n"}"#.to_owned()),
        ] {
            let request = client.create_secret().name(name).secret_string(value);
            request.send().await.unwrap();
        }
        let sources: SecretSources = [inbound.clone(), outbound.clone()].into_iter().collect();
        let open = async || {
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            AwsSecrets::open(client.clone(), clock, &sources, DAY)
                .await
                .unwrap()
        };
        let secrets = open().await;
        let one = ("one".to_owned(), None);
        assert_eq!(shown(&secrets, SecretName::SlackSigning).await, one);
        assert_eq!(shown(&secrets, SecretName::SlackBot).await.0, "bot");
        let error = secrets.get(SecretName::CircleCiToken).await.unwrap_err();
        assert!(error.to_string().contains("'circleci_token'"), "{error}");

        put("two").await;
        secrets.refresh(SecretName::SlackSigning).await.unwrap();
        let same = shown(&secrets, SecretName::SlackSigning).await;
        assert_eq!(same, one, "within a minute");
        clock.advance(TimeDelta::seconds(61));
        let same = shown(&secrets, SecretName::SlackSigning).await;
        assert_eq!(same, one, "nobody asked");
        secrets.refresh(SecretName::SlackSigning).await.unwrap();
        let both = ("two".to_owned(), Some("one".to_owned()));
        assert_eq!(shown(&secrets, SecretName::SlackSigning).await, both);
        let same = ("hook".to_owned(), None);
        assert_eq!(shown(&secrets, SecretName::CircleCiWebhook).await, same);
        assert_eq!(shown(&open().await, SecretName::SlackSigning).await, both);

        clock.advance(TimeDelta::hours(24));
        let two = ("two".to_owned(), None);
        assert_eq!(shown(&secrets, SecretName::SlackSigning).await, two);
        assert_eq!(shown(&open().await, SecretName::SlackSigning).await, two);
        remove(&client, &inbound).await;
        remove(&client, &outbound).await;
    });
}

#[test]
fn what_a_secret_cannot_be_is_said_without_showing_it() {
    block_on(async {
        let (aws, clock) = (emulator::aws_clients(&endpoint().url), HandClock::new());
        let client = aws.secrets();
        let open = async |id: &str| {
            let sources: SecretSources = [id.to_owned()].into_iter().collect();
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            let opened = AwsSecrets::open(client.clone(), clock, &sources, DAY).await;
            opened.unwrap_err().to_string()
        };
        assert!(open("nobody-has-this").await.contains("nobody-has-this"));
        for value in [
            "hidden",
            r#"["hidden"]"#,
            r#"{"slack_bot_token":{"hidden":1}}"#,
            r#"{"slack_bot_token":"hidden hidden"}"#,
        ] {
            let name = unique();
            let request = client.create_secret().name(&name).secret_string(value);
            request.send().await.unwrap();
            let error = open(&name).await;
            let named = error.contains(&name) && !error.contains("hidden");
            assert!(named, "{error}");
            remove(&client, &name).await;
        }
    });
}

/// As the template makes them: nobody has filled them in.
#[test]
fn an_empty_field_is_a_secret_that_nobody_has() {
    block_on(async {
        let (aws, clock) = (emulator::aws_clients(&endpoint().url), HandClock::new());
        let (client, name) = (aws.secrets(), unique());
        let value = r#"{"slack_bot_token":" ","slack_signing_secret":"one"}"#;
        let request = client.create_secret().name(&name).secret_string(value);
        request.send().await.unwrap();
        let sources: SecretSources = [name.clone()].into_iter().collect();
        let opened = AwsSecrets::open(client.clone(), clock, &sources, DAY).await;
        let secrets = opened.unwrap();
        let one = ("one".to_owned(), None);
        assert_eq!(shown(&secrets, SecretName::SlackSigning).await, one);
        assert!(secrets.get(SecretName::SlackBot).await.is_err());
        remove(&client, &name).await;
    });
}

/// Put into a secret that a process has read without it.
#[test]
fn a_field_that_is_added_is_found_and_looked_for_once_a_minute() {
    block_on(async {
        let (aws, clock) = (emulator::aws_clients(&endpoint().url), HandClock::new());
        let (client, name) = (aws.secrets(), unique());
        let request = client.create_secret().name(&name).secret_string("{}");
        request.send().await.unwrap();
        let put = async |value: &str| {
            let request = client.put_secret_value().secret_id(&name);
            request.secret_string(value).send().await.unwrap();
        };
        let sources: SecretSources = [name.clone()].into_iter().collect();
        let by = Arc::clone(&clock) as Arc<dyn Clock>;
        let secrets = AwsSecrets::open(client.clone(), by, &sources, DAY).await;
        let secrets = secrets.unwrap();
        let missing = async |field| {
            let error = secrets.find(field).await.unwrap_err();
            error.kind() == PortErrorKind::Missing
        };
        assert!(missing(SecretName::SlackBot).await);
        put(r#"{"slack_bot_token":"bot"}"#).await;
        assert!(missing(SecretName::SlackBot).await, "within a minute");
        clock.advance(TimeDelta::seconds(61));
        let found = secrets.find(SecretName::SlackBot).await.unwrap();
        assert_eq!(found.current.expose_secret(), "bot");
        // Every field of a secret is looked for with the same read.
        put(r#"{"slack_bot_token":"bot","circleci_webhook_secret":"hook"}"#).await;
        assert!(missing(SecretName::CircleCiWebhook).await);
        clock.advance(TimeDelta::seconds(61));
        assert!(secrets.find(SecretName::CircleCiWebhook).await.is_ok());
        // What cannot be read is not missing, until it can be read.
        clock.advance(TimeDelta::seconds(61));
        put("no object").await;
        for _ in 0..2 {
            assert!(!missing(SecretName::CircleCiToken).await);
        }
        assert!(secrets.get(SecretName::SlackBot).await.is_ok());
        remove(&client, &name).await;
    });
}

/// The init has just read it, which is no search.
#[test]
fn a_field_that_is_added_right_after_the_init_is_found_at_once() {
    block_on(async {
        let (aws, clock) = (emulator::aws_clients(&endpoint().url), HandClock::new());
        let (client, name) = (aws.secrets(), unique());
        let request = client.create_secret().name(&name).secret_string("{}");
        request.send().await.unwrap();
        let sources: SecretSources = [name.clone()].into_iter().collect();
        let opened = AwsSecrets::open(client.clone(), clock, &sources, DAY).await;
        let secrets = opened.unwrap();
        let request = client.put_secret_value().secret_id(&name);
        let request = request.secret_string(r#"{"circleci_token":"token"}"#);
        request.send().await.unwrap();
        let found = secrets.find(SecretName::CircleCiToken).await.unwrap();
        assert_eq!(found.current.expose_secret(), "token");
        remove(&client, &name).await;
    });
}
