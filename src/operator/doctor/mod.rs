//! `chatops doctor`: checks everything that `chatops serve` or an installation on AWS needs, with the
//! fix for each failure. It changes nothing and shows no secret.

mod answer;
#[cfg(feature = "aws")]
mod aws;
mod circleci;
mod local;
mod parameters;
mod serving;
mod slack;
mod text;
mod workflows;

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use owo_colors::{OwoColorize, Style};
use serde::Serialize;

#[cfg(not(feature = "aws"))]
use super::text as said;
use super::{ConfigFile, DataFile, Installation};
use crate::output::CommandOutput;
use chatops_core::config::Config;
use chatops_local::secrets::{self, ExaminedSecret};
use url::Url;

/// The text below the help.
pub(super) const HELP: &str = "\
Each check is a line: ok, warn (it works, or its state is not known) or FAIL, with the fix below. The secrets are \
read as `chatops serve` reads them, from the environment or the files that <NAME>_FILE name; their values are never \
shown. CircleCI and Slack only get requests that read. With --aws the installation is checked instead: your \
credentials, its table, queues and secrets (not their values), and the channels of `announce` in the configuration, \
if it is here. A missing permission is a warning.

Examples:
  chatops doctor --config /etc/chatops/chatops.toml --data /var/lib/chatops/chatops.db
  chatops doctor --url https://chatops.example.com
  chatops doctor --slack
  chatops --aws --profile ops doctor
  chatops doctor --json | jq '.checks[] | select(.level != \"ok\")'

Exit codes: 0 ok or warnings only, 1 a check failed, 2 usage error.";

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    data: DataFile,
    /// The address that `chatops serve` listens on
    #[arg(long, value_name = "ADDRESS", env = "CHATOPS_LISTEN", value_parser = crate::cli::parse_listen)]
    #[arg(default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[arg(
        help = "The public address that Slack calls, such as https://chatops.example.com: whether it leads here"
    )]
    #[arg(long, value_name = "URL", value_parser = parse_origin, conflicts_with = "slack")]
    url: Option<Url>,
    /// Check Slack alone: its secrets, the bot, its scopes and channels
    #[arg(long)]
    slack: bool,
    /// Write one JSON object: `ok`, and `checks` with `name`, `level`, `found` and `fix`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CheckLevel {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct DoctorCheck {
    name: String,
    level: CheckLevel,
    found: String,
    /// The fix, unless it is ok.
    fix: Option<String>,
}

impl DoctorCheck {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            level: CheckLevel::Ok,
            found: found.into(),
            fix: None,
        }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: CheckLevel::Warn,
            fix: Some(fix.into()),
            ..Self::ok(name, found)
        }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: CheckLevel::Fail,
            ..Self::warn(name, found, fix)
        }
    }
}

/// The checks so far; each is printed at once.
struct DoctorReport<'o> {
    out: &'o mut CommandOutput,
    json: bool,
    checks: Vec<DoctorCheck>,
}

impl DoctorReport<'_> {
    fn add_check(&mut self, check: DoctorCheck) -> Result<()> {
        if !self.json {
            write_check(&check, self.out)?;
            self.out.flush()?;
        }
        self.checks.push(check);
        Ok(())
    }

    fn add_checks(&mut self, checks: impl IntoIterator<Item = DoctorCheck>) -> Result<()> {
        let mut checks = checks.into_iter();
        checks.try_for_each(|check| self.add_check(check))
    }
}

#[derive(Serialize)]
struct DoctorOutput<'a> {
    ok: bool,
    checks: &'a [DoctorCheck],
}

pub(super) fn run_doctor(
    options: &DoctorOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    chatops_local::serve::install_tls_provider();
    let mut report = DoctorReport {
        out,
        json: options.json,
        checks: vec![],
    };
    let mut local = LocalFindings::default();
    if installation.is_aws() {
        if options.slack {
            return Err(super::UsageError(text::SLACK_IS_LOCAL.to_owned()).into());
        }
        check_aws(installation, &mut report)?;
        let path = &options.config.path;
        let config = path.exists().then(|| crate::config_file::read_config(path));
        // The installation's configuration is in its layer; a copy here says which channels there are.
        if let Some(Ok(config)) = config {
            let feeds = config.feeds().into_iter().map(|id| config.written_id(id));
            let feeds: Vec<String> = feeds.collect();
            let check = (!feeds.is_empty()).then(|| text::announcements_on_aws(&feeds));
            report.add_checks(check)?;
        }
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime could not be started")?;
        let lookup = |name: &str| std::env::var_os(name);
        local = runtime.block_on(check_local(options, lookup, &mut report))?;
    }
    // What cannot be read was said above.
    let record = installation.open(&options.data.path).and_then(|store| {
        let untold = store.list_undelivered(super::now())?;
        Ok((store, untold))
    });
    let record = record.as_ref().ok();
    if let Some((_, untold)) = record {
        report.add_check(text::undelivered(untold.len()))?;
    }
    let record = record.map(|(store, untold)| (store, untold.as_slice()));
    slack::check_channels(local.config.as_ref(), &local.bot, record, &mut report)?;
    let DoctorReport { checks, .. } = report;
    let ok = checks.iter().all(|check| check.level != CheckLevel::Fail);
    if options.json {
        out.write_json(&DoctorOutput {
            ok,
            checks: &checks,
        })?;
    } else {
        let count = |level| checks.iter().filter(|check| check.level == level).count();
        let (warned, failed) = (count(CheckLevel::Warn), count(CheckLevel::Fail));
        writeln!(out, "{}", text::summary(checks.len(), warned, failed))?;
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(feature = "aws")]
fn check_aws(installation: &Installation, report: &mut DoctorReport<'_>) -> Result<()> {
    match installation.aws_installation() {
        Ok(aws) => report.add_checks(aws::aws_checks(&aws.inspect())),
        Err(error) if error.is::<super::UsageError>() => Err(error),
        Err(error) => report.add_check(aws::not_signed_in(&error.to_string())),
    }
}

#[cfg(not(feature = "aws"))]
fn check_aws(_: &Installation, _: &mut DoctorReport<'_>) -> Result<()> {
    Err(anyhow::anyhow!(said::BUILT_WITHOUT_AWS))
}

/// The origin of a public address.
fn parse_origin(text: &str) -> Result<Url, &'static str> {
    let example = "write an address such as https://chatops.example.com";
    let url = Url::parse(text).map_err(|_| example)?;
    let is_web = ["http", "https"].contains(&url.scheme()) && url.has_host();
    is_web.then_some(url).ok_or(example)
}

/// What the checks of this machine know, for those of the record.
#[derive(Default)]
struct LocalFindings {
    config: Option<Config>,
    bot: slack::FoundBot,
}

async fn check_local(
    options: &DoctorOptions,
    lookup: impl Fn(&str) -> Option<OsString>,
    report: &mut DoctorReport<'_>,
) -> Result<LocalFindings> {
    let (config, check) = local::check_config(&options.config.path);
    report.add_check(check)?;
    let open = local::check_config_mode(&options.config.path);
    report.add_checks(open)?;
    let secrets = secrets::examine_secrets(lookup);
    let of_slack = |secret: &&ExaminedSecret| secret.variable.starts_with("SLACK_");
    let wanted = secrets
        .iter()
        .filter(|secret| !options.slack || of_slack(secret));
    report.add_checks(local::check_secrets(wanted))?;
    if !options.slack {
        report.add_checks(local::check_data_file(&options.data.path))?;
    }
    // The configuration has the addresses.
    let Some(config) = config else {
        return Ok(LocalFindings::default());
    };
    if !options.slack {
        let public = options.url.as_ref();
        serving::check_serving(&config, options.listen, public, report).await?;
        circleci::check_circleci(&config, &secrets, report).await?;
    }
    let bot = slack::check_slack(&config, &secrets, report).await?;
    let config = Some(config);
    Ok(LocalFindings { config, bot })
}

/// Writes a check and its fix.
fn write_check(check: &DoctorCheck, out: &mut impl Write) -> Result<()> {
    let (word, style) = match check.level {
        CheckLevel::Ok => ("ok", Style::new().green()),
        CheckLevel::Warn => ("warn", Style::new().yellow()),
        CheckLevel::Fail => ("FAIL", Style::new().red().bold()),
    };
    let word = format!("{word:<4}");
    let (word, name) = (word.style(style), &check.name);
    writeln!(out, "{word}  {name}: {}", check.found)?;
    if let Some(fix) = &check.fix {
        writeln!(out, "      fix: {fix}")?;
    }
    Ok(())
}
