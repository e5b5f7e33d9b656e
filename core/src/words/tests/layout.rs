//! The JSON that Slack gets.

use insta::assert_snapshot;

use super::*;

fn line(text: &str) -> Line {
    Line::default().foreign(text)
}

/// The texts of the sections.
fn sections(post: &Post) -> Vec<String> {
    let json = post.to_json();
    let blocks = json["blocks"].as_array().unwrap().iter();
    let text = |block: &serde_json::Value| block["text"]["text"].as_str().map(str::to_owned);
    blocks.filter_map(text).collect()
}

#[test]
fn headline_rows_details_button() {
    let post = ended(State::Failed, workflows(&[("build", "failed")]));
    let post = post.rows([line("one"), line("two")]);
    let json = serde_json::to_string_pretty(&post.to_json()).unwrap();
    assert_snapshot!(json, @r#"
    {
      "blocks": [
        {
          "text": {
            "text": ":x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
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
            "text": "`build` failed",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "action_id": "open",
              "text": {
                "text": "View build",
                "type": "plain_text"
              },
              "type": "button",
              "url": "https://app.circleci.com/pipelines/github/acme/web/7"
            }
          ],
          "type": "actions"
        }
      ],
      "response_type": "in_channel",
      "text": ":x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
    assert_eq!(not_accepted().to_json()["response_type"], "ephemeral");
}

#[test]
fn rows_are_packed_and_none_is_torn_apart() {
    let rows = (0..13).map(|i| line(&format!("{i} {}", "x".repeat(450))));
    let post = not_accepted().rows(rows);
    let sections = sections(&post);
    let rows: Vec<_> = sections[1..]
        .iter()
        .map(|text| text.lines().count())
        .collect();
    // Five rows of 420 and their line breaks fit into 2,400 characters, six do not.
    assert_eq!(rows, [5, 5, 3]);
    assert!(
        sections[1..]
            .iter()
            .flat_map(|text| text.lines())
            .all(|row| row.ends_with('…'))
    );
}

#[test]
fn at_most_twenty_rows_and_how_many_more() {
    let post = |n: usize| not_accepted().rows((0..n).map(|i| line(&format!("row {i}"))));
    assert!(sections(&post(20))[1].ends_with("row 19"));
    assert!(sections(&post(27))[1].ends_with("row 19\n… and 7 more."));
}

#[test]
fn what_is_empty_takes_no_section() {
    let post = not_accepted().rows([line(""), line("one"), line("")]);
    let post = post.detail(line("")).detail(line("two"));
    assert_eq!(sections(&post)[1..], ["one", "two"]);
    assert_eq!(sections(&not_accepted().rows([line("")])).len(), 1);
}

#[test]
fn the_terminal_reads_all_of_it_in_order() {
    let url = url::Url::parse("https://example.com/1").unwrap();
    let post = not_accepted().detail(line("detail")).rows([line("row")]);
    let lines = post.link(&url, "View").to_lines();
    assert_eq!(
        lines[1..],
        ["row", "detail", "[View] https://example.com/1"]
    );
}

#[test]
fn a_post_survives_the_queue() {
    let post = ended(State::Failed, workflows(&[("build", "failed")])).rows([line("row")]);
    let wire = serde_json::to_string(&post).unwrap();
    assert_eq!(serde_json::from_str::<Post>(&wire).unwrap(), post);
}

#[test]
fn a_line_is_cut_without_leaving_half_of_anything() {
    let line = Line::new("ab ")
        .code("cdef")
        .and(" ")
        .user(&user())
        .foreign("&&");
    assert_eq!(line.cut(100), line.to_string());
    let cuts: Vec<_> = [6, 8, 12, 16, 26, 29].map(|limit| line.cut(limit)).into();
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
