//! Single values: ids, lists, slugs and origins, each with its errors.

use std::collections::BTreeSet;

use toml::Spanned;
use url::Url;

use super::file::SpannedError;
use super::{AllowList, ProjectSlug};
use crate::id::{ChannelId, UserId};

pub(super) fn parse_channel(id: &Spanned<String>) -> Result<ChannelId, SpannedError> {
    ChannelId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a channel id; Slack shows it at the foot of a channel's details, \
             like C012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
}

pub(super) fn parse_user(id: &Spanned<String>) -> Result<UserId, SpannedError> {
    UserId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a user id; Slack's profile menu copies it (\"Copy member ID\"), \
             like U012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
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
