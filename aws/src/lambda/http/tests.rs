use serde_json::{Value, json};

use super::*;

fn request(event: Value) -> Result<Request<Bytes>, RequestError> {
    let event: GatewayRequest = serde_json::from_value(event).unwrap();
    event.request()
}

/// As the HTTP API sends it, without what is not read.
fn payload_2() -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /slack/commands",
        "rawPath": "/slack/commands",
        "rawQueryString": "a=1&b=%20",
        "headers": {"x-slack-signature": "v0=00", "content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": "POST", "path": "/slack/commands"}, "stage": "$default"},
        "body": "dGV4dD1tYWluK2RlcGxveQ==",
        "isBase64Encoded": true,
    })
}

/// As the REST API sends it.
fn payload_1() -> Value {
    json!({
        "resource": "/slack/commands",
        "path": "/slack/commands",
        "httpMethod": "POST",
        "headers": {"X-Slack-Signature": "v0=00"},
        "multiValueHeaders": {"X-Slack-Signature": ["v0=00"]},
        "queryStringParameters": null,
        "requestContext": {"stage": "prod", "path": "/prod/slack/commands", "httpMethod": "POST"},
        "body": "text=main+deploy",
        "isBase64Encoded": false,
    })
}

#[test]
fn both_formats_are_one_request() {
    for (event, target) in [
        (payload_2(), "/slack/commands?a=1&b=%20"),
        (payload_1(), "/slack/commands"),
    ] {
        let request = request(event).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), target);
        assert_eq!(request.headers()["x-slack-signature"], "v0=00");
        assert_eq!(request.body(), "text=main+deploy");
    }
}

#[test]
fn a_body_is_decoded_by_its_flag_alone() {
    let mut event = payload_2();
    event["isBase64Encoded"] = json!(false);
    let as_it_is = request(event).unwrap();
    assert_eq!(as_it_is.body(), "dGV4dD1tYWluK2RlcGxveQ==");
    let mut event = payload_1();
    event["isBase64Encoded"] = json!(true);
    assert_eq!(request(event).unwrap_err(), RequestError::Malformed);
    let mut event = payload_1();
    event["body"] = json!(null);
    assert_eq!(request(event).unwrap().body(), "");
}

#[test]
fn a_header_sent_twice_stays_two_or_becomes_none_that_counts() {
    let mut event = payload_1();
    event["multiValueHeaders"]["X-Slack-Signature"] = json!(["v0=00", "v0=01"]);
    let twice = request(event).unwrap();
    let signatures = twice.headers().get_all("x-slack-signature").iter().count();
    assert_eq!(signatures, 2);
}

#[test]
fn the_name_of_a_stage_is_not_part_of_the_path() {
    let path = |raw: &str, stage: &str| {
        let mut event = payload_2();
        event["rawPath"] = json!(raw);
        event["rawQueryString"] = json!("");
        event["requestContext"]["stage"] = json!(stage);
        request(event).unwrap().uri().to_string()
    };
    assert_eq!(path("/prod/healthz", "prod"), "/healthz");
    assert_eq!(path("/healthz", "prod"), "/healthz");
    assert_eq!(path("/products", "prod"), "/products");
    assert_eq!(path("/$default/healthz", "$default"), "/$default/healthz");
}

#[test]
fn query_parameters_of_the_rest_api_are_put_together_again() {
    let mut event = payload_1();
    event["queryStringParameters"] = json!({"ssl_check": "1", "a b": "c&d"});
    let request = request(event).unwrap();
    assert_eq!(request.uri().query(), Some("a+b=c%26d&ssl_check=1"));
}

#[test]
fn what_is_no_request_is_distinguished_from_what_cannot_be_read() {
    let get = json!({"httpMethod": "GET"});
    for event in [json!({}), json!({"Records": []}), get] {
        assert_eq!(request(event).unwrap_err(), RequestError::NotHttp);
    }
    let mut spoiled = Vec::new();
    for (pointer, value) in [
        ("/rawPath", json!("no slash")),
        ("/rawPath", json!("/\u{7f}")),
        ("/rawQueryString", json!("\n")),
        ("/headers/x y", json!("v")),
        ("/headers/x", json!("a\nb")),
        ("/requestContext/http/method", json!("")),
        ("/requestContext/http/method", json!("P O")),
        ("/body", json!("%%%")),
    ] {
        let mut event = payload_2();
        match pointer.strip_prefix("/headers/") {
            Some(name) => event["headers"][name] = value,
            None => *event.pointer_mut(pointer).unwrap() = value,
        }
        if request(event).err() != Some(RequestError::Malformed) {
            spoiled.push(pointer);
        }
    }
    assert_eq!(spoiled, Vec::<&str>::new());
}

#[test]
fn a_response_is_what_both_formats_read() {
    let mut response = Response::new(Bytes::from_static("{\"text\":\"é\"}".as_bytes()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let expected = json!({
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": "{\"text\":\"é\"}",
        "isBase64Encoded": false,
    });
    let response = serde_json::to_value(GatewayResponse::from(response)).unwrap();
    assert_eq!(response, expected);
    let malformed = serde_json::to_value(GatewayResponse::bad_request()).unwrap();
    assert_eq!(malformed["statusCode"], 400);
}
