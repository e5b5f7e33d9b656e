//! The names a person types: branches, jobs and projects, each with a narrow rule.
//!
//! A branch travels into CircleCI, where a config may paste it into a shell. Git allows names
//! such as `a$(reboot)`; we do not. What is refused here never leaves this process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a word cannot be a branch, job or project name. The text says what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than allowed.
    #[error("it is longer than {0} characters")]
    TooLong(usize),
    /// A character outside the allowed set.
    #[error("it may hold only letters, digits and {0}")]
    Characters(&'static str),
    /// Characters are fine but their order is not.
    #[error("{0}")]
    Form(&'static str),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a name against its rule.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A git branch, by a rule narrower than git's: `[A-Za-z0-9._/-]`, at most 200 characters,
    /// and nothing that could be read as an option, a path or a revision.
    BranchName,
    check_branch
);
name!(
    /// A job as the configuration names it: `[A-Za-z0-9._-]`, at most 100 characters.
    JobName,
    check_word
);
name!(
    /// A project as the configuration names it: `[A-Za-z0-9._-]`, at most 100 characters.
    ProjectName,
    check_word
);

fn check_branch(text: &str) -> Result<(), BadName> {
    check_characters(text, 200, "`.` `_` `/` `-`", |c| {
        matches!(c, '.' | '_' | '/' | '-')
    })?;
    let form = |wrong: bool, why| {
        if wrong {
            Err(BadName::Form(why))
        } else {
            Ok(())
        }
    };
    form(text.starts_with('-'), "it may not start with `-`")?;
    form(text.contains(".."), "it may not contain `..`")?;
    form(text == "HEAD", "`HEAD` is not a branch")?;
    form(
        text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "it looks like a commit; CircleCI starts branches only",
    )?;
    for part in text.split('/') {
        form(
            part.is_empty(),
            "it may not start or end with `/`, nor contain `//`",
        )?;
        form(part.starts_with('.'), "no part of it may start with `.`")?;
        form(part.ends_with('.'), "no part of it may end with `.`")?;
        // Git compares without case on some systems; so do we.
        form(
            part.to_ascii_lowercase().ends_with(".lock"),
            "no part of it may end with `.lock`",
        )?;
    }
    Ok(())
}

fn check_word(text: &str) -> Result<(), BadName> {
    check_characters(text, 100, "`.` `_` `-`", |c| matches!(c, '.' | '_' | '-'))?;
    if text.starts_with(['-', '.']) {
        return Err(BadName::Form("it may not start with `-` or `.`"));
    }
    Ok(())
}

fn check_characters(
    text: &str,
    limit: usize,
    allowed: &'static str,
    also: impl Fn(char) -> bool,
) -> Result<(), BadName> {
    if text.is_empty() {
        Err(BadName::Empty)
    } else if text.len() > limit {
        Err(BadName::TooLong(limit))
    } else if text.chars().all(|c| c.is_ascii_alphanumeric() || also(c)) {
        Ok(())
    } else {
        Err(BadName::Characters(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_branches_pass() {
        for good in [
            "main",
            "feature/login-2",
            "release/1.2.x",
            "a",
            "dependabot/npm/x_1.0",
        ] {
            assert!(BranchName::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn hostile_branches_do_not() {
        for bad in [
            "",
            "-f",
            "--force",
            "a..b",
            "a//b",
            "/a",
            "a/",
            "a.",
            ".a",
            "a/.b",
            "a.lock",
            "x.LOCK/y",
            "HEAD",
            "a b",
            "a$(reboot)",
            "a`id`",
            "a;b",
            "a|b",
            "a&b",
            "${IFS}",
            "{a,b}",
            "a\nb",
            "a\u{0}b",
            "ma\u{0456}n",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*b",
            "a[b",
            "a\\b",
            "@{u}",
            "a@{1}",
            "<!channel>",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(BranchName::parse(bad).is_err(), "{bad}");
        }
        assert!(BranchName::parse(&"a".repeat(201)).is_err());
        assert!(BranchName::parse(&"a".repeat(200)).is_ok());
    }
}
