//! Turns the keys as written into the configuration as used: names into ids, text into values.

use std::collections::BTreeMap;
use std::ops::Range;
use std::{fmt, mem};

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::file::{
    OneOrMany, RawCircleCi, RawConfig, RawJob, RawProject, RawSlack, SpannedError, unspanned,
};
use super::trigger::{resolve_call, resolve_config_branch, resolve_trigger, resolve_workflow};
use super::value::{IdParser, check_unique, parse_allow_list, parse_origin, parse_slug};
use super::{
    AllowList, CircleCiConfig, Config, JobConfig, Pattern, PatternKind, ProjectConfig, ProjectSlug,
    Repository, SlackConfig, TriggerCall,
};
use crate::id::{QualifiedChannel, QualifiedUser, TeamId};
use crate::name::{JobName, NameError, ProjectName};

pub(super) fn resolve_config(raw: RawConfig, text: &str) -> Result<Config, SpannedError> {
    if *raw.version.get_ref() != 1 {
        let why = "this program reads version = 1";
        return Err((raw.version.span(), why.to_owned()));
    }
    let timeouts = raw.timeouts.unwrap_or_default();
    timeouts
        .check()
        .map_err(|(keys, why)| (timeout_span(text, keys), why))?;
    let slack = resolve_slack(raw.slack)?;
    let ids = IdParser {
        teams: &slack.teams,
    };
    let user_names = resolve_user_names(&raw.users, &ids);
    let names = NamedIds {
        channels: resolve_channels(raw.channels, &ids)?,
        users: resolve_users(raw.users, &ids)?,
        ids,
    };
    let mut projects = BTreeMap::new();
    let mut aliases = vec![];
    for (name, mut project) in raw.projects {
        let checked = ProjectName::parse(name.get_ref())
            .map_err(|why| (name.span(), format!("project name: {why}")))?;
        aliases.push((checked.clone(), mem::take(&mut project.aliases)));
        projects.insert(checked, names.resolve_project(project)?);
    }
    let project_aliases = resolve_aliases(aliases, &projects, ProjectName::parse)?;
    let default_project = raw.default_project.map(|name| {
        let known = ProjectName::parse(name.get_ref()).ok();
        let known = known.filter(|known| projects.contains_key(known));
        known.ok_or_else(|| {
            let (span, name) = (name.span(), name.get_ref());
            (
                span,
                format!("there is no [projects.{name}] to be the default"),
            )
        })
    });
    let RawCircleCi { api, app } = raw.circleci;
    let api = api.unwrap_or_else(|| unspanned("https://circleci.com"));
    let app = app.unwrap_or_else(|| unspanned("https://app.circleci.com"));
    Ok(Config {
        revision: base16ct::lower::encode_string(&Sha256::digest(text)[..6]),
        circleci: CircleCiConfig {
            api: parse_origin(api)?,
            app: parse_origin(app)?,
        },
        timeouts,
        default_project: default_project.transpose()?,
        projects,
        project_aliases,
        users: by_lowercase_name(names.users),
        user_names,
        slack,
    })
}

/// The position of the first of these keys that is written.
fn timeout_span(text: &str, keys: [&str; 2]) -> Range<usize> {
    let place = || {
        let file = toml::de::DeTable::parse(text).ok()?;
        let timeouts = file.get_ref().get("timeouts")?.get_ref().as_table()?;
        let written = keys.iter().find_map(|key| timeouts.get(*key));
        written.map(Spanned::span)
    };
    place().unwrap_or(0..0)
}

fn resolve_slack(raw: RawSlack) -> Result<SlackConfig, SpannedError> {
    let command = raw.command.get_ref();
    if !command.starts_with('/') || command.len() > 32 || command.contains(char::is_whitespace) {
        let why = "a slash command starts with `/`, has no spaces and at most 32 characters";
        return Err((raw.command.span(), why.to_owned()));
    }
    let origins = raw.response_url_origins.into_iter();
    Ok(SlackConfig {
        command: command.clone(),
        teams: parse_allow_list(raw.teams, "workspace", |word| {
            let why = || format!("'{word}' is not a workspace id; Slack's look like T012ABCDEF");
            TeamId::parse(word).map(|id| vec![id]).ok_or_else(why)
        })?,
        response_url_origins: origins.map(parse_origin).collect::<Result<_, _>>()?,
        api: parse_origin(raw.api.unwrap_or_else(|| unspanned("https://slack.com")))?,
        interactivity: raw.interactivity,
        live: raw.live,
        actions_per_minute: raw.actions_per_minute,
    })
}

fn resolve_channels(
    raw: BTreeMap<String, Spanned<String>>,
    ids: &IdParser<'_>,
) -> Result<BTreeMap<String, QualifiedChannel>, SpannedError> {
    raw.into_iter()
        .map(|(name, id)| Ok((name, ids.parse_named(&id)?)))
        .collect()
}

fn resolve_users(
    raw: BTreeMap<String, Spanned<OneOrMany>>,
    ids: &IdParser<'_>,
) -> Result<BTreeMap<String, Vec<QualifiedUser>>, SpannedError> {
    let users = |value: Spanned<OneOrMany>| {
        let span = value.span();
        match value.into_inner() {
            OneOrMany::One(id) => Ok(vec![ids.parse_named(&Spanned::new(span, id))?]),
            OneOrMany::Many(list) => {
                check_unique(&list)?;
                list.iter().map(|id| ids.parse_named(id)).collect()
            }
        }
    };
    raw.into_iter()
        .map(|(name, value)| Ok((name, users(value)?)))
        .collect()
}

/// Aliases, each of one thing, and none of them the name of a thing.
fn resolve_aliases<N: Ord + Clone + fmt::Display, T>(
    written: Vec<(N, Vec<Spanned<String>>)>,
    things: &BTreeMap<N, T>,
    parse: impl Fn(&str) -> Result<N, NameError>,
) -> Result<BTreeMap<N, N>, SpannedError> {
    let mut all = vec![];
    for (name, list) in written {
        check_unique(&list)?;
        all.extend(list.into_iter().map(|alias| (alias, name.clone())));
    }
    // Of two that clash, the one that is written later is to blame.
    all.sort_by_key(|(alias, _)| alias.span().start);
    let mut aliases = BTreeMap::new();
    for (alias, name) in all {
        let error_at = |why: String| (alias.span(), why);
        let other = parse(alias.get_ref()).map_err(|why| error_at(format!("alias: {why}")))?;
        if things.contains_key(&other) {
            let why = format!("'{other}' is a name already; an alias has to be another");
            return Err(error_at(why));
        }
        if let Some(first) = aliases.insert(other, name) {
            let why = format!("'{}' is an alias of '{first}' already", alias.get_ref());
            return Err(error_at(why));
        }
    }
    Ok(aliases)
}

/// Users by the names that are typed after `user:@`: of two that differ only in case, both.
fn by_lowercase_name(
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
fn resolve_user_names(
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

/// The names that `[channels]` and `[users]` give to ids.
struct NamedIds<'a> {
    channels: BTreeMap<String, QualifiedChannel>,
    users: BTreeMap<String, Vec<QualifiedUser>>,
    ids: IdParser<'a>,
}

impl NamedIds<'_> {
    fn resolve_project(&self, raw: RawProject) -> Result<ProjectConfig, SpannedError> {
        let slug = parse_slug(&raw.slug)?;
        let announce = self.parse_feeds(raw.announce)?;
        let mut jobs = BTreeMap::new();
        let mut aliases = vec![];
        for (name, mut job) in raw.jobs {
            let checked = JobName::parse(name.get_ref())
                .map_err(|why| (name.span(), format!("job name: {why}")))?;
            aliases.push((checked.clone(), mem::take(&mut job.aliases)));
            let job = self.resolve_job(&checked, job, &slug, &announce, name.span())?;
            jobs.insert(checked, job);
        }
        Ok(ProjectConfig {
            repository: match &raw.repository {
                Some(page) => Some(Repository::parse(page)?),
                None => Repository::of_slug(&slug),
            },
            slug,
            read: self.parse_users(raw.read)?,
            job_aliases: resolve_aliases(aliases, &jobs, JobName::parse)?,
            jobs,
        })
    }

    /// `place` is the position of its name, `announce` what the project has.
    fn resolve_job(
        &self,
        name: &JobName,
        raw: RawJob,
        slug: &ProjectSlug,
        announce: &[QualifiedChannel],
        place: Range<usize>,
    ) -> Result<JobConfig, SpannedError> {
        let environment = match raw.environment {
            None => name.to_string(),
            Some(environment) => {
                ProjectName::parse(environment.get_ref())
                    .map_err(|why| (environment.span(), format!("environment: {why}")))?;
                environment.into_inner()
            }
        };
        let branches = parse_patterns(&raw.branches, PatternKind::Branch)?;
        let tags = parse_patterns(&raw.tags, PatternKind::Tag)?;
        let id_parameter = raw.deploy_id_parameter;
        let call = resolve_call(raw.trigger, raw.definition, slug, place)?;
        if let (TriggerCall::Job, Some(tag)) = (&call, raw.tags.first()) {
            let why =
                "trigger = \"job\" builds branches only; take tags out, or choose another trigger";
            return Err((tag.span(), why.to_owned()));
        }
        let config_branch = resolve_config_branch(raw.config_branch, &call)?;
        let (workflow, must_run) = resolve_workflow(raw.workflow, raw.must_run, &call, name)?;
        let trigger = resolve_trigger(
            call,
            config_branch,
            raw.job_parameter,
            id_parameter,
            raw.parameters,
        )?;
        Ok(JobConfig {
            trigger,
            workflow,
            must_run,
            environment,
            exclusive: raw.exclusive,
            branches,
            tags,
            channels: self.parse_channels(raw.channels)?,
            users: self.parse_users(raw.users)?,
            announce: match raw.announce {
                Some(own) => self.parse_feeds(own)?,
                None => announce.to_vec(),
            },
        })
    }

    /// A list of channels.
    fn parse_channels(
        &self,
        raw: Vec<Spanned<String>>,
    ) -> Result<AllowList<QualifiedChannel>, SpannedError> {
        self.ids.parse_list(raw, |name| {
            self.channels.get(name).map(|id| vec![id.clone()])
        })
    }

    /// The channels of an `announce`.
    fn parse_feeds(
        &self,
        raw: Vec<Spanned<String>>,
    ) -> Result<Vec<QualifiedChannel>, SpannedError> {
        let span = raw.first().map_or(0..0, Spanned::span);
        match self.parse_channels(raw)? {
            AllowList::Listed(channels) => Ok(channels),
            AllowList::Any => Err((span, "\"*\" is no channel; name each one".to_owned())),
        }
    }

    /// A list of users and groups of them.
    fn parse_users(
        &self,
        raw: Vec<Spanned<String>>,
    ) -> Result<AllowList<QualifiedUser>, SpannedError> {
        self.ids
            .parse_list(raw, |name| self.users.get(name).cloned())
    }
}

fn parse_patterns(
    raw: &[Spanned<String>],
    kind: PatternKind,
) -> Result<Vec<Pattern>, SpannedError> {
    check_unique(raw)?;
    raw.iter()
        .map(|text| {
            Pattern::parse(text.get_ref(), kind).map_err(|why| (text.span(), why.to_string()))
        })
        .collect()
}
