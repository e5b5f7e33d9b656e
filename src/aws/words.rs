//! Every sentence about AWS that the command line says, but for the doctor's.

use std::fmt::Display;

use chatops_aws::operator::{Kind, Trouble};

use super::NoLogin;
use crate::operator::plain;

/// Letters that are still in hand.
pub(super) const NOT_GIVEN_BACK: &str =
    "the dead letters were looked at, and come into sight again in five minutes by themselves";

/// Nobody is known to AWS.
pub(super) fn no_login(why: &NoLogin) -> String {
    let sign_in = |profile: &Option<String>| match profile {
        Some(profile) => format!("aws sso login --profile {}", plain(profile)),
        None => "aws sso login".to_owned(),
    };
    match why {
        NoLogin::Settings(error) => error.to_string(),
        NoLogin::NoRegion => "nobody says in which region the deployment is: name it with --region, \
                              AWS_REGION or the profile's `region`"
            .to_owned(),
        NoLogin::None { profile: None } => {
            "there are no AWS credentials: name a profile with --profile (`aws configure list-profiles` \
             shows them), or sign in with `aws sso login`"
                .to_owned()
        }
        NoLogin::None { profile: Some(profile) } => format!(
            "the profile {} has no AWS credentials: `aws configure list-profiles` shows which there \
             are, `aws configure --profile NAME` makes one",
            plain(profile)
        ),
        NoLogin::Sso { profile, why } => format!(
            "the sign-on to AWS has run out or was never made: {} ({})",
            sign_in(profile),
            plain(why)
        ),
        NoLogin::Broken(why) => format!(
            "the AWS credentials cannot be had: {}. `aws sts get-caller-identity` says whether the \
             `aws` command has the same trouble",
            plain(why.trim_end_matches('.'))
        ),
    }
}

/// A call that was of no use.
pub(super) fn trouble(
    trouble: &Trouble,
    stack: &str,
    region: &str,
    profile: Option<&str>,
) -> String {
    let said = plain(&trouble.words);
    match trouble.kind {
        Kind::Missing => format!(
            "there is no stack {stack} in {region}, or not for these credentials: its table or queue \
             is not there ({said}). Name the right one with --stack, --region and --profile"
        ),
        Kind::Denied => {
            let action = trouble.action.map(str::to_owned);
            let action = action.or_else(|| denied(&trouble.words).map(plain));
            let action = action.unwrap_or_else(|| "to do this".to_owned());
            format!(
                "the right {action} is missing: README, \"The command line on AWS\", lists the rights \
                 of each command ({said})"
            )
        }
        Kind::Credentials => {
            let profile = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
            format!(
                "AWS does not take these credentials ({said}): sign in again, such as with `aws sso \
                 login{profile}`"
            )
        }
        Kind::Other => format!("AWS cannot be used: {said}"),
    }
}

/// The right that AWS names when it says no.
fn denied(words: &str) -> Option<&str> {
    let (_, behind) = words.split_once("not authorized to perform: ")?;
    behind.split_whitespace().next()
}

/// A message that may be in the queue.
pub(super) fn perhaps_sent(why: &impl Display) -> String {
    format!(
        "{}. See what became of the deploy before you wish it again",
        plain(&why.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> String {
        trouble(&Trouble::of_words(words), "web", "eu-west-1", Some("ops"))
    }

    #[test]
    fn trouble_names_its_fix() {
        insta::assert_snapshot!(said("ResourceNotFoundException: Requested resource not found"), @"there is no stack web in eu-west-1, or not for these credentials: its table or queue is not there (ResourceNotFoundException: Requested resource not found). Name the right one with --stack, --region and --profile");
        insta::assert_snapshot!(said("AccessDeniedException: User: arn:aws:iam::123456789012:user/ada is not authorized to perform: dynamodb:Query on resource: x"), @r#"the right dynamodb:Query is missing: README, "The command line on AWS", lists the rights of each command (AccessDeniedException: User: arn:aws:iam::123456789012:user/ada is not authorized to perform: dynamodb:Query on resource: x)"#);
        insta::assert_snapshot!(said("ExpiredTokenException: The security token included in the request is expired"), @"AWS does not take these credentials (ExpiredTokenException: The security token included in the request is expired): sign in again, such as with `aws sso login --profile ops`");
        insta::assert_snapshot!(said("no answer in time"), @"AWS cannot be used: no answer in time");
    }

    #[test]
    fn who_is_not_signed_in_is_told_how() {
        let profile = Some("ops".to_owned());
        let why = "the SSO token has expired and cannot be refreshed".to_owned();
        insta::assert_snapshot!(no_login(&NoLogin::Sso { profile: profile.clone(), why: why.clone() }), @"the sign-on to AWS has run out or was never made: aws sso login --profile ops (the SSO token has expired and cannot be refreshed)");
        insta::assert_snapshot!(no_login(&NoLogin::Sso { profile: None, why }), @"the sign-on to AWS has run out or was never made: aws sso login (the SSO token has expired and cannot be refreshed)");
        insta::assert_snapshot!(no_login(&NoLogin::None { profile }), @"the profile ops has no AWS credentials: `aws configure list-profiles` shows which there are, `aws configure --profile NAME` makes one");
        insta::assert_snapshot!(no_login(&NoLogin::None { profile: None }), @"there are no AWS credentials: name a profile with --profile (`aws configure list-profiles` shows them), or sign in with `aws sso login`");
        insta::assert_snapshot!(no_login(&NoLogin::NoRegion), @"nobody says in which region the deployment is: name it with --region, AWS_REGION or the profile's `region`");
        insta::assert_snapshot!(no_login(&NoLogin::Broken("exited with code 1.".to_owned())), @"the AWS credentials cannot be had: exited with code 1. `aws sts get-caller-identity` says whether the `aws` command has the same trouble");
    }
}
