//! The texts of the doctor about `chatops serve` as it runs.

use std::net::SocketAddr;

use url::Url;

use super::Check;

const SERVE: &str = "serve";
const PUBLIC: &str = "public address";

pub(in crate::operator::doctor) fn serve_up(at: SocketAddr) -> Check {
    Check::ok(SERVE, format!("it answers at {at}"))
}

pub(in crate::operator::doctor) fn serve_down(at: SocketAddr) -> Check {
    let fix = "start `chatops serve`, or name the address that it listens on with --listen";
    Check::warn(
        SERVE,
        format!("nothing answers at {at}: no command is accepted"),
        fix,
    )
}

pub(in crate::operator::doctor) fn serve_unhealthy(at: SocketAddr, said: &str) -> Check {
    let fix = "look at its log; restore the data file from a backup if it is damaged";
    Check::fail(
        SERVE,
        format!("it answers at {at}, but is not healthy: {said}"),
        fix,
    )
}

pub(in crate::operator::doctor) fn another_server(at: SocketAddr, status: u16) -> Check {
    let fix = "name the address that `chatops serve` listens on with --listen";
    Check::warn(
        SERVE,
        format!("another program answers at {at} (HTTP {status})"),
        fix,
    )
}

pub(in crate::operator::doctor) fn public_reached(url: &Url) -> Check {
    Check::ok(PUBLIC, format!("{url} leads to chatops"))
}

pub(in crate::operator::doctor) fn public_unreachable(url: &Url, why: &str) -> Check {
    let fix = "check DNS, the certificate and the proxy; Slack needs HTTPS with a public certificate. Some \
               networks do not let a machine call its own public address: then try it from elsewhere";
    Check::fail(PUBLIC, format!("{url} does not answer ({why})"), fix)
}

pub(in crate::operator::doctor) fn public_other(url: &Url, status: u16) -> Check {
    let fix = "let the proxy pass /slack/ and /circleci/ on to the address that `chatops serve` listens on";
    Check::fail(
        PUBLIC,
        format!("{url} answers HTTP {status}, and not as chatops does"),
        fix,
    )
}
