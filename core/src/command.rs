//! The grammar: what may stand behind `/chatops`.
//!
//! A first word that is a command is the command; a branch of that name needs `deploy` in front.

use serde::{Deserialize, Serialize};

use crate::name::{BadName, BranchName, JobName, ProjectName};

/// The longest text that is read, in bytes. Anything longer is a paste gone wrong.
pub const LONGEST: usize = 1024;

/// First words that are commands, or will be, and so cannot start the short form.
const RESERVED: [&str; 8] = [
    "deploy", "plan", "status", "history", "failed", "retry", "cancel", "help",
];

/// A command as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Start a job on a branch.
    Deploy(Deploy),
    /// Say what can be typed.
    Help,
}

/// `<branch> <job>` or `deploy [project] <branch> <job>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// The project, or `None` for the default one.
    pub project: Option<ProjectName>,
    /// The branch to build.
    pub branch: BranchName,
    /// The job to run.
    pub job: JobName,
}

/// Why a text is not a command. Each variant is answered with words that name the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// Longer than [`LONGEST`].
    TooLong,
    /// Not two words (or two or three after `deploy`).
    WordCount {
        /// How many were given.
        given: usize,
    },
    /// The first word is reserved for a command that this version does not have.
    Reserved {
        /// The word.
        word: &'static str,
    },
    /// A word that cannot be what its place asks for.
    Word {
        /// What stands at that place.
        place: Place,
        /// The word, cut to a readable length.
        word: String,
        /// What is wrong with it.
        why: BadName,
    },
}

/// A place in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The branch.
    Branch,
    /// The job.
    Job,
    /// The project.
    Project,
}

/// Reads what stood behind the slash command.
pub fn parse(text: &str) -> Result<Command, GrammarError> {
    if text.len() > LONGEST {
        return Err(GrammarError::TooLong);
    }
    let text = decode_entities(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [] | ["help", ..] => Ok(Command::Help),
        ["deploy", rest @ ..] => deploy(rest),
        [first, ..] => match RESERVED.iter().find(|word| *word == first) {
            Some(word) => Err(GrammarError::Reserved { word }),
            None if words.len() == 2 => deploy(&words),
            None => Err(GrammarError::WordCount { given: words.len() }),
        },
    }
}

fn deploy(words: &[&str]) -> Result<Command, GrammarError> {
    let (project, branch, job) = match words {
        [branch, job] => (None, branch, job),
        [project, branch, job] => (Some(project), branch, job),
        _ => return Err(GrammarError::WordCount { given: words.len() }),
    };
    Ok(Command::Deploy(Deploy {
        project: project
            .map(|p| word(Place::Project, p, ProjectName::parse))
            .transpose()?,
        branch: word(Place::Branch, branch, BranchName::parse)?,
        job: word(Place::Job, job, JobName::parse)?,
    }))
}

fn word<T>(
    place: Place,
    word: &str,
    parse: impl Fn(&str) -> Result<T, BadName>,
) -> Result<T, GrammarError> {
    parse(word).map_err(|why| GrammarError::Word {
        place,
        word: word.chars().take(60).collect(),
        why,
    })
}

/// Slack writes `&`, `<` and `>` as entities; whether it does so in a command's text is not
/// documented, so a branch must match either way. `&amp;` last, or `&amp;lt;` would decode twice.
fn decode_entities(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Option<String>, String, String) {
        match parse(text) {
            Ok(Command::Deploy(d)) => (
                d.project.map(String::from),
                d.branch.to_string(),
                d.job.to_string(),
            ),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_original_form() {
        assert_eq!(read("main deploy"), (None, "main".into(), "deploy".into()));
        assert_eq!(
            read("  feature/x   build "),
            (None, "feature/x".into(), "build".into())
        );
    }

    #[test]
    fn the_long_form() {
        assert_eq!(
            read("deploy main deploy"),
            (None, "main".into(), "deploy".into())
        );
        assert_eq!(
            read("deploy status deploy"),
            (None, "status".into(), "deploy".into())
        );
        assert_eq!(
            read("deploy web main e2e"),
            (Some("web".into()), "main".into(), "e2e".into())
        );
    }

    #[test]
    fn help_is_the_answer_to_nothing() {
        assert_eq!(parse(""), Ok(Command::Help));
        assert_eq!(parse(" help "), Ok(Command::Help));
    }

    #[test]
    fn what_does_not_fit_says_where() {
        assert_eq!(parse("main"), Err(GrammarError::WordCount { given: 1 }));
        assert_eq!(parse("a b c"), Err(GrammarError::WordCount { given: 3 }));
        assert_eq!(parse("deploy a"), Err(GrammarError::WordCount { given: 1 }));
        assert_eq!(
            parse("status deploy"),
            Err(GrammarError::Reserved { word: "status" })
        );
        assert!(matches!(
            parse("a$(id) deploy"),
            Err(GrammarError::Word {
                place: Place::Branch,
                ..
            })
        ));
        assert!(matches!(
            parse("main <b>"),
            Err(GrammarError::Word {
                place: Place::Job,
                ..
            })
        ));
        assert_eq!(parse(&"x".repeat(LONGEST + 1)), Err(GrammarError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_accepted_is_harmless(text in "[ -~]{0,60}") {
            if let Ok(Command::Deploy(d)) = parse(&text) {
                let safe = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
                prop_assert!(d.branch.as_str().chars().all(safe));
                prop_assert!(!d.branch.as_str().starts_with('-'));
            }
        }
    }
}
