//! One value at a time: ids, lists, slugs, addresses and parameters, each with its complaint.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toml::Spanned;
use url::Url;

use super::file::{Complaint, ParameterName};
use super::{Allow, Slug, Trigger};
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

/// CircleCI takes at most 100 parameters, names up to 128 characters and values up to 512.
pub(super) fn pipeline_trigger(
    job: Spanned<ParameterName>,
    deploy_id: Spanned<ParameterName>,
    raw: BTreeMap<Spanned<String>, Value>,
) -> Result<Trigger, Complaint> {
    // Of two that clash, the one that was written down is to blame; the other has no place.
    let clash = if deploy_id.span().is_empty() {
        job.span()
    } else {
        deploy_id.span()
    };
    let job_parameter = parameter_name(job)?;
    let deploy_id_parameter = parameter_name(deploy_id)?;
    if job_parameter.is_some() && job_parameter == deploy_id_parameter {
        let why = "job_parameter and deploy_id_parameter name the same parameter";
        return Err((clash, why.to_owned()));
    }
    let ours = usize::from(job_parameter.is_some()) + usize::from(deploy_id_parameter.is_some());
    let mut parameters = BTreeMap::new();
    for (name, value) in raw {
        let complain = |why: &str| Err((name.span(), format!("parameter: {why}")));
        let taken = |other: &Option<String>| other.as_ref() == Some(name.get_ref());
        if !is_parameter_name(name.get_ref()) {
            return complain(PARAMETER_NAME);
        }
        if taken(&job_parameter) || taken(&deploy_id_parameter) {
            return complain("it is set by job_parameter or deploy_id_parameter already");
        }
        match &value {
            Value::String(text) if text.chars().count() > 512 => {
                return complain("CircleCI takes values of at most 512 characters");
            }
            Value::String(_) | Value::Bool(_) => {}
            Value::Number(number) if number.is_i64() => {}
            _ => return complain("CircleCI takes a string, a whole number, true or false"),
        }
        if parameters.len() + ours >= 100 {
            return complain("CircleCI takes at most 100 of them");
        }
        parameters.insert(name.get_ref().clone(), value);
    }
    Ok(Trigger::Pipeline {
        job_parameter,
        deploy_id_parameter,
        parameters,
    })
}

const PARAMETER_NAME: &str = "a parameter's name holds letters, digits, `_` and `-`, at most 128";

fn is_parameter_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn parameter_name(raw: Spanned<ParameterName>) -> Result<Option<String>, Complaint> {
    let span = raw.span();
    match raw.into_inner() {
        ParameterName::Switch(false) => Ok(None),
        ParameterName::Switch(true) => Err((
            span,
            "give the parameter's name, or false for none".to_owned(),
        )),
        ParameterName::Named(name) if is_parameter_name(&name) => Ok(Some(name)),
        ParameterName::Named(_) => Err((span, PARAMETER_NAME.to_owned())),
    }
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
