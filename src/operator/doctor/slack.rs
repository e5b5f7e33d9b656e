//! Slack: whether the response URLs can be reached, its clock, and the bot.

use anyhow::Result;
use chatops_core::config::Config;
use chatops_core::ports::SecretName;
use chatops_http::VendorResponse;
use chatops_slack::{AuthTest, SlackInspector};

use super::super::now;
use super::answer::{clock_ahead, status_text};
use super::{DoctorCheck, DoctorReport, text};
use crate::output::sanitize;
use chatops_local::secrets::{self, ExaminedSecret};

pub(super) async fn check_slack(
    config: &Config,
    secrets: &[ExaminedSecret],
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    let slack = SlackInspector::new(&config.slack, &config.timeouts)?;
    for origin in &config.slack.response_url_origins {
        let sent_at = now();
        // Any answer will do.
        match slack.reach(origin).await {
            Err(why) => {
                report.add_check(text::host_unreachable("Slack", origin, &sanitize(&why)))?;
            }
            Ok(answer) => {
                let status = answer.status.as_u16();
                report.add_check(text::host_reachable("Slack", origin, status))?;
                let clock = clock_ahead(&answer, sent_at);
                report.add_checks(clock.map(|ahead| text::clock_offset("Slack", ahead)))?;
            }
        }
    }
    let feeds: Vec<_> = config
        .feeds()
        .into_iter()
        .map(|id| config.written_id(id))
        .collect();
    let Some(bot) = secrets::find_value(secrets, SecretName::SlackBot) else {
        let unset = (!feeds.is_empty()).then(|| text::announcements_without_bot(&feeds));
        return report.add_checks(unset);
    };
    match slack.auth_test(bot).await {
        Err(why) => {
            let why = sanitize(&why);
            report.add_check(text::host_unreachable("Slack", &config.slack.api, &why))
        }
        Ok(answer) => {
            report.add_check(check_bot(&answer.response))?;
            let scopes = answer.scopes.filter(|_| !feeds.is_empty());
            report.add_checks(scopes.map(|scopes| text::announcements(&feeds, &scopes)))
        }
    }
}

fn check_bot(answer: &VendorResponse) -> DoctorCheck {
    match answer.json::<AuthTest>() {
        Some(AuthTest {
            ok: true,
            user,
            team,
            ..
        }) => text::bot_ok(&user, &team),
        Some(AuthTest { error, .. }) => text::bot_rejected(&error),
        None => text::bot_unknown(&status_text(answer)),
    }
}
