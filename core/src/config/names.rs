//! The names that a file gives: to channels, to users and groups of them, and the aliases of projects and jobs.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;

use super::file::OneOrMany;
use super::mistake::{Finding, Findings};
use super::value::{IdParser, check_unique, unknown_name};
use crate::id::{QualifiedChannel, QualifiedUser, UserId};
use crate::name::NameError;

/// Each name with its one id.
pub(super) fn resolve_channels(
    raw: BTreeMap<String, Spanned<String>>,
    ids: &IdParser<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, Vec<QualifiedChannel>> {
    let mut channels = BTreeMap::new();
    for (name, id) in raw {
        let id = findings.keep(ids.parse_named(&id));
        channels.insert(name, id.into_iter().collect());
    }
    channels
}

/// Each name with its ids: first those of one person, then the groups, which may name them.
pub(super) fn resolve_users(
    raw: BTreeMap<String, Spanned<OneOrMany>>,
    ids: &IdParser<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, Vec<QualifiedUser>> {
    let (mut people, mut groups) = (BTreeMap::new(), vec![]);
    for (name, value) in raw {
        let span = value.span();
        match value.into_inner() {
            OneOrMany::One(id) => {
                let id = findings.keep(ids.parse_named(&Spanned::new(span, id)));
                people.insert(name, id.into_iter().collect::<Vec<_>>());
            }
            OneOrMany::Many(list) => groups.push((name, list)),
        }
    }
    let group_names: Vec<String> = groups.iter().map(|(name, _)| name.clone()).collect();
    let mut users = people.clone();
    for (name, list) in groups {
        findings.keep(check_unique(&list));
        let mut group: Vec<QualifiedUser> = vec![];
        for word in list {
            let found = match ids.parse(word.get_ref()) {
                Some(id) => id
                    .map(|id| vec![id])
                    .map_err(|why| Finding::new(word.span(), why)),
                None if group_names.contains(word.get_ref()) => {
                    let why = format!(
                        "'{}' is a group: a group lists people, by id or name",
                        word.get_ref()
                    );
                    Err(Finding::new(word.span(), why))
                }
                None => match people.get(word.get_ref()) {
                    Some(ids) => Ok(ids.clone()),
                    None => Err(unknown_name::<UserId>(&word, people.keys())),
                },
            };
            for id in findings.keep(found).unwrap_or_default() {
                if !group.contains(&id) {
                    group.push(id);
                }
            }
        }
        users.insert(name, group);
    }
    users
}

/// Aliases, each of one thing, and none of them the name of a thing.
pub(super) fn resolve_aliases<N: Ord + Clone + fmt::Display, T>(
    written: Vec<(N, Vec<Spanned<String>>)>,
    things: &BTreeMap<N, T>,
    parse: impl Fn(&str) -> Result<N, NameError>,
    findings: &mut Findings,
) -> BTreeMap<N, N> {
    let mut all = vec![];
    for (name, list) in written {
        if findings.keep(check_unique(&list)).is_some() {
            all.extend(list.into_iter().map(|alias| (alias, name.clone())));
        }
    }
    // Of two that clash, the one that is written later is to blame.
    all.sort_by_key(|(alias, _)| alias.span().start);
    let mut aliases = BTreeMap::<N, N>::new();
    for (alias, name) in all {
        let why = match parse(alias.get_ref()) {
            Err(why) => format!("alias: {why}"),
            Ok(other) if things.contains_key(&other) => {
                format!("'{other}' is a name already; an alias has to be another")
            }
            Ok(other) => {
                let Some(first) = aliases.get(&other) else {
                    aliases.insert(other, name);
                    continue;
                };
                format!("'{other}' is an alias of '{first}' already")
            }
        };
        findings.add(Finding::new(alias.span(), why));
    }
    aliases
}

/// Users by the names that are typed after `user:@`: of two that differ only in case, both.
pub(super) fn by_lowercase_name(
    users: BTreeMap<String, Vec<QualifiedUser>>,
) -> BTreeMap<String, Vec<QualifiedUser>> {
    let mut found = BTreeMap::<String, Vec<_>>::new();
    for (name, ids) in users {
        let known = found.entry(name.to_lowercase()).or_default();
        known.extend(ids);
        known.sort();
        known.dedup();
    }
    found
}

/// The name of each id that has one to itself; of several the one that is written first. A list names a
/// group, even of one.
pub(super) fn resolve_user_names(
    raw: &BTreeMap<String, Spanned<OneOrMany>>,
    ids: &IdParser<'_>,
) -> BTreeMap<QualifiedUser, String> {
    let mut written: Vec<_> = raw.iter().collect();
    written.sort_by_key(|(_, value)| value.span().start);
    let mut names = BTreeMap::new();
    for (name, value) in written {
        if let OneOrMany::One(id) = value.get_ref()
            && let Some(Ok(id)) = ids.parse(id)
        {
            names.entry(id).or_insert_with(|| name.clone());
        }
    }
    names
}
