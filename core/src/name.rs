//! The names that users type: branches, tags, jobs and projects, each with a narrow rule.
//!
//! A branch or tag is sent to CircleCI, where a config may paste it into a shell. Git allows names such as
//! `a$(reboot)`; this program does not. A name that is rejected here never leaves this process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a word cannot be a branch, job or project name. The message says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// Longer than allowed.
    #[error("it is longer than {0} characters")]
    TooLong(usize),
    /// A character outside the allowed set.
    #[error("{} is not accepted: only letters, digits and {allowed} are", shown_character(*.first))]
    Characters {
        /// The first of them.
        first: char,
        /// What is accepted besides letters and digits.
        allowed: &'static str,
    },
    /// The characters are allowed, their order is not.
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
            pub fn parse(text: &str) -> Result<Self, NameError> {
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
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
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
    /// A git tag, by the rule of [`BranchName`]; `+` and `@` are accepted besides, as in `v1.2+linux` and
    /// `web@1.2`.
    TagName,
    check_tag
);
name!(
    /// A job as the configuration names it: `[A-Za-z0-9._-]`, at most 100 characters.
    JobName,
    check_name
);
name!(
    /// A project as the configuration names it: `[A-Za-z0-9._-]`, at most 100 characters.
    ProjectName,
    check_name
);

/// What is deployed: a branch, or a tag. It is written as it is typed, `main` or `tag:v1.2.3`; no git name
/// has a `:`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GitRef {
    /// A branch.
    Branch(BranchName),
    /// A tag.
    Tag(TagName),
}

impl GitRef {
    /// Checks a branch's name, or `tag:` and a tag's.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix("tag:") {
            Some(tag) => TagName::parse(tag).map(Self::Tag),
            None => BranchName::parse(text).map(Self::Branch),
        }
    }

    /// The name in git, without `tag:`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Branch(branch) => branch.as_str(),
            Self::Tag(tag) => tag.as_str(),
        }
    }

    /// The branch, if it is one.
    #[must_use]
    pub fn branch(&self) -> Option<&BranchName> {
        match self {
            Self::Branch(branch) => Some(branch),
            Self::Tag(_) => None,
        }
    }

    /// The tag, if it is one.
    #[must_use]
    pub fn tag(&self) -> Option<&TagName> {
        match self {
            Self::Branch(_) => None,
            Self::Tag(tag) => Some(tag),
        }
    }
}

impl TryFrom<String> for GitRef {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<GitRef> for String {
    fn from(git_ref: GitRef) -> String {
        git_ref.to_string()
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => branch.fmt(f),
            Self::Tag(tag) => write!(f, "tag:{tag}"),
        }
    }
}

fn check_branch(text: &str) -> Result<(), NameError> {
    check_characters(text, 200, "`.` `_` `/` `-`", |c| {
        matches!(c, '.' | '_' | '/' | '-')
    })?;
    check_form(text)
}

fn check_tag(text: &str) -> Result<(), NameError> {
    check_characters(text, 200, "`.` `_` `/` `-` `+` `@`", |c| {
        matches!(c, '.' | '_' | '/' | '-' | '+' | '@')
    })?;
    // Git's own rules; the first also keeps a tag from being a mention.
    if text.starts_with('@') {
        return Err(NameError::Form("it may not start with `@`"));
    }
    check_form(text)
}

/// What git refuses of a ref, and what could be read as an option, a path or a revision.
fn check_form(text: &str) -> Result<(), NameError> {
    let form = |wrong: bool, why| (!wrong).then_some(()).ok_or(NameError::Form(why));
    form(text.starts_with('-'), "it may not start with `-`")?;
    form(text.contains(".."), "it may not contain `..`")?;
    form(text == "HEAD", "`HEAD` is neither a branch nor a tag")?;
    form(
        text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "CircleCI starts branches and tags; to deploy a commit, push a branch or a tag that points to it",
    )?;
    for part in text.split('/') {
        form(
            part.is_empty(),
            "it may not start or end with `/`, nor contain `//`",
        )?;
        form(part.starts_with('.'), "no part of it may start with `.`")?;
        form(part.ends_with('.'), "no part of it may end with `.`")?;
        // Git ignores case on some systems; so does this rule.
        form(
            part.to_ascii_lowercase().ends_with(".lock"),
            "no part of it may end with `.lock`",
        )?;
    }
    Ok(())
}

fn check_name(text: &str) -> Result<(), NameError> {
    check_characters(text, 100, "`.` `_` `-`", |c| matches!(c, '.' | '_' | '-'))?;
    if text.starts_with(['-', '.']) {
        return Err(NameError::Form("it may not start with `-` or `.`"));
    }
    Ok(())
}

fn check_characters(
    text: &str,
    limit: usize,
    allowed: &'static str,
    also: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > limit {
        Err(NameError::TooLong(limit))
    } else {
        let mut characters = text.chars();
        match characters.find(|c| !c.is_ascii_alphanumeric() && !also(*c)) {
            Some(first) => Err(NameError::Characters { first, allowed }),
            None => Ok(()),
        }
    }
}

/// A character by itself, or by its code point where nothing would be seen of it.
fn shown_character(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '`' => "a backtick".to_owned(),
        _ if c.is_ascii_graphic() || c.is_alphanumeric() => format!("`{c}`"),
        _ => format!("the character U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_branches_pass() {
        for good in "main feature/login-2 release/1.2.x a dependabot/npm/x_1.0".split(' ') {
            assert!(BranchName::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_ref_is_written_as_it_is_typed() {
        for (written, name) in [
            ("main", "main"),
            ("tag:v1.2.3", "v1.2.3"),
            ("tag:web@1.0+x", "web@1.0+x"),
        ] {
            let git_ref = GitRef::parse(written).unwrap();
            assert_eq!(git_ref.name(), name);
            let json = serde_json::to_value(&git_ref).unwrap();
            assert_eq!(json, written);
            assert_eq!(serde_json::from_value::<GitRef>(json).unwrap(), git_ref);
        }
        for bad in "tag: tag:a:b tag:@a tag:a@{1} tag:-f tag:a..b a:b TAG:v1".split(' ') {
            assert!(GitRef::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_branches_do_not() {
        let spaced = ["", "a b", "a\nb", "a\u{0}b"].into_iter();
        let words = "-f --force a..b a//b /a a/ a. .a a/.b a.lock x.LOCK/y HEAD a$(reboot) a`id` a;b a|b \
                     a&b ${IFS} {a,b} ma\u{0456}n a~1 a^ a:b a?b a*b a[b a\\b @{u} a@{1} <!channel> \
                     0123456789abcdef0123456789abcdef01234567";
        for bad in spaced.chain(words.split(' ')) {
            assert!(BranchName::parse(bad).is_err(), "{bad}");
        }
        assert!(BranchName::parse(&"a".repeat(201)).is_err());
        assert!(BranchName::parse(&"a".repeat(200)).is_ok());
    }
}
