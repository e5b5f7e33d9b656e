//! From the keys as written to the configuration as used: names become ids, text becomes values.

use std::collections::BTreeMap;
use std::ops::Range;
use std::{fmt, mem};

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::file::{Complaint, File, OneOrMore, RawJob, RawProject, RawSlack, unspanned};
use super::trigger::{trigger, trigger_call};
use super::value::{allow, channel, origin, slug, unique, user};
use super::{BranchPattern, CircleCi, Config, Job, Project, Slack, Slug};
use crate::id::{ChannelId, TeamId, UserId};
use crate::name::{BadName, JobName, ProjectName};

pub(super) fn resolve(raw: File, text: &str) -> Result<Config, Complaint> {
    if *raw.version.get_ref() != 1 {
        return Err((
            raw.version.span(),
            "this program reads version = 1".to_owned(),
        ));
    }
    let times = raw.times.unwrap_or_default();
    times
        .check()
        .map_err(|(keys, why)| (time_at(text, keys), why))?;
    let names = Names {
        channels: resolve_channels(raw.channels)?,
        people: resolve_people(raw.people)?,
    };
    let mut projects = BTreeMap::new();
    let mut aliases = vec![];
    for (name, mut project) in raw.projects {
        let checked = ProjectName::parse(name.get_ref())
            .map_err(|why| (name.span(), format!("project name: {why}")))?;
        aliases.push((checked.clone(), mem::take(&mut project.aliases)));
        projects.insert(checked, names.project(project)?);
    }
    let project_aliases = resolve_aliases(aliases, &projects, ProjectName::parse)?;
    let default_project = raw.default_project.map(|name| {
        ProjectName::parse(name.get_ref())
            .ok()
            .filter(|known| projects.contains_key(known))
            .ok_or_else(|| {
                (
                    name.span(),
                    format!(
                        "there is no [projects.{}] to be the default",
                        name.get_ref()
                    ),
                )
            })
    });
    Ok(Config {
        revision: Sha256::digest(text)[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
        slack: slack(raw.slack)?,
        circleci: CircleCi {
            api: origin(
                raw.circleci
                    .api
                    .unwrap_or_else(|| unspanned("https://circleci.com")),
            )?,
            app: origin(
                raw.circleci
                    .app
                    .unwrap_or_else(|| unspanned("https://app.circleci.com")),
            )?,
        },
        times,
        default_project: default_project.transpose()?,
        projects,
        project_aliases,
        people: by_small_letters(names.people),
    })
}

/// Where the first of these keys stands that was written down.
fn time_at(text: &str, keys: [&str; 2]) -> Range<usize> {
    let place = || {
        let file = toml::de::DeTable::parse(text).ok()?;
        let times = file.get_ref().get("times")?.get_ref().as_table()?;
        keys.iter()
            .find_map(|key| times.get(*key))
            .map(Spanned::span)
    };
    place().unwrap_or(0..0)
}

fn slack(raw: RawSlack) -> Result<Slack, Complaint> {
    let command = raw.command.get_ref();
    if !command.starts_with('/') || command.len() > 32 || command.contains(char::is_whitespace) {
        let why = "a slash command starts with `/`, has no spaces and at most 32 characters";
        return Err((raw.command.span(), why.to_owned()));
    }
    Ok(Slack {
        command: command.clone(),
        teams: allow(raw.teams, "workspace", |word| {
            TeamId::parse(word).map(|id| vec![id]).ok_or_else(|| {
                format!("'{word}' is not a workspace id; Slack's look like T012ABCDEF")
            })
        })?,
        reply_origins: raw
            .reply_origins
            .into_iter()
            .map(origin)
            .collect::<Result<_, _>>()?,
        api: origin(raw.api.unwrap_or_else(|| unspanned("https://slack.com")))?,
    })
}

fn resolve_channels(
    raw: BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<String, ChannelId>, Complaint> {
    raw.into_iter()
        .map(|(name, id)| Ok((name, channel(&id)?)))
        .collect()
}

fn resolve_people(
    raw: BTreeMap<String, Spanned<OneOrMore>>,
) -> Result<BTreeMap<String, Vec<UserId>>, Complaint> {
    let ids = |value: Spanned<OneOrMore>| {
        let span = value.span();
        match value.into_inner() {
            OneOrMore::One(id) => Ok(vec![user(&Spanned::new(span, id))?]),
            OneOrMore::More(ids) => {
                unique(&ids)?;
                ids.iter().map(user).collect()
            }
        }
    };
    raw.into_iter()
        .map(|(name, value)| Ok((name, ids(value)?)))
        .collect()
}

/// Other names, each of one thing, and none that is a thing's own name.
fn resolve_aliases<N: Ord + Clone + fmt::Display, T>(
    written: Vec<(N, Vec<Spanned<String>>)>,
    things: &BTreeMap<N, T>,
    parse: impl Fn(&str) -> Result<N, BadName>,
) -> Result<BTreeMap<N, N>, Complaint> {
    let mut all = vec![];
    for (name, list) in written {
        unique(&list)?;
        all.extend(list.into_iter().map(|alias| (alias, name.clone())));
    }
    // Of two that clash, the one that is written later is to blame.
    all.sort_by_key(|(alias, _)| alias.span().start);
    let mut aliases = BTreeMap::new();
    for (alias, name) in all {
        let complain = |why: String| (alias.span(), why);
        let other = parse(alias.get_ref()).map_err(|why| complain(format!("alias: {why}")))?;
        if things.contains_key(&other) {
            let why = format!("'{other}' is a name already; an alias has to be another");
            return Err(complain(why));
        }
        if let Some(first) = aliases.insert(other, name) {
            let why = format!("'{}' is an alias of '{first}' already", alias.get_ref());
            return Err(complain(why));
        }
    }
    Ok(aliases)
}

/// People by the names that are typed after `user:@`: of two that differ in case alone, both.
fn by_small_letters(people: BTreeMap<String, Vec<UserId>>) -> BTreeMap<String, Vec<UserId>> {
    let mut found = BTreeMap::<String, Vec<UserId>>::new();
    for (name, ids) in people {
        let known = found.entry(name.to_lowercase()).or_default();
        known.extend(ids);
        known.sort();
        known.dedup();
    }
    found
}

/// The names that `[channels]` and `[people]` give to ids.
struct Names {
    channels: BTreeMap<String, ChannelId>,
    people: BTreeMap<String, Vec<UserId>>,
}

impl Names {
    fn project(&self, raw: RawProject) -> Result<Project, Complaint> {
        let slug = slug(&raw.slug)?;
        let mut jobs = BTreeMap::new();
        let mut aliases = vec![];
        for (name, mut job) in raw.jobs {
            let checked = JobName::parse(name.get_ref())
                .map_err(|why| (name.span(), format!("job name: {why}")))?;
            aliases.push((checked.clone(), mem::take(&mut job.aliases)));
            let job = self.job(&checked, job, &slug, name.span())?;
            jobs.insert(checked, job);
        }
        Ok(Project {
            slug,
            job_aliases: resolve_aliases(aliases, &jobs, JobName::parse)?,
            jobs,
        })
    }

    /// `place` is where its name stands.
    fn job(
        &self,
        name: &JobName,
        raw: RawJob,
        slug: &Slug,
        place: Range<usize>,
    ) -> Result<Job, Complaint> {
        let environment = match raw.environment {
            None => name.to_string(),
            Some(environment) => {
                ProjectName::parse(environment.get_ref())
                    .map_err(|why| (environment.span(), format!("environment: {why}")))?;
                environment.into_inner()
            }
        };
        unique(&raw.branches)?;
        let branches = raw
            .branches
            .iter()
            .map(|p| BranchPattern::parse(p.get_ref()).map_err(|why| (p.span(), why.to_string())))
            .collect::<Result<_, _>>()?;
        let call = trigger_call(raw.trigger, raw.definition, slug, place)?;
        Ok(Job {
            trigger: trigger(
                call,
                raw.job_parameter,
                raw.deploy_id_parameter,
                raw.parameters,
            )?,
            environment,
            exclusive: raw.exclusive,
            branches,
            channels: allow(raw.channels, "channel", |word| {
                ChannelId::parse(word)
                    .or_else(|| self.channels.get(word).cloned())
                    .map(|id| vec![id])
                    .ok_or_else(|| {
                        format!("'{word}' is neither a channel id nor a name from [channels]")
                    })
            })?,
            people: allow(raw.people, "person", |word| {
                UserId::parse(word)
                    .map(|id| vec![id])
                    .or_else(|| self.people.get(word).cloned())
                    .ok_or_else(|| {
                        format!("'{word}' is neither a user id nor a name from [people]")
                    })
            })?,
        })
    }
}
