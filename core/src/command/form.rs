//! The form: what a person has put into its fields, and the deploy that this asks for. It is read by the same
//! grammar as a typed command.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::parser::{is_parameter, parse_parameters, parse_ref};
use super::{DeployCommand, GrammarError, MAX_TEXT_BYTES, normalize, truncate_word};
use crate::name::{JobName, ProjectName};

/// A field of the form. Its name is Slack's `block_id`, and its `action_id` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FormField {
    /// The job, with its project.
    Job,
    /// The branch, or `tag:` and a tag.
    Branch,
    /// What is typed behind a job: `version=v1.2`.
    Parameters,
}

impl FormField {
    /// The name of the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What stands in the fields of the form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormInput {
    /// The project and the job, with a space between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The branch or tag, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The parameters, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}

/// Why a form asks for no deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormError {
    /// No job is chosen.
    NoJob,
    /// No branch is typed.
    NoBranch,
    /// A word among the parameters is none.
    NoParameter {
        /// The word, cut to a readable length.
        word: String,
    },
    /// What is typed cannot be read.
    Unreadable(GrammarError),
}

impl FormInput {
    /// The form that asks for this deploy.
    #[must_use]
    pub fn of(deploy: &DeployCommand) -> Self {
        let project = deploy.project.as_ref();
        let parameters = deploy.parameters.to_string().trim_start().to_owned();
        Self {
            job: project.map(|project| format!("{project} {}", deploy.job)),
            branch: Some(deploy.git_ref.to_string()),
            parameters: (!parameters.is_empty()).then_some(parameters),
        }
    }

    /// The deploy it asks for.
    pub fn deploy(&self) -> Result<DeployCommand, FormError> {
        let fields = [&self.job, &self.branch, &self.parameters];
        let length: usize = fields.into_iter().flatten().map(String::len).sum();
        if length > MAX_TEXT_BYTES {
            return Err(FormError::Unreadable(GrammarError::TooLong));
        }
        let (project, job) = self.chosen_job().ok_or(FormError::NoJob)?;
        let branch = self.branch.as_deref().unwrap_or_default();
        let branch = normalize::typed_words(branch).join(" ");
        if branch.is_empty() {
            return Err(FormError::NoBranch);
        }
        let unreadable = FormError::Unreadable;
        let git_ref = parse_ref(&branch, &[job.as_str()]).map_err(unreadable)?;
        let typed = normalize::typed_words(self.parameters.as_deref().unwrap_or_default());
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        if let Some(word) = typed.iter().find(|word| !is_parameter(word)) {
            let word = truncate_word(word);
            return Err(FormError::NoParameter { word });
        }
        Ok(DeployCommand {
            project: Some(project),
            git_ref,
            job,
            parameters: parse_parameters(&typed).map_err(unreadable)?,
        })
    }

    fn chosen_job(&self) -> Option<(ProjectName, JobName)> {
        let (project, job) = self.job.as_deref()?.split_once(' ')?;
        Some((ProjectName::parse(project).ok()?, JobName::parse(job).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{ChatCommand, parse};

    fn input(job: &str, branch: &str, parameters: &str) -> FormInput {
        let typed = |text: &str| Some(text.to_owned());
        FormInput {
            job: typed(job),
            branch: typed(branch),
            parameters: typed(parameters),
        }
    }

    #[test]
    fn a_form_is_a_typed_command() {
        for (form, typed) in [
            (input("web deploy", "main", ""), "deploy web main deploy"),
            (
                input("web deploy", " `main` ", " "),
                "deploy web main deploy",
            ),
            (
                input("web deploy", "tag:v1.2.3", "dry=\"yes\"  version=v1.2"),
                "deploy web tag:v1.2.3 deploy dry=yes version=v1.2",
            ),
            // A branch of a command's name.
            (
                input("web deploy", "status", ""),
                "deploy web status deploy",
            ),
        ] {
            let deploy = form.deploy().unwrap();
            assert_eq!(parse(typed), Ok(ChatCommand::Deploy(deploy.clone())));
            assert_eq!(deploy.words(), typed.strip_prefix("deploy ").unwrap());
            assert_eq!(FormInput::of(&deploy).deploy(), Ok(deploy));
        }
    }

    #[test]
    fn a_slip_is_told() {
        let error = |form: FormInput| form.deploy().unwrap_err();
        assert_eq!(error(FormInput::default()), FormError::NoJob);
        assert_eq!(error(input("web", "main", "")), FormError::NoJob);
        assert_eq!(
            error(input("web deploy", " \u{200b}", "")),
            FormError::NoBranch
        );
        let word = "version".to_owned();
        let no_parameter = FormError::NoParameter { word };
        assert_eq!(error(input("web deploy", "main", "version")), no_parameter);
        for form in [
            input("web deploy", "two words", ""),
            input("web deploy", "main; rm", ""),
            input("web deploy", "tag:", ""),
            input("web deploy", "main", "version=1 Version=2"),
            input("web deploy", &"x".repeat(3_000), ""),
        ] {
            assert!(matches!(error(form), FormError::Unreadable(_)));
        }
    }
}
