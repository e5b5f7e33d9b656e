//! Patterns: `*` stands for any characters but `/`, `**` for any characters at all. A pattern that is only
//! `*` means everything.

use std::fmt;

/// Which branches, tags or values are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// What a pattern is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternKind {
    /// Names of branches.
    Branch,
    /// Names of tags.
    Tag,
    /// Values of parameters.
    Value,
}

impl PatternKind {
    /// What is accepted besides letters and digits: a configuration may paste it into a shell.
    fn also(self) -> (&'static str, &'static str) {
        match self {
            Self::Branch => ("._/-", "`.` `_` `/` `-`"),
            Self::Tag => ("._/-+@", "`.` `_` `/` `-` `+` `@`"),
            Self::Value => ("._/-+@:,=%", "`.` `_` `/` `-` `+` `@` `:` `,` `=` `%`"),
        }
    }

    /// Whether every character of a text is one that is accepted.
    pub(super) fn accepts(self, text: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || self.also().0.contains(c);
        text.chars().all(fits)
    }
}

impl fmt::Display for PatternKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
            Self::Value => "value",
        })
    }
}

/// Why a pattern is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing could match it.
    #[error("a {0} pattern may not be empty")]
    Empty(PatternKind),
    /// No name that is accepted has such a character.
    #[error("a {kind} pattern may hold only letters, digits, {allowed} and `*`")]
    Characters {
        /// What it is for.
        kind: PatternKind,
        /// What is accepted besides letters, digits and `*`.
        allowed: &'static str,
    },
    /// `***`
    #[error("use `*` (anything but `/`) or `**` (anything)")]
    TooManyStars,
    /// It can match no name that is accepted.
    #[error("no {0} name can fit this: names have no empty parts, no `..` and no leading `-`")]
    Unmatchable(PatternKind),
}

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str, kind: PatternKind) -> Result<Self, PatternError> {
        let allowed = kind.also().1;
        if text.is_empty() {
            Err(PatternError::Empty(kind))
        } else if !kind.accepts(&text.replace('*', "")) {
            Err(PatternError::Characters { kind, allowed })
        } else if text.contains("***") {
            Err(PatternError::TooManyStars)
        } else if kind == PatternKind::Value {
            Ok(Self(text.to_owned()))
        } else if text.starts_with(['/', '-', '@'])
            || text.ends_with('/')
            || text.contains("//")
            || text.contains("..")
        {
            Err(PatternError::Unmatchable(kind))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0 == "*" || matches_glob(self.0.as_bytes(), name.as_bytes())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Matches with one remembered star of each kind, so that no pattern takes more than
/// `pattern × text × text` steps (a recursive matcher takes exponentially many).
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    // reach[i]: whether the pattern read so far can end at text position i.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        let mut next = vec![false; text.len() + 1];
        if first == b'*' {
            let double = after.first() == Some(&b'*');
            rest = if double { &after[1..] } else { after };
            let mut open = false;
            for i in 0..=text.len() {
                open = reach[i] || (open && (double || text[i - 1] != b'/'));
                next[i] = open;
            }
        } else {
            rest = after;
            for i in 0..text.len() {
                next[i + 1] = reach[i] && text[i] == first;
            }
        }
        reach = next;
    }
    reach[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, branch: &str) -> bool {
        Pattern::parse(pattern, PatternKind::Branch)
            .unwrap()
            .matches(branch)
    }

    #[test]
    fn stars_stop_at_slashes_and_double_stars_do_not() {
        assert!(fit("main", "main"));
        assert!(!fit("main", "main2"));
        assert!(fit("release/*", "release/1.2"));
        assert!(!fit("release/*", "release/1/2"));
        assert!(!fit("release/*", "release"));
        assert!(fit("release/**", "release/1/2"));
        assert!(fit("*-fix", "login-fix"));
        assert!(!fit("*-fix", "a/login-fix"));
        assert!(fit("**-fix", "a/login-fix"));
        assert!(fit("a*b*c", "axxbyyc"));
        assert!(!fit("a*b*c", "axxbyy"));
    }

    #[test]
    fn a_lone_star_is_every_branch() {
        assert!(fit("*", "main"));
        assert!(fit("*", "feature/a/b"));
    }

    #[test]
    fn many_stars_are_still_quick() {
        assert!(!fit(&"*a".repeat(60), &"a".repeat(199)[..59]));
        assert!(!fit(&format!("{}b", "*a".repeat(60)), &"a".repeat(200)));
    }

    #[test]
    fn bad_patterns_say_why() {
        let why = |text| Pattern::parse(text, PatternKind::Branch).unwrap_err();
        assert_eq!(why(""), PatternError::Empty(PatternKind::Branch));
        for text in ["a b", "[ab]", "a@1"] {
            assert!(
                matches!(why(text), PatternError::Characters { .. }),
                "{text}"
            );
        }
        assert_eq!(why("a***"), PatternError::TooManyStars);
        let unmatchable = PatternError::Unmatchable(PatternKind::Branch);
        assert_eq!((why("/a"), why("a..b")), (unmatchable, unmatchable));
    }

    #[test]
    fn a_tag_pattern_takes_what_tags_have() {
        let tag = |text| Pattern::parse(text, PatternKind::Tag);
        assert!(tag("web@*").unwrap().matches("web@1.2+linux"));
        assert_eq!(tag("@a"), Err(PatternError::Unmatchable(PatternKind::Tag)));
    }
}
