//! What each answer to the one POST means.

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_core::name::BranchName;
use chatops_core::ports::{Ci, Outcome};
use serde_json::{Value, json};

use crate::raw::{Raw, answer, is_unknown, pipeline_json, trigger_answered};
use crate::support::{
    DEPLOY, TOKEN, Token, client, client_with, created, hasty, order, posted_once, refuse, sandbox,
    trigger_meets,
};

#[tokio::test]
async fn a_pipeline_is_created_with_its_number_and_address() {
    let sandbox = sandbox().await;
    let outcome = client(sandbox.circleci_url()).trigger(&order()).await;
    let Outcome::Created(pipeline) = outcome else {
        panic!("{outcome:?}")
    };
    posted_once(&sandbox);
    let model = sandbox.circleci().lock();
    let [made] = model.ledger() else {
        panic!("not one pipeline")
    };
    assert_eq!((pipeline.id.0, pipeline.number), (made.id, 470));
    assert_eq!(
        pipeline.url.as_str(),
        "https://app.circleci.com/pipelines/github/acme/web/470"
    );
    assert_eq!(
        (made.slug.as_str(), made.branch.as_str()),
        ("gh/acme/web", "feature/x")
    );
    assert_eq!(made.parameters, order().parameters);
}

#[tokio::test]
async fn two_equal_orders_are_two_pipelines_on_connections_of_their_own() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..2 {
        assert!(matches!(
            client.trigger(&order()).await,
            Outcome::Created(_)
        ));
    }
    assert_eq!(created(&sandbox), 2);
}

#[tokio::test]
async fn the_request_is_what_the_api_describes_and_hides_the_token() {
    let raw = Raw::new(vec![answer("201 Created", &[], &pipeline_json(7))]).await;
    let outcome = client(&raw.url).trigger(&order()).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    let [request] = &raw.requests()[..] else {
        panic!("not one request")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(
        lines.next(),
        Some("POST /api/v2/project/gh/acme/web/pipeline HTTP/1.1")
    );
    let headers: BTreeMap<String, &str> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    assert_eq!(headers["circle-token"], TOKEN);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        headers["user-agent"],
        concat!("chatops/", env!("CARGO_PKG_VERSION"))
    );
    assert!(!headers.contains_key("authorization"));
    assert_eq!(request.matches(TOKEN).count(), 1);
    let body: Value = serde_json::from_str(body).unwrap();
    let parameters = json!({"job": "deploy", "deploy_id": DEPLOY});
    assert_eq!(
        body,
        json!({"branch": "feature/x", "parameters": parameters})
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_has_circlecis_words() {
    for status in [400, 402, 403, 404, 405, 409, 410, 413, 415, 422] {
        let outcome = trigger_meets(refuse(status, None), 0).await;
        assert_eq!(
            outcome,
            Outcome::Refused {
                status,
                message: "No, sorry".to_owned()
            }
        );
    }
}

#[tokio::test]
async fn circlecis_own_refusals_are_understood() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let mut wrong = order();
    wrong.branch = BranchName::parse("gone").unwrap();
    let refused = |status, message: &str| Outcome::Refused {
        status,
        message: message.to_owned(),
    };
    assert_eq!(
        client.trigger(&wrong).await,
        refused(400, "Branch not found")
    );
    let mut wrong = order();
    wrong.slug.repo = "gone".to_owned();
    assert_eq!(
        client.trigger(&wrong).await,
        refused(404, "Project not found")
    );
    let mut wrong = order();
    wrong.parameters.insert("undeclared".to_owned(), json!(1));
    assert_eq!(
        client.trigger(&wrong).await,
        refused(404, "Project not found")
    );
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn a_refused_token_is_told_apart() {
    let unauthorized = |words: &str| Outcome::Unauthorized {
        message: words.to_owned(),
    };
    assert_eq!(
        trigger_meets(refuse(401, None), 0).await,
        unauthorized("No, sorry")
    );
    let sandbox = sandbox().await;
    let client = client_with(sandbox.circleci_url(), "", Token(Ok("an-older-token")));
    assert_eq!(
        client.trigger(&order()).await,
        unauthorized("You must log in first.")
    );
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for (asked, after) in [(None, None), (Some(7), Some(7)), (Some(0), Some(0))] {
        let outcome = trigger_meets(refuse(429, asked), 0).await;
        let obstacle = "HTTP 429: No, sorry".to_owned();
        assert_eq!(
            outcome,
            Outcome::NotNow {
                obstacle,
                after: after.map(Duration::from_secs)
            }
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_not_a_number_of_seconds_is_left_out() {
    for wait in [
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "-1",
        "1.5",
        "",
        "99999999999999999999999",
        "\u{e9}",
    ] {
        let header = format!("retry-after: {wait}");
        let outcome = trigger_answered(answer("429 Too Many Requests", &[&header], "{}")).await;
        assert!(
            matches!(outcome, Outcome::NotNow { after: None, .. }),
            "{wait}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_stops_halfway_leaves_everything_open() {
    let whole = answer("201 Created", &[], &pipeline_json(7));
    let raw = Raw::that_holds_on(whole[..whole.len() - 1].to_owned()).await;
    is_unknown(&hasty(&raw.url).trigger(&order()).await);
    assert_eq!(raw.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_needs_no_body() {
    let half = |status: &str| {
        answer(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    let outcome = trigger_answered(half("404 Not Found")).await;
    assert!(
        matches!(outcome, Outcome::Refused { status: 404, .. }),
        "{outcome:?}"
    );
    let outcome = trigger_answered(half("401 Unauthorized")).await;
    assert!(
        matches!(outcome, Outcome::Unauthorized { .. }),
        "{outcome:?}"
    );
    let outcome = trigger_answered(half("429 Too Many Requests")).await;
    let after = Some(Duration::from_secs(7));
    assert!(
        matches!(&outcome, Outcome::NotNow { after: a, .. } if *a == after),
        "{outcome:?}"
    );
    let outcome = trigger_answered(answer("404 Not Found", &[], "<!doctype html>")).await;
    let message = "an answer without a message".to_owned();
    assert_eq!(
        outcome,
        Outcome::Refused {
            status: 404,
            message
        }
    );
}

#[tokio::test]
async fn a_success_that_names_no_pipeline_leaves_everything_open() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"message":"Accepted"}"#,
        r#"{"id":"x","number":1}"#,
    ] {
        is_unknown(&trigger_answered(answer("201 Created", &[], body)).await);
        is_unknown(&trigger_answered(answer("202 Accepted", &[], body)).await);
    }
    is_unknown(&trigger_answered(answer("200 OK", &[], "{}")).await);
    is_unknown(
        &trigger_answered("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned()).await,
    );
}

#[tokio::test]
async fn a_success_that_names_no_pipeline_is_in_doubt() {
    // Only `pipeline/run` is documented to say "not triggered" like this.
    let skipped = answer("200 OK", &[], r#"{"message":"Skipped by [ci skip]"}"#);
    let outcome = trigger_answered(skipped).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let outcome = trigger_answered(answer("200 OK", &[], &pipeline_json(7))).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
}
