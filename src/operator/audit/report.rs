//! What `audit verify` has read and found, and how it is written.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::audit::finding::Finding;
use owo_colors::OwoColorize;
use serde::{Deserialize, Serialize};

use super::text;
use crate::output::CommandOutput;

/// How many differences are listed.
const MAX_SHOWN: usize = 20;

/// What was read and found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AuditReport {
    pub(super) deploys: u64,
    pub(super) events: u64,
    /// Events in the log.
    pub(super) logged: u64,
    /// Events in the log whose deploys were pruned, and whose export was not given.
    pub(super) pruned: u64,
    /// Deploys and rows that differ.
    pub(super) broken: u64,
    /// Differences.
    pub(super) found: u64,
    /// The first of them.
    pub(super) first: Vec<Difference>,
}

/// A difference, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Difference {
    pub(super) deploy: String,
    pub(super) event: Option<u64>,
    pub(super) reason: String,
    pub(super) field: Option<String>,
    pub(super) stored: Option<String>,
    pub(super) by_events: Option<String>,
}

impl From<Finding> for Difference {
    fn from(finding: Finding) -> Self {
        Self {
            deploy: finding.deploy,
            event: finding.event,
            reason: finding.reason,
            field: finding.field,
            stored: finding.stored,
            by_events: finding.by_events,
        }
    }
}

impl AuditReport {
    /// Counts what was found of one deploy or row.
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>, all: bool) {
        let mut last = None;
        for finding in findings {
            if last.as_ref() != Some(&finding.deploy) {
                self.broken += 1;
            }
            self.found += 1;
            last = Some(finding.deploy.clone());
            if all || self.first.len() < MAX_SHOWN {
                self.first.push(finding.into());
            }
        }
    }

    /// Writes it; the exit code says whether everything agrees.
    pub(super) fn write(&self, json: bool, out: &mut CommandOutput) -> Result<ExitCode> {
        if json {
            out.write_json(self)?;
        } else {
            self.write_text(out)?;
        }
        Ok(match self.found {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }

    pub(super) fn write_text(&self, out: &mut impl Write) -> Result<()> {
        for difference in &self.first {
            writeln!(out, "{} {}", "DIFFERS".red(), text::difference(difference))?;
        }
        let hidden = self.found - self.first.len() as u64;
        if hidden > 0 {
            writeln!(out, "{}", text::more_differences(hidden))?;
        }
        if self.pruned > 0 {
            writeln!(out, "{}", text::pruned_in_log(self.pruned))?;
        }
        Ok(writeln!(out, "{}", text::verify_result(self))?)
    }
}
