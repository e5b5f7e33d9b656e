//! `chatops doctor`: every thing that `chatops serve`, or a deployment on AWS, needs, looked at one by
//! one, with the fix beside what is wrong. Nothing is changed, and no secret is shown.

#[cfg(feature = "aws")]
mod aws;
mod circleci;
mod declared;
mod fetch;
mod local;
mod slack;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use owo_colors::{OwoColorize, Style};
use serde::Serialize;

use self::fetch::Web;
use super::Place;
use super::out::Out;
#[cfg(not(feature = "aws"))]
use super::words as said;
use crate::secrets;

/// Below the help.
pub(super) const HELP: &str = "\
Each check is a line: ok, warn (it works, or nobody can tell) or FAIL, with the fix below. The
secrets are read as `chatops serve` reads them, from the environment or the files that <NAME>_FILE
name; their values are never shown. CircleCI and Slack are asked nothing but what changes nothing.
With --aws the deployment is looked at instead: your credentials, its table, queues and secrets (but
not their values). What you have no right to know is a warning.

Examples:
  chatops doctor --config /etc/chatops/chatops.toml --data /var/lib/chatops/chatops.db
  chatops --aws --profile ops doctor
  chatops doctor --json | jq '.checks[] | select(.level != \"ok\")'

Exit codes: 0 all is ok or worth a warning only, 1 something is wrong.";

/// The options of `chatops doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_CONFIG",
        default_value = "chatops.toml"
    )]
    config: PathBuf,
    /// The data file of `chatops serve`
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_DATA",
        default_value = "chatops.db"
    )]
    data: PathBuf,
    /// One JSON object: `ok`, and `checks` with `name`, `level`, `found` and `fix`
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// What was looked at.
    name: String,
    level: Level,
    /// What was found.
    found: String,
    /// How to put it right; nothing where all is well.
    fix: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            level: Level::Ok,
            found: found.into(),
            fix: None,
        }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            fix: Some(fix.into()),
            ..Self::ok(name, found)
        }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(name, found, fix)
        }
    }
}

/// What was found so far, told as it comes.
struct Report<'o> {
    out: &'o mut Out,
    json: bool,
    checks: Vec<Check>,
}

impl Report<'_> {
    fn add(&mut self, check: Check) -> Result<()> {
        if !self.json {
            write(&check, self.out)?;
            self.out.flush()?;
        }
        self.checks.push(check);
        Ok(())
    }

    fn add_all(&mut self, checks: impl IntoIterator<Item = Check>) -> Result<()> {
        checks.into_iter().try_for_each(|check| self.add(check))
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    ok: bool,
    checks: &'a [Check],
}

/// Looks at everything.
pub(super) fn run(options: &Doctor, place: &Place, out: &mut Out) -> Result<ExitCode> {
    // rustls takes its cryptography from whoever installs it first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut report = Report {
        out,
        json: options.json,
        checks: vec![],
    };
    if place.is_aws() {
        examine_aws(place, &mut report)?;
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime could not be started")?;
        runtime.block_on(examine(options, |name| std::env::var_os(name), &mut report))?;
    }
    let Report { checks, .. } = report;
    let ok = checks.iter().all(|check| check.level != Level::Fail);
    if options.json {
        out.json(&Whole {
            ok,
            checks: &checks,
        })?;
    } else {
        let count = |level| checks.iter().filter(|check| check.level == level).count();
        let (warned, failed) = (count(Level::Warn), count(Level::Fail));
        writeln!(out, "{}", words::summary(checks.len(), warned, failed))?;
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(feature = "aws")]
fn examine_aws(place: &Place, report: &mut Report<'_>) -> Result<()> {
    match place.cloud() {
        Ok(cloud) => report.add_all(aws::checks(&cloud.examine())),
        Err(error) if error.is::<super::Usage>() => Err(error),
        Err(error) => report.add(aws::no_login(&error.to_string())),
    }
}

#[cfg(not(feature = "aws"))]
fn examine_aws(_: &Place, _: &mut Report<'_>) -> Result<()> {
    Err(anyhow::anyhow!(said::BUILT_WITHOUT_AWS))
}

async fn examine(
    options: &Doctor,
    lookup: impl Fn(&str) -> Option<OsString>,
    report: &mut Report<'_>,
) -> Result<()> {
    let (config, check) = local::config(&options.config);
    report.add(check)?;
    let secrets = secrets::examine(lookup);
    report.add_all(local::secrets(&secrets))?;
    report.add_all(local::data(&options.data))?;
    // Without the configuration nobody knows whom to ask.
    let Some(config) = config else { return Ok(()) };
    let web = Web::new(&config.times)?;
    circleci::examine(&config, &secrets, &web, report).await?;
    slack::examine(&config, &secrets, &web, report).await
}

/// A line, and the fix below it.
fn write(check: &Check, out: &mut impl Write) -> Result<()> {
    let (word, style) = match check.level {
        Level::Ok => ("ok", Style::new().green()),
        Level::Warn => ("warn", Style::new().yellow()),
        Level::Fail => ("FAIL", Style::new().red().bold()),
    };
    let word = format!("{word:<4}");
    writeln!(
        out,
        "{}  {}: {}",
        word.style(style),
        check.name,
        check.found
    )?;
    if let Some(fix) = &check.fix {
        writeln!(out, "      fix: {fix}")?;
    }
    Ok(())
}
