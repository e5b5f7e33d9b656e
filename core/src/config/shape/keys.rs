//! The tables and their keys.

use super::{Default, Key, Kind, Table};
use crate::config::timeouts;

/// A key that may be left out.
const fn optional(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Key {
    let default = if default.is_empty() {
        Default::None
    } else {
        Default::Value(default)
    };
    let is_required = false;
    Key {
        name,
        kind,
        is_required,
        default,
        example,
        doc,
    }
}

/// A key that has to be there.
const fn required(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Key {
    Key {
        is_required: true,
        ..optional(name, kind, "", example, doc)
    }
}

const SLUG: &str = "^((gh|github|bb|bitbucket)/[^/]+/[^/]+|circleci/[^/]+/[^/]+)$";
const ORIGIN: &str = "^https?://[^/]+/?$";
const USER_OR_GROUP: Kind = Kind::TextOrTexts;

/// The file.
pub(in crate::config) static FILE: Table = Table {
    name: "",
    doc: "Who may deploy what with chatops, from where, on which branches",
    keys: &[
        required(
            "version",
            Kind::Version,
            "1",
            "The version of this format: 1",
        ),
        optional(
            "default_project",
            Kind::Text,
            "",
            "\"web\"",
            "The project of the short form `/chatops <branch> <job>`; without it people name one",
        ),
        required("slack", Kind::Table(&SLACK), "", "Slack"),
        optional(
            "circleci",
            Kind::Table(&CIRCLECI),
            "",
            "",
            "CircleCI: only for CircleCI server",
        ),
        optional(
            "timeouts",
            Kind::Table(&TIMEOUTS),
            "",
            "",
            "How long things may take",
        ),
        optional(
            "channels",
            Kind::Named(&Kind::TextLike("^(T[A-Z0-9]+/)?[CGD][A-Z0-9]+$")),
            "",
            "\"C012ABCDEF\"",
            "Names for the ids of channels",
        ),
        optional(
            "users",
            Kind::Named(&USER_OR_GROUP),
            "",
            "\"U012ABCDEF\"",
            "Names for the ids of users. A list is a group, of ids and of such names",
        ),
        optional(
            "projects",
            Kind::Named(&Kind::Table(&PROJECT)),
            "",
            "",
            "The projects at CircleCI, by the names that people type",
        ),
    ],
};

static SLACK: Table = Table {
    name: "[slack]",
    doc: "Slack",
    keys: &[
        required(
            "teams",
            Kind::Texts,
            "[\"T012ABCDEF\"]",
            "The ids of the workspaces whose commands are accepted",
        ),
        optional(
            "command",
            Kind::TextLike("^/[^ ]{1,31}$"),
            "\"/chatops\"",
            "\"/chatops\"",
            "The slash command as it is installed",
        ),
        optional(
            "interactivity",
            Kind::Switch,
            "false",
            "true",
            "Whether messages have buttons; the app needs an address for presses",
        ),
        optional(
            "live",
            Kind::Switch,
            "false",
            "true",
            "Whether each deploy has one message that the bot keeps up to date",
        ),
        optional(
            "actions_per_minute",
            Kind::Count,
            "20",
            "20",
            "How many retries, cancels, dismissals and unlocks a user may request within a minute",
        ),
        optional(
            "response_url_origins",
            Kind::Texts,
            "[\"https://hooks.slack.com\"]",
            "[\"https://hooks.slack.com\"]",
            "The origins that a response URL may have; others are for tests",
        ),
        optional(
            "api",
            Kind::TextLike(ORIGIN),
            "\"https://slack.com\"",
            "\"https://slack.com\"",
            "The origin of Slack's Web API; another one is for tests",
        ),
    ],
};

static CIRCLECI: Table = Table {
    name: "[circleci]",
    doc: "Only for CircleCI server",
    keys: &[
        optional(
            "api",
            Kind::TextLike(ORIGIN),
            "\"https://circleci.com\"",
            "\"https://circleci.com\"",
            "The origin of its API",
        ),
        optional(
            "app",
            Kind::TextLike(ORIGIN),
            "\"https://app.circleci.com\"",
            "\"https://app.circleci.com\"",
            "The origin of its web application",
        ),
    ],
};

static TIMEOUTS: Table = Table {
    name: "[timeouts]",
    doc: "How long things may take. The defaults suit most",
    keys: timeouts::KEYS,
};

static PROJECT: Table = Table {
    name: "[projects.NAME]",
    doc: "A project at CircleCI",
    keys: &[
        required(
            "slug",
            Kind::TextLike(SLUG),
            "\"gh/acme/web\"",
            "`gh/<org>/<repo>`, `bb/<org>/<repo>`, or `circleci/<org id>/<project id>`",
        ),
        optional(
            "repository",
            Kind::TextLike("^https://[^/]+/.+/.+"),
            "",
            "\"https://github.com/acme/web\"",
            "The repository's web page, for links to commits and comparisons",
        ),
        optional(
            "aliases",
            Kind::Texts,
            "[]",
            "[\"site\"]",
            "Other names that people may type for it",
        ),
        optional(
            "read",
            Kind::Texts,
            "[]",
            "[\"ada\"]",
            "Who may read its deploys besides those who may run one of its jobs: users and groups, or [\"*\"]",
        ),
        optional(
            "announce",
            Kind::Texts,
            "[]",
            "[\"deploys\"]",
            "Channels where the bot says how each deploy ended",
        ),
        optional(
            "jobs",
            Kind::Named(&Kind::Table(&JOB)),
            "",
            "",
            "Its jobs, by the names that people type",
        ),
    ],
};

static JOB: Table = Table {
    name: "[projects.NAME.jobs.NAME]",
    doc: "A job that people may run",
    keys: &[
        optional(
            "branches",
            Kind::Texts,
            "[]",
            "[\"main\"]",
            "The branches that it runs on; `*` stands for anything but `/`, and `**` for anything",
        ),
        optional(
            "tags",
            Kind::Texts,
            "[]",
            "[\"v*\"]",
            "The tags that it runs on, by the same patterns. Not with trigger = \"job\"",
        ),
        optional(
            "channels",
            Kind::Texts,
            "[]",
            "[\"deploys\"]",
            "From where: names or ids of channels, or [\"*\"]",
        ),
        optional(
            "users",
            Kind::Texts,
            "[]",
            "[\"ada\"]",
            "By whom: names, groups or ids of users, or [\"*\"], which is everyone",
        ),
        optional(
            "aliases",
            Kind::Texts,
            "[]",
            "[\"ship\"]",
            "Other names that people may type for it",
        ),
        optional(
            "environment",
            Kind::Text,
            "",
            "\"production\"",
            "What it changes; by default it is called like the job. One deploy of it runs at a time",
        ),
        optional(
            "exclusive",
            Kind::Switch,
            "true",
            "true",
            "Whether one deploy of the environment blocks another",
        ),
        optional(
            "announce",
            Kind::Texts,
            "",
            "[\"deploys\"]",
            "Where its ends are announced, instead of where the project's are",
        ),
        optional(
            "trigger",
            Kind::Choice(&["pipeline-run", "pipeline", "job"]),
            "\"pipeline-run\"",
            "\"pipeline-run\"",
            "How it is started at CircleCI",
        ),
        optional(
            "definition",
            Kind::Text,
            "",
            "\"2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10\"",
            "Which pipeline definition of a `circleci/` project; by default the project's own",
        ),
        optional(
            "config_branch",
            Kind::Text,
            "",
            "\"main\"",
            "The branch that the configuration is read from, if not the deployed one. Only with trigger = \
             \"pipeline-run\"",
        ),
        optional(
            "workflow",
            Kind::TextOrTexts,
            "",
            "\"deploy\"",
            "The workflow that decides how the deploy ended, by default the one with the job's name; several, or \
             \"*\" for all",
        ),
        optional(
            "must_run",
            Kind::Texts,
            "[]",
            "[\"deploy-prod\"]",
            "Jobs of that workflow that must have succeeded",
        ),
        optional(
            "job_parameter",
            Kind::TextOrFalse,
            "\"job\"",
            "\"job\"",
            "The pipeline parameter with the job's name, or false for none",
        ),
        optional(
            "deploy_id_parameter",
            Kind::TextOrFalse,
            "\"deploy_id\"",
            "\"deploy_id\"",
            "The one with the deploy's id, by which a pipeline is found when CircleCI's answer gets lost",
        ),
        optional(
            "parameters",
            Kind::Named(&Kind::ValueOrRule(&RULE)),
            "",
            "",
            "Further parameters: a value is sent as it is, a table is a rule for what people may set",
        ),
    ],
};

static RULE: Table = Table {
    name: "[projects.NAME.jobs.NAME.parameters.NAME]",
    doc: "What people may set a parameter to",
    keys: &[
        optional(
            "pattern",
            Kind::Text,
            "",
            "\"v*\"",
            "What it may be; this or `values`",
        ),
        optional(
            "values",
            Kind::Values,
            "",
            "[\"eu\", \"us\"]",
            "What it may be; this or `pattern`",
        ),
        optional(
            "default",
            Kind::Value,
            "",
            "\"eu\"",
            "What is sent if a deploy does not set it",
        ),
        optional(
            "required",
            Kind::Switch,
            "false",
            "true",
            "Whether a deploy has to set it",
        ),
    ],
};
