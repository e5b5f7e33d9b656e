//! Every sentence about AWS that the command line says, but for the doctor's.

use std::fmt::Display;

use chatops_aws::AwsError;
use chatops_core::ports::PortErrorKind;

use super::LoginError;
use crate::output::sanitize;

/// There are no credentials.
pub(super) fn login_error(why: &LoginError) -> String {
    let sign_in = |profile: &Option<String>| match profile {
        Some(profile) => format!("aws sso login --profile {}", sanitize(profile)),
        None => "aws sso login".to_owned(),
    };
    match why {
        LoginError::Settings(error) => error.to_string(),
        LoginError::NoRegion => "nobody says in which region the deployment is: name it with --region, \
                              AWS_REGION or the profile's `region`"
            .to_owned(),
        LoginError::Missing { profile: None } => {
            "there are no AWS credentials: name a profile with --profile (`aws configure list-profiles` \
             shows them), or sign in with `aws sso login`"
                .to_owned()
        }
        LoginError::Missing { profile: Some(profile) } => format!(
            "the profile {} has no AWS credentials: `aws configure list-profiles` shows which there \
             are, `aws configure --profile NAME` makes one",
            sanitize(profile)
        ),
        LoginError::Sso { profile, why } => format!(
            "the sign-on to AWS has run out or was never made: {} ({})",
            sign_in(profile),
            sanitize(why)
        ),
        LoginError::Unavailable(why) => format!(
            "the AWS credentials cannot be had: {}. `aws sts get-caller-identity` says whether the \
             `aws` command has the same trouble",
            sanitize(why.trim_end_matches('.'))
        ),
    }
}

/// A failed call.
pub(super) fn aws_error(
    error: &AwsError,
    stack: &str,
    region: &str,
    profile: Option<&str>,
) -> String {
    let said = sanitize(&error.message);
    match error.kind {
        PortErrorKind::Missing => format!(
            "there is no stack {stack} in {region}, or not for these credentials: its table or queue \
             is not there ({said}). Name the right one with --stack, --region and --profile"
        ),
        PortErrorKind::Denied => {
            let action = error.action.unwrap_or("to do this");
            format!(
                "the right {action} is missing: docs/aws.md, \"Who may do what\", lists the rights \
                 of each command ({said})"
            )
        }
        PortErrorKind::Unauthenticated => {
            let profile = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
            format!(
                "AWS does not take these credentials ({said}): sign in again, such as with `aws sso \
                 login{profile}`"
            )
        }
        _ => format!("AWS cannot be used: {said}"),
    }
}

/// A message of which it is unknown whether it is queued.
pub(super) fn send_unknown(why: &impl Display) -> String {
    format!(
        "{}. See what became of the deploy before you send it again",
        sanitize(&why.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws_error_text(kind: PortErrorKind, message: &str) -> String {
        let error = AwsError {
            action: Some("dynamodb:Query"),
            kind,
            message: message.to_owned(),
        };
        aws_error(&error, "web", "eu-west-1", Some("ops"))
    }

    #[test]
    fn an_error_names_its_fix() {
        insta::assert_snapshot!(aws_error_text(PortErrorKind::Missing, "ResourceNotFoundException: Requested resource not found"), @"there is no stack web in eu-west-1, or not for these credentials: its table or queue is not there (ResourceNotFoundException: Requested resource not found). Name the right one with --stack, --region and --profile");
        insta::assert_snapshot!(aws_error_text(PortErrorKind::Denied, "AccessDeniedException: User: arn:aws:iam::123456789012:user/ada is not authorized to perform: dynamodb:Query on resource: x"), @r#"the right dynamodb:Query is missing: docs/aws.md, "Who may do what", lists the rights of each command (AccessDeniedException: User: arn:aws:iam::123456789012:user/ada is not authorized to perform: dynamodb:Query on resource: x)"#);
        insta::assert_snapshot!(aws_error_text(PortErrorKind::Unauthenticated, "ExpiredTokenException: The security token included in the request is expired"), @"AWS does not take these credentials (ExpiredTokenException: The security token included in the request is expired): sign in again, such as with `aws sso login --profile ops`");
        insta::assert_snapshot!(aws_error_text(PortErrorKind::Unavailable, "no answer in time"), @"AWS cannot be used: no answer in time");
    }

    #[test]
    fn a_login_error_names_its_fix() {
        let profile = Some("ops".to_owned());
        let why = "the SSO token has expired and cannot be refreshed".to_owned();
        insta::assert_snapshot!(login_error(&LoginError::Sso { profile: profile.clone(), why: why.clone() }), @"the sign-on to AWS has run out or was never made: aws sso login --profile ops (the SSO token has expired and cannot be refreshed)");
        insta::assert_snapshot!(login_error(&LoginError::Sso { profile: None, why }), @"the sign-on to AWS has run out or was never made: aws sso login (the SSO token has expired and cannot be refreshed)");
        insta::assert_snapshot!(login_error(&LoginError::Missing { profile }), @"the profile ops has no AWS credentials: `aws configure list-profiles` shows which there are, `aws configure --profile NAME` makes one");
        insta::assert_snapshot!(login_error(&LoginError::Missing { profile: None }), @"there are no AWS credentials: name a profile with --profile (`aws configure list-profiles` shows them), or sign in with `aws sso login`");
        insta::assert_snapshot!(login_error(&LoginError::NoRegion), @"nobody says in which region the deployment is: name it with --region, AWS_REGION or the profile's `region`");
        insta::assert_snapshot!(login_error(&LoginError::Unavailable("exited with code 1.".to_owned())), @"the AWS credentials cannot be had: exited with code 1. `aws sts get-caller-identity` says whether the `aws` command has the same trouble");
    }
}
