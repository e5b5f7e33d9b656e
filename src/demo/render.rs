//! Slack's mrkdwn for a terminal.

use super::directory;

/// The emoji that the product uses.
const EMOJI: &[(&str, &str)] = &[
    ("arrow_forward", "▶️ "),
    ("hourglass_flowing_sand", "⏳"),
    ("information_source", "ℹ️ "),
    ("lock", "🔒"),
    ("no_entry", "⛔"),
    ("raised_hand", "✋"),
    ("unlock", "🔓"),
    ("warning", "⚠️ "),
    ("white_check_mark", "✅"),
    ("x", "❌"),
];

/// The text as Slack shows it: signs for emoji codes, names for mentions, labels for links and times,
/// no marks of bold and italics. Code spans stay as they are. Control characters are left out.
pub(crate) fn render_mrkdwn(shown: &str) -> String {
    let lines: Vec<String> = shown.lines().map(render_line).collect();
    lines.join("\n")
}

fn render_line(shown: &str) -> String {
    let mut text = String::with_capacity(shown.len());
    let mut in_code = false;
    let mut rest = shown;
    while let Some(c) = rest.chars().next() {
        let before = shown[..shown.len() - rest.len()].chars().next_back();
        let (piece, taken) = if in_code {
            None
        } else {
            render_mark(rest, before)
        }
        .unwrap_or_else(|| (render_char(c), c.len_utf8()));
        in_code ^= c == '`';
        text.push_str(&piece);
        rest = &rest[taken..];
    }
    text
}

/// A character that stands for itself.
fn render_char(c: char) -> String {
    match c {
        '\u{a0}' => " ".to_owned(),
        '\u{200b}' => String::new(),
        c if c.is_control() => String::new(),
        c => c.to_string(),
    }
}

/// The mark at the beginning of `rest`: its text, and its length.
fn render_mark(rest: &str, before: Option<char>) -> Option<(String, usize)> {
    let mut chars = rest.chars();
    let (first, next) = (chars.next()?, chars.next());
    match first {
        // It escapes the mark after it.
        '\u{200b}' => next
            .filter(|mark| matches!(mark, '*' | '_' | '~'))
            .map(|mark| (mark.to_string(), first.len_utf8() + mark.len_utf8())),
        '*' => Some((String::new(), 1)),
        '_' => {
            let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            (!(inside(before) && inside(next))).then(|| (String::new(), 1))
        }
        ':' => {
            let (code, _) = rest[1..].split_once(':')?;
            let (_, sign) = EMOJI.iter().find(|(known, _)| *known == code)?;
            Some(((*sign).to_owned(), code.len() + 2))
        }
        '<' => {
            let (inner, _) = rest[1..].split_once('>')?;
            Some((render_link(inner)?, inner.len() + 2))
        }
        _ => None,
    }
}

/// The text of what is between `<` and `>`, if Slack gives it a meaning.
fn render_link(inner: &str) -> Option<String> {
    let (what, label) = match inner.split_once('|') {
        Some((what, label)) => (what, Some(label)),
        None => (inner, None),
    };
    let named = |mark: char, id: &str| {
        let fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        fits.then(|| format!("{mark}{}", directory::find_name(id).or(label).unwrap_or(id)))
    };
    match what.chars().next()? {
        mark @ ('@' | '#') => named(mark, &what[1..]),
        '!' if what.starts_with("!date^") => label.map(str::to_owned),
        '!' => Some(format!("@{}", &what[1..])),
        _ if what.starts_with("http://") || what.starts_with("https://") => Some(match label {
            Some(label) => format!("{label} ({what})"),
            None => what.to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn it_reads_as_in_slack() {
        let text = ":x: *Failed:* `e2e` on `feature/*` · <@U0001> in <#C0001|x>, <@U0099>\n\
                    <!date^1^{date_short_pretty} {time}|2026-11-30 08:00 UTC> · \
                    <http://127.0.0.1:1/p?a=1|build> _repeated_ <https://b.example>";
        insta::assert_snapshot!(render_mrkdwn(text), @"
        ❌ Failed: `e2e` on `feature/*` · @you in #deploys, @U0099
        2026-11-30 08:00 UTC · build (http://127.0.0.1:1/p?a=1) repeated https://b.example
        ");
    }

    #[test]
    fn literal_text_stays() {
        let text =
            "`<branch> *_:x:` a\u{200b}*b\u{200b}_c snake_case 12:30:x 1 < 2 <b> :no: `x\u{a0}`";
        insta::assert_snapshot!(render_mrkdwn(text), @"`<branch> *_:x:` a*b_c snake_case 12:30:x 1 < 2 <b> :no: `x `");
    }

    #[test]
    fn control_characters_are_removed() {
        let shown = render_mrkdwn("a\u{1b}[31mb\r\u{7}\u{9b}c `\u{1b}[0m`");
        assert_eq!(shown, "a[31mbc `[0m`");
    }

    #[test]
    fn no_mark_breaks_it() {
        for text in [
            "", "`", "<", "<@>", "<!>", "<|>", ":", "::", "_", "\u{200b}", "é_é", "<é|é>",
        ] {
            render_mrkdwn(text);
        }
    }

    /// A new emoji in the product needs its sign here.
    #[test]
    fn every_emoji_of_the_product_has_a_sign() {
        let mut codes = BTreeSet::new();
        let text = concat!(env!("CARGO_MANIFEST_DIR"), "/core/src/text");
        let mut folders = vec![PathBuf::from(text)];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() && !path.ends_with("tests") {
                    folders.push(path);
                } else if path.extension().is_some_and(|ext| ext == "rs") {
                    codes.extend(emoji_codes(&std::fs::read_to_string(path).unwrap()));
                }
            }
        }
        assert!(codes.len() > 8, "{codes:?}");
        for code in codes {
            assert!(EMOJI.iter().any(|(known, _)| *known == code), "{code}");
        }
    }

    /// The codes that string literals of a source file begin with.
    fn emoji_codes(source: &str) -> Vec<String> {
        let texts = source.split('"').filter_map(|text| text.strip_prefix(':'));
        let codes = texts.filter_map(|text| text.split_once(':').map(|(code, _)| code));
        codes
            .filter(|code| !code.is_empty())
            .filter(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .map(str::to_owned)
            .collect()
    }
}
