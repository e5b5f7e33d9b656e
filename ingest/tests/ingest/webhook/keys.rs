//! The webhook's secret: none, a new one, the previous one, one that cannot be read.

use super::*;
use crate::requests::{SECRET, command};
use crate::support::{unavailable, versions};

#[test]
fn without_a_secret_nothing_is_accepted() {
    let body = COMPLETED.as_bytes();
    for ingest in [
        TestIngest::new(),
        TestIngest::with_secrets(secrets_with(one_version(""))),
    ] {
        for key in [KEY, "", SECRET] {
            assert_rejected(&ingest, webhook_request(body, &[&sign_webhook(key, body)]));
        }
        assert_rejected(&ingest, webhook_request(body, &[]));
        // Commands do not depend on it.
        ingest.accepts(&command("main deploy"));
    }
}

#[test]
fn the_previous_secret_counts_and_a_new_one_is_found() {
    let both = versions("the new secret", Some(KEY));
    let ingest = TestIngest::with_secrets(secrets_with(both));
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    assert!(ingest.refreshed().is_empty());

    let mut keys = secrets_with(one_version("an older one"));
    keys.optional_stored = [(SecretName::CircleCiWebhook, one_version(KEY))].into();
    let ingest = TestIngest::with_secrets(keys);
    // Only a well-formed signature costs a read.
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &[]));
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &["v1=0"]));
    assert_eq!(ingest.refreshed().len(), 0);
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    let refreshed = [SecretName::CircleCiWebhook];
    assert_eq!(ingest.refreshed(), refreshed);
}

#[test]
fn a_secret_that_is_added_later_is_found() {
    let mut keys = FakeSecrets::new(one_version(SECRET));
    keys.optional_stored = [(SecretName::CircleCiWebhook, one_version(KEY))].into();
    let ingest = TestIngest::with_secrets(keys);
    // Only a well-formed signature costs a read.
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &[]));
    assert_eq!(ingest.refreshed().len(), 0);
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    assert_eq!(ingest.refreshed(), [SecretName::CircleCiWebhook]);
}

#[test]
fn a_webhook_that_cannot_be_verified_is_to_be_sent_again() {
    let mut keys = FakeSecrets::new(one_version(SECRET));
    keys.refresh_error = Some(unavailable("the store is down"));
    let ingest = TestIngest::with_secrets(keys);
    let answer = response_to(&ingest, signed_webhook(COMPLETED));
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text,
        "The webhook could not be verified; send it again.\n"
    );
    assert_eq!(ingest.queued_count(), 0);
}
