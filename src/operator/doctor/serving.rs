//! Whether `chatops serve` answers: here, and at the address that Slack calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use chatops_core::config::Config;
use chatops_http::VendorResponse;
use chatops_slack::SlackInspector;
use url::Url;

use super::{DoctorReport, text};
use crate::output::sanitize;

/// The path that Slack sends commands to. It takes no GET, and says so.
const COMMAND_PATH: &str = "/slack/commands";

/// What that path answers to a GET.
const TAKES_NO_GET: &str = "This address takes another method.";

pub(super) async fn check_serving(
    config: &Config,
    listen: SocketAddr,
    public: Option<&Url>,
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    // Any client that sends a request once will do.
    let http = SlackInspector::new(&config.slack, &config.timeouts)?;
    let here = reachable_address(listen);
    let health = Url::parse(&format!("http://{here}/healthz"))?;
    report.add_check(match http.reach(&health).await {
        Err(_) => text::serve_down(here),
        Ok(answer) if answer.status.as_u16() == 200 && body(&answer) == "ok" => {
            text::serve_up(here)
        }
        Ok(answer) if answer.status.as_u16() == 503 => text::serve_unhealthy(here, &body(&answer)),
        Ok(answer) => text::another_server(here, answer.status.as_u16()),
    })?;
    let Some(public) = public else {
        return Ok(());
    };
    let mut commands = public.clone();
    commands.set_path(COMMAND_PATH);
    report.add_check(match http.reach(&commands).await {
        Err(why) => text::public_unreachable(&commands, &sanitize(&why)),
        Ok(answer) if body(&answer) == TAKES_NO_GET => text::public_reached(&commands),
        Ok(answer) => text::public_other(&commands, answer.status.as_u16()),
    })
}

/// Where an address to listen on can be called.
fn reachable_address(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(host, listen.port())
}

/// The first line of an answer's body.
fn body(answer: &VendorResponse) -> String {
    let body = answer.body.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    sanitize(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everybody_is_called_here() {
        for (listen, called) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("192.0.2.1:2", "192.0.2.1:2"),
            ("[2001:db8::1]:2", "[2001:db8::1]:2"),
        ] {
            let address = reachable_address(listen.parse().unwrap());
            assert_eq!(address.to_string(), called);
        }
    }
}
