//! The filters of `history`: `user:me branch:main status:failed since:7d limit:5`, in any order.

use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::near::near;
use crate::Time;
use crate::deploy::{Standing, State};
use crate::id::{DeployRef, UserId};
use crate::name::{BranchName, JobName, ProjectName};

/// The most deploys that one answer lists, and how many it lists unless told otherwise.
pub const PAGE: u8 = 20;

/// The furthest that `since:` reaches back, in days.
const OLDEST: u64 = 3_660;

/// Which deploys are asked for. What is not said does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryFilter {
    /// Who asked for them.
    pub user: Option<Who>,
    /// The branch.
    pub branch: Option<BranchName>,
    /// The job.
    pub job: Option<JobName>,
    /// The project.
    pub project: Option<ProjectName>,
    /// Where they stand.
    pub status: Option<Status>,
    /// Asked for at or after.
    pub since: Option<Since>,
    /// How many, at most [`PAGE`].
    pub limit: Option<u8>,
    /// Only what was asked for before this deploy: the next page.
    pub before: Option<DeployRef>,
}

/// Whose deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The one who asks.
    Me,
    /// Somebody, by id.
    Id(UserId),
    /// Somebody, by a name: of the configuration, or the one Slack knew at the time.
    Name(String),
}

/// Where they stand: a state, or what several states come down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// `open`, `failed` and the like, in small letters.
    Standing(Standing),
    /// One state, by its word.
    State(State),
}

impl Status {
    /// Whether a deploy in `state` is meant.
    #[must_use]
    pub fn fits(self, state: State) -> bool {
        match self {
            Status::Standing(standing) => state.standing() == standing,
            Status::State(one) => state == one,
        }
    }
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// The beginning of that day, UTC.
    Day(NaiveDate),
}

impl Since {
    /// The moment it means at `now`.
    #[must_use]
    pub fn at(self, now: Time) -> Time {
        match self {
            Since::Ago(ago) => chrono::TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(Time::MIN_UTC),
            Since::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
        }
    }
}

/// Why the words behind `history` are not filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// It has no `:`.
    Bare {
        /// The word, cut to a readable length.
        word: String,
    },
    /// There is no such filter.
    Unknown {
        /// What stands before the `:`.
        key: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// It was given twice.
    Twice {
        /// The filter.
        key: &'static str,
    },
    /// Its value cannot be one.
    Value {
        /// The filter.
        key: &'static str,
        /// The value, cut to a readable length.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

/// The filters, in the order in which they are written.
pub const KEYS: [&str; 8] = [
    "user", "branch", "job", "project", "status", "since", "limit", "before",
];

pub(super) fn parse(words: &[&str]) -> Result<HistoryFilter, FilterError> {
    let mut filter = HistoryFilter::default();
    for word in words {
        let Some((key, value)) = word.split_once(':') else {
            return Err(FilterError::Bare { word: short(word) });
        };
        set(&mut filter, key, value)?;
    }
    Ok(filter)
}

fn set(filter: &mut HistoryFilter, key: &str, value: &str) -> Result<(), FilterError> {
    let Some(key) = KEYS.into_iter().find(|known| *known == key) else {
        return Err(FilterError::Unknown {
            near: near(key, KEYS),
            key: short(key),
        });
    };
    match key {
        "user" => put(&mut filter.user, key, value, who(value), USER),
        "branch" => put(
            &mut filter.branch,
            key,
            value,
            BranchName::parse(value).ok(),
            BRANCH,
        ),
        "job" => put(
            &mut filter.job,
            key,
            value,
            JobName::parse(value).ok(),
            NAME,
        ),
        "project" => put(
            &mut filter.project,
            key,
            value,
            ProjectName::parse(value).ok(),
            NAME,
        ),
        "status" => put(&mut filter.status, key, value, status(value), STATUS),
        "since" => put(&mut filter.since, key, value, since(value), SINCE),
        "limit" => put(&mut filter.limit, key, value, limit(value), LIMIT),
        _ => put(&mut filter.before, key, value, DeployRef::parse(value), ID),
    }
}

const USER: &str = "`me`, a name such as `@ana`, or an id such as `U012ABCDEF`";
const BRANCH: &str = "a branch's name, in full";
const NAME: &str = "a name out of the configuration";
const STATUS: &str = "`open`, `succeeded`, `failed`, `canceled`, `refused`, or a state such as \
                      `TRIGGER_FAILED`";
const SINCE: &str = "a time such as `24h`, `7d` or `2w`, or a day such as `2026-11-30`";
const LIMIT: &str = "a number from 1 to 20; there is more behind `before:`";
const ID: &str = "a deploy's id, such as `1a2b3c4d`";

fn put<T>(
    place: &mut Option<T>,
    key: &'static str,
    value: &str,
    read: Option<T>,
    expected: &'static str,
) -> Result<(), FilterError> {
    if place.is_some() {
        return Err(FilterError::Twice { key });
    }
    *place = read;
    if place.is_some() {
        Ok(())
    } else {
        Err(FilterError::Value {
            key,
            value: short(value),
            expected,
        })
    }
}

/// `me`, `@name`, `U…`, or the mention that Slack makes of a name where it is set to.
fn who(value: &str) -> Option<Who> {
    if value == "me" {
        return Some(Who::Me);
    }
    if let Some(mention) = value.strip_prefix("<@") {
        let inner = mention.strip_suffix('>')?;
        let id = inner.split('|').next().unwrap_or_default();
        return UserId::parse(id).map(Who::Id);
    }
    if let Some(name) = value.strip_prefix('@') {
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        let fits = (1..=80).contains(&name.chars().count()) && name.chars().all(plain);
        return fits.then(|| Who::Name(name.to_lowercase()));
    }
    UserId::parse(value).map(Who::Id)
}

/// A word in small letters is a standing first, since `failed` is both.
fn status(value: &str) -> Option<Status> {
    let standing = Standing::ALL.into_iter().find(|s| s.word() == value);
    let state = || State::parse(value).map(Status::State);
    standing.map(Status::Standing).or_else(state)
}

fn since(value: &str) -> Option<Since> {
    if let Ok(day) = value.parse::<NaiveDate>() {
        // No ledger is older, and what is kept as text sorts only with four digits.
        return (2000..10_000)
            .contains(&day.year())
            .then_some(Since::Day(day));
    }
    let ago = humantime::parse_duration(value).ok()?;
    let sane = !ago.is_zero() && ago <= Duration::from_secs(OLDEST * 86_400);
    sane.then_some(Since::Ago(ago))
}

fn limit(value: &str) -> Option<u8> {
    value.parse().ok().filter(|n| (1..=PAGE).contains(n))
}

fn short(word: &str) -> String {
    word.chars().take(60).collect()
}

/// As it is typed: what this writes is read back as the same filter.
impl fmt::Display for HistoryFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| match user {
            Who::Me => "me".to_owned(),
            Who::Id(id) => id.to_string(),
            Who::Name(name) => format!("@{name}"),
        });
        let status = self.status.map(|status| match status {
            Status::Standing(standing) => standing.word(),
            Status::State(state) => state.word(),
        });
        let since = self.since.map(|since| match since {
            Since::Ago(ago) => humantime::format_duration(ago).to_string().replace(' ', ""),
            Since::Day(day) => day.to_string(),
        });
        let all = [
            ("user", user),
            ("branch", self.branch.as_ref().map(ToString::to_string)),
            ("job", self.job.as_ref().map(ToString::to_string)),
            ("project", self.project.as_ref().map(ToString::to_string)),
            ("status", status.map(str::to_owned)),
            ("since", since),
            ("limit", self.limit.map(|n| n.to_string())),
            ("before", self.before.as_ref().map(ToString::to_string)),
        ];
        let mut gap = "";
        for (key, value) in all {
            if let Some(value) = value {
                write!(f, "{gap}{key}:{value}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
