//! What Slack rejects, and with which error.

use chatops_core::notification::PostResult;

use crate::support::{
    PATH, issued_target, post_answered, post_any, post_result, post_with_fault, raw_response,
    rejected, rejection, sandbox, shown_count, stored_target,
};

#[tokio::test]
async fn a_200_may_carry_an_error() {
    for (body, why) in [
        (r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (r#"{"ok":false,"error":"Expired url"}"#, "Expired url"),
        (r#"{"error":"used_url","more":[1],"ok":false}"#, "used_url"),
        (r#"{"ok":false}"#, "200 OK"),
        (r#"{"ok":false,"error":null}"#, "200 OK"),
        (r#"{"ok":false,"error":{"code":"expired_url"}}"#, "200 OK"),
    ] {
        assert_eq!(post_result("200 OK", body).await, rejected(why), "{body}");
    }
}

#[tokio::test]
async fn an_expired_response_url_is_rejected() {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 31);
    assert_eq!(post_any(&sandbox, &address).await, rejected("expired_url"));
    assert_eq!(shown_count(&sandbox), 0);
}

#[tokio::test]
async fn a_used_up_response_url_is_rejected() {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 0);
    for _ in 0..5 {
        let result = post_any(&sandbox, &address).await;
        assert_eq!(result, PostResult::Delivered(None));
    }
    assert_eq!(post_any(&sandbox, &address).await, rejected("used_url"));
    assert_eq!(shown_count(&sandbox), 5);
}

#[tokio::test]
async fn a_response_url_that_slack_never_issued_is_rejected() {
    let sandbox = sandbox().await;
    let address = stored_target(&format!("{}{PATH}", sandbox.slack_url()));
    let result = post_any(&sandbox, &address).await;
    assert_eq!(result, rejected("no_service"));
}

#[tokio::test]
async fn a_rejection_is_final_and_has_slacks_message() {
    for (status, message, why) in [
        (400, "invalid_payload", "invalid_payload"),
        (400, "user_not_found", "user_not_found"),
        (400, "no_text\n", "no_text"),
        (400, "invalid_blocks", "invalid_blocks"),
        (403, "action_prohibited", "action_prohibited"),
        (403, "invalid_token", "invalid_token"),
        (
            403,
            "posting_to_general_channel_denied",
            "posting_to_general_channel_denied",
        ),
        (403, "team_disabled", "team_disabled"),
        (404, "channel_not_found", "channel_not_found"),
        (404, "no_service", "no_service"),
        (404, "no_active_hooks", "no_active_hooks"),
        (404, r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (404, r#"{"ok":false,"error":"used_url"}"#, "used_url"),
        (404, "", "404 Not Found"),
        (404, "<html>", "404 Not Found <html>"),
        (410, "channel_is_archived", "channel_is_archived"),
        // It takes no token: none that replaces it helps.
        (403, "invalid_auth", "invalid_auth"),
    ] {
        let result = post_with_fault(rejection(status, None, message), 0).await;
        assert_eq!(result, rejected(why));
    }
    let result = post_result("404 Not Found", r#"{"ok":true}"#).await;
    assert_eq!(result, rejected("404 Not Found"));
}

#[tokio::test]
async fn long_messages_are_cut() {
    let result = post_result("403 Forbidden", &"\u{e9}".repeat(30_000)).await;
    let PostResult::Refused { reason } = result else {
        panic!("not refused")
    };
    assert_eq!(reason.chars().count(), 100);
}

#[tokio::test]
async fn a_rejection_needs_no_body() {
    let half = raw_response("410 Gone", "", "channel_is_archived").replace("_archived", "");
    assert_eq!(post_answered(&half).await.0, rejected("410 Gone"));
    let result = post_result("404 Not Found", &"x".repeat(65 * 1024)).await;
    // Of a long one the beginning is shown.
    let said = format!("{result:?}");
    assert!(said.contains("404 Not Found xxx"), "{said}");
    assert!(said.len() < 200, "{said}");
}
