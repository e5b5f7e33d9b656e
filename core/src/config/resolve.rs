//! Turns the keys as written into the configuration as used: names into ids, text into values. What is wrong
//! is noted, and the rest is resolved all the same.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::file::{RawCircleCi, RawConfig, RawJob, RawProject, RawSlack, unspanned};
use super::mistake::{Finding, Findings};
use super::names::{
    by_lowercase_name, resolve_aliases, resolve_channels, resolve_user_names, resolve_users,
};
use super::places::Places;
use super::trigger::{resolve_call, resolve_config_branch, resolve_trigger, resolve_workflow};
use super::value::{IdParser, MAX_NAMES, check_unique, parse_allow_list, parse_origin, parse_slug};
use super::{
    AllowList, CircleCiConfig, Config, JobConfig, Pattern, PatternKind, ProjectConfig, ProjectSlug,
    Repository, SlackConfig, TriggerCall,
};
use crate::command::closest_word;
use crate::id::{QualifiedChannel, QualifiedUser, TeamId};
use crate::name::{JobName, ProjectName};

/// The configuration, unless something is wrong with it.
pub(super) fn resolve_config(
    raw: RawConfig,
    text: &str,
    places: &Places,
    findings: &mut Findings,
) -> Option<Config> {
    let timeouts = raw.timeouts;
    for (keys, why) in timeouts.check() {
        let written = keys.iter().map(|key| places.value(&["timeouts", key]));
        let is_key = |span: &Range<usize>| *span != places.key(&["timeouts"]);
        let place = written.into_iter().find(is_key).unwrap_or(0..0);
        findings.add(Finding::new(place, why));
    }
    let has_teams = raw.slack.teams.is_some();
    let slack = resolve_slack(raw.slack, findings);
    let are_right = has_teams && !findings.are_within(&places.value(&["slack", "teams"]));
    let ids = IdParser {
        teams: slack
            .as_ref()
            .map(|slack| &slack.teams)
            .filter(|_| are_right),
    };
    let user_names = resolve_user_names(&raw.users, &ids);
    let mut names = NamedIds {
        channels: resolve_channels(raw.channels, &ids, findings),
        users: resolve_users(raw.users, &ids, findings),
        ids,
    };
    // Names whose values are wrong are known all the same.
    for (name, _) in places.keys_of("channels") {
        names.channels.entry(name.to_owned()).or_default();
    }
    for (name, _) in places.keys_of("users") {
        names.users.entry(name.to_owned()).or_default();
    }
    let mut projects = BTreeMap::new();
    let mut aliases = vec![];
    let mut known = vec![];
    for (name, mut project) in raw.projects {
        known.push(name.get_ref().clone());
        let checked = ProjectName::parse(name.get_ref());
        let checked =
            checked.map_err(|why| Finding::new(name.span(), format!("project name: {why}")));
        let own = mem::take(&mut project.aliases);
        let resolved = names.resolve_project(project, findings);
        let Some(checked) = findings.keep(checked) else {
            continue;
        };
        aliases.push((checked.clone(), own));
        projects.insert(checked, resolved);
    }
    let project_aliases = resolve_aliases(aliases, &projects, ProjectName::parse, findings);
    let default_project = raw.default_project.and_then(|name| {
        let found = ProjectName::parse(name.get_ref()).ok();
        let found = found.filter(|found| projects.contains_key(found));
        if found.is_none() && !places.has(&["projects", name.get_ref()]) {
            findings.add(unknown_default(&name, &known, &project_aliases));
        }
        found
    });
    let RawCircleCi { api, app } = raw.circleci;
    let api = parse_origin(api.unwrap_or_else(|| unspanned("https://circleci.com")));
    let app = parse_origin(app.unwrap_or_else(|| unspanned("https://app.circleci.com")));
    let (api, app) = (findings.keep(api), findings.keep(app));
    let channels = names.channels.into_iter();
    let channels = channels.filter_map(|(name, ids)| Some((name, ids.into_iter().next()?)));
    let config = Config {
        revision: base16ct::lower::encode_string(&Sha256::digest(text)[..6]),
        circleci: CircleCiConfig {
            api: api?,
            app: app?,
        },
        timeouts,
        default_project,
        projects: projects
            .into_iter()
            .map(|(name, project)| Some((name, project?)))
            .collect::<Option<_>>()?,
        project_aliases,
        users: by_lowercase_name(names.users),
        user_names,
        channels: channels.collect(),
        slack: slack?,
    };
    findings.is_empty().then_some(config)
}

/// A default project that there is not.
fn unknown_default(
    name: &Spanned<String>,
    known: &[String],
    aliases: &BTreeMap<ProjectName, ProjectName>,
) -> Finding {
    let text = name.get_ref();
    let alias = aliases.iter().find(|(alias, _)| alias.as_str() == text);
    let close = || closest_word(text, known.iter().map(String::as_str));
    let meant = alias.map(|(_, name)| name.as_str()).or_else(close);
    let advice = match (meant, alias) {
        (Some(meant), Some(_)) => format!(": it is an alias; write {meant:?}"),
        (Some(meant), None) => format!(": did you mean {meant:?}?"),
        (None, _) if (1..=MAX_NAMES).contains(&known.len()) => {
            format!(": the projects are {}", known.join(", "))
        }
        (None, _) => String::new(),
    };
    let why = format!("there is no [projects.{text}] to be the default{advice}");
    Finding::new(name.span(), why).suggest(meant)
}

fn resolve_slack(raw: RawSlack, findings: &mut Findings) -> Option<SlackConfig> {
    let command = raw.command.get_ref();
    if !command.starts_with('/') || command.len() > 32 || command.contains(char::is_whitespace) {
        let why = "a slash command starts with `/`, has no spaces and at most 32 characters";
        let first = command.split_whitespace().next().unwrap_or_default();
        let meant = (!first.is_empty() && !first.starts_with('/')).then(|| format!("/{first}"));
        findings.add(Finding::new(raw.command.span(), why).suggest(meant));
    }
    let teams = raw.teams.unwrap_or_default();
    let teams = parse_allow_list(teams, "workspace", findings, |word| {
        let text = word.get_ref();
        let why = || {
            let why = format!("'{text}' is not a workspace id; Slack's look like T012ABCDEF");
            Finding::new(word.span(), why)
        };
        TeamId::parse(text).map(|id| vec![id]).ok_or_else(why)
    });
    let mut response_url_origins = vec![];
    for origin in raw.response_url_origins {
        response_url_origins.extend(findings.keep(parse_origin(origin)));
    }
    let api = parse_origin(raw.api.unwrap_or_else(|| unspanned("https://slack.com")));
    Some(SlackConfig {
        command: command.clone(),
        teams,
        response_url_origins,
        api: findings.keep(api)?,
        interactivity: raw.interactivity,
        live: raw.live,
        actions_per_minute: raw.actions_per_minute,
    })
}

/// The names that `[channels]` and `[users]` give to ids.
struct NamedIds<'a> {
    channels: BTreeMap<String, Vec<QualifiedChannel>>,
    users: BTreeMap<String, Vec<QualifiedUser>>,
    ids: IdParser<'a>,
}

impl NamedIds<'_> {
    fn resolve_project(&self, raw: RawProject, findings: &mut Findings) -> Option<ProjectConfig> {
        let slug = raw.slug.and_then(|slug| findings.keep(parse_slug(&slug)));
        let announce = self.parse_feeds(raw.announce, findings);
        let mut jobs = BTreeMap::new();
        let mut aliases = vec![];
        for (name, mut job) in raw.jobs {
            let checked = JobName::parse(name.get_ref());
            let checked =
                checked.map_err(|why| Finding::new(name.span(), format!("job name: {why}")));
            let Some(checked) = findings.keep(checked) else {
                continue;
            };
            aliases.push((checked.clone(), mem::take(&mut job.aliases)));
            let place = name.span();
            let job = self.resolve_job(&checked, job, slug.as_ref(), &announce, place, findings);
            jobs.insert(checked, job);
        }
        let job_aliases = resolve_aliases(aliases, &jobs, JobName::parse, findings);
        let repository = match &raw.repository {
            Some(page) => findings.keep(Repository::parse(page)),
            None => slug.as_ref().and_then(Repository::of_slug),
        };
        let read = self.ids.parse_list(raw.read, &self.users, findings);
        let jobs = jobs.into_iter().map(|(name, job)| Some((name, job?)));
        Some(ProjectConfig {
            repository,
            slug: slug?,
            read,
            job_aliases,
            jobs: jobs.collect::<Option<_>>()?,
        })
    }

    /// `place` is the position of its name, `announce` what the project has.
    fn resolve_job(
        &self,
        name: &JobName,
        raw: RawJob,
        slug: Option<&ProjectSlug>,
        announce: &[QualifiedChannel],
        place: Range<usize>,
        findings: &mut Findings,
    ) -> Option<JobConfig> {
        let environment =
            raw.environment.map_or(
                Ok(name.to_string()),
                |environment| match ProjectName::parse(environment.get_ref()) {
                    Ok(_) => Ok(environment.into_inner()),
                    Err(why) => Err(Finding::new(
                        environment.span(),
                        format!("environment: {why}"),
                    )),
                },
            );
        let environment = findings.keep(environment);
        let branches = parse_patterns(&raw.branches, PatternKind::Branch, findings);
        let tags = parse_patterns(&raw.tags, PatternKind::Tag, findings);
        let channels = self.ids.parse_list(raw.channels, &self.channels, findings);
        let users = self.ids.parse_list(raw.users, &self.users, findings);
        let announce = match raw.announce {
            Some(own) => self.parse_feeds(own, findings),
            None => announce.to_vec(),
        };
        let call = resolve_call(raw.trigger, raw.definition, slug, place);
        // What follows from the call is not looked at where the call is wrong.
        let call = findings.keep(call)?;
        if let (TriggerCall::Job, Some(tag)) = (&call, raw.tags.first()) {
            let why =
                "trigger = \"job\" builds branches only; take tags out, or choose another trigger";
            findings.add(Finding::new(tag.span(), why));
        }
        let config_branch = findings.keep(resolve_config_branch(raw.config_branch, &call));
        let workflow = resolve_workflow(raw.workflow, raw.must_run, &call, name);
        let workflow = findings.keep(workflow);
        let trigger = resolve_trigger(
            call,
            config_branch.flatten(),
            raw.job_parameter,
            raw.deploy_id_parameter,
            raw.parameters,
            findings,
        );
        let (workflow, must_run) = workflow?;
        Some(JobConfig {
            trigger: trigger?,
            workflow,
            must_run,
            environment: environment?,
            exclusive: raw.exclusive,
            branches,
            tags,
            channels,
            users,
            announce,
        })
    }

    /// The channels of an `announce`.
    fn parse_feeds(
        &self,
        raw: Vec<Spanned<String>>,
        findings: &mut Findings,
    ) -> Vec<QualifiedChannel> {
        let span = raw.first().map_or(0..0, Spanned::span);
        match self.ids.parse_list(raw, &self.channels, findings) {
            AllowList::Listed(channels) => channels,
            AllowList::Any => {
                let why = "\"*\" is no channel; name each one";
                findings.add(Finding::new(span, why));
                vec![]
            }
        }
    }
}

fn parse_patterns(
    raw: &[Spanned<String>],
    kind: PatternKind,
    findings: &mut Findings,
) -> Vec<Pattern> {
    findings.keep(check_unique(raw));
    let pattern = |text: &Spanned<String>| {
        Pattern::parse(text.get_ref(), kind)
            .map_err(|why| Finding::new(text.span(), why.to_string()))
    };
    raw.iter()
        .filter_map(|text| findings.keep(pattern(text)))
        .collect()
}
