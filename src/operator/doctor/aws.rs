//! The doctor on AWS: what was found of a deployment, and how to put it right.

use chatops_aws::operator::inspect::QueueState;
use chatops_aws::operator::{Kind, Trouble};
use chatops_core::ports::Lane;

use super::Check;
use crate::aws::Examined;
use crate::operator::out::plain;

/// What puts a deployment back as it has to be.
const DEPLOY_AGAIN: &str = "deploy the stack again from this version's template";

/// What each thing comes to.
pub(super) fn checks(found: &Examined) -> Vec<Check> {
    let mut checks = vec![credentials(&found.who, &found.region)];
    let (name, table) = &found.table;
    checks.push(ledger(name, table));
    // There is nothing to bring back of a table that is not there.
    if !table
        .as_ref()
        .is_err_and(|trouble| trouble.kind == Kind::Missing)
    {
        checks.push(recovery(&found.recovery));
    }
    checks.extend(
        found
            .queues
            .iter()
            .map(|(lane, name, state)| queue(*lane, name, state)),
    );
    checks.extend(
        found
            .secrets
            .iter()
            .map(|(name, there)| secret(name, there)),
    );
    checks
}

/// Without credentials nothing can be asked; the words say what helps.
pub(super) fn no_login(error: &str) -> Check {
    Check::fail("credentials", "nobody is signed in to AWS", plain(error))
}

/// What cannot be known for want of a right, or went wrong on the way.
fn unknown(name: String, trouble: &Trouble) -> Check {
    let action = trouble.action.unwrap_or("the right to look");
    let said = plain(&trouble.words);
    match trouble.kind {
        Kind::Denied => {
            let found = format!("it cannot be known: you have no right to {action}");
            Check::warn(
                name,
                found,
                format!("look with credentials that have {action}"),
            )
        }
        Kind::Credentials => Check::fail(
            name,
            format!("AWS does not take these credentials: {said}"),
            "sign in again, such as with `aws sso login`",
        ),
        Kind::Missing | Kind::Other => Check::fail(
            name,
            format!("{action} failed: {said}"),
            "check the network and AWS_ENDPOINT_URL, and look again",
        ),
    }
}

fn credentials(who: &Result<String, Trouble>, region: &str) -> Check {
    let name = "credentials";
    match who {
        Ok(arn) => Check::ok(
            name,
            format!("you are {}, in {}", plain(arn), plain(region)),
        ),
        Err(trouble) => unknown(name.to_owned(), trouble),
    }
}

fn ledger(table: &str, found: &Result<Vec<String>, Trouble>) -> Check {
    let name = format!("table {table}");
    match found {
        Ok(differences) if differences.is_empty() => {
            Check::ok(name, "its keys and indexes are right")
        }
        Ok(differences) => Check::fail(name, plain(&differences.join("; ")), DEPLOY_AGAIN),
        Err(trouble) => missing(name, trouble),
    }
}

fn recovery(found: &Result<bool, Trouble>) -> Check {
    let name = "point-in-time recovery".to_owned();
    match found {
        Ok(true) => Check::ok(name, "it is on"),
        Ok(false) => Check::warn(
            name,
            "it is off: a table that somebody spoils cannot be brought back",
            DEPLOY_AGAIN,
        ),
        Err(trouble) => unknown(name, trouble),
    }
}

fn queue(lane: Lane, queue: &str, found: &Result<QueueState, Trouble>) -> Check {
    let name = format!("queue {queue}");
    let state = match found {
        Ok(state) => state,
        Err(trouble) => return missing(name, trouble),
    };
    let depth = match state.depth {
        0 => "nothing waits in it".to_owned(),
        1 => "1 message waits in it".to_owned(),
        n => format!("{n} messages wait in it"),
    };
    if !state.redrives {
        let found =
            format!("what is received too often does not go to a dead-letter queue; {depth}");
        return Check::fail(name, found, DEPLOY_AGAIN);
    }
    match lane {
        Lane::WorkDead if state.depth > 0 => Check::warn(
            name,
            depth,
            "see `chatops --aws failed`, and `chatops --aws retry --all --dry-run`",
        ),
        Lane::NoticeDead if state.depth > 0 => Check::warn(
            name,
            depth,
            "the notifier's log says why; sent back to the notice queue they are tried again",
        ),
        _ => Check::ok(name, depth),
    }
}

fn secret(secret: &str, there: &Result<(), Trouble>) -> Check {
    let name = format!("secret {secret}");
    match there {
        Ok(()) => Check::ok(name, "it is there (its value was not read)"),
        // Without a bot everything but the late posts works.
        Err(trouble) if trouble.kind == Kind::Missing && secret.ends_with("/slack-bot") => {
            Check::warn(
                name,
                "it is not there: what ends later than 29 minutes after its command is not told",
                "make it, with the app's bot token in `slack_bot_token`",
            )
        }
        Err(trouble) => missing(name, trouble),
    }
}

/// What is not there, if it is that.
fn missing(name: String, trouble: &Trouble) -> Check {
    if trouble.kind == Kind::Missing {
        let found = format!("it is not there ({})", plain(&trouble.words));
        let fix = "name the right one with --stack, --region and --profile, or deploy the stack";
        return Check::fail(name, found, fix);
    }
    unknown(name, trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::doctor::Level;

    fn trouble(words: &str) -> Trouble {
        Trouble {
            action: Some("sqs:GetQueueAttributes"),
            ..Trouble::of_words(words)
        }
    }

    fn said(check: &Check) -> String {
        let Check {
            name, level, found, ..
        } = check;
        let fix = check.fix.as_deref().unwrap_or("-");
        format!("{level:?} {name}: {found} | {fix}")
    }

    #[test]
    fn what_may_not_be_looked_at_is_not_wrong() {
        let denied = trouble("AccessDenied: User: arn:aws:iam::1:user/ada is not authorized");
        let check = queue(Lane::Work, "web-work", &Err(denied.clone()));
        assert_eq!(check.level, Level::Warn);
        insta::assert_snapshot!(said(&check), @"Warn queue web-work: it cannot be known: you have no right to sqs:GetQueueAttributes | look with credentials that have sqs:GetQueueAttributes");
        for check in [
            ledger("web-ledger", &Err(denied.clone())),
            recovery(&Err(denied.clone())),
            secret("web/inbound", &Err(denied.clone())),
            secret("web/slack-bot", &Err(denied)),
        ] {
            assert_eq!(check.level, Level::Warn, "{check:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_fix() {
        let state = |depth, redrives| Ok(QueueState { depth, redrives });
        let missing = || trouble("ResourceNotFoundException: no such thing");
        let checks = [
            credentials(&Ok("arn:aws:iam::1:user/ada".to_owned()), "eu-west-1"),
            credentials(&Err(trouble("ExpiredToken: too late")), "eu-west-1"),
            ledger("web-ledger", &Ok(vec![])),
            ledger(
                "web-ledger",
                &Ok(vec!["the index due is missing".to_owned()]),
            ),
            ledger("web-ledger", &Err(missing())),
            recovery(&Ok(true)),
            recovery(&Ok(false)),
            queue(Lane::Work, "web-work", &state(0, true)),
            queue(Lane::Work, "web-work", &state(1, false)),
            queue(Lane::WorkDead, "web-work-dead", &state(2, true)),
            queue(Lane::NoticeDead, "web-notice-dead", &state(2, true)),
            queue(
                Lane::Notice,
                "web-notice",
                &Err(trouble("no answer in time")),
            ),
            secret("web/inbound", &Ok(())),
            secret("web/inbound", &Err(missing())),
            secret("web/slack-bot", &Err(missing())),
        ];
        let lines: Vec<String> = checks.iter().map(said).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        Ok credentials: you are arn:aws:iam::1:user/ada, in eu-west-1 | -
        Fail credentials: AWS does not take these credentials: ExpiredToken: too late | sign in again, such as with `aws sso login`
        Ok table web-ledger: its keys and indexes are right | -
        Fail table web-ledger: the index due is missing | deploy the stack again from this version's template
        Fail table web-ledger: it is not there (ResourceNotFoundException: no such thing) | name the right one with --stack, --region and --profile, or deploy the stack
        Ok point-in-time recovery: it is on | -
        Warn point-in-time recovery: it is off: a table that somebody spoils cannot be brought back | deploy the stack again from this version's template
        Ok queue web-work: nothing waits in it | -
        Fail queue web-work: what is received too often does not go to a dead-letter queue; 1 message waits in it | deploy the stack again from this version's template
        Warn queue web-work-dead: 2 messages wait in it | see `chatops --aws failed`, and `chatops --aws retry --all --dry-run`
        Warn queue web-notice-dead: 2 messages wait in it | the notifier's log says why; sent back to the notice queue they are tried again
        Fail queue web-notice: sqs:GetQueueAttributes failed: no answer in time | check the network and AWS_ENDPOINT_URL, and look again
        Ok secret web/inbound: it is there (its value was not read) | -
        Fail secret web/inbound: it is not there (ResourceNotFoundException: no such thing) | name the right one with --stack, --region and --profile, or deploy the stack
        Warn secret web/slack-bot: it is not there: what ends later than 29 minutes after its command is not told | make it, with the app's bot token in `slack_bot_token`
        ");
    }
}
