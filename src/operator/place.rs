//! Where the record is: in a data file, or in a deployment on AWS. What stands here about AWS is
//! understood by every build, so that one without it can say so.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use clap::Args;

use super::record::Record;
use super::{Usage, words};

/// Below this heading the options stand.
const HEADING: &str = "On AWS (history, show, failed, retry, cancel, doctor, audit verify)";

/// The variable that names the stack.
const STACK: &str = "CHATOPS_STACK";

/// The stack, unless told otherwise.
const USUAL: &str = "chatops";

/// The longest name of a stack.
const LONGEST: usize = 128;

/// Whether it is on AWS, and where there. Credentials come from where the `aws` command has them.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The deployment on AWS instead of a data file
    #[arg(long, global = true, help_heading = HEADING)]
    aws: bool,
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "NAME",
        value_parser = stack,
        help = "The deployment's stack [env: CHATOPS_STACK] [default: chatops]"
    )]
    stack: Option<String>,
    /// Its region [default: as of the `aws` command]
    #[arg(long, global = true, help_heading = HEADING, value_name = "REGION", value_parser = word)]
    region: Option<String>,
    /// The profile that has your credentials [default: as of the `aws` command]
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME", value_parser = word)]
    profile: Option<String>,
}

impl Place {
    /// Refuses what makes no sense together. `works` is whether the command can work on AWS, and
    /// `file` whether a data file was named.
    pub(super) fn check(&self, works: bool, file: bool) -> Result<(), Usage> {
        let options = [
            ("--stack", self.stack.is_some()),
            ("--region", self.region.is_some()),
            ("--profile", self.profile.is_some()),
        ];
        let given = options.into_iter().find(|(_, given)| *given);
        match (self.aws, given) {
            (false, Some((option, _))) => Err(Usage(words::needs_aws(option))),
            (true, _) if !works => Err(Usage(words::NOT_ON_AWS.to_owned())),
            (true, _) if file => Err(Usage(words::FILE_OR_AWS.to_owned())),
            _ => Ok(()),
        }
    }

    /// Whether it is on AWS.
    pub(super) fn is_aws(&self) -> bool {
        self.aws
    }

    /// What a command that is to be typed next begins with.
    pub(super) fn call(&self) -> String {
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

    /// The record: that of the deployment, or of the data file.
    pub(super) fn open(&self, file: &Path) -> Result<Record> {
        if self.aws {
            self.open_aws()
        } else {
            Record::file(file)
        }
    }

    #[cfg(feature = "aws")]
    fn open_aws(&self) -> Result<Record> {
        Ok(Record::Aws(Box::new(self.cloud()?)))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_self, reason = "with the feature it needs it")]
    fn open_aws(&self) -> Result<Record> {
        Err(anyhow::anyhow!(words::BUILT_WITHOUT_AWS))
    }

    /// The way to the deployment.
    #[cfg(feature = "aws")]
    pub(super) fn cloud(&self) -> Result<crate::aws::Cloud> {
        let at = crate::aws::At {
            stack: self.stack(|name| std::env::var_os(name))?,
            region: self.region.clone(),
            profile: self.profile.clone(),
        };
        Ok(crate::aws::Cloud::open(at)?)
    }

    /// The stack: given, of the environment, or the usual one.
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "only AWS has stacks")
    )]
    fn stack(&self, lookup: impl Fn(&str) -> Option<OsString>) -> Result<String, Usage> {
        if let Some(given) = &self.stack {
            return Ok(given.clone());
        }
        match lookup(STACK).filter(|value| !value.is_empty()) {
            None => Ok(USUAL.to_owned()),
            Some(value) => {
                let value = value.to_string_lossy();
                stack(&value).map_err(|why| Usage(format!("{STACK}: {why}")))
            }
        }
    }
}

/// A stack's name, as `CloudFormation` takes one.
fn stack(name: &str) -> Result<String, &'static str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_one = name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(inner);
    is_one.then(|| name.to_owned()).ok_or(
        "a stack's name begins with a letter and has letters, digits and dashes, 128 at most",
    )
}

/// A name that can be shown and typed again as it is.
fn word(name: &str) -> Result<String, &'static str> {
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

    fn place(aws: bool, stack: Option<&str>, region: Option<&str>) -> Place {
        Place {
            aws,
            stack: stack.map(str::to_owned),
            region: region.map(str::to_owned),
            profile: None,
        }
    }

    fn no(place: &Place, works: bool, file: bool) -> String {
        place.check(works, file).unwrap_err().0
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        assert!(place(false, None, None).check(false, true).is_ok());
        assert!(place(true, Some("web"), None).check(true, false).is_ok());
        insta::assert_snapshot!(no(&place(true, None, None), false, false), @"--aws is for history, show, failed, retry, cancel, doctor and audit verify: leave it out here");
        insta::assert_snapshot!(no(&place(true, None, None), true, true), @"the record is in a data file or on AWS: leave one of --data and --aws out");
        insta::assert_snapshot!(no(&place(false, Some("web"), None), true, false), @"--stack is about a deployment on AWS: add --aws, or leave it out");
        insta::assert_snapshot!(no(&place(false, None, Some("eu-west-1")), true, false), @"--region is about a deployment on AWS: add --aws, or leave it out");
    }

    #[test]
    fn the_next_command_goes_to_the_same_place() {
        assert_eq!(place(false, None, None).call(), "chatops");
        assert_eq!(place(true, None, None).call(), "chatops --aws");
        let there = place(true, Some("web"), Some("eu-west-1"));
        assert_eq!(there.call(), "chatops --aws --stack web --region eu-west-1");
    }

    #[test]
    fn the_stack_has_a_name() {
        let named = |given, environment: Option<&str>| {
            let stack = place(true, given, None).stack(|_| environment.map(OsString::from));
            stack.map_err(|usage| usage.0)
        };
        assert_eq!(named(None, None).unwrap(), "chatops");
        assert_eq!(named(None, Some("")).unwrap(), "chatops");
        assert_eq!(named(None, Some("team")).unwrap(), "team");
        assert_eq!(named(Some("web"), Some("team")).unwrap(), "web");
        insta::assert_snapshot!(named(None, Some("a b")).unwrap_err(), @"CHATOPS_STACK: a stack's name begins with a letter and has letters, digits and dashes, 128 at most");
        for bad in ["", "1a", "-a", "a/b", "a\u{1b}", &"a".repeat(129)] {
            assert!(stack(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "-x", "a b", "a;b", "a\u{1b}[2J"] {
            assert!(word(bad).is_err(), "{bad:?}");
        }
    }
}
