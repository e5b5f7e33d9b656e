//! Near misses: which known word somebody may have meant.

/// The known word that is closest to `word`, if it is close enough to be a slip of the finger.
///
/// Close enough is none in one or two letters, one change in up to five, and two in more, where the
/// shorter word counts: `entry` and `story` are words of their own, not `retry` and `history`.
/// Swapping two neighbours is one change, and case is none.
#[must_use]
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    known
        .into_iter()
        .filter_map(|known| Some((distance(&word, letters, known)?, known)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many changes lie between two words; `None` if they are too many for a slip.
fn distance(word: &str, letters: usize, known: &str) -> Option<usize> {
    let known = known.to_lowercase();
    let other = known.chars().count();
    let shorter = letters.min(other);
    let slips = match shorter {
        ..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    // Whatever is typed, measuring it costs next to nothing: the length alone may say no.
    if letters.abs_diff(other) > slips {
        return None;
    }
    let distance = strsim::damerau_levenshtein(word, &known);
    (distance <= slips).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
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
            assert_eq!(near(typed, known), Some(meant), "{typed}");
        }
        for other in [
            "main",
            "x",
            "",
            "destroy-all",
            "state-of-play",
            // Words of their own, two changes away.
            "story",
            "delay",
            "state",
            "플랜",
            "ｐlan2",
        ] {
            assert_eq!(near(other, known), None, "{other}");
        }
    }

    #[test]
    fn the_closest_is_meant_and_of_equals_the_first() {
        assert_eq!(near("plant", ["planet", "plans", "plan"]), Some("planet"));
        assert_eq!(near("deploi", ["deploys", "deploy"]), Some("deploy"));
        assert_eq!(near("bau", ["bar", "baz"]), Some("bar"));
        // One letter of two is half of it.
        assert_eq!(near("cd", ["ci"]), None);
        assert_eq!(near("ab", ["b"]), None);
        assert_eq!(near("A", ["a"]), Some("a"));
    }

    #[test]
    fn other_alphabets_are_counted_in_letters() {
        assert_eq!(near("ДЕПЛОЙ", ["деплой"]), Some("деплой"));
        assert_eq!(near("деплйо", ["деплой"]), Some("деплой"));
        assert_eq!(near("\u{200b}status", ["status"]), Some("status"));
    }

    #[test]
    fn what_is_long_is_not_measured() {
        let known: Vec<String> = (0..1_000).map(|i| format!("{i:0100}")).collect();
        let long = "0".repeat(1_000_000);
        assert_eq!(near(&long, known.iter().map(String::as_str)), None);
    }
}
