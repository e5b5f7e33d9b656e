//! Where the record is: in a data file, or in an installation on AWS. Every build has these options,
//! so that one without AWS can say so.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use clap::builder::Resettable;
use clap::{Args, Command};

use super::store::OperatorStore;
use super::{UsageError, text};

/// The heading of the options.
const HEADING: &str = "On AWS";

/// Without AWS the options are only there to say so.
const HIDE: bool = cfg!(not(feature = "aws"));

/// The variable with the stack's name.
const STACK_VARIABLE: &str = "CHATOPS_STACK";

/// The default stack.
const DEFAULT_STACK: &str = "chatops";

/// The longest name of a stack, in characters.
const MAX_STACK_LEN: usize = 128;

/// Whether the installation is on AWS, and where. Credentials are those of the `aws` command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Installation {
    /// Use the installation on AWS instead of a data file
    #[arg(long, global = true, hide = HIDE, help_heading = HEADING)]
    aws: bool,
    #[arg(long, global = true, hide = HIDE, help_heading = HEADING, value_name = "NAME")]
    #[arg(value_parser = parse_stack)]
    #[arg(help = "The stack of the installation [env: CHATOPS_STACK] [default: chatops]")]
    stack: Option<String>,
    /// The region [default: as for the `aws` command]
    #[arg(long, global = true, hide = HIDE, help_heading = HEADING, value_name = "REGION", value_parser = parse_name)]
    region: Option<String>,
    /// The profile with your credentials [default: as for the `aws` command]
    #[arg(long, global = true, hide = HIDE, help_heading = HEADING, value_name = "NAME", value_parser = parse_name)]
    profile: Option<String>,
}

impl Installation {
    /// Takes the options out of the help of a command that works on this machine only.
    pub(crate) fn hidden_in(command: Command) -> Command {
        let options = ["aws", "stack", "region", "profile"];
        // The derived function would give the command this type's description.
        let about = command.get_about().cloned();
        let long = command.get_long_about().cloned();
        let command = Self::augment_args(command)
            .about(Resettable::from(about))
            .long_about(Resettable::from(long));
        options.into_iter().fold(command, |command, option| {
            command.mut_arg(option, |argument| argument.hide(true))
        })
    }

    /// Rejects options that contradict each other. `works` is whether the command works on AWS, and
    /// `file` whether the arguments name a data file.
    pub(super) fn check_usage(&self, works: bool, file: bool) -> Result<(), UsageError> {
        let options = [
            ("--stack", self.stack.is_some()),
            ("--region", self.region.is_some()),
            ("--profile", self.profile.is_some()),
        ];
        let given = options.into_iter().find(|(_, given)| *given);
        match (self.aws, given) {
            (false, Some((option, _))) => Err(UsageError(text::needs_aws(option))),
            (true, _) if !works => Err(UsageError(text::NOT_ON_AWS.to_owned())),
            (true, _) if file => Err(UsageError(text::FILE_OR_AWS.to_owned())),
            _ => Ok(()),
        }
    }

    pub(super) fn is_aws(&self) -> bool {
        self.aws
    }

    /// The beginning of a command to type next.
    pub(super) fn command_prefix(&self) -> String {
        let mut call = String::from("chatops");
        if self.aws {
            call.push_str(" --aws");
        }
        let options = [
            ("--stack", &self.stack),
            ("--region", &self.region),
            ("--profile", &self.profile),
        ];
        for (option, value) in options {
            if let Some(value) = value {
                call = format!("{call} {option} {value}");
            }
        }
        call
    }

    pub(super) fn open(&self, file: &Path) -> Result<OperatorStore> {
        if self.aws {
            self.open_aws()
        } else {
            OperatorStore::open_file(file)
        }
    }

    #[cfg(feature = "aws")]
    fn open_aws(&self) -> Result<OperatorStore> {
        Ok(OperatorStore::Aws(Box::new(self.aws_installation()?)))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_self, reason = "with the feature it needs it")]
    fn open_aws(&self) -> Result<OperatorStore> {
        Err(anyhow::anyhow!(text::BUILT_WITHOUT_AWS))
    }

    /// Connects to the installation on AWS.
    #[cfg(feature = "aws")]
    pub(super) fn aws_installation(&self) -> Result<crate::aws::AwsInstallation> {
        let at = crate::aws::StackLocation {
            stack: self.stack_name(|name| std::env::var_os(name))?,
            region: self.region.clone(),
            profile: self.profile.clone(),
        };
        Ok(crate::aws::AwsInstallation::open(at)?)
    }

    /// The stack: given, from the environment, or the default.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "for AWS"))]
    fn stack_name(&self, lookup: impl Fn(&str) -> Option<OsString>) -> Result<String, UsageError> {
        if let Some(given) = &self.stack {
            return Ok(given.clone());
        }
        match lookup(STACK_VARIABLE).filter(|value| !value.is_empty()) {
            None => Ok(DEFAULT_STACK.to_owned()),
            Some(value) => {
                let value = value.to_string_lossy();
                parse_stack(&value).map_err(|why| UsageError(format!("{STACK_VARIABLE}: {why}")))
            }
        }
    }
}

/// A stack's name, as `CloudFormation` takes one.
fn parse_stack(name: &str) -> Result<String, &'static str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_one = name.len() <= MAX_STACK_LEN
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(inner);
    is_one.then(|| name.to_owned()).ok_or(
        "a stack's name begins with a letter and has letters, digits and dashes, 128 at most",
    )
}

/// A name that needs no quoting.
fn parse_name(name: &str) -> Result<String, &'static str> {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+' | '/');
    let is_one = !name.is_empty() && !name.starts_with('-') && name.chars().all(fits);
    is_one
        .then(|| name.to_owned())
        .ok_or("it has letters, digits and . _ - @ + / only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(aws: bool, stack: Option<&str>, region: Option<&str>) -> Installation {
        Installation {
            aws,
            stack: stack.map(str::to_owned),
            region: region.map(str::to_owned),
            profile: None,
        }
    }

    fn usage_error(installation: &Installation, works: bool, file: bool) -> String {
        installation.check_usage(works, file).unwrap_err().0
    }

    #[test]
    fn options_that_contradict_each_other_are_rejected() {
        assert!(example(false, None, None).check_usage(false, true).is_ok());
        let named = example(true, Some("web"), None);
        assert!(named.check_usage(true, false).is_ok());
        insta::assert_snapshot!(usage_error(&example(true, None, None), false, false), @"--aws is for status, history, show, failed, retry, dismiss, cancel, unlock, doctor and audit: leave it out here");
        insta::assert_snapshot!(usage_error(&example(true, None, None), true, true), @"the record is in a data file or on AWS: leave one of --data and --aws out");
        insta::assert_snapshot!(usage_error(&example(false, Some("web"), None), true, false), @"--stack is about an installation on AWS: add --aws, or leave it out");
        insta::assert_snapshot!(usage_error(&example(false, None, Some("eu-west-1")), true, false), @"--region is about an installation on AWS: add --aws, or leave it out");
    }

    #[test]
    fn the_next_command_goes_to_the_same_installation() {
        assert_eq!(example(false, None, None).command_prefix(), "chatops");
        assert_eq!(example(true, None, None).command_prefix(), "chatops --aws");
        let prefix = example(true, Some("web"), Some("eu-west-1")).command_prefix();
        assert_eq!(prefix, "chatops --aws --stack web --region eu-west-1");
    }

    #[test]
    fn the_stack_has_a_name() {
        let named = |given, environment: Option<&str>| {
            let stack = example(true, given, None).stack_name(|_| environment.map(OsString::from));
            stack.map_err(|usage| usage.0)
        };
        assert_eq!(named(None, None).unwrap(), "chatops");
        assert_eq!(named(None, Some("")).unwrap(), "chatops");
        assert_eq!(named(None, Some("team")).unwrap(), "team");
        assert_eq!(named(Some("web"), Some("team")).unwrap(), "web");
        insta::assert_snapshot!(named(None, Some("a b")).unwrap_err(), @"CHATOPS_STACK: a stack's name begins with a letter and has letters, digits and dashes, 128 at most");
        for bad in ["", "1a", "-a", "a/b", "a\u{1b}", &"a".repeat(129)] {
            assert!(parse_stack(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "-x", "a b", "a;b", "a\u{1b}[2J"] {
            assert!(parse_name(bad).is_err(), "{bad:?}");
        }
    }
}
