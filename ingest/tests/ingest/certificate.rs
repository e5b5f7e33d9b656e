//! Slack's test of the certificate.

use bytes::Bytes;
use http::Request;

use crate::requests::{SIGNATURE, TIMESTAMP, deploy_form, sign_now, signed, unsigned};
use crate::support::{ROUTES, TestIngest};

#[test]
fn a_bare_test_of_the_certificate_gets_an_empty_answer() {
    let ingest = TestIngest::new();
    for body in [
        "ssl_check=1",
        "ssl_check=1&token=x",
        &(deploy_form() + "&ssl_check=1"),
    ] {
        for route in ROUTES {
            for sent in [unsigned(body), signed(body)] {
                ingest.send(sent.to_route(route)).shows_nothing();
            }
        }
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn a_test_of_the_certificate_does_not_excuse_a_bad_signature() {
    let ingest = TestIngest::new();
    for body in ["ssl_check=1".to_owned(), deploy_form() + "&ssl_check=1"] {
        let wrong = sign_now("another secret", body.as_bytes());
        for sent in [
            signed(body.clone()).set(SIGNATURE, wrong.clone()),
            signed(body.clone()).set(SIGNATURE, ""),
            signed(body.clone()).without(SIGNATURE),
            signed(body.clone()).without(TIMESTAMP),
            signed(body.clone()).set(TIMESTAMP, "1"),
        ] {
            for route in ROUTES {
                assert_eq!(ingest.send(sent.to_route(route)).status, 401, "{sent:?}");
            }
        }
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn another_value_or_form_is_no_test_of_the_certificate() {
    let ingest = TestIngest::new();
    for body in [
        "ssl_check=0",
        "ssl_check",
        "ssl_check=",
        "ssl_check=1&ssl_check=1",
        "SSL_CHECK=1",
    ] {
        ingest.rejects_sender(&unsigned(body));
    }
    ingest.rejects_sender(&unsigned("ssl_check=1").without("Content-Type"));
    ingest.rejects_sender(&unsigned("a=b").set("Content-Type", "ssl_check=1"));
}

#[test]
fn the_older_test_of_the_certificate_is_a_get() {
    let ingest = TestIngest::new();
    for route in ROUTES {
        let get = |query: &str| {
            let request = Request::get(format!("{route}{query}"));
            ingest.send(request.body(Bytes::new()).unwrap())
        };
        for query in ["?ssl_check=1", "?token=x&ssl_check=1"] {
            get(query).shows_nothing();
        }
        for query in ["", "?", "?ssl_check=0", "?xssl_check=1", "?ssl_check=11"] {
            assert_eq!(get(query).status, 405, "{query}");
        }
        // In a POST the query does not count.
        let sent = unsigned(&deploy_form());
        let sent = sent.to_route(&format!("{route}?ssl_check=1"));
        assert_eq!(ingest.send(sent).status, 401);
    }
    assert_eq!(ingest.queued_count(), 0);
}
