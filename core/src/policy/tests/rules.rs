//! Random configurations: as the text that is parsed, and as the lists it was written from.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::config::Config;
use crate::deploy::Target;
use crate::fixtures::Random;

/// The parts of random rules and requests; the last of each is in no rule.
pub(super) const TEAMS: [&str; 3] = ["T012ABCDEF", "E22", "T33"];
pub(super) const PROJECTS: [&str; 2] = ["web", "api"];
pub(super) const PROJECT_ALIASES: [&str; 3] = ["site", "w", "service"];
pub(super) const JOBS: [&str; 2] = ["test", "deploy"];
pub(super) const JOB_ALIASES: [&str; 3] = ["ship", "d", "check"];
pub(super) const CHANNELS: [&str; 4] = ["C11", "C22", "G33", "D44"];
pub(super) const USERS: [&str; 4] = ["U11", "U22", "W33", "U44"];
pub(super) const BRANCHES: [&str; 12] = [
    "main",
    "main2",
    "release",
    "release/1",
    "release/1/x",
    "feature",
    "login-fix",
    "team/login-fix",
    "team/a/login-fix",
    "team/fix",
    "x/main",
    "other",
];

/// What the lists may hold, and which ids it means.
pub(super) const IN_CHANNELS: [(&str, &[&str]); 6] = [
    ("T012ABCDEF/C11", &["T012ABCDEF/C11"]),
    ("T012ABCDEF/C22", &["T012ABCDEF/C22"]),
    ("E22/C11", &["E22/C11"]),
    ("E22/C22", &["E22/C22"]),
    ("E22/G33", &["E22/G33"]),
    ("deploys", &["T012ABCDEF/C11"]),
];
pub(super) const IN_USERS: [(&str, &[&str]); 6] = [
    ("T012ABCDEF/U11", &["T012ABCDEF/U11"]),
    ("T012ABCDEF/U22", &["T012ABCDEF/U22"]),
    ("E22/W33", &["E22/W33"]),
    ("E22/U11", &["E22/U11"]),
    ("ada", &["T012ABCDEF/U11"]),
    ("both", &["T012ABCDEF/U22", "E22/U11"]),
];

/// A pattern of every kind, and what it means.
pub(super) type PatternCase = (&'static str, fn(&str) -> bool);
pub(super) const PATTERNS: [PatternCase; 9] = [
    ("main", |branch| branch == "main"),
    ("*", |_| true),
    ("**", |_| true),
    ("release/*", |branch| {
        one_part(branch.strip_prefix("release/"))
    }),
    ("release/**", |branch| branch.starts_with("release/")),
    ("f*", |branch| one_part(branch.strip_prefix("f"))),
    ("*-fix", |branch| one_part(branch.strip_suffix("-fix"))),
    ("team/**-fix", |branch| {
        let rest = branch.strip_prefix("team/");
        rest.is_some_and(|rest| rest.ends_with("-fix"))
    }),
    ("*/*i*", |branch| {
        let parts: Vec<_> = branch.split('/').collect();
        parts.len() == 2 && parts[1].contains('i')
    }),
];

fn one_part(rest: Option<&str>) -> bool {
    rest.is_some_and(|rest| !rest.contains('/'))
}

/// Some of these.
fn some<T: Copy>(random: &mut Random, of: &[T]) -> Vec<T> {
    of.iter()
        .filter(|_| random.below(3) == 0)
        .copied()
        .collect()
}

/// A list as in the file: nothing, everything or some.
#[derive(Clone)]
pub(super) enum IdList {
    All,
    Some(Vec<(&'static str, &'static [&'static str])>),
}

impl IdList {
    pub(super) fn random(
        random: &mut Random,
        of: &[(&'static str, &'static [&'static str])],
    ) -> Self {
        match random.below(4) {
            0 => IdList::All,
            _ => IdList::Some(some(random, of)),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            IdList::All => "[\"*\"]".to_owned(),
            IdList::Some(words) => format!("{:?}", words.iter().map(|w| w.0).collect::<Vec<_>>()),
        }
    }

    /// The ids it lists, each once.
    pub(super) fn ids(&self) -> Vec<&'static str> {
        let mut ids = vec![];
        if let IdList::Some(words) = self {
            for id in words.iter().flat_map(|word| word.1) {
                if !ids.contains(id) {
                    ids.push(*id);
                }
            }
        }
        ids
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        matches!(self, IdList::All) || self.ids().contains(&id)
    }
}

pub(super) struct JobRules {
    pub(super) project: &'static str,
    pub(super) name: &'static str,
    pub(super) aliases: Vec<&'static str>,
    pub(super) exclusive: bool,
    pub(super) environment: Option<&'static str>,
    pub(super) channels: IdList,
    pub(super) users: IdList,
    pub(super) branches: Vec<PatternCase>,
    pub(super) tags: Vec<PatternCase>,
    /// Whether `version`, which must match `v*`, has to be set; `None` if there is no such parameter.
    pub(super) version: Option<bool>,
}

impl JobRules {
    pub(super) fn target(&self) -> Option<Target> {
        let environment = self.environment.unwrap_or(self.name);
        let target = format!("gh/acme/{}/{environment}", self.project);
        self.exclusive.then_some(Target(target))
    }
}

/// A configuration as the lists it is written from.
pub(super) struct RuleSet {
    pub(super) teams: IdList,
    pub(super) default: Option<&'static str>,
    /// Each with its aliases.
    pub(super) projects: Vec<(&'static str, Vec<&'static str>)>,
    /// Who may read each project; a project that is not in it has no such list.
    pub(super) read: BTreeMap<&'static str, IdList>,
    pub(super) jobs: Vec<JobRules>,
}

/// Gives each alias to one of `names` or to none.
fn aliases(
    random: &mut Random,
    names: &[&'static str],
    aliases: &[&'static str],
) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut all: Vec<_> = names.iter().map(|name| (*name, vec![])).collect();
    for alias in aliases {
        let i = random.below(names.len() + 1);
        if let Some((_, list)) = all.get_mut(i) {
            list.push(*alias);
        }
    }
    all
}

impl RuleSet {
    pub(super) fn random(random: &mut Random) -> Self {
        let here: Vec<_> = PROJECTS
            .into_iter()
            .filter(|_| random.below(16) > 0)
            .collect();
        let projects = aliases(random, &here, &PROJECT_ALIASES);
        let mut jobs = vec![];
        for project in &here {
            let here: Vec<_> = JOBS.into_iter().filter(|_| random.below(8) > 0).collect();
            for (name, aliases) in aliases(random, &here, &JOB_ALIASES) {
                jobs.push(JobRules {
                    project,
                    name,
                    aliases,
                    exclusive: random.below(4) > 0,
                    environment: (random.below(2) > 0).then_some("production"),
                    channels: IdList::random(random, &IN_CHANNELS),
                    users: IdList::random(random, &IN_USERS),
                    branches: some(random, &PATTERNS),
                    tags: some(random, &PATTERNS),
                    version: (random.below(2) > 0).then(|| random.below(2) > 0),
                });
            }
        }
        let listed = here.iter().filter(|_| random.below(2) > 0);
        let listed: Vec<_> = listed.copied().collect();
        let read = listed
            .into_iter()
            .map(|project| (project, IdList::random(random, &IN_USERS)))
            .collect();
        let teams = match random.below(4) {
            0 => IdList::Some(some(
                random,
                &[("T012ABCDEF", &["T012ABCDEF"]), ("E22", &["E22"])],
            )),
            1 => IdList::Some(vec![("T012ABCDEF", &["T012ABCDEF"]), ("E22", &["E22"])]),
            _ => IdList::All,
        };
        let default = here.get(random.below(3)).copied();
        Self {
            teams,
            default,
            projects,
            read,
            jobs,
        }
    }

    pub(super) fn config(&self) -> Config {
        let mut text = String::from("version = 1\n");
        if let Some(default) = self.default {
            writeln!(text, "default_project = {default:?}").unwrap();
        }
        writeln!(text, "[slack]\nteams = {}", self.teams.text()).unwrap();
        text += "[channels]\ndeploys = 'T012ABCDEF/C11'\n[users]\nada = 'T012ABCDEF/U11'\n";
        text += "both = ['T012ABCDEF/U22', 'E22/U11']\n";
        for (project, aliases) in &self.projects {
            writeln!(text, "[projects.{project}]\nslug = 'gh/acme/{project}'").unwrap();
            writeln!(text, "aliases = {aliases:?}").unwrap();
            if let Some(read) = self.read.get(project) {
                writeln!(text, "read = {}", read.text()).unwrap();
            }
        }
        for job in &self.jobs {
            writeln!(text, "[projects.{}.jobs.{}]", job.project, job.name).unwrap();
            writeln!(
                text,
                "aliases = {:?}\nexclusive = {}",
                job.aliases, job.exclusive
            )
            .unwrap();
            if let Some(environment) = job.environment {
                writeln!(text, "environment = {environment:?}").unwrap();
            }
            let (channels, users) = (job.channels.text(), job.users.text());
            writeln!(text, "channels = {channels}\nusers = {users}").unwrap();
            for (key, patterns) in [("branches", &job.branches), ("tags", &job.tags)] {
                let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.0).collect();
                writeln!(text, "{key} = {patterns:?}").unwrap();
            }
            if let Some(required) = job.version {
                let rule = format!("{{ pattern = 'v*', required = {required} }}");
                writeln!(text, "parameters.fixed = 1\nparameters.version = {rule}").unwrap();
            }
        }
        Config::parse(&text, "chatops.toml").unwrap()
    }
}
