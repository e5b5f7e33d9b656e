//! One value at a time: ids, lists, slugs and addresses, each with its complaint.

use std::collections::BTreeSet;

use toml::Spanned;
use url::Url;

use super::file::Complaint;
use super::{Allow, Slug};
use crate::id::{ChannelId, UserId};

pub(super) fn channel(id: &Spanned<String>) -> Result<ChannelId, Complaint> {
    ChannelId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a channel id; Slack shows it at the foot of a channel's details, \
             like C012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
}

pub(super) fn user(id: &Spanned<String>) -> Result<UserId, Complaint> {
    UserId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a user id; Slack's profile menu copies it (\"Copy member ID\"), \
             like U012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
}

/// Resolves a list in which `"*"` stands for everything and must then stand alone.
pub(super) fn allow<T: PartialEq>(
    raw: Vec<Spanned<String>>,
    kind: &str,
    resolve: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Allow<T>, Complaint> {
    unique(&raw)?;
    let star = raw.iter().find(|word| word.get_ref() == "*");
    match star {
        Some(star) if raw.len() > 1 => Err((
            star.span(),
            format!("\"*\" already allows every {kind}; let it stand alone"),
        )),
        Some(_) => Ok(Allow::Any),
        None => {
            let mut list: Vec<T> = Vec::new();
            for word in raw {
                for one in resolve(word.get_ref()).map_err(|why| (word.span(), why))? {
                    if !list.contains(&one) {
                        list.push(one);
                    }
                }
            }
            Ok(Allow::Listed(list))
        }
    }
}

pub(super) fn unique(list: &[Spanned<String>]) -> Result<(), Complaint> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|word| !seen.insert(word.get_ref())) {
        Some(twice) => Err((
            twice.span(),
            format!("'{}' is listed twice", twice.get_ref()),
        )),
        None => Ok(()),
    }
}

pub(super) fn slug(raw: &Spanned<String>) -> Result<Slug, Complaint> {
    let parts: Vec<&str> = raw.get_ref().split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match parts.as_slice() {
        [vcs, org, repo]
            if parts.iter().all(plain)
                && ["gh", "github", "bb", "bitbucket", "circleci"].contains(vcs) =>
        {
            let vcs = match *vcs {
                "github" => "gh",
                "bitbucket" => "bb",
                other => other,
            };
            Ok(Slug {
                vcs: vcs.into(),
                org: (*org).into(),
                repo: (*repo).into(),
            })
        }
        _ => Err((
            raw.span(),
            format!(
                "'{}' is not a project slug such as gh/acme/web, bb/acme/web or \
                 circleci/<org id>/<project id>",
                raw.get_ref()
            ),
        )),
    }
}

pub(super) fn origin(raw: Spanned<String>) -> Result<Url, Complaint> {
    let span = raw.span();
    let text = raw.into_inner();
    let wrong = || {
        (
            span.clone(),
            format!("'{text}' is not an origin such as https://example.com"),
        )
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
