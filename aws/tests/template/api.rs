//! The API: its paths are those that ingest answers, and each is throttled.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::{number, project_file, template};

/// Method and path of everything that ingest answers, read from its one `match`.
fn answered_routes() -> BTreeSet<String> {
    let code = project_file("ingest/src/lib.rs");
    let webhook = path_constant(&code, "WEBHOOK_PATH");
    let presses = project_file("ingest/src/press.rs");
    let press = path_constant(&presses, "PRESS_PATH");
    let (_, arms) = code.split_once("match (request.method(), path) {").unwrap();
    let (arms, _) = arms.split_once("\n        }\n").unwrap();
    let mut answered = BTreeSet::new();
    // Arms without a method say that another one is wanted, or that there is nothing.
    for arm in arms.split("(&Method::").skip(1) {
        let (method, rest) = arm.split_once(", ").unwrap();
        let (paths, _) = rest.split_once(')').unwrap();
        for path in paths.split('|').map(str::trim) {
            let path = match path {
                "WEBHOOK_PATH" => webhook,
                "PRESS_PATH" => press,
                path => path.trim_matches('"'),
            };
            assert!(path.starts_with('/'), "{path}");
            answered.insert(format!("{method} {path}"));
        }
    }
    answered
}

/// The path in a constant of that name.
fn path_constant<'c>(code: &'c str, name: &str) -> &'c str {
    let start = format!("pub const {name}: &str = \"");
    let (_, path) = code.split_once(&start).unwrap();
    path.split_once('"').unwrap().0
}

/// Method and path of every route, all of which lead to ingest.
fn routes() -> BTreeSet<String> {
    let body = template().properties("Api")["Body"].clone();
    let mut routes = BTreeSet::new();
    for (path, methods) in body["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            let integration = &operation["x-amazon-apigateway-integration"];
            assert_eq!(integration["type"], "aws_proxy", "{route}");
            assert_eq!(integration["payloadFormatVersion"], "2.0", "{route}");
            let uri = integration["uri"].as_str().unwrap();
            let to_ingest = uri.ends_with("/functions/{Ingest.Arn}/invocations");
            assert!(to_ingest, "{route}: {uri}");
            routes.insert(route);
        }
    }
    routes
}

#[test]
fn the_api_has_the_paths_that_ingest_answers() {
    let answered = answered_routes();
    assert!(answered.contains("POST /slack/commands"), "{answered:?}");
    assert_eq!(routes(), answered);
}

#[test]
fn every_route_is_throttled_and_those_that_send_have_room_of_their_own() {
    let stages = template().of_type("ApiGatewayV2::Stage");
    assert_eq!(stages.len(), 1);
    for stage in stages.values() {
        assert_eq!(stage["StageName"], "$default");
        assert_eq!(stage["AutoDeploy"], true);
        let bounded = |settings: &Value| {
            let (rate, burst) = (
                number(&settings["ThrottlingRateLimit"]),
                number(&settings["ThrottlingBurstLimit"]),
            );
            let bounded = (1..=100).contains(&rate) && (1..=200).contains(&burst);
            assert!(bounded, "{settings}");
        };
        bounded(&stage["DefaultRouteSettings"]);
        let own = stage["RouteSettings"].as_object().unwrap();
        own.values().for_each(bounded);
        // A route that is not there stops the deployment.
        let posts = routes().into_iter();
        let posts = posts.filter(|route| route.starts_with("POST "));
        let own = own.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(own, posts.collect());
    }
}

/// The two URLs that people paste lead to routes.
#[test]
fn what_is_pasted_elsewhere_is_a_route() {
    for (output, path) in [
        ("SlackRequestUrl", "/slack/commands"),
        ("CircleCiWebhookUrl", "/circleci/webhook"),
    ] {
        let url = template().resolved(&template().0["Outputs"][output]["Value"]);
        let wanted = format!("https://{{Api}}.execute-api.eu-central-1.amazonaws.com{path}");
        assert_eq!(url, wanted, "{output}");
        assert!(routes().contains(&format!("POST {path}")), "{output}");
    }
}
