//! What goes wrong beside a kill: at CircleCI, at Slack, with the disk, the clock and the descriptors.

use std::fmt;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use chatops_sandbox::circleci::CiCall;
use chatops_sandbox::{HttpFault, Sandbox};

use super::Random;
use super::machine::{DiskTrouble, Machine, Server};

/// So few descriptors that idle clients can take them all.
const FEW_DESCRIPTORS: u32 = 64;

/// How many clients connect and say nothing.
const IDLE_CLIENTS: usize = 80;

/// What goes wrong while one process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Nothing but the end of the process.
    None,
    /// Every write to the disk fails: there is no space.
    DiskFull,
    /// The disk became read-only.
    DiskReadOnly,
    /// The clock is off by so many seconds.
    Clock(i64),
    /// Idle clients take every descriptor that they get.
    Descriptors,
    /// Nobody listens at CircleCI's address.
    CircleCiOffline,
    /// CircleCI carries triggers out and does not say so, or answers with errors and pauses.
    CircleCiFails,
    /// Slack shows messages and does not say so, or answers with errors and pauses.
    SlackFails,
}

impl Trouble {
    pub(super) fn draw(random: &mut Random) -> Self {
        match random.below(12) {
            0 => Self::DiskFull,
            1 => Self::DiskReadOnly,
            // Within the five minutes that a signature is valid, and longer than a queue may hide anything.
            2 => Self::Clock([-15, 15][usize::from(random.below(2) == 0)]),
            3 => Self::Clock([-86_400, 7_200][usize::from(random.below(2) == 0)]),
            4 => Self::Descriptors,
            5 => Self::CircleCiOffline,
            6..=8 => Self::CircleCiFails,
            9 | 10 => Self::SlackFails,
            _ => Self::None,
        }
    }

    /// How many descriptors the process may have, if that is limited.
    pub(super) fn descriptors(self) -> Option<u32> {
        (self == Self::Descriptors).then_some(FEW_DESCRIPTORS)
    }

    pub(super) async fn begin(self, machine: &Machine, sandbox: &Sandbox) -> Result<()> {
        match self {
            Self::None | Self::Descriptors => {}
            Self::DiskFull => machine.fail_writes(Some(DiskTrouble::Full))?,
            Self::DiskReadOnly => machine.fail_writes(Some(DiskTrouble::ReadOnly))?,
            Self::Clock(seconds) => machine.set_clock(seconds)?,
            Self::CircleCiOffline => sandbox.take_circleci_offline().await?,
            Self::CircleCiFails => {
                let circleci = sandbox.circleci();
                for fault in [
                    HttpFault::AnswerLost,
                    HttpFault::ErrorAfter { status: 502 },
                    HttpFault::HalfBody,
                    HttpFault::throttle_for(0),
                ] {
                    circleci.fail_next(CiCall::Run, fault.clone());
                    circleci.fail_next(CiCall::Workflows, fault);
                }
                let duration = Duration::from_secs(1);
                circleci.fail_next(CiCall::Run, HttpFault::Hang { duration });
            }
            Self::SlackFails => {
                for fault in [
                    HttpFault::AnswerLost,
                    HttpFault::ErrorAfter { status: 500 },
                    HttpFault::throttle_for(0),
                ] {
                    sandbox.slack().fail_next(fault);
                }
            }
        }
        Ok(())
    }

    /// Clients that connect and say nothing, as long as the process lives.
    pub(super) fn crowd(self, server: &mut Server, url: &url::Url) {
        if self != Self::Descriptors {
            return;
        }
        let Ok(addresses) = url.socket_addrs(|| None) else {
            return;
        };
        let connect =
            |_| TcpStream::connect_timeout(addresses.first()?, Duration::from_millis(100)).ok();
        server.clients = (0..IDLE_CLIENTS).map_while(connect).collect();
    }

    pub(super) async fn end(self, machine: &Machine, sandbox: &Sandbox) -> Result<()> {
        match self {
            Self::DiskFull | Self::DiskReadOnly => machine.fail_writes(None),
            Self::Clock(_) => machine.set_clock(0),
            Self::CircleCiOffline => Ok(sandbox.bring_circleci_online().await?),
            // What is left of the faults meets the next process.
            Self::None | Self::Descriptors | Self::CircleCiFails | Self::SlackFails => Ok(()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::DiskFull => "disk full",
            Self::DiskReadOnly => "disk read-only",
            Self::Clock(_) => "clock stepped",
            Self::Descriptors => "descriptors taken",
            Self::CircleCiOffline => "CircleCI offline",
            Self::CircleCiFails => "CircleCI fails",
            Self::SlackFails => "Slack fails",
        })
    }
}
