//! The doctor on AWS: what it found of an installation, and the fix.

use chatops_aws::AwsError;
use chatops_aws::operator::inspect::QueueState;
use chatops_core::ports::{PortErrorKind, QueueName};

use super::DoctorCheck as Check;
use crate::aws::InstallationReport;
use crate::operator::text::plural;
use crate::output::sanitize;

/// The fix of a changed stack.
const DEPLOY_AGAIN: &str = "deploy the stack again from this version's template";

/// The checks of an installation.
pub(super) fn aws_checks(found: &InstallationReport) -> Vec<Check> {
    let mut checks = vec![credentials_check(&found.caller_arn, &found.region)];
    let (name, table) = &found.table;
    checks.push(table_check(name, table));
    // A missing table has no recovery.
    let is_missing = |error: &AwsError| error.kind == PortErrorKind::Missing;
    if !table.as_ref().is_err_and(is_missing) {
        checks.push(recovery_check(&found.recovery));
    }
    let queues = found.queues.iter();
    checks.extend(queues.map(|(queue, name, state)| queue_check(*queue, name, state)));
    let secrets = found.secrets.iter();
    checks.extend(secrets.map(|(name, found)| secret_check(name, found)));
    checks
}

/// Without credentials there is no other check; the error contains the fix.
pub(super) fn not_signed_in(error: &str) -> Check {
    Check::fail("credentials", "nobody is signed in to AWS", sanitize(error))
}

/// What could not be read: a permission is missing, or the call failed.
fn unknown_check(name: String, error: &AwsError) -> Check {
    let action = error.action.unwrap_or("the permission to read it");
    let said = sanitize(&error.message);
    match error.kind {
        PortErrorKind::Denied => {
            let found = format!("its state is not known: you may not use {action}");
            Check::warn(name, found, format!("use credentials that have {action}"))
        }
        PortErrorKind::Unauthenticated => Check::fail(
            name,
            format!("AWS rejects these credentials: {said}"),
            "sign in again, such as with `aws sso login`",
        ),
        _ => {
            let fix = "check the network and AWS_ENDPOINT_URL, and try again";
            Check::fail(name, format!("{action} failed: {said}"), fix)
        }
    }
}

fn credentials_check(who: &Result<String, AwsError>, region: &str) -> Check {
    let name = "credentials";
    match who {
        Ok(arn) => {
            let found = format!("you are {}, in {}", sanitize(arn), sanitize(region));
            Check::ok(name, found)
        }
        Err(error) => unknown_check(name.to_owned(), error),
    }
}

fn table_check(table: &str, found: &Result<Vec<String>, AwsError>) -> Check {
    let name = format!("table {table}");
    match found {
        Ok(differences) if differences.is_empty() => {
            Check::ok(name, "its keys and indexes are as in the template")
        }
        Ok(differences) => Check::fail(name, sanitize(&differences.join("; ")), DEPLOY_AGAIN),
        Err(error) => missing_check(name, error),
    }
}

fn recovery_check(found: &Result<bool, AwsError>) -> Check {
    let name = "point-in-time recovery".to_owned();
    match found {
        Ok(true) => Check::ok(name, "it is on"),
        Ok(false) => {
            let found = "it is off: a damaged table cannot be restored";
            Check::warn(name, found, DEPLOY_AGAIN)
        }
        Err(error) => unknown_check(name, error),
    }
}

fn queue_check(queue: QueueName, full: &str, found: &Result<QueueState, AwsError>) -> Check {
    let name = format!("queue {full}");
    let state = match found {
        Ok(state) => state,
        Err(error) => return missing_check(name, error),
    };
    let depth = match state.depth {
        0 => "it is empty".to_owned(),
        n => format!("it has {}", plural(n, "message")),
    };
    if !state.has_redrive {
        let found = format!("it has no dead-letter queue; {depth}");
        return Check::fail(name, found, DEPLOY_AGAIN);
    }
    match queue {
        QueueName::WorkDlq if state.depth > 0 => Check::warn(
            name,
            depth,
            "see `chatops --aws failed`, and `chatops --aws retry --all --dry-run`",
        ),
        QueueName::NotifyDlq if state.depth > 0 => Check::warn(
            name,
            depth,
            "the notifier's log says why; to retry them, redrive them to the notify queue",
        ),
        _ => Check::ok(name, depth),
    }
}

fn secret_check(secret: &str, there: &Result<(), AwsError>) -> Check {
    let name = format!("secret {secret}");
    match there {
        Ok(()) => Check::ok(name, "it exists (its value was not read)"),
        // Without a bot only late notifications are missing.
        Err(error) if error.kind == PortErrorKind::Missing && secret.ends_with("/slack-bot") => {
            Check::warn(
                name,
                "it does not exist: a deploy that ends later than 29 minutes after its command is not notified",
                "create it, with the app's bot token in `slack_bot_token`",
            )
        }
        Err(error) => missing_check(name, error),
    }
}

/// A missing resource, or another error.
fn missing_check(name: String, error: &AwsError) -> Check {
    if error.kind == PortErrorKind::Missing {
        let found = format!("it does not exist ({})", sanitize(&error.message));
        let fix = "name the right stack with --stack, --region and --profile, or deploy it";
        return Check::fail(name, found, fix);
    }
    unknown_check(name, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::doctor::CheckLevel;

    fn aws_error(kind: PortErrorKind, message: &str) -> AwsError {
        AwsError {
            action: Some("sqs:GetQueueAttributes"),
            kind,
            message: message.to_owned(),
        }
    }

    fn check_line(check: &Check) -> String {
        let Check {
            name, level, found, ..
        } = check;
        let fix = check.fix.as_deref().unwrap_or("-");
        format!("{level:?} {name}: {found} | {fix}")
    }

    #[test]
    fn a_missing_permission_is_a_warning() {
        let said = "AccessDenied: User: arn:aws:iam::1:user/ada is not authorized";
        let denied = aws_error(PortErrorKind::Denied, said);
        let check = queue_check(QueueName::Work, "web-work", &Err(denied.clone()));
        assert_eq!(check.level, CheckLevel::Warn);
        insta::assert_snapshot!(check_line(&check), @"Warn queue web-work: its state is not known: you may not use sqs:GetQueueAttributes | use credentials that have sqs:GetQueueAttributes");
        for check in [
            table_check("web-ledger", &Err(denied.clone())),
            recovery_check(&Err(denied.clone())),
            secret_check("web/inbound", &Err(denied.clone())),
            secret_check("web/slack-bot", &Err(denied)),
        ] {
            assert_eq!(check.level, CheckLevel::Warn, "{check:?}");
        }
    }

    #[test]
    fn each_failure_has_its_fix() {
        let state = |depth, redrives| {
            Ok(QueueState {
                depth,
                has_redrive: redrives,
            })
        };
        let missing = || {
            aws_error(
                PortErrorKind::Missing,
                "ResourceNotFoundException: no such thing",
            )
        };
        let checks = [
            credentials_check(&Ok("arn:aws:iam::1:user/ada".to_owned()), "eu-west-1"),
            credentials_check(
                &Err(aws_error(
                    PortErrorKind::Unauthenticated,
                    "ExpiredToken: too late",
                )),
                "eu-west-1",
            ),
            table_check("web-ledger", &Ok(vec![])),
            table_check(
                "web-ledger",
                &Ok(vec!["the index due is missing".to_owned()]),
            ),
            table_check("web-ledger", &Err(missing())),
            recovery_check(&Ok(true)),
            recovery_check(&Ok(false)),
            queue_check(QueueName::Work, "web-work", &state(0, true)),
            queue_check(QueueName::Work, "web-work", &state(1, false)),
            queue_check(QueueName::WorkDlq, "web-work-dlq", &state(2, true)),
            queue_check(QueueName::NotifyDlq, "web-notify-dlq", &state(2, true)),
            queue_check(
                QueueName::Notify,
                "web-notify",
                &Err(aws_error(PortErrorKind::Unavailable, "no answer in time")),
            ),
            secret_check("web/inbound", &Ok(())),
            secret_check("web/inbound", &Err(missing())),
            secret_check("web/slack-bot", &Err(missing())),
        ];
        let lines: Vec<String> = checks.iter().map(check_line).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        Ok credentials: you are arn:aws:iam::1:user/ada, in eu-west-1 | -
        Fail credentials: AWS rejects these credentials: ExpiredToken: too late | sign in again, such as with `aws sso login`
        Ok table web-ledger: its keys and indexes are as in the template | -
        Fail table web-ledger: the index due is missing | deploy the stack again from this version's template
        Fail table web-ledger: it does not exist (ResourceNotFoundException: no such thing) | name the right stack with --stack, --region and --profile, or deploy it
        Ok point-in-time recovery: it is on | -
        Warn point-in-time recovery: it is off: a damaged table cannot be restored | deploy the stack again from this version's template
        Ok queue web-work: it is empty | -
        Fail queue web-work: it has no dead-letter queue; it has 1 message | deploy the stack again from this version's template
        Warn queue web-work-dlq: it has 2 messages | see `chatops --aws failed`, and `chatops --aws retry --all --dry-run`
        Warn queue web-notify-dlq: it has 2 messages | the notifier's log says why; to retry them, redrive them to the notify queue
        Fail queue web-notify: sqs:GetQueueAttributes failed: no answer in time | check the network and AWS_ENDPOINT_URL, and try again
        Ok secret web/inbound: it exists (its value was not read) | -
        Fail secret web/inbound: it does not exist (ResourceNotFoundException: no such thing) | name the right stack with --stack, --region and --profile, or deploy it
        Warn secret web/slack-bot: it does not exist: a deploy that ends later than 29 minutes after its command is not notified | create it, with the app's bot token in `slack_bot_token`
        ");
    }
}
