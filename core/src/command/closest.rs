//! Misspellings: which known word may have been meant.

/// The known word that is closest to `word`, if it is close enough to be a misspelling.
///
/// That is no change in one or two letters, one in up to five, and two in more, by the length of the
/// shorter word: `entry` and `story` are words of their own, not `retry` and `history`. Swapping two
/// neighbours is one change; case does not count.
#[must_use]
pub fn closest_word<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    known
        .into_iter()
        .filter_map(|known| Some((edit_distance(&word, letters, known)?, known)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many changes are between two words; `None` if too many for a misspelling.
fn edit_distance(word: &str, letters: usize, known: &str) -> Option<usize> {
    let known = known.to_lowercase();
    let other = known.chars().count();
    let shorter = letters.min(other);
    let most = match shorter {
        ..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    // The lengths alone reject most words, so that long input costs nothing.
    if letters.abs_diff(other) > most {
        return None;
    }
    let distance = strsim::damerau_levenshtein(word, &known);
    (distance <= most).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["deploy", "status", "history", "plan"];
        for (typed, meant) in [
            ("deplyo", "deploy"),
            ("Deploy", "deploy"),
            ("statsu", "status"),
            ("histroy", "history"),
            ("pln", "plan"),
            ("PLANS", "plan"),
            ("hsitroy", "history"),
        ] {
            assert_eq!(closest_word(typed, known), Some(meant), "{typed}");
        }
        // `story`, `delay` and `state` are words of their own, two changes away.
        for other in " main x destroy-all state-of-play story delay state 플랜 ｐlan2".split(' ')
        {
            assert_eq!(closest_word(other, known), None, "{other}");
        }
    }

    #[test]
    fn the_closest_is_meant_and_of_equals_the_first() {
        let planet = closest_word("plant", ["planet", "plans", "plan"]);
        assert_eq!(planet, Some("planet"));
        let deploy = closest_word("deploi", ["deploys", "deploy"]);
        assert_eq!(deploy, Some("deploy"));
        assert_eq!(closest_word("bau", ["bar", "baz"]), Some("bar"));
        // One letter of two is half of it.
        assert_eq!(closest_word("cd", ["ci"]), None);
        assert_eq!(closest_word("ab", ["b"]), None);
        assert_eq!(closest_word("A", ["a"]), Some("a"));
    }

    #[test]
    fn other_alphabets_are_counted_in_letters() {
        assert_eq!(closest_word("ДЕПЛОЙ", ["деплой"]), Some("деплой"));
        assert_eq!(closest_word("деплйо", ["деплой"]), Some("деплой"));
        assert_eq!(closest_word("\u{200b}status", ["status"]), Some("status"));
    }

    #[test]
    fn what_is_long_is_not_measured() {
        let known: Vec<String> = (0..1_000).map(|i| format!("{i:0100}")).collect();
        let long = "0".repeat(1_000_000);
        assert_eq!(closest_word(&long, known.iter().map(String::as_str)), None);
    }
}
