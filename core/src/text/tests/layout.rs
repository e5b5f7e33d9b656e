//! The JSON that Slack gets.

use insta::assert_snapshot;

use super::*;

fn line(text: &str) -> Mrkdwn {
    Mrkdwn::default().escaped(text)
}

/// The texts of the sections.
fn sections(message: &SlackMessage) -> Vec<String> {
    let json = message.to_json();
    let blocks = json["blocks"].as_array().unwrap().iter();
    let text = |block: &serde_json::Value| block["text"]["text"].as_str().map(str::to_owned);
    blocks.filter_map(text).collect()
}

#[test]
fn headline_rows_details_button() {
    let message = final_message(DeployState::Failed, workflows(&[("build", "failed")]));
    let message = message.rows([line("one"), line("two")]);
    let json = serde_json::to_string_pretty(&message.to_json()).unwrap();
    assert_snapshot!(json, @r#"
    {
      "blocks": [
        {
          "block_id": "final:f643ce10-7507-5ba4-a5e5-a01266e1559c",
          "text": {
            "text": ":x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": "one\ntwo",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": "Workflow `build` failed",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": "To deploy it again: `/chatops main deploy`",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": "<https://app.circleci.com/pipelines/github/acme/web/7|View build>",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        }
      ],
      "replace_original": false,
      "response_type": "in_channel",
      "text": ":x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
    assert_eq!(not_accepted().to_json()["response_type"], "ephemeral");
}

#[test]
fn rows_are_packed_and_none_is_torn_apart() {
    let rows = (0..13).map(|i| line(&format!("{i} {}", "x".repeat(450))));
    let message = not_accepted().rows(rows);
    let sections = sections(&message);
    let rows: Vec<_> = sections[1..].iter().map(|s| s.lines().count()).collect();
    // Five rows of 420 and their line breaks fit into 2,400 characters, six do not.
    assert_eq!(rows, [5, 5, 3]);
    let mut rows = sections[1..].iter().flat_map(|text| text.lines());
    assert!(rows.all(|row| row.ends_with('…')));
}

#[test]
fn at_most_twenty_rows_and_how_many_more() {
    let message = |n: usize| not_accepted().rows((0..n).map(|i| line(&format!("row {i}"))));
    assert!(sections(&message(20))[1].ends_with("row 19"));
    assert!(sections(&message(27))[1].ends_with("row 19\n… and 7 more."));
}

#[test]
fn what_is_empty_takes_no_section() {
    let message = not_accepted().rows([line(""), line("one"), line("")]);
    let message = message.detail(line("")).detail(line("two"));
    assert_eq!(sections(&message)[1..], ["one", "two"]);
    assert_eq!(sections(&not_accepted().rows([line("")])).len(), 1);
}

#[test]
fn the_terminal_reads_all_of_it_in_order() {
    let url = url::Url::parse("https://example.com/1").unwrap();
    let message = not_accepted().detail(line("detail")).rows([line("row")]);
    let lines = message.link(&url, "View").to_lines();
    let link = "[View] https://example.com/1";
    assert_eq!(lines[1..], ["row", "detail", link]);
}

#[test]
fn a_message_survives_the_queue() {
    let message =
        final_message(DeployState::Failed, workflows(&[("build", "failed")])).rows([line("row")]);
    let wire = serde_json::to_string(&message).unwrap();
    let read: SlackMessage = serde_json::from_str(&wire).unwrap();
    assert_eq!(read, message);
}

#[test]
fn a_line_is_cut_without_leaving_half_of_anything() {
    let line = Mrkdwn::new("ab ")
        .code("cdef")
        .and(" ")
        .mention(&user())
        .escaped("&&");
    assert_eq!(line.truncated(100), line.to_string());
    let cuts: Vec<_> = [6, 8, 12, 16, 26, 29]
        .map(|limit| line.truncated(limit))
        .into();
    insta::assert_debug_snapshot!(cuts, @r#"
    [
        "ab ``…",
        "ab `cd`…",
        "ab `cdef` …",
        "ab `cdef` …",
        "ab `cdef` <@U012ABCDEF>…",
        "ab `cdef` <@U012ABCDEF>…",
    ]
    "#);
}
