//! Single values: ids, lists, slugs and origins, each with its errors.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use url::Url;

use super::mistake::{Finding, Findings};
use super::{AllowList, ProjectSlug};
use crate::command::closest_word;
use crate::id::{ChannelId, Qualified, TeamId, UserId};

/// A kind of Slack id, as a configuration names it in its errors.
pub(super) trait SlackId: TryFrom<String> + PartialEq + Clone {
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
    /// `slack.teams`; `None` if that is wrong itself, and then every workspace will do.
    pub(super) teams: Option<&'a AllowList<TeamId>>,
}

impl IdParser<'_> {
    /// Reads `T…/U…`, or `U…` where only one workspace is listed; `None` if it is no id.
    pub(super) fn parse<I: SlackId>(&self, word: &str) -> Option<Result<Qualified<I>, String>> {
        if let Some(qualified) = Qualified::parse(word) {
            return Some(Ok(qualified));
        }
        let id = I::try_from(word.to_owned()).ok()?;
        let team = match self.teams.map(AllowList::listed) {
            Some([team]) => Ok(team.clone()),
            None => TeamId::parse("T012ABCDEF").ok_or_else(String::new),
            Some(_) => Err(format!(
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
    ) -> Result<Qualified<I>, Finding> {
        let word = value.get_ref();
        let (kind, shown, example) = (I::KIND, I::SHOWN, I::EXAMPLE);
        let unreadable = || {
            Err(format!(
                "'{word}' is not a {kind} id; {shown}, like {example}"
            ))
        };
        let parsed = self.parse(word).unwrap_or_else(unreadable);
        parsed.map_err(|why| Finding::new(value.span(), why))
    }

    /// Reads a list of ids and names.
    pub(super) fn parse_list<I: SlackId>(
        &self,
        raw: Vec<Spanned<String>>,
        names: &BTreeMap<String, Vec<Qualified<I>>>,
        findings: &mut Findings,
    ) -> AllowList<Qualified<I>> {
        parse_allow_list(raw, I::KIND, findings, |word| {
            match self.parse(word.get_ref()) {
                Some(Ok(id)) => Ok(vec![id]),
                Some(Err(why)) => Err(Finding::new(word.span(), why)),
                None => match names.get(word.get_ref()) {
                    Some(ids) => Ok(ids.clone()),
                    None => Err(unknown_name::<I>(word, names.keys())),
                },
            }
        })
    }
}

/// A word that is neither an id nor a known name.
pub(super) fn unknown_name<'n, I: SlackId>(
    word: &Spanned<String>,
    names: impl Iterator<Item = &'n String>,
) -> Finding {
    let (kind, table, text) = (I::KIND, I::TABLE, word.get_ref());
    let names: Vec<&str> = names.map(String::as_str).collect();
    let bare = text.trim_start_matches(['@', '#']);
    let is_one = |name: &&&str| name.eq_ignore_ascii_case(bare);
    let meant = names.iter().find(is_one).copied();
    let meant = meant.or_else(|| closest_word(bare, names.iter().copied()));
    let advice = match (meant, names.as_slice()) {
        (Some(meant), _) => format!(": did you mean '{meant}'?"),
        (None, []) => format!(": {}, like {}", I::SHOWN, I::EXAMPLE),
        (None, names) if names.len() <= MAX_NAMES => {
            format!(": its names are {}", names.join(", "))
        }
        (None, _) => String::new(),
    };
    let why = format!("'{text}' is neither a {kind} id nor a name from {table}{advice}");
    Finding::new(word.span(), why).suggest(meant)
}

/// The most names that a message lists.
pub(super) const MAX_NAMES: usize = 8;

/// Resolves a list in which `"*"` means everything and must then be alone.
pub(super) fn parse_allow_list<T: PartialEq>(
    raw: Vec<Spanned<String>>,
    kind: &str,
    findings: &mut Findings,
    resolve: impl Fn(&Spanned<String>) -> Result<Vec<T>, Finding>,
) -> AllowList<T> {
    findings.keep(check_unique(&raw));
    let is_star = |word: &&Spanned<String>| word.get_ref() == "*";
    if let Some(star) = raw.iter().find(is_star) {
        if raw.len() > 1 {
            let why = format!("\"*\" already allows every {kind}; let it stand alone");
            findings.add(Finding::new(star.span(), why));
        }
        return AllowList::Any;
    }
    let mut list: Vec<T> = Vec::new();
    for word in raw {
        for one in findings.keep(resolve(&word)).unwrap_or_default() {
            if !list.contains(&one) {
                list.push(one);
            }
        }
    }
    AllowList::Listed(list)
}

pub(super) fn check_unique(list: &[Spanned<String>]) -> Result<(), Finding> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|word| !seen.insert(word.get_ref())) {
        Some(twice) => {
            let (span, word) = (twice.span(), twice.get_ref());
            Err(Finding::new(span, format!("'{word}' is listed twice")))
        }
        None => Ok(()),
    }
}

pub(super) fn parse_slug(raw: &Spanned<String>) -> Result<ProjectSlug, Finding> {
    let text = raw.get_ref();
    if let Some(slug) = read_slug(text).filter(|slug| slug.repo.strip_suffix(".git").is_none()) {
        return Ok(slug);
    }
    let meant = meant_slug(text).map(|slug| slug.to_string());
    let advice = match &meant {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "it is like gh/acme/web, bb/acme/web or circleci/<org id>/<project id>".to_owned(),
    };
    let why = format!("'{text}' is not a project slug: {advice}");
    Err(Finding::new(raw.span(), why).suggest(meant))
}

fn read_slug(text: &str) -> Option<ProjectSlug> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let valid = |p: &&str| !p.is_empty() && !p.starts_with('.') && p.chars().all(plain);
    let parts: Vec<&str> = text.split('/').collect();
    let [vcs, org, repo] = parts.as_slice() else {
        return None;
    };
    let vcs = match *vcs {
        "gh" | "github" => "gh",
        "bb" | "bitbucket" => "bb",
        "circleci" => "circleci",
        _ => return None,
    };
    let slug = ProjectSlug {
        vcs: vcs.into(),
        org: (*org).into(),
        repo: (*repo).into(),
    };
    parts.iter().all(valid).then_some(slug)
}

/// The slug of an address of a repository or of CircleCI's web application.
fn meant_slug(text: &str) -> Option<ProjectSlug> {
    let path = text.trim().trim_end_matches('/');
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = path.split_once('@').map_or(path, |(_, rest)| rest);
    let path = path.replacen(':', "/", 1);
    let path = path.trim_end_matches(".git").trim_start_matches("www.");
    let path = [
        "app.circleci.com/pipelines/",
        "app.circleci.com/projects/project-dashboard/",
    ]
    .iter()
    .find_map(|page| path.strip_prefix(page))
    .unwrap_or(path);
    let path = path
        .replacen("github.com/", "gh/", 1)
        .replacen("bitbucket.org/", "bb/", 1);
    let parts: Vec<&str> = path.split('/').take(3).collect();
    match parts.as_slice() {
        [org, repo] => read_slug(&format!("gh/{org}/{repo}")),
        parts => read_slug(&parts.join("/").to_lowercase()).and_then(|_| {
            let vcs = parts
                .first()
                .map_or_else(String::new, |vcs| vcs.to_lowercase());
            read_slug(&format!(
                "{vcs}/{}",
                parts.get(1..).unwrap_or_default().join("/")
            ))
        }),
    }
}

pub(super) fn parse_origin(raw: Spanned<String>) -> Result<Url, Finding> {
    let span = raw.span();
    let text = raw.into_inner();
    let wrong = || {
        let why = format!("'{text}' is not an origin such as https://example.com");
        Finding::new(span.clone(), why)
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
        _ if !nobody => Err(Finding::new(
            span,
            "an address here holds no user or password",
        )),
        _ if !bare => Err(wrong()),
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(Finding::new(
            span,
            "plain http is for loopback addresses only; use https",
        )),
        _ => Err(wrong()),
    }
}
