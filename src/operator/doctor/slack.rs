//! Slack: whether it can be reached where answers go, what its clock says, and the bot.

use anyhow::Result;
use chatops_core::config::Config;
use chatops_core::ports::SecretName;
use serde::Deserialize;

use super::fetch::{Answer, Token, Web};
use super::{Check, Report, words};
use crate::secrets::Examined;

#[derive(Deserialize)]
struct Tested {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    team: String,
}

/// Looks at all of it.
pub(super) async fn examine(
    config: &Config,
    secrets: &[Examined],
    web: &Web,
    report: &mut Report<'_>,
) -> Result<()> {
    for origin in &config.slack.reply_origins {
        // What it says there does not matter: it was reached.
        match web.get(origin.clone(), Token::None).await {
            Err(why) => report.add(words::unreachable("Slack", origin, &why))?,
            Ok(answer) => {
                report.add(words::reachable("Slack", origin, answer.status))?;
                report.add_all(answer.ahead.map(|ahead| words::clock("Slack", ahead)))?;
            }
        }
    }
    let mut secrets = secrets.iter();
    let bot = secrets.find(|one| one.secret == SecretName::SlackBot);
    let Some(bot) = bot
        .and_then(|one| one.value.as_ref().ok())
        .and_then(Option::as_ref)
    else {
        return Ok(());
    };
    let mut url = config.slack.api.clone();
    url.set_path("/api/auth.test");
    match web.get(url, Token::Bearer(bot)).await {
        Err(why) => report.add(words::unreachable("Slack", &config.slack.api, &why)),
        Ok(answer) => report.add(tested(&answer)),
    }
}

fn tested(answer: &Answer) -> Check {
    match answer.json::<Tested>() {
        Some(Tested {
            ok: true,
            user,
            team,
            ..
        }) => words::bot(&user, &team),
        Some(Tested { error, .. }) => words::bad_bot(&error),
        None => words::bot_unknown(&answer.said()),
    }
}
