//! Slack's test of the certificate.

use bytes::Bytes;
use http::{Request, StatusCode};

use crate::requests::{NOW, SIGNATURE, TIMESTAMP, fields, form, sign, signed, unsigned};
use crate::support::{ROUTES, Stage};

#[test]
fn a_bare_test_of_the_certificate_is_answered_with_nothing() {
    let stage = Stage::new();
    for body in [
        "ssl_check=1",
        "ssl_check=1&token=x",
        &(form(&fields("main deploy")) + "&ssl_check=1"),
    ] {
        for route in ROUTES {
            let answer = stage.ask(unsigned(body).to(route));
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
            let answer = stage.ask(signed(body).to(route));
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn a_test_of_the_certificate_does_not_excuse_a_bad_signature() {
    let stage = Stage::new();
    for body in [
        "ssl_check=1".to_owned(),
        form(&fields("main deploy")) + "&ssl_check=1",
    ] {
        let wrong = sign(
            "another secret",
            NOW.to_string().as_bytes(),
            body.as_bytes(),
        );
        for sent in [
            signed(body.clone()).set(SIGNATURE, wrong.clone()),
            signed(body.clone()).set(SIGNATURE, ""),
            signed(body.clone()).without(SIGNATURE),
            signed(body.clone()).without(TIMESTAMP),
            signed(body.clone()).set(TIMESTAMP, "1"),
        ] {
            for route in ROUTES {
                assert_eq!(stage.ask(sent.to(route)).status, 401, "{sent:?}");
            }
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn another_value_or_form_is_no_test_of_the_certificate() {
    let stage = Stage::new();
    for body in [
        "ssl_check=0",
        "ssl_check",
        "ssl_check=",
        "ssl_check=1&ssl_check=1",
        "SSL_CHECK=1",
    ] {
        stage.refuses(&unsigned(body));
    }
    stage.refuses(&unsigned("ssl_check=1").without("Content-Type"));
    stage.refuses(&unsigned("a=b").set("Content-Type", "ssl_check=1"));
}

#[test]
fn the_older_test_of_the_certificate_is_a_get() {
    let stage = Stage::new();
    for route in ROUTES {
        let get = |query: &str| {
            let request = Request::get(format!("{route}{query}"))
                .body(Bytes::new())
                .unwrap();
            stage.ask(request)
        };
        for query in ["?ssl_check=1", "?token=x&ssl_check=1"] {
            let answer = get(query);
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
        }
        for query in ["", "?", "?ssl_check=0", "?xssl_check=1", "?ssl_check=11"] {
            assert_eq!(get(query).status, 405, "{query}");
        }
        // In a POST the query says nothing.
        let sent = unsigned(&form(&fields("main deploy")));
        assert_eq!(
            stage.ask(sent.to(&format!("{route}?ssl_check=1"))).status,
            401
        );
    }
    assert_eq!(stage.queued(), 0);
}
