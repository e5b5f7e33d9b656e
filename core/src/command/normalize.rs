//! From what was typed or pasted to the words that the grammar reads.
//!
//! What nobody sees decides nothing: characters without a shape go, and so do the quotes and backticks
//! around a word, which come along when a command is copied out of a message. Nothing inside a word
//! changes, since a branch stays as it was typed.

/// The words of a text.
pub(super) fn typed_words(text: &str) -> Vec<String> {
    let seen: String = decode_entities(text)
        .chars()
        .filter(|c| !is_invisible(*c))
        .collect();
    let words = seen.split_whitespace().map(unquote);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A word without the quotes around it.
pub(super) fn unquote(word: &str) -> &str {
    word.trim_matches(is_quote)
}

/// A word as verbs, filters and names are compared: in ASCII where a keyboard for Chinese or Japanese
/// writes the wide form of a letter, and in lower case.
pub(super) fn fold(word: &str) -> String {
    word.chars()
        .map(narrow)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether a character has no shape: format characters and variation selectors of Unicode. What turns
/// the order of letters around is not among them: what is read would not be what was seen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}' | '\u{202c}'
        | '\u{2060}'..='\u{2066}' | '\u{2068}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_quote(c: char) -> bool {
    matches!(c,
        '`' | '"' | '\'' | '\u{b4}' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2039}'
        | '\u{203a}' | '\u{300c}'..='\u{300f}' | '\u{ff02}' | '\u{ff07}')
}

/// The ASCII character of a wide one.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Slack writes `&`, `<` and `>` as entities; whether also in a command's text is not documented, so
/// both forms are read. `&amp;` last, or `&amp;lt;` would be decoded twice.
fn decode_entities(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_along_with_a_paste_goes() {
        let words = |text: &str| typed_words(text).join("|");
        for (typed, read) in [
            ("`main deploy`", "main|deploy"),
            ("\u{201c}main deploy\u{201d}", "main|deploy"),
            ("'main' \u{ab}deploy\u{bb}", "main|deploy"),
            ("main\u{a0}deploy", "main|deploy"),
            ("main\u{3000}deploy", "main|deploy"),
            ("\u{feff}ma\u{200b}in dep\u{2060}loy\u{2069}", "main|deploy"),
            ("``` ` `", ""),
            ("fix/don't deploy", "fix/don't|deploy"),
            ("&lt;@U1&gt; a&amp;b", "<@U1>|a&b"),
        ] {
            assert_eq!(words(typed), read, "{typed}");
        }
    }

    #[test]
    fn wide_letters_compare_like_narrow_ones() {
        assert_eq!(fold("\u{ff33}tatus"), "status");
        assert_eq!(fold("USER\u{ff1a}Me"), "user:me");
        assert_eq!(fold("\u{c4}NNE"), "\u{c4}nne");
    }

    proptest! {
        /// Reading the words again changes nothing.
        #[test]
        fn words_stay_words(text in "\\PC{0,60}") {
            let once = typed_words(&text.replace('&', ""));
            prop_assert_eq!(typed_words(&once.join(" ")), once);
        }
    }
}
