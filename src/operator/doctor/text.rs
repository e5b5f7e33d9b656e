//! The texts of the doctor: what it found, and the fix.

mod serving;
mod slack;
mod workflows;

use std::fmt::Display;
use std::path::Path;

use chatops_core::config::ConfigError;
use chatops_core::name::{JobName, ProjectName};
use chatops_core::ports::SecretName;
use chrono::TimeDelta;
use url::Url;
use uuid::Uuid;

pub(super) use self::serving::{
    another_server, public_other, public_reached, public_unreachable, serve_down, serve_unhealthy,
    serve_up,
};
pub(super) use self::slack::{
    CardPlaces, announcements, announcements_on_aws, announcements_without_bot, bot_ok,
    bot_outside, bot_rejected, bot_unknown, card_channels, cards_without_bot, scopes,
};
pub(super) use self::workflows::{
    autocancel_off, autocancel_on, autocancel_unknown, dynamic_ok, dynamic_undeclared,
    every_workflow, must_run_missing, workflow_missing, workflow_ok, workflow_unknown,
};
use super::DoctorCheck as Check;
use super::parameters::NewestConfig;
use crate::operator::text::plural;
use crate::output::sanitize;
use chatops_local::secrets::{BadSecret, ExaminedSecret};

/// A job: its project and its name.
type JobKey<'a> = (&'a ProjectName, &'a JobName);

/// The difference of the clocks from which on it warns, in seconds.
const CLOCK_WARN: i64 = 60;

/// The difference from which on Slack's requests are rejected as replays.
const CLOCK_FAIL: i64 = 300;

pub(super) const SLACK_IS_LOCAL: &str =
    "--slack checks the bot of this machine's configuration; on AWS the doctor reads no secret";

const CONFIG: &str = "configuration";
const DATA: &str = "data file";

pub(super) fn summary(checks: usize, warned: usize, failed: usize) -> String {
    match (warned, failed) {
        (0, 0) => format!("{checks} checks: all ok."),
        (_, 0) => format!("{checks} checks: {warned} to review."),
        (0, _) => format!("{checks} checks: {failed} to fix."),
        _ => format!("{checks} checks: {failed} to fix, {warned} to review."),
    }
}

pub(super) fn config_state(path: &Path, revision: &str, projects: usize, jobs: usize) -> Check {
    let found = format!("{}, revision {revision}", path.display());
    if jobs == 0 {
        let fix = "add a [projects.<name>.jobs.<name>] table: without one, nobody can deploy";
        return Check::warn(CONFIG, format!("{found}: no job"), fix);
    }
    let projects = plural(projects, "project");
    let found = format!("{found}: {projects}, {}", plural(jobs, "job"));
    Check::ok(CONFIG, found)
}

pub(super) fn config_open(path: &Path, mode: u32) -> Check {
    let found = format!(
        "{} can be changed by everybody (mode {mode:04o})",
        path.display()
    );
    let fix = "chmod o-w: it says who may deploy";
    Check::warn("configuration's mode", found, fix)
}

pub(super) fn data_open(path: &Path, mode: u32) -> Check {
    let found = format!("{} is open to others (mode {mode:04o})", path.display());
    let fix = "chmod 600: it holds response URLs; `chatops serve` does so when it starts";
    Check::warn("data file's mode", found, fix)
}

/// The first mistake, and how many more there are.
pub(super) fn config_invalid(error: &ConfigError) -> Check {
    let mut mistakes = error.mistakes.iter().map(ToString::to_string);
    let first = mistakes.next().unwrap_or_default();
    let found = match mistakes.count() {
        0 => first,
        more => format!("{first} (and {} more)", plural(more, "mistake")),
    };
    let fix = "correct the file: `chatops config check` shows every mistake with its line";
    Check::fail(CONFIG, sanitize(&found), fix)
}

pub(super) fn config_missing(path: &Path) -> Check {
    let path = path.display();
    let fix =
        format!("create it: `chatops config init {path}`; or name another file with --config");
    Check::fail(CONFIG, format!("there is no file {path}"), fix)
}

pub(super) fn config_unreadable(error: &str) -> Check {
    let fix =
        "make the file readable for the user that runs this, or name another one with --config";
    Check::fail(CONFIG, sanitize(error), fix)
}

/// A secret; `None` if it is neither set nor required.
pub(super) fn secret_state(secret: &ExaminedSecret) -> Option<Check> {
    let ExaminedSecret {
        variable,
        description,
        is_required,
        value,
        ..
    } = secret;
    let name = format!("secret {variable}");
    match value {
        Ok(Some(_)) if secret.secret == SecretName::SlackVerification => {
            let found = "it is set: whoever knows it can send unsigned commands in anybody's name";
            let fix = "give the command to a Slack app with a signing secret, and remove the token";
            Some(Check::warn(name, found, fix))
        }
        Ok(Some(_)) => Some(match secret.open_mode {
            Some(mode) => {
                let found = format!("it is set, and its file is open to others (mode {mode:04o})");
                let fix = "let only its owner and the group of the service read it: chmod 640";
                Check::warn(name, found, fix)
            }
            None => Check::ok(name, "it is set"),
        }),
        Ok(None) if *is_required => {
            let fix = format!(
                "put {description} into {variable}, or the path of a file that holds it into {variable}_FILE"
            );
            Some(Check::fail(name, "it is not set", fix))
        }
        Ok(None) => None,
        Err(error) => {
            let fix = match error {
                BadSecret::BothSet(_) => format!("keep one of {variable} and {variable}_FILE"),
                BadSecret::NotThere { .. } if !is_required => {
                    let fix = format!("put {description} there; that needs no restart");
                    return Some(Check::warn(name, sanitize(&error.to_string()), fix));
                }
                BadSecret::NotThere { .. } => format!("create it, with {description} in it"),
                BadSecret::Unreadable { .. } => {
                    "make the file readable for the user that `chatops serve` runs as".to_owned()
                }
                BadSecret::Missing { .. } | BadSecret::Invalid { .. } => {
                    format!("put {description} there")
                }
            };
            Some(Check::fail(name, sanitize(&error.to_string()), fix))
        }
    }
}

pub(super) fn data_missing(path: &Path) -> Check {
    let found = format!("there is no file {} yet", path.display());
    let fix = "start `chatops serve`, which creates it, or name the right file with --data";
    Check::warn(DATA, found, fix)
}

pub(super) fn directory_unwritable(directory: &Path) -> Check {
    let directory = directory.display();
    let found = format!("there is no file, and {directory} cannot be written");
    let fix = "create the directory, writable for the user that `chatops serve` runs as, or name \
               another file with --data";
    Check::fail(DATA, found, fix)
}

/// The error contains the fix.
pub(super) fn data_unusable(error: &str) -> Check {
    let error = sanitize(error);
    if let Some((found, fix)) = error.split_once("; ") {
        return Check::fail(DATA, found, fix);
    }
    let fix = "restore it from a backup, or name another file with --data";
    Check::fail(DATA, error, fix)
}

pub(super) fn data_read_only(path: &Path) -> Check {
    let found = format!("{}, or its directory, cannot be written", path.display());
    let fix = "make both writable for the user of `chatops serve`, or run this as that user";
    Check::fail(DATA, found, fix)
}

pub(super) fn data_integrity(path: &Path, found: &[String]) -> Check {
    let Some(first) = found.first() else {
        return Check::ok(DATA, format!("{}, sound and writable", path.display()));
    };
    let found = format!("{} is damaged: {}", path.display(), sanitize(first));
    let fix = "stop `chatops serve` and restore the file from a backup";
    Check::fail(DATA, found, fix)
}

pub(super) fn undelivered(count: usize) -> Check {
    let name = "messages to Slack";
    if count == 0 {
        return Check::ok(name, "none was lost in the last week");
    }
    let found = format!("{count} of the last week could not be delivered");
    let fix = "`chatops failed` lists them with Slack's reason; with a bot token the bot posts where a \
               response URL is refused";
    Check::warn(name, found, fix)
}

pub(super) fn disk_space(free: u64, is_little: bool) -> Check {
    let found = format!("{} MiB free", free / (1024 * 1024));
    if is_little {
        let fix = "free some space: on a full disk no command is accepted";
        Check::warn("disk", found, fix)
    } else {
        Check::ok("disk", found)
    }
}

pub(super) fn host_reachable(whom: &str, origin: &Url, status: u16) -> Check {
    let name = format!("{whom}'s address");
    if status >= 500 {
        let host = host_label(origin);
        let found = format!("{host} answers with a server error ({status})");
        let fix = format!("check again later; {whom}'s status page shows outages");
        return Check::warn(name, found, fix);
    }
    Check::ok(name, format!("{} answers", host_label(origin)))
}

pub(super) fn host_unreachable(whom: &str, origin: &Url, why: &str) -> Check {
    let found = format!("{} cannot be reached: {why}", host_label(origin));
    let fix = "check the network, DNS and firewall of this machine, and the address in the \
               configuration";
    Check::fail(format!("{whom}'s address"), found, fix)
}

fn host_label(origin: &Url) -> String {
    origin.as_str().trim_end_matches('/').to_owned()
}

/// How far the other clock is ahead of ours.
pub(super) fn clock_offset(whose: &str, ahead: TimeDelta) -> Check {
    let seconds = ahead.num_seconds();
    let name = format!("clock against {whose}'s");
    let how = if seconds > 0 { "behind" } else { "ahead" };
    let found = match seconds.abs() {
        0..=1 => "the same".to_owned(),
        apart => format!("this machine is {apart} s {how}"),
    };
    let fix = "set this machine's clock, best by NTP: a command that is more than 5 minutes off is \
               rejected";
    match seconds.abs() {
        apart if apart > CLOCK_FAIL => Check::fail(name, found, fix),
        apart if apart > CLOCK_WARN => Check::warn(name, found, fix),
        _ => Check::ok(name, found),
    }
}

const TOKEN: &str = "CircleCI token";

pub(super) fn token_ok(login: &str, name: &str) -> Check {
    let login = sanitize(login);
    let name = match sanitize(name) {
        name if name.is_empty() || name == login => String::new(),
        name => format!(" ({name})"),
    };
    Check::ok(TOKEN, format!("it is {login}'s{name}"))
}

pub(super) fn token_rejected(said: &str) -> Check {
    let fix = "create a personal API token in CircleCI (User Settings, Personal API Tokens) and put \
               it into CIRCLECI_TOKEN; a project token does not work";
    Check::fail(TOKEN, format!("CircleCI rejects it ({said})"), fix)
}

pub(super) fn token_unknown(said: &str) -> Check {
    let fix = "check again later; if it stays so, create a new personal API token in CircleCI";
    Check::warn(TOKEN, format!("its owner is not known ({said})"), fix)
}

fn project_label(project: &ProjectName) -> String {
    format!("project {project}")
}

pub(super) fn project_ok(name: &ProjectName, slug: &str, at: &str, organization: &str) -> Check {
    let found = match sanitize(organization) {
        none if none.is_empty() => format!("{slug} is {}", sanitize(at)),
        organization => format!("{slug} is {} of {organization}", sanitize(at)),
    };
    Check::ok(project_label(name), found)
}

pub(super) fn project_missing(name: &ProjectName, slug: &str, said: &str) -> Check {
    let fix = format!(
        "correct the slug in [projects.{name}], or give the token's owner access to the project and \
         set it up in CircleCI"
    );
    let found = format!("the token cannot see {slug} ({said})");
    Check::fail(project_label(name), found, fix)
}

pub(super) fn project_unknown(name: &ProjectName, slug: &str, why: &str) -> Check {
    let found = format!("could not find out whether {slug} exists ({why})");
    Check::warn(project_label(name), found, "check again later")
}

fn definition_label(project: &ProjectName) -> String {
    format!("pipeline definition of {project}")
}

const DEFINITION_PAGE: &str = "CircleCI's Project Settings, Pipelines";

pub(super) fn definition_ok(project: &ProjectName, id: Uuid, name: &str) -> Check {
    let found = match sanitize(name) {
        name if name.is_empty() => format!("{id} exists"),
        name => format!("{id} exists, named {name}"),
    };
    Check::ok(definition_label(project), found)
}

pub(super) fn default_definition(project: &ProjectName, ids: &[String]) -> Check {
    let name = definition_label(project);
    match ids {
        [] => {
            let fix = format!("create one in {DEFINITION_PAGE}");
            let found = "the project has none, so nothing can be triggered";
            Check::fail(name, found, fix)
        }
        [_] => Check::ok(name, "the project's only one is used"),
        ids => {
            let found = format!("none is named; CircleCI uses one of {}", ids.len());
            let fix = format!("write definition = \"…\" in the job: {}", ids.join(" or "));
            Check::warn(name, found, fix)
        }
    }
}

pub(super) fn definition_missing(project: &ProjectName, id: Uuid, ids: &[String]) -> Check {
    let fix = match ids {
        [] => format!("create one in {DEFINITION_PAGE}"),
        ids => format!("name one of the existing: {}", ids.join(", ")),
    };
    Check::fail(definition_label(project), format!("there is no {id}"), fix)
}

pub(super) fn definitions_unknown(project: &ProjectName, why: &str) -> Check {
    let found = format!("could not find out whether it exists ({why})");
    let fix = format!("compare it with {DEFINITION_PAGE}");
    Check::warn(definition_label(project), found, fix)
}

fn parameters_label(at: JobKey<'_>) -> String {
    format!("parameters of {}/{}", at.0, at.1)
}

fn judged_by(config: &NewestConfig) -> String {
    let branch = sanitize(&config.branch);
    format!("in pipeline {} on {branch}", config.number)
}

pub(super) fn parameters_none(at: JobKey<'_>) -> Check {
    Check::ok(parameters_label(at), "it has none")
}

pub(super) fn parameters_declared(at: JobKey<'_>, all: &[&str], config: &NewestConfig) -> Check {
    let found = format!("{} declared {}", all.join(", "), judged_by(config));
    Check::ok(parameters_label(at), found)
}

pub(super) fn parameters_undeclared(
    at: JobKey<'_>,
    missing: &[&str],
    config: &NewestConfig,
) -> Check {
    let found = format!("{} not declared {}", missing.join(", "), judged_by(config));
    Check::warn(parameters_label(at), found, declare_fix(missing))
}

pub(super) fn parameters_unknown(at: JobKey<'_>, all: &[&str], why: &impl Display) -> Check {
    let all_names = all.join(", ");
    let found = format!("could not find out whether {all_names} are declared: {why}");
    Check::warn(parameters_label(at), found, declare_fix(all))
}

fn declare_fix(names: &[&str]) -> String {
    format!(
        "declare {} below the top-level `parameters:` of .circleci/config.yml, on every branch and tag \
         that is deployed",
        names.join(", ")
    )
}

pub(super) fn job_parameters(at: JobKey<'_>) -> Check {
    let found = "build parameters need no declaration";
    Check::ok(parameters_label(at), found)
}

pub(super) fn job_of_new_config(at: JobKey<'_>, config: &NewestConfig) -> Check {
    let found = format!("the configuration {} has version 2.1", judged_by(config));
    let found = format!("{found}, and trigger = \"job\" works with version 2 only");
    let fix = "set trigger = \"pipeline\" and select the job by a pipeline parameter";
    Check::warn(parameters_label(at), found, fix)
}

pub(super) fn job_unknown(at: JobKey<'_>, why: &str) -> Check {
    let found = format!("could not find out the version of the configuration: {why}");
    let fix = "check that .circleci/config.yml has version: 2; trigger = \"job\" needs it";
    Check::warn(parameters_label(at), found, fix)
}

#[cfg(test)]
mod tests;
