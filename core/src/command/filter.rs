//! The filters of `history`: `user:me branch:main status:failed since:7d limit:5`, in any order.

use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::closest::closest_word;
use super::normalize::{fold, unquote};
use super::truncate_word;
use crate::Time;
use crate::deploy::{DeployOutcome, DeployState};
use crate::id::{DeployRef, UserId};
use crate::name::{BranchName, GitRef, JobName, ProjectName, TagName};

/// The most deploys that one reply lists, and how many it lists by default.
pub const PAGE_SIZE: u8 = 20;

/// The furthest that `since:` reaches back, in days.
const MAX_SINCE_DAYS: u64 = 3_660;

/// Which deploys are listed: those that match every filter given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryFilter {
    /// The requester.
    pub user: Option<UserFilter>,
    /// The branch, or the tag.
    #[serde(rename = "branch")]
    pub git_ref: Option<GitRef>,
    /// The job.
    pub job: Option<JobName>,
    /// The project.
    pub project: Option<ProjectName>,
    /// The environment, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The state or outcome.
    pub status: Option<StatusFilter>,
    /// Requested at or after.
    pub since: Option<SinceFilter>,
    /// How many, at most [`PAGE_SIZE`].
    pub limit: Option<u8>,
    /// Requested before this deploy: the next page.
    pub before: Option<DeployRef>,
    /// Also what was rejected, which otherwise only `status:` lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// Whose deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserFilter {
    /// Whoever types the query.
    Me,
    /// A user, by id.
    Id(UserId),
    /// A user, by a name: of the configuration, or the one Slack knew at the time.
    Name(String),
}

/// A state, or an outcome that several states have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusFilter {
    /// `in-progress`, `failed` and the like, in lower case.
    Outcome(DeployOutcome),
    /// One state, by its name.
    State(DeployState),
}

impl StatusFilter {
    /// Whether a deploy in `state` matches.
    #[must_use]
    pub fn matches(self, state: DeployState) -> bool {
        match self {
            StatusFilter::Outcome(outcome) => state.outcome() == outcome,
            StatusFilter::State(one) => state == one,
        }
    }
}

/// From when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinceFilter {
    /// So long ago.
    Ago(Duration),
    /// The beginning of that day, UTC.
    Day(NaiveDate),
    /// The beginning of today, UTC.
    Today,
    /// The beginning of yesterday, UTC.
    Yesterday,
}

impl SinceFilter {
    /// Whether it is the beginning of a day.
    #[must_use]
    pub fn is_day(self) -> bool {
        !matches!(self, SinceFilter::Ago(_))
    }

    /// The moment that it means at `now`.
    #[must_use]
    pub fn cutoff(self, now: Time) -> Time {
        match self {
            SinceFilter::Ago(ago) => chrono::TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(Time::MIN_UTC),
            SinceFilter::Day(day) => start_of(day),
            SinceFilter::Today => start_of(now.date_naive()),
            SinceFilter::Yesterday => {
                let today = now.date_naive();
                start_of(today.pred_opt().unwrap_or(today))
            }
        }
    }
}

fn start_of(day: NaiveDate) -> Time {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// Why the words after `history` are not filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// It has no `:`.
    MissingColon {
        /// The word, cut to a readable length.
        word: String,
    },
    /// There is no such filter.
    UnknownKey {
        /// What is before the `:`.
        key: String,
        /// What may have been meant.
        suggestion: Option<&'static str>,
    },
    /// It was given twice.
    DuplicateKey {
        /// The filter.
        key: &'static str,
    },
    /// Its value cannot be one.
    InvalidValue {
        /// The filter.
        key: &'static str,
        /// The value, cut to a readable length.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

/// The filters, in the order in which they are shown.
pub const FILTER_KEYS: [&str; 10] = [
    "user", "branch", "tag", "job", "project", "env", "status", "since", "limit", "before",
];

pub(super) fn parse(words: &[&str]) -> Result<HistoryFilter, FilterError> {
    let mut filter = HistoryFilter::default();
    for word in words {
        if fold(word) == ALL {
            filter.all = true;
            continue;
        }
        let Some((key, value)) = split_filter(word) else {
            let word = truncate_word(word);
            return Err(FilterError::MissingColon { word });
        };
        set_filter(&mut filter, &key, value)?;
    }
    Ok(filter)
}

/// The key of a filter, in lower case, and its value.
pub(super) fn split_filter(word: &str) -> Option<(String, &str)> {
    // The second colon is that of a keyboard for Chinese or Japanese.
    let (key, value) = word.split_once([':', '\u{ff1a}'])?;
    Some((fold(key), unquote(value)))
}

fn set_filter(filter: &mut HistoryFilter, key: &str, value: &str) -> Result<(), FilterError> {
    let Some(key) = FILTER_KEYS.into_iter().find(|known| *known == key) else {
        return Err(FilterError::UnknownKey {
            suggestion: closest_word(key, FILTER_KEYS),
            key: truncate_word(key),
        });
    };
    let typed = (key, value);
    let branch = || BranchName::parse(value).ok().map(GitRef::Branch);
    let tag = || TagName::parse(value).ok().map(GitRef::Tag);
    let project = || ProjectName::parse(value).ok();
    // An environment is named like a project.
    let environment = || project().map(String::from);
    match key {
        "user" => put_value(&mut filter.user, typed, parse_user(value), USER),
        "branch" => put_value(&mut filter.git_ref, typed, branch(), BRANCH),
        "tag" => put_value(&mut filter.git_ref, typed, tag(), TAG),
        "job" => put_value(&mut filter.job, typed, JobName::parse(value).ok(), NAME),
        "project" => put_value(&mut filter.project, typed, project(), NAME),
        "env" => put_value(&mut filter.environment, typed, environment(), NAME),
        "status" => put_value(&mut filter.status, typed, parse_status(value), STATUS),
        "since" => put_value(&mut filter.since, typed, parse_since(value), SINCE),
        "limit" => put_value(&mut filter.limit, typed, parse_limit(value), LIMIT),
        _ => put_value(&mut filter.before, typed, DeployRef::parse(value), ID),
    }
}

/// Lists what was rejected, too.
const ALL: &str = "all";

const USER: &str = "`me`, a name such as `@ana`, or an id such as `U012ABCDEF`";
const BRANCH: &str = "a branch's name, in full";
const TAG: &str = "a tag's name, in full";
const NAME: &str = "a name out of the configuration";
const STATUS: &str = "`in-progress`, `succeeded`, `failed`, `canceled`, `rejected`, or a state such \
                      as `TRIGGER_FAILED`";
const SINCE: &str = "a time such as `24h`, `7d` or `2w`, a day (UTC) such as `2026-11-30`, `today` or \
                     `yesterday`";
const LIMIT: &str = "a number from 1 to 20; there is more behind `before:`";
const ID: &str = "a deploy's id, such as `1a2b3c4d`";

fn put_value<T>(
    place: &mut Option<T>,
    (key, value): (&'static str, &str),
    read: Option<T>,
    expected: &'static str,
) -> Result<(), FilterError> {
    if place.is_some() {
        return Err(FilterError::DuplicateKey { key });
    }
    let invalid = || FilterError::InvalidValue {
        key,
        value: truncate_word(value),
        expected,
    };
    *place = Some(read.ok_or_else(invalid)?);
    Ok(())
}

/// `me`, `@name`, `U…`, or the mention that Slack may make of a name.
fn parse_user(value: &str) -> Option<UserFilter> {
    if fold(value) == "me" {
        return Some(UserFilter::Me);
    }
    if let Some(mention) = value.strip_prefix("<@") {
        let inner = mention.strip_suffix('>')?;
        let id = inner.split('|').next().unwrap_or_default();
        return UserId::parse(id).map(UserFilter::Id);
    }
    if let Some(name) = value.strip_prefix('@') {
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        let fits = (1..=80).contains(&name.chars().count()) && name.chars().all(plain);
        return fits.then(|| UserFilter::Name(name.to_lowercase()));
    }
    UserId::parse(&value.to_ascii_uppercase()).map(UserFilter::Id)
}

/// A word in lower case is an outcome first, since `failed` is both. `_` and `-` are alike.
fn parse_status(value: &str) -> Option<StatusFilter> {
    let word = match fold(value).as_str() {
        "success" | "successful" => "succeeded".to_owned(),
        "failure" => "failed".to_owned(),
        "cancelled" => "canceled".to_owned(),
        _ => value.replace('_', "-"),
    };
    let outcome = |word: &str| {
        let found = DeployOutcome::ALL
            .into_iter()
            .find(|o| outcome_word(*o) == word);
        found.map(StatusFilter::Outcome)
    };
    let state = || DeployState::parse(value).map(StatusFilter::State);
    outcome(&word)
        .or_else(state)
        .or_else(|| outcome(&word.to_lowercase()))
}

/// An outcome as it is typed.
pub(crate) fn outcome_word(outcome: DeployOutcome) -> &'static str {
    match outcome {
        DeployOutcome::InProgress => "in-progress",
        other => other.as_str(),
    }
}

fn parse_since(value: &str) -> Option<SinceFilter> {
    if let Ok(day) = value.parse::<NaiveDate>() {
        // No ledger is older, and days stored as text sort only with four digits.
        return (2000..10_000)
            .contains(&day.year())
            .then_some(SinceFilter::Day(day));
    }
    match fold(value).as_str() {
        "today" => return Some(SinceFilter::Today),
        "yesterday" => return Some(SinceFilter::Yesterday),
        _ => {}
    }
    // A capital `M` is a month.
    let ago = humantime::parse_duration(value)
        .or_else(|_| humantime::parse_duration(&fold(value)))
        .ok()?;
    let sane = !ago.is_zero() && ago <= Duration::from_secs(MAX_SINCE_DAYS * 86_400);
    sane.then_some(SinceFilter::Ago(ago))
}

fn parse_limit(value: &str) -> Option<u8> {
    value.parse().ok().filter(|n| (1..=PAGE_SIZE).contains(n))
}

/// A duration as people type it: `1w`, `36h`.
fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)];
    let whole = |(_, unit): &(&str, u64)| seconds > 0 && seconds.is_multiple_of(*unit);
    match units.into_iter().find(whole) {
        Some((word, unit)) if duration.subsec_nanos() == 0 => format!("{}{word}", seconds / unit),
        _ => humantime::format_duration(duration)
            .to_string()
            .replace(' ', ""),
    }
}

/// As it is typed: parsing it gives the same filter.
impl fmt::Display for HistoryFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| match user {
            UserFilter::Me => "me".to_owned(),
            UserFilter::Id(id) => id.to_string(),
            UserFilter::Name(name) => format!("@{name}"),
        });
        let status = self.status.map(|status| match status {
            StatusFilter::Outcome(outcome) => outcome_word(outcome),
            StatusFilter::State(state) => state.as_str(),
        });
        let since = self.since.map(|since| match since {
            SinceFilter::Ago(ago) => short_duration(ago),
            SinceFilter::Day(day) => day.to_string(),
            SinceFilter::Today => "today".to_owned(),
            SinceFilter::Yesterday => "yesterday".to_owned(),
        });
        let named = |name: fn(&GitRef) -> Option<&str>| {
            self.git_ref.as_ref().and_then(name).map(str::to_owned)
        };
        let all = [
            ("user", user),
            (
                "branch",
                named(|git_ref| git_ref.branch().map(BranchName::as_str)),
            ),
            ("tag", named(|git_ref| git_ref.tag().map(TagName::as_str))),
            ("job", self.job.as_ref().map(ToString::to_string)),
            ("project", self.project.as_ref().map(ToString::to_string)),
            ("env", self.environment.clone()),
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
        if self.all {
            write!(f, "{gap}{ALL}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
