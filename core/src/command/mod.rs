//! The grammar: what may be typed after `/chatops`.
//!
//! A first word that is a command is the command; a branch of that name needs `deploy` in front.

mod closest;
mod filter;
mod form;
mod normalize;
mod parser;
mod press;
mod reserved;
mod verb;

use serde::{Deserialize, Serialize};

pub use self::closest::closest_word;
pub(crate) use self::filter::outcome_word;
pub use self::filter::{
    FILTER_KEYS, FilterError, HistoryFilter, PAGE_SIZE, SinceFilter, StatusFilter, UserFilter,
};
pub use self::form::{FormError, FormField, FormInput};
pub(crate) use self::parser::is_preposition;
pub use self::parser::{parse, parse_pasted};
pub use self::press::{ButtonVerb, InvalidPress, PressMeaning};
pub use self::reserved::ReservedWord;
pub use self::verb::Verb;
use crate::id::DeployRef;
use crate::name::{GitRef, JobName, NameError, ProjectName};
use crate::parameters::Parameters;
use crate::target::TargetRef;

/// The longest text that is read, in bytes; longer text is an accidental paste.
pub const MAX_TEXT_BYTES: usize = 1024;

/// How many words of a text are kept for the reply to it.
const MAX_KEPT_WORDS: usize = 4;

/// A command as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatCommand {
    /// Start a job on a branch.
    Deploy(DeployCommand),
    /// Read from the ledger.
    Query(Query),
    /// Change a deploy.
    Action(DeployAction),
    /// Show what can be typed: all commands, or one.
    Help(Option<Verb>),
    /// Nothing was typed: show the form.
    Form,
}

/// What is answered from the ledger and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Query {
    /// What a deploy would do.
    Plan(DeployCommand),
    /// The form, with this in it, and what is wrong with that.
    Form(FormInput),
    /// The form without fields, for where Slack does not send what stands in them.
    FormMenu,
    /// What can be typed.
    Help,
    /// The state of one deploy.
    Status {
        /// The deploy.
        deploy: DeployRef,
    },
    /// The deploys in progress.
    InProgress,
    /// Past deploys.
    History(HistoryFilter),
    /// A button that this version does not know was pressed.
    UnknownButton,
    /// The deploys waiting for a retry.
    Failed {
        /// Only what is older than this one: the next page.
        before: Option<DeployRef>,
    },
}

/// What changes a deploy, or frees the lock that one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeployAction {
    /// Retry it.
    Retry {
        /// The deploy.
        deploy: DeployRef,
        /// Somebody has checked that CircleCI did not start it.
        confirm: bool,
        /// However long ago it ended; only for the command line.
        #[serde(default)]
        force: bool,
    },
    /// Cancel it.
    Cancel {
        /// The deploy.
        deploy: DeployRef,
    },
    /// Take it out of the list of what waits for a retry.
    Dismiss {
        /// The deploy.
        deploy: DeployRef,
    },
    /// Free the lock of a target, whichever deploy holds it.
    Unlock {
        /// The target.
        target: TargetRef,
        /// Free it; otherwise only say what would be freed.
        confirm: bool,
    },
}

impl DeployAction {
    /// The deploy it is about, if it names one.
    #[must_use]
    pub fn deploy_ref(&self) -> Option<&DeployRef> {
        match self {
            DeployAction::Retry { deploy, .. }
            | DeployAction::Cancel { deploy }
            | DeployAction::Dismiss { deploy } => Some(deploy),
            DeployAction::Unlock { .. } => None,
        }
    }

    /// The id or target it is about, as it is typed.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            DeployAction::Retry { deploy, .. }
            | DeployAction::Cancel { deploy }
            | DeployAction::Dismiss { deploy } => deploy.to_string(),
            DeployAction::Unlock { target, .. } => target.to_string(),
        }
    }

    /// The command it was typed as.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            DeployAction::Retry { .. } => Verb::Retry,
            DeployAction::Cancel { .. } => Verb::Cancel,
            DeployAction::Dismiss { .. } => Verb::Dismiss,
            DeployAction::Unlock { .. } => Verb::Unlock,
        }
    }
}

/// `<branch> <job>` or `deploy [project] <branch> <job>`, and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployCommand {
    /// The project, or `None` for the default one.
    pub project: Option<ProjectName>,
    /// The branch or tag to build.
    #[serde(rename = "branch")]
    pub git_ref: GitRef,
    /// The job to run.
    pub job: JobName,
    /// What is set for it: `version=v1.2`.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
}

impl DeployCommand {
    /// What is typed behind `deploy` for it.
    #[must_use]
    pub fn words(&self) -> String {
        let project = self.project.as_ref();
        let project = project.map(|name| format!("{name} ")).unwrap_or_default();
        format!("{project}{} {}{}", self.git_ref, self.job, self.parameters)
    }

    /// Reads what is typed behind `deploy`.
    #[must_use]
    pub fn from_words(words: &str) -> Option<Self> {
        match parse(&format!("{} {words}", Verb::Deploy.as_str())) {
            Ok(ChatCommand::Deploy(deploy)) => Some(deploy),
            _ => None,
        }
    }
}

/// Why a text is not a command. The reply to each variant names the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// Longer than [`MAX_TEXT_BYTES`].
    TooLong,
    /// Not two words (or two or three after `deploy` and `plan`); or the first one is a misspelled
    /// command, `verb`.
    WordCount {
        /// The command that was given, or that the first word misspells.
        verb: Option<Verb>,
        /// How many words were given, without the command's own if that is spelled right.
        given: usize,
        /// The words, if three of them might be a project, a branch and a job.
        as_deploy: Option<Box<DeployCommand>>,
    },
    /// `main to production`: a sentence.
    Sentence {
        /// The project, if one is named.
        project: Option<ProjectName>,
        /// The branch or tag.
        git_ref: GitRef,
        /// Where to, which may be a job or an environment.
        place: JobName,
    },
    /// A word that cannot be the name that is expected there.
    InvalidName {
        /// What is expected.
        kind: NameKind,
        /// The word, cut to a readable length.
        word: String,
        /// What is wrong with it.
        why: NameError,
        /// The words after it.
        rest: Vec<String>,
    },
    /// A parameter is given twice, in whatever case.
    DuplicateParameter {
        /// Its name.
        name: String,
    },
    /// A parameter's value that CircleCI does not take: too long, or with a control character.
    InvalidParameter {
        /// Its name.
        name: String,
    },
    /// A deploy's id is missing or invalid.
    InvalidId {
        /// The command.
        verb: Verb,
        /// What was given instead, cut to a readable length.
        given: Option<String>,
    },
    /// A target is missing, or is not one.
    InvalidTarget {
        /// What was given instead, cut to a readable length.
        given: Option<String>,
    },
    /// One word too many.
    ExtraWord {
        /// The command.
        verb: Verb,
        /// The word, cut to a readable length.
        word: String,
    },
    /// The words after `history` are not filters.
    Filter(FilterError),
    /// The first word is no command, though it is one elsewhere.
    Reserved {
        /// The word.
        word: ReservedWord,
        /// The first words after it, each cut to a readable length.
        rest: Vec<String>,
    },
    /// Help is asked for an unknown command.
    UnknownTopic {
        /// The word, cut to a readable length.
        word: String,
    },
}

/// What kind of name the grammar expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The branch.
    Branch,
    /// The tag.
    Tag,
    /// The job.
    Job,
    /// The project.
    Project,
}

fn truncate_word(word: &str) -> String {
    word.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
