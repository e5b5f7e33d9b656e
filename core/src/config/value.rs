//! Single values: ids, lists, slugs and origins, each with its errors.

use std::collections::BTreeSet;

use toml::Spanned;
use url::Url;

use super::file::SpannedError;
use super::{AllowList, ProjectSlug};
use crate::id::{ChannelId, Qualified, TeamId, UserId};

/// A kind of Slack id, as a configuration names it in its errors.
pub(super) trait SlackId: TryFrom<String> + PartialEq {
    /// What it is the id of.
    const KIND: &'static str;
    /// Where Slack shows it.
    const SHOWN: &'static str;
    /// The table that gives it a name.
    const TABLE: &'static str;
    /// An example.
    const EXAMPLE: &'static str;
}

impl SlackId for ChannelId {
    const KIND: &'static str = "channel";
    const SHOWN: &'static str = "Slack shows it at the foot of a channel's details";
    const TABLE: &'static str = "[channels]";
    const EXAMPLE: &'static str = "C012ABCDEF";
}

impl SlackId for UserId {
    const KIND: &'static str = "user";
    const SHOWN: &'static str = "Slack's profile menu copies it (\"Copy member ID\")";
    const TABLE: &'static str = "[users]";
    const EXAMPLE: &'static str = "U012ABCDEF";
}

/// Reads ids, alone or with their workspace.
pub(super) struct IdParser<'a> {
    /// `slack.teams`
    pub(super) teams: &'a AllowList<TeamId>,
}

impl IdParser<'_> {
    /// Reads `T…/U…`, or `U…` where only one workspace is listed; `None` if it is no id.
    pub(super) fn parse<I: SlackId>(&self, word: &str) -> Option<Result<Qualified<I>, String>> {
        if let Some(qualified) = Qualified::parse(word) {
            return Some(Ok(qualified));
        }
        let id = I::try_from(word.to_owned()).ok()?;
        let team = match self.teams.listed() {
            [team] => Ok(team.clone()),
            _ => Err(format!(
                "'{word}' belongs to one workspace, and slack.teams does not list exactly one: \
                 write both, like T012ABCDEF/{word}"
            )),
        };
        Some(team.map(|team| Qualified { team, id }))
    }

    /// Reads the value that a name stands for.
    pub(super) fn parse_named<I: SlackId>(
        &self,
        value: &Spanned<String>,
    ) -> Result<Qualified<I>, SpannedError> {
        let word = value.get_ref();
        let (kind, shown, example) = (I::KIND, I::SHOWN, I::EXAMPLE);
        let unreadable = || {
            Err(format!(
                "'{word}' is not a {kind} id; {shown}, like {example}"
            ))
        };
        let parsed = self.parse(word).unwrap_or_else(unreadable);
        parsed.map_err(|why| (value.span(), why))
    }

    /// Reads a list of ids and names.
    pub(super) fn parse_list<I: SlackId>(
        &self,
        raw: Vec<Spanned<String>>,
        named: impl Fn(&str) -> Option<Vec<Qualified<I>>>,
    ) -> Result<AllowList<Qualified<I>>, SpannedError> {
        parse_allow_list(raw, I::KIND, |word| {
            let id = self.parse(word).map(|id| id.map(|id| vec![id]));
            let unknown = || {
                let (kind, table) = (I::KIND, I::TABLE);
                format!("'{word}' is neither a {kind} id nor a name from {table}")
            };
            id.unwrap_or_else(|| named(word).ok_or_else(unknown))
        })
    }
}

/// Resolves a list in which `"*"` means everything and must then be alone.
pub(super) fn parse_allow_list<T: PartialEq>(
    raw: Vec<Spanned<String>>,
    kind: &str,
    resolve: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<AllowList<T>, SpannedError> {
    check_unique(&raw)?;
    let star = raw.iter().find(|word| word.get_ref() == "*");
    match star {
        Some(star) if raw.len() > 1 => Err((
            star.span(),
            format!("\"*\" already allows every {kind}; let it stand alone"),
        )),
        Some(_) => Ok(AllowList::Any),
        None => {
            let mut list: Vec<T> = Vec::new();
            for word in raw {
                for one in resolve(word.get_ref()).map_err(|why| (word.span(), why))? {
                    if !list.contains(&one) {
                        list.push(one);
                    }
                }
            }
            Ok(AllowList::Listed(list))
        }
    }
}

pub(super) fn check_unique(list: &[Spanned<String>]) -> Result<(), SpannedError> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|word| !seen.insert(word.get_ref())) {
        Some(twice) => {
            let (span, word) = (twice.span(), twice.get_ref());
            Err((span, format!("'{word}' is listed twice")))
        }
        None => Ok(()),
    }
}

pub(super) fn parse_slug(raw: &Spanned<String>) -> Result<ProjectSlug, SpannedError> {
    let parts: Vec<&str> = raw.get_ref().split('/').collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let valid = |p: &&str| !p.is_empty() && !p.starts_with('.') && p.chars().all(plain);
    let slug = |vcs: &str, org: &str, repo: &str| ProjectSlug {
        vcs: vcs.into(),
        org: org.into(),
        repo: repo.into(),
    };
    match parts.as_slice() {
        ["gh" | "github", org, repo] if parts.iter().all(valid) => Ok(slug("gh", org, repo)),
        ["bb" | "bitbucket", org, repo] if parts.iter().all(valid) => Ok(slug("bb", org, repo)),
        ["circleci", org, repo] if parts.iter().all(valid) => Ok(slug("circleci", org, repo)),
        _ => {
            let why = format!(
                "'{}' is not a project slug such as gh/acme/web, bb/acme/web or \
                 circleci/<org id>/<project id>",
                raw.get_ref()
            );
            Err((raw.span(), why))
        }
    }
}

pub(super) fn parse_origin(raw: Spanned<String>) -> Result<Url, SpannedError> {
    let span = raw.span();
    let text = raw.into_inner();
    let wrong = || {
        let why = format!("'{text}' is not an origin such as https://example.com");
        (span.clone(), why)
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        _ if !nobody => Err((span, "an address here holds no user or password".to_owned())),
        _ if !bare => Err(wrong()),
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err((
            span,
            "plain http is for loopback addresses only; use https".to_owned(),
        )),
        _ => Err(wrong()),
    }
}
