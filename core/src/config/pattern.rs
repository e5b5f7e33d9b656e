//! Branch patterns: `*` stands for any characters but `/`, `**` for any characters at all. A
//! pattern that is only `*` means every branch.

use std::fmt;

use crate::name::GitRef;

/// Which branches a job may be run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchPattern(String);

/// Why a pattern is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing could match it.
    #[error("a branch pattern may not be empty")]
    Empty,
    /// No branch that is accepted has such a character.
    #[error("a branch pattern may hold only letters, digits, `.` `_` `/` `-` and `*`")]
    Characters,
    /// `***`
    #[error("use `*` (anything but `/`) or `**` (anything)")]
    TooManyStars,
    /// It can match no branch name that is accepted.
    #[error("no branch name can fit this: names have no empty parts, no `..` and no leading `-`")]
    Unmatchable,
}

impl BranchPattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._/-*".contains(c);
        if text.is_empty() {
            Err(PatternError::Empty)
        } else if !text.chars().all(fits) {
            Err(PatternError::Characters)
        } else if text.contains("***") {
            Err(PatternError::TooManyStars)
        } else if text.starts_with(['/', '-'])
            || text.ends_with('/')
            || text.contains("//")
            || text.contains("..")
        {
            Err(PatternError::Unmatchable)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Whether a branch matches.
    #[must_use]
    pub fn matches(&self, git_ref: &GitRef) -> bool {
        self.0 == "*" || matches_glob(self.0.as_bytes(), git_ref.name().as_bytes())
    }
}

impl fmt::Display for BranchPattern {
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
        BranchPattern::parse(pattern)
            .unwrap()
            .matches(&GitRef::parse(branch).unwrap())
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
        assert_eq!(BranchPattern::parse(""), Err(PatternError::Empty));
        assert_eq!(BranchPattern::parse("a b"), Err(PatternError::Characters));
        assert_eq!(BranchPattern::parse("[ab]"), Err(PatternError::Characters));
        assert_eq!(
            BranchPattern::parse("a***"),
            Err(PatternError::TooManyStars)
        );
        assert_eq!(BranchPattern::parse("/a"), Err(PatternError::Unmatchable));
        assert_eq!(BranchPattern::parse("a..b"), Err(PatternError::Unmatchable));
    }
}
