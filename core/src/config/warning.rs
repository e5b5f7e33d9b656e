//! What a valid file allows to nobody or to everybody, and what it has for nothing. No rule depends on it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::mistake::{Finding, Findings};
use super::places::Places;
use super::{AllowList, Config, JobConfig, Pattern, PatternKind, ProjectConfig};
use crate::id::{ChannelId, Qualified, QualifiedUser, TeamId, UserId};
use crate::name::{BranchName, JobName, ProjectName, TagName};

/// All of it.
pub(super) fn find_warnings(config: &Config, places: &Places) -> Findings {
    let mut search = WarningSearch {
        config,
        places,
        found: Findings::default(),
    };
    search.workspaces();
    search.names();
    search.projects();
    search.found
}

struct WarningSearch<'c> {
    config: &'c Config,
    places: &'c Places,
    found: Findings,
}

impl WarningSearch<'_> {
    fn warn(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.found.add(Finding::new(span, message));
    }

    fn workspaces(&mut self) {
        let place = self.places.value(&["slack", "teams"]);
        match &self.config.slack.teams {
            AllowList::Any => {
                let why = "anybody: commands from every workspace are accepted that has the app; list the ids of yours";
                self.warn(place, why);
            }
            AllowList::Listed(teams) if teams.is_empty() => {
                let why = "nobody: no workspace is listed, so every command is refused; add the id of yours";
                self.warn(place, why);
            }
            AllowList::Listed(teams) => self.foreign_workspaces(teams),
        }
    }

    /// Ids of workspaces whose commands are not accepted.
    fn foreign_workspaces(&mut self, teams: &[TeamId]) {
        for (path, text, place) in self.places.texts() {
            let is_rule = path
                .iter()
                .any(|part| ["users", "channels", "read"].contains(&part.as_str()));
            let user = Qualified::<UserId>::parse(text).map(|id| id.team);
            let team = user.or_else(|| Qualified::<ChannelId>::parse(text).map(|id| id.team));
            if let Some(team) = team.filter(|team| is_rule && !teams.contains(team)) {
                let why =
                    format!("nobody: {team} is not in slack.teams, so its commands are refused");
                self.found.add(Finding::new(place, why));
            }
        }
    }

    /// Names that no rule uses.
    fn names(&mut self) {
        let used: BTreeSet<(&str, &str)> = self
            .places
            .texts()
            .filter(|(path, ..)| path[0] == "projects")
            .filter_map(|(path, text, _)| Some((path.last()?.as_str(), text)))
            .collect();
        let is_used =
            |keys: [&str; 2], name: &str| keys.iter().any(|key| used.contains(&(*key, name)));
        for (name, place) in self.places.keys_of("channels") {
            if !is_used(["channels", "announce"], name) {
                let why =
                    format!("no rule uses the channel '{name}': nothing can be started from it");
                self.found.add(Finding::new(place, why));
            }
        }
        let people: BTreeSet<&str> = self
            .config
            .user_names
            .values()
            .map(String::as_str)
            .collect();
        for (name, place) in self.places.keys_of("users") {
            let is_person = people.contains(name);
            let ids = self.ids_of(name);
            let why = if ids.is_empty() {
                format!("nobody is in the group '{name}'")
            } else if is_person || ids.len() == 1 || is_used(["users", "read"], name) {
                continue;
            } else {
                format!("no rule uses the group '{name}'")
            };
            self.found.add(Finding::new(place, why));
        }
    }

    fn projects(&mut self) {
        if self.config.projects.is_empty() {
            self.warn(
                0..0,
                "there is no project, so nothing can be deployed: add [projects.NAME]",
            );
        }
        let names = self
            .config
            .projects
            .keys()
            .map(|name| (name.as_str(), name.as_str()));
        let aliases = self.config.project_aliases.iter();
        let names = names.chain(aliases.map(|(alias, name)| (alias.as_str(), name.as_str())));
        self.alike(&names.collect::<Vec<_>>(), "project", &["projects"]);
        for (name, project) in &self.config.projects {
            self.project(name, project);
        }
    }

    fn project(&mut self, name: &ProjectName, project: &ProjectConfig) {
        let path = ["projects", name.as_str()];
        if project.jobs.is_empty() {
            let why =
                format!("nothing can be deployed: it has no jobs; add [projects.{name}.jobs.NAME]");
            self.warn(self.places.key(&path), why);
        }
        let read = [path[0], path[1], "read"];
        if project.read == AllowList::Any {
            let why = "anybody of the workspaces in slack.teams may read its deploys, guests too";
            self.warn(self.places.value(&read), why);
        }
        self.repeated(&read);
        self.repeated(&[path[0], path[1], "announce"]);
        let names = project
            .jobs
            .keys()
            .map(|name| (name.as_str(), name.as_str()));
        let aliases = project.job_aliases.iter();
        let names = names.chain(aliases.map(|(alias, name)| (alias.as_str(), name.as_str())));
        self.alike(
            &names.collect::<Vec<_>>(),
            "job",
            &[path[0], path[1], "jobs"],
        );
        let mut environments: Vec<&str> = vec![];
        for (job_name, job) in &project.jobs {
            let here = ["projects", name.as_str(), "jobs", job_name.as_str()];
            let is_alike = |known: &&&str| {
                known.eq_ignore_ascii_case(&job.environment) && **known != job.environment
            };
            if let Some(other) = environments.iter().find(is_alike) {
                let why = format!(
                    "'{}' and '{other}' are two environments, each with a lock of its own",
                    job.environment
                );
                self.warn(
                    self.places
                        .value(&[here[0], here[1], here[2], here[3], "environment"]),
                    why,
                );
            }
            environments.push(&job.environment);
            self.job(job_name, job, here);
        }
    }

    fn job(&mut self, name: &JobName, job: &JobConfig, path: [&str; 4]) {
        let at = |key| [path[0], path[1], path[2], path[3], key];
        let missing = |search: &Self, key| {
            let how = if search.places.has(&at(key)) {
                "is empty"
            } else {
                "is missing"
            };
            format!("`{key}` {how}")
        };
        if job.users == AllowList::Listed(vec![]) {
            let why = format!("nobody may run {name}: {}", missing(self, "users"));
            self.warn(self.places.value(&at("users")), why);
        }
        if job.channels == AllowList::Listed(vec![]) {
            let why = format!(
                "nowhere can {name} be run from: {}",
                missing(self, "channels")
            );
            self.warn(self.places.value(&at("channels")), why);
        }
        if job.branches.is_empty() && job.tags.is_empty() {
            let why = format!(
                "{name} runs on nothing: {}, and there are no `tags`",
                missing(self, "branches")
            );
            self.warn(self.places.value(&at("branches")), why);
        }
        if job.users == AllowList::Any {
            let why = format!(
                "anybody of the workspaces in slack.teams may run {name}, guests too: list users or groups where that is not meant"
            );
            self.warn(self.places.value(&at("users")), why);
        }
        self.patterns(&at("branches"), PatternKind::Branch, &job.branches);
        self.patterns(&at("tags"), PatternKind::Tag, &job.tags);
        for key in ["users", "channels", "announce"] {
            self.repeated(&at(key));
        }
    }

    /// Patterns that fit nothing, everything, or only what another one fits.
    fn patterns(&mut self, path: &[&str], kind: PatternKind, patterns: &[Pattern]) {
        for (text, place) in self.places.items(path) {
            let text = text.as_str();
            let other = patterns.iter().find(|other| {
                let name = text.replace('*', "x");
                other.to_string() != text
                    && (is_everything(&other.to_string())
                        || !text.contains('*') && other.matches(&name))
            });
            // The rest of a pattern's name is wrong whatever its stars stand for.
            let name = text.replace("**", "x").replace('*', "x");
            let wrong = match kind {
                PatternKind::Tag => TagName::parse(&name).err(),
                _ => BranchName::parse(&name).err(),
            };
            let why = match (wrong, other) {
                (Some(why), _) => format!("no {kind} can be called so: {why}"),
                (None, Some(other)) => format!("'{other}' allows this already"),
                (None, None) if is_everything(text) => {
                    format!("every {kind} is allowed: whoever can push one decides what runs")
                }
                (None, None) => continue,
            };
            self.found.add(Finding::new(place.clone(), why));
        }
    }

    /// Who stands in a list alone and in a group, or under two names.
    fn repeated(&mut self, path: &[&str]) {
        let items = self.places.items(path);
        for (i, (text, place)) in items.iter().enumerate() {
            let own = self.ids_of(text);
            let [id] = own.as_slice() else {
                continue;
            };
            let holds = |(j, (other, _)): &(usize, &(String, Range<usize>))| {
                let ids = self.ids_of(other);
                *j != i && ids.contains(id) && (ids.len() > 1 || *j < i)
            };
            if let Some((_, (other, _))) = items.iter().enumerate().find(holds) {
                let why = format!("'{text}' is listed twice: '{other}' has it already");
                self.found.add(Finding::new(place.clone(), why));
            }
        }
    }

    /// The ids of a word in a list.
    fn ids_of(&self, word: &str) -> Vec<String> {
        let users = || {
            let users = self.config.users.get(&word.to_lowercase());
            users.map(|ids| ids.iter().map(QualifiedUser::to_string).collect())
        };
        match self.config.channels.get(word) {
            Some(id) => vec![id.to_string()],
            None => users().unwrap_or_else(|| vec![self.full_id(word)]),
        }
    }

    /// An id with its workspace.
    fn full_id(&self, id: &str) -> String {
        match self.config.slack.teams.listed() {
            [team] if !id.contains('/') => format!("{team}/{id}"),
            _ => id.to_owned(),
        }
    }

    /// Names of different things that differ in case only: typed in a third way, they mean neither.
    fn alike(&mut self, names: &[(&str, &str)], kind: &str, path: &[&str]) {
        for (i, (word, meant)) in names.iter().enumerate() {
            let is_other =
                |(other, of): &&(&str, &str)| of != meant && other.eq_ignore_ascii_case(word);
            if let Some((other, of)) = names[..i].iter().find(is_other) {
                let why = format!(
                    "'{word}' of {meant} and '{other}' of {of} differ in case only: typed otherwise, it is no {kind}"
                );
                let thing: Vec<&str> = path.iter().chain([meant]).copied().collect();
                let list: Vec<&str> = thing.iter().chain(&["aliases"]).copied().collect();
                let items = self.places.items(&list);
                let item = items.iter().find(|(text, _)| text == word);
                let place =
                    item.map_or_else(|| self.places.key(&thing), |(_, place)| place.clone());
                self.warn(place, why);
            }
        }
    }
}

fn is_everything(pattern: &str) -> bool {
    ["*", "**"].contains(&pattern)
}
