//! How the page shows what the app says: text as text, whatever is in it.

use serde_json::{Value, json};

use crate::browser::{Browser, WIDE};
use crate::world::{say, without_app};

/// What is said, and how it is shown: bold as `[b]`, and so on.
const SHOWN: &[(&str, &str)] = &[
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    (
        "&lt;script&gt;alert(\"1\")&lt;/script&gt; '\"",
        "<script>alert(\"1\")</script> '\"",
    ),
    (
        "&amp;lt;b&amp;gt; &amp;amp; &quot;",
        "&lt;b&gt; &amp; &quot;",
    ),
    ("<javascript:alert(1)|click>", "<javascript:alert(1)|click>"),
    (
        "<https://x.example/?a=1&amp;b=2|a &lt;b&gt;>",
        "[a:https://x.example/?a=1&b=2]a <b>[/a]",
    ),
    (
        "<https://x.example/\" onclick=\"alert(1)|x>",
        "[a:https://x.example/%22%20onclick=%22alert(1)]x[/a]",
    ),
    (
        "*bold* _it_ ~gone~ `code`",
        "[b]bold[/b] [i]it[/i] [s]gone[/s] [c]code[/c]",
    ),
    (
        "*bold `a*b` <https://x.example/*|*> end*",
        "[b]bold [c]a*b[/c] [a:https://x.example/*]*[/a] end[/b]",
    ),
    (
        "`*test*.py` and *test*.py, 2*3*4 snake_case_name",
        "[c]*test*.py[/c] and [b]test[/b].py, 2*3*4 snake_case_name",
    ),
    ("a * b * c and * d*", "a * b * c and * d*"),
    (
        "\u{200b}*not bold\u{200b}* `x&lt;y`",
        "*not bold* [c]x<y[/c]",
    ),
    (
        "<@U0001> <@U0002|x> <#C0002> <@U0099|zoe> <!here>",
        "@ana @bo #random @zoe @here",
    ),
    (":x: :no_such: 12:30:x: :lock:", "❌ :no_such: 12:30:x: 🔒"),
    (
        "```*pre* &lt;x&gt;\nline``` after",
        "[p]*pre* <x>\nline[/p] after",
    ),
    ("&gt; said _so_\nand", "[q]said [i]so[/i][/q]and"),
    (
        "<!date^86400^{date_num} at|1970> <!date^x^{date}|then>",
        "1970-01-02 at then",
    ),
    (
        "unended `code and *bold and <link and ```pre",
        "unended `code and *bold and <link and ```pre",
    ),
    (
        "constructor :constructor: :__proto__: <@constructor>",
        "constructor :constructor: :__proto__: <@constructor>",
    ),
];

/// The text of a message with its marks.
const MARKED: &str = r"((node) => {
    const marks = {B: 'b', STRONG: 'b', EM: 'i', S: 's', PRE: 'p', BLOCKQUOTE: 'q'};
    const show = (it) => {
        if (it.nodeType === Node.TEXT_NODE) return it.data;
        const inner = [...it.childNodes].map(show).join('');
        if (it.tagName === 'A') return `[a:${it.href}]${inner}[/a]`;
        if (it.tagName === 'CODE') return it.parentElement.tagName === 'PRE' ? inner : `[c]${inner}[/c]`;
        const mark = marks[it.tagName];
        return mark ? `[${mark}]${inner}[/${mark}]` : inner;
    };
    return show(node);
})";

#[tokio::test]
async fn whatever_a_text_says_is_shown_as_slack_shows_it() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let sandbox = without_app().await;
    for (text, _) in SHOWN {
        let block = json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        say(&sandbox, &json!({"text": "x", "blocks": [block]}));
    }
    browser.open(&format!("{}/", sandbox.slack_url())).await;
    browser.wait_message("constructor").await;
    let all = format!("[...document.querySelectorAll('.content .text')].map({MARKED})");
    let shown = browser.value(&all).await;
    let expected: Vec<&str> = SHOWN.iter().map(|(_, shown)| *shown).collect();
    let shown: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    similar(&shown, &expected);
    assert_eq!(
        browser
            .value("document.querySelectorAll('main script').length")
            .await,
        json!(0)
    );
    // Nothing that a text could bring in may run, even if it became markup.
    let injected = "(() => { try { document.body.innerHTML = '<b>'; return 'set'; } catch { return 'refused'; } })()";
    assert_eq!(browser.value(injected).await, json!("refused"));
}

#[track_caller]
fn similar(shown: &[&str], expected: &[&str]) {
    for (shown, expected) in shown.iter().zip(expected) {
        assert_eq!(shown, expected);
    }
    assert_eq!(shown.len(), expected.len());
}

#[tokio::test]
async fn every_block_is_shown() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let sandbox = without_app().await;
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let option = |text: &str| json!({"text": plain(text), "value": text});
    let group = |label: &str, all: &[&str]| json!({"label": plain(label), "options": all.iter().map(|it| option(it)).collect::<Value>()});
    let blocks = json!([
        {"type": "header", "text": plain("A <b>header</b>")},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*What* to do"}, "fields": [
            {"type": "mrkdwn", "text": "*One* 1"}, {"type": "plain_text", "text": "*Two* 2"},
        ]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "said _so_"}]},
        {"type": "divider"},
        {"type": "input", "block_id": "what", "label": plain("What"), "hint": plain("One of these"), "element": {
            "type": "static_select", "action_id": "job",
            "option_groups": [group("web", &["deploy", "migrate"]), group("shop", &["release"])],
            "initial_option": option("migrate"),
        }},
        {"type": "input", "block_id": "where", "label": plain("Branch"), "element": {
            "type": "plain_text_input", "action_id": "ref", "initial_value": "main",
        }},
        {"type": "actions", "elements": [
            {"type": "button", "action_id": "go", "text": plain("Go"), "style": "primary"},
            {"type": "button", "action_id": "stop", "text": plain("Stop"), "style": "danger"},
            {"type": "button", "action_id": "open", "text": plain("Open"), "url": "https://x.example/"},
        ]},
    ]);
    say(&sandbox, &json!({"text": "x", "blocks": blocks}));
    browser.open(&format!("{}/", sandbox.slack_url())).await;
    let shown = browser.wait_message("A <b>header</b>").await;
    for words in [
        "What to do",
        "One 1",
        "*Two* 2",
        "said so",
        "One of these",
        "Branch",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    browser.picture("blocks").await;
    let groups = "[...document.querySelectorAll('.field optgroup')].map((it) => `${it.label}: ${it.innerText}`)";
    assert_eq!(browser.value(groups).await.as_array().unwrap().len(), 2);
    let fields = "[...document.querySelectorAll('.field')].map((it) => `${it.labels[0].textContent}=${it.value}`)";
    assert_eq!(
        browser.value(fields).await,
        json!(["What=migrate", "Branch=main"])
    );
    let link = "document.querySelector('a.button').rel";
    assert_eq!(browser.value(link).await, json!("noopener noreferrer"));
}
