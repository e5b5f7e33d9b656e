//! Addresses and methods.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};

use crate::requests::{command, fields, form, unsigned};
use crate::support::Stage;

#[test]
fn every_route_refuses_an_unsigned_post() {
    let stage = Stage::new();
    for route in [
        "/",
        "/slack/commands",
        "/chatops",
        "/healthz",
        "/slack",
        "/slack/commands/",
        "//chatops",
    ] {
        for body in [form(&fields("main deploy")), String::new(), "{}".to_owned()] {
            let status = stage.ask(unsigned(&body).to(route)).status;
            assert!(status.is_client_error(), "{route}: {status}");
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn what_is_not_there_is_not_found_even_if_it_is_signed() {
    let stage = Stage::new();
    for route in [
        "/",
        "/slack",
        "/slack/commands/",
        "/Chatops",
        "/chatops/x",
        "//chatops",
        "/slack/%63ommands",
    ] {
        assert_eq!(
            stage.ask(command("main deploy").to(route)).status,
            404,
            "{route}"
        );
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn another_method_is_told_the_right_one() {
    let stage = Stage::new();
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
            let mut request = command("main deploy").to(route);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = stage.ask(request);
            assert_eq!(answer.status, 405, "{method} {route}");
            assert_eq!(answer.headers[header::ALLOW], right);
            assert_eq!(answer.text, "This address takes another method.\n");
        }
    }
    assert_eq!(stage.queued(), 0);
    let health = stage.ask(Request::get("/healthz").body(Bytes::new()).unwrap());
    assert_eq!(
        (health.status, health.text.as_str()),
        (StatusCode::OK, "ok\n")
    );
}
