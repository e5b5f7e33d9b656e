//! Texts of somebody else, cut to a length that a record and a message can hold.

/// The most of a vendor's message that is kept, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// The most of a vendor's name or id that is kept, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// A text of somebody else, trimmed and cut to [`MAX_MESSAGE_CHARS`].
#[must_use]
pub fn truncate(text: &str) -> String {
    cut(text, MAX_MESSAGE_CHARS)
}

/// A name of somebody else, trimmed and cut to [`MAX_NAME_CHARS`].
#[must_use]
pub fn cut_name(name: &str) -> String {
    cut(name, MAX_NAME_CHARS)
}

/// The first `length` characters, with a mark if there are more.
fn cut(text: &str, length: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a body that is no JSON says, in one line: HTML without its tags, anything else without what
/// cannot be shown.
#[must_use]
pub fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let is_html = text.trim_start().starts_with('<');
    let text = if is_html {
        strip_tags(&text)
    } else {
        text.into_owned()
    };
    let shown = text.replace(
        |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER,
        " ",
    );
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Elements whose content is not for people.
const HIDDEN: [(&str, &str); 3] = [
    ("<!--", "-->"),
    ("<script", "</script"),
    ("<style", "</style"),
];

fn strip_tags(html: &str) -> String {
    // Only ASCII letters change, so that both have the same offsets.
    let lower = html.to_ascii_lowercase();
    let (mut text, mut at) = (String::new(), 0);
    while let Some(tag) = lower[at..].find('<').map(|offset| at + offset) {
        text.push_str(&html[at..tag]);
        text.push(' ');
        let hidden = HIDDEN
            .iter()
            .find(|(open, _)| lower[tag..].starts_with(open));
        let end = match hidden {
            Some((_, close)) => lower[tag..].find(close).map(|offset| tag + offset),
            None => Some(tag),
        };
        // A tag without an end was cut off: nothing behind it is text.
        match end.and_then(|end| Some(end + lower[end..].find('>')? + 1)) {
            Some(after) => at = after,
            None => return decode_entities(&text),
        }
    }
    text.push_str(&html[at..]);
    decode_entities(&text)
}

fn decode_entities(text: &str) -> String {
    // The ampersand last, or `&amp;lt;` would be decoded twice.
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, shown)| {
        text.replace(entity, shown)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        for (cut, length) in [
            (truncate as fn(&str) -> String, MAX_MESSAGE_CHARS),
            (cut_name, MAX_NAME_CHARS),
        ] {
            let text = cut(&"\u{e9}".repeat(length + 1));
            assert_eq!(text.chars().count(), length + 1);
            assert!(text.ends_with("\u{e9}…"));
            let longest = "x".repeat(length);
            assert_eq!(cut(&format!(" {longest}\n")), longest);
        }
        assert_eq!(truncate(" "), "");
    }

    #[test]
    fn html_says_what_a_browser_would_show() {
        for (body, text) in [
            ("", ""),
            ("  Bad\tgateway \r\n", "Bad gateway"),
            ("a < b > c", "a < b > c"),
            (
                "<!doctype html><html><head><title>502 Bad Gateway</title></head><body>\
                 <center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>",
                "502 Bad Gateway 502 Bad Gateway nginx",
            ),
            (
                "<SCRIPT>if (a < b) { alert('>') }</SCRIPT ><p class=\"x\">Not&nbsp;found",
                "Not found",
            ),
            (
                "<style>p { color: red }</style><!-- <p>no</p> --><p>yes</p>",
                "yes",
            ),
            ("<p>&lt;b&gt; &amp;amp; &quot;c&#39;</p>", "<b> &amp; \"c'"),
            ("<p>Oops</p><script>never closed", "Oops"),
            ("<p>Oops</p><img src=", "Oops"),
            ("<", ""),
            ("<p>\u{130}\u{e9}</p>", "\u{130}\u{e9}"),
        ] {
            assert_eq!(plain_text(body.as_bytes()), text, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        assert_eq!(plain_text(&[0xff, 0xfe, 0, b'o', b'k', 7]), "ok");
        assert_eq!(plain_text(&[0xff, 0xfe]), "");
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in any::<Vec<u8>>(), html in "[<>!a-c/&;\u{130} \"-]{0,60}") {
            let _ = plain_text(&body);
            let text = plain_text(format!("<{html}").as_bytes());
            assert!(text.trim() == text && !text.contains('\n'));
        }
    }
}
