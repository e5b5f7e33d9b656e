//! Every sentence that the doctor says: what was found, and how to put it right.

use std::fmt::Display;
use std::path::Path;

use chatops_core::name::{JobName, ProjectName};
use chrono::TimeDelta;
use url::Url;
use uuid::Uuid;

use super::Check;
use super::circleci::Newest;
use crate::operator::out::plain;
use crate::secrets::{BadSecret, Examined};

/// How far the clocks may be apart before it is worth a warning, in seconds.
const APART: i64 = 60;

/// From then on Slack's requests are refused, as they look replayed.
const TOO_FAR: i64 = 300;

const CONFIG: &str = "configuration";
const DATA: &str = "data file";

/// The last line.
pub(super) fn summary(checks: usize, warned: usize, failed: usize) -> String {
    match (warned, failed) {
        (0, 0) => format!("{checks} checks: all is well."),
        (_, 0) => format!("{checks} checks: nothing is wrong, {warned} worth a look."),
        (0, _) => format!("{checks} checks: {failed} to put right."),
        _ => format!("{checks} checks: {failed} to put right, {warned} worth a look."),
    }
}

pub(super) fn config(path: &Path, revision: &str, projects: usize, jobs: usize) -> Check {
    let found = format!("{}, revision {revision}", path.display());
    if jobs == 0 {
        let fix = "add a [projects.<name>.jobs.<name>] table: without one, nobody can deploy";
        return Check::warn(CONFIG, format!("{found}: no job"), fix);
    }
    Check::ok(
        CONFIG,
        format!(
            "{found}: {}, {}",
            count(projects, "project"),
            count(jobs, "job")
        ),
    )
}

fn count(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

pub(super) fn no_config(error: &str) -> Check {
    let fix = "correct it there (`chatops config check` says whether it is right), or name another \
               file with --config";
    Check::fail(CONFIG, plain(error), fix)
}

/// A secret; nothing is said of one that is neither there nor needed.
pub(super) fn secret(secret: &Examined) -> Option<Check> {
    let Examined {
        variable,
        what,
        needed,
        value,
        ..
    } = secret;
    let name = format!("secret {variable}");
    match value {
        Ok(Some(_)) => Some(Check::ok(name, "it is set")),
        Ok(None) if *needed => {
            let fix = format!(
                "put {what} into {variable}, or the path of a file that holds it into {variable}_FILE"
            );
            Some(Check::fail(name, "it is not set", fix))
        }
        Ok(None) => None,
        Err(error) => {
            let fix = match error {
                BadSecret::Both(_) => format!("keep one of {variable} and {variable}_FILE"),
                BadSecret::File { .. } => {
                    "make the file readable for the user that `chatops serve` runs as".to_owned()
                }
                BadSecret::Missing { .. } | BadSecret::Unfit { .. } => {
                    format!("put {what} there")
                }
            };
            Some(Check::fail(name, plain(&error.to_string()), fix))
        }
    }
}

pub(super) fn no_data(path: &Path) -> Check {
    let found = format!("there is none at {} yet", path.display());
    let fix = "start `chatops serve`, which makes it; or name the right one with --data";
    Check::warn(DATA, found, fix)
}

pub(super) fn no_place(directory: &Path) -> Check {
    let found = format!(
        "there is none, and {} cannot be written",
        directory.display()
    );
    let fix = "make the directory, writable for the user that `chatops serve` runs as; or name \
               another file with --data";
    Check::fail(DATA, found, fix)
}

/// The error says what helps.
pub(super) fn bad_data(error: &str) -> Check {
    let error = plain(error);
    if let Some((found, fix)) = error.split_once("; ") {
        return Check::fail(DATA, found, fix);
    }
    let fix = "restore it from a backup, or name another one with --data";
    Check::fail(DATA, error, fix)
}

pub(super) fn read_only(path: &Path) -> Check {
    let found = format!("{}, or its directory, cannot be written", path.display());
    let fix = "make both writable for the user that `chatops serve` runs as, or be that user";
    Check::fail(DATA, found, fix)
}

pub(super) fn integrity(path: &Path, found: &[String]) -> Check {
    let Some(first) = found.first() else {
        return Check::ok(DATA, format!("{}, whole and writable", path.display()));
    };
    let found = format!("{} is damaged: {}", path.display(), plain(first));
    Check::fail(
        DATA,
        found,
        "stop `chatops serve` and restore the file from a backup",
    )
}

pub(super) fn room(free: u64, is_little: bool) -> Check {
    let found = format!("{} MiB free", free / (1024 * 1024));
    if is_little {
        let fix = "make room: on a full disk nothing is accepted";
        Check::warn("disk", found, fix)
    } else {
        Check::ok("disk", found)
    }
}

pub(super) fn reachable(whom: &str, origin: &Url, status: u16) -> Check {
    let name = format!("{whom}'s address");
    if status >= 500 {
        let found = format!(
            "{} answers with trouble of its own ({status})",
            host(origin)
        );
        let fix = format!("wait and look again; {whom} tells of outages on its status page");
        return Check::warn(name, found, fix);
    }
    Check::ok(name, format!("{} answers", host(origin)))
}

pub(super) fn unreachable(whom: &str, origin: &Url, why: &str) -> Check {
    let found = format!("{} cannot be reached: {why}", host(origin));
    let fix = "check the network, DNS and firewall of this machine, and the address in the \
               configuration";
    Check::fail(format!("{whom}'s address"), found, fix)
}

fn host(origin: &Url) -> String {
    origin.as_str().trim_end_matches('/').to_owned()
}

/// How far the other clock is ahead of ours.
pub(super) fn clock(whose: &str, ahead: TimeDelta) -> Check {
    let seconds = ahead.num_seconds();
    let name = format!("clock against {whose}'s");
    let how = if seconds > 0 { "behind" } else { "ahead" };
    let found = match seconds.abs() {
        0..=1 => "the same".to_owned(),
        apart => format!("this machine is {apart} s {how}"),
    };
    let fix = "set this machine's clock, best by NTP: a command whose time is more than 5 minutes \
               off is refused";
    match seconds.abs() {
        apart if apart > TOO_FAR => Check::fail(name, found, fix),
        apart if apart > APART => Check::warn(name, found, fix),
        _ => Check::ok(name, found),
    }
}

const TOKEN: &str = "CircleCI token";

pub(super) fn token(login: &str, name: &str) -> Check {
    let login = plain(login);
    let name = match plain(name) {
        name if name.is_empty() || name == login => String::new(),
        name => format!(" ({name})"),
    };
    Check::ok(TOKEN, format!("it is {login}'s{name}"))
}

pub(super) fn bad_token(said: &str) -> Check {
    let fix = "make a personal API token in CircleCI (User Settings, Personal API Tokens) and put \
               it into CIRCLECI_TOKEN; a project token is not one";
    Check::fail(TOKEN, format!("CircleCI does not take it ({said})"), fix)
}

pub(super) fn token_unknown(said: &str) -> Check {
    let fix = "look again later; if it stays so, make a new personal API token in CircleCI";
    Check::warn(
        TOKEN,
        format!("whose it is cannot be known now ({said})"),
        fix,
    )
}

fn of(project: &ProjectName) -> String {
    format!("project {project}")
}

pub(super) fn project(name: &ProjectName, slug: &str, at: &str, organization: &str) -> Check {
    let found = match plain(organization) {
        none if none.is_empty() => format!("{slug} is {}", plain(at)),
        organization => format!("{slug} is {} of {organization}", plain(at)),
    };
    Check::ok(of(name), found)
}

pub(super) fn no_project(name: &ProjectName, slug: &str, said: &str) -> Check {
    let fix = format!(
        "correct the slug in [projects.{name}], or let the token's owner see the project and set it \
         up in CircleCI"
    );
    Check::fail(
        of(name),
        format!("{slug} is not there for this token ({said})"),
        fix,
    )
}

pub(super) fn project_unknown(name: &ProjectName, slug: &str, why: &str) -> Check {
    let found = format!("whether {slug} is there cannot be known now ({why})");
    Check::warn(of(name), found, "look again later")
}

fn definition_of(project: &ProjectName) -> String {
    format!("pipeline definition of {project}")
}

const WHERE: &str = "CircleCI's Project Settings, Pipelines";

pub(super) fn definition(project: &ProjectName, id: Uuid, name: &str) -> Check {
    Check::ok(
        definition_of(project),
        format!("{id} is there {}", plain(name)).trim_end(),
    )
}

pub(super) fn default_definition(project: &ProjectName, ids: &[String]) -> Check {
    let name = definition_of(project);
    match ids {
        [] => {
            let fix = format!("make one in {WHERE}");
            Check::fail(name, "the project has none, so nothing can be started", fix)
        }
        [_] => Check::ok(name, "the project's only one is used"),
        ids => {
            let found = format!(
                "none is named, and which of {} is used cannot be known",
                ids.len()
            );
            let fix = format!("write definition = \"…\" in the job: {}", ids.join(" or "));
            Check::warn(name, found, fix)
        }
    }
}

pub(super) fn no_definition(project: &ProjectName, id: Uuid, ids: &[String]) -> Check {
    let fix = match ids {
        [] => format!("make one in {WHERE}"),
        ids => format!("write one of those there are: {}", ids.join(", ")),
    };
    Check::fail(definition_of(project), format!("there is no {id}"), fix)
}

pub(super) fn definitions_unknown(project: &ProjectName, why: &str) -> Check {
    let found = format!("whether it is there cannot be known ({why})");
    Check::warn(
        definition_of(project),
        found,
        format!("compare it with {WHERE}"),
    )
}

fn parameters_of(project: &ProjectName, job: &JobName) -> String {
    format!("parameters of {project}/{job}")
}

fn at(newest: &Newest) -> String {
    format!("by pipeline {} on {}", newest.number, plain(&newest.branch))
}

pub(super) fn no_parameters(project: &ProjectName, job: &JobName) -> Check {
    Check::ok(parameters_of(project, job), "it has none")
}

pub(super) fn declared(
    project: &ProjectName,
    job: &JobName,
    all: &[&str],
    newest: &Newest,
) -> Check {
    let found = format!("{} declared, judged {}", all.join(", "), at(newest));
    Check::ok(parameters_of(project, job), found)
}

pub(super) fn undeclared(
    project: &ProjectName,
    job: &JobName,
    missing: &[&str],
    newest: &Newest,
) -> Check {
    let found = format!("{} not declared, judged {}", missing.join(", "), at(newest));
    Check::warn(parameters_of(project, job), found, declare(missing))
}

pub(super) fn parameters_unknown(
    project: &ProjectName,
    job: &JobName,
    all: &[&str],
    why: &impl Display,
) -> Check {
    let found = format!(
        "whether {} are declared cannot be known: {why}",
        all.join(", ")
    );
    Check::warn(parameters_of(project, job), found, declare(all))
}

fn declare(names: &[&str]) -> String {
    format!(
        "see that .circleci/config.yml declares {} below a top-level `parameters:`, on every branch \
         that is deployed",
        names.join(", ")
    )
}

pub(super) fn job_parameters(project: &ProjectName, job: &JobName) -> Check {
    let found = "build parameters need no declaration";
    Check::ok(parameters_of(project, job), found)
}

pub(super) fn job_of_new_config(project: &ProjectName, job: &JobName, newest: &Newest) -> Check {
    let found = format!(
        "the configuration is of version 2.1, judged {}, and trigger = \"job\" starts jobs of \
         version 2 only",
        at(newest)
    );
    let fix = "write trigger = \"pipeline\" and start the job by a pipeline parameter";
    Check::warn(parameters_of(project, job), found, fix)
}

pub(super) fn job_unknown(project: &ProjectName, job: &JobName, why: &str) -> Check {
    let found = format!("whether the configuration is of version 2 cannot be known: {why}");
    let fix =
        "see that .circleci/config.yml says version: 2; trigger = \"job\" starts nothing else";
    Check::warn(parameters_of(project, job), found, fix)
}

const BOT: &str = "Slack bot";

pub(super) fn bot(user: &str, team: &str) -> Check {
    Check::ok(BOT, format!("{} in {}", plain(user), plain(team)))
}

pub(super) fn bad_bot(error: &str) -> Check {
    let fix = "copy the Bot User OAuth Token of the installed app into SLACK_BOT_TOKEN, or take the \
               variable out";
    Check::fail(
        BOT,
        format!("Slack does not take its token ({})", plain(error)),
        fix,
    )
}

pub(super) fn bot_unknown(said: &str) -> Check {
    Check::warn(
        BOT,
        format!("cannot be known now ({said})"),
        "look again later",
    )
}

#[cfg(test)]
mod tests;
