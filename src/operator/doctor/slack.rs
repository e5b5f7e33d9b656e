//! Slack: whether the response URLs can be reached, its clock, and the bot.

use anyhow::Result;
use chatops_core::config::Config;
use chatops_core::ports::SecretName;
use serde::Deserialize;

use super::client::{AuthHeader, DoctorClient, DoctorResponse};
use super::{DoctorCheck, DoctorReport, text};
use crate::secrets::{self, ExaminedSecret};

#[derive(Deserialize)]
struct AuthTest {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    team: String,
}

pub(super) async fn check_slack(
    config: &Config,
    secrets: &[ExaminedSecret],
    client: &DoctorClient,
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    for origin in &config.slack.response_url_origins {
        // Any answer will do.
        match client.get(origin.clone(), AuthHeader::None).await {
            Err(why) => report.add_check(text::host_unreachable("Slack", origin, &why))?,
            Ok(answer) => {
                report.add_check(text::host_reachable("Slack", origin, answer.status))?;
                let clock = answer.clock_ahead;
                report.add_checks(clock.map(|ahead| text::clock_offset("Slack", ahead)))?;
            }
        }
    }
    let Some(bot) = secrets::find_value(secrets, SecretName::SlackBot) else {
        return Ok(());
    };
    let mut url = config.slack.api.clone();
    url.set_path("/api/auth.test");
    match client.get(url, AuthHeader::Bearer(bot)).await {
        Err(why) => report.add_check(text::host_unreachable("Slack", &config.slack.api, &why)),
        Ok(answer) => report.add_check(check_bot(&answer)),
    }
}

fn check_bot(answer: &DoctorResponse) -> DoctorCheck {
    match answer.json::<AuthTest>() {
        Some(AuthTest {
            ok: true,
            user,
            team,
            ..
        }) => text::bot_ok(&user, &team),
        Some(AuthTest { error, .. }) => text::bot_rejected(&error),
        None => text::bot_unknown(&answer.status_text()),
    }
}
