//! Addresses and methods.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};

use crate::requests::{command, deploy_form, unsigned};
use crate::support::TestIngest;

#[test]
fn every_route_rejects_an_unsigned_post() {
    let ingest = TestIngest::new();
    for route in [
        "/",
        "/slack/commands",
        "/chatops",
        "/healthz",
        "/slack",
        "/slack/commands/",
        "//chatops",
    ] {
        for body in [deploy_form(), String::new(), "{}".to_owned()] {
            let status = ingest.send(unsigned(&body).to_route(route)).status;
            assert!(status.is_client_error(), "{route}: {status}");
        }
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn an_unknown_route_is_not_found_even_if_it_is_signed() {
    let ingest = TestIngest::new();
    for route in [
        "/",
        "/slack",
        "/slack/commands/",
        "/Chatops",
        "/chatops/x",
        "//chatops",
        "/slack/%63ommands",
    ] {
        let answer = ingest.send(command("main deploy").to_route(route));
        assert_eq!(answer.status, 404, "{route}");
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn the_answer_to_another_method_names_the_right_one() {
    let ingest = TestIngest::new();
    for (route, right) in [
        ("/slack/commands", "POST"),
        ("/chatops", "POST"),
        ("/healthz", "GET"),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X",
        ] {
            if method == right {
                continue;
            }
            let mut request = command("main deploy").to_route(route);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = ingest.send(request);
            assert_eq!(answer.status, 405, "{method} {route}");
            assert_eq!(answer.headers[header::ALLOW], right);
            assert_eq!(answer.text, "This address takes another method.\n");
        }
    }
    assert_eq!(ingest.queued_count(), 0);
    let health = ingest.send(Request::get("/healthz").body(Bytes::new()).unwrap());
    assert_eq!((health.status, &*health.text), (StatusCode::OK, "ok\n"));
}
