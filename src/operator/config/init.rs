//! `chatops config init`: the first configuration.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use chatops_core::config::Config;
use clap::Args;

use crate::operator::text;
use crate::output::{CommandOutput, print_remark};

#[derive(Debug, Args)]
pub(crate) struct ConfigInitOptions {
    /// The file to write, or `-` for standard output
    #[arg(value_name = "FILE", default_value = "chatops.toml")]
    file: PathBuf,
    #[command(flatten)]
    answers: Answers,
}

/// What only the people of the installation know.
#[derive(Debug, Clone, Default, Args)]
struct Answers {
    /// The project at CircleCI: gh/ORG/REPO, bb/ORG/REPO, or circleci/ORG-ID/PROJECT-ID
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// The name that people type for it [default: the last part of the slug, or web]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The job to run: the name of a workflow of the project [default: deploy]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// The branch that it runs on [default: main]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// The id of the Slack workspace: T…, in the address of Slack's web client
    #[arg(long, value_name = "ID")]
    team: Option<String>,
    /// The id of the channel: C…, at the foot of its details
    #[arg(long, value_name = "ID")]
    channel: Option<String>,
    /// Your id in Slack: U…, "Copy member ID" in your profile's menu
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

pub(in crate::operator) fn init_config(
    options: &ConfigInitOptions,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let path = &options.file;
    let to_stdout = path == Path::new("-");
    if !to_stdout && path.exists() {
        anyhow::bail!(text::file_exists(&path.display().to_string()));
    }
    let mut answers = options.answers.clone();
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        answers.ask(&mut io::stdin().lock(), &mut io::stderr())?;
    }
    let written = answers.file();
    if to_stdout {
        out.write_all(written.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path);
    let done = file.as_mut().map(|file| file.write_all(written.as_bytes()));
    match done {
        Ok(done) => done,
        Err(error) => Err(io::Error::from(error.kind())),
    }
    .with_context(|| format!("{} cannot be written", path.display()))?;
    let name = path.display().to_string();
    writeln!(out, "{}", text::config_is_written(&name))?;
    match Config::check(&written, &name) {
        Ok(checked) => super::print_warnings(&checked.warnings),
        Err(error) => print_remark(&format!("{}\n{error}", text::STILL_TO_FILL_IN)),
    }
    Ok(ExitCode::SUCCESS)
}

impl Answers {
    /// Asks for what is not given.
    fn ask(&mut self, input: &mut impl BufRead, screen: &mut impl Write) -> Result<()> {
        let questions = [
            ("Project at CircleCI, such as gh/acme/web", &mut self.slug),
            ("Job: the name of its workflow [deploy]", &mut self.job),
            ("Branch [main]", &mut self.branch),
            ("Slack workspace id, T…", &mut self.team),
            ("Channel id, C…", &mut self.channel),
            ("Your Slack user id, U…", &mut self.user),
        ];
        for (question, answer) in questions {
            if answer.is_some() {
                continue;
            }
            write!(screen, "{question}: ")?;
            screen.flush()?;
            let mut line = String::new();
            input.read_line(&mut line)?;
            let line = line.trim();
            *answer = (!line.is_empty()).then(|| line.to_owned());
        }
        Ok(())
    }

    /// The configuration. What is not known is empty, which the check names.
    fn file(&self) -> String {
        let quoted = |value: &str| toml_text(value);
        let slug = self.slug.as_deref().unwrap_or_default();
        let last = slug.trim_end_matches(".git").rsplit('/').next();
        let last = last.filter(|name| !name.is_empty() && !slug.starts_with("circleci/"));
        let project = self.project.as_deref().or(last).unwrap_or("web");
        let job = self.job.as_deref().unwrap_or("deploy");
        let branch = self.branch.as_deref().unwrap_or("main");
        let listed = |id: &Option<String>| id.as_deref().map(quoted).unwrap_or_default();
        let key = |name: &str| {
            let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let is_bare = !name.is_empty() && name.chars().all(is_bare);
            if is_bare {
                name.to_owned()
            } else {
                quoted(name)
            }
        };
        format!(
            r#"# Who may deploy what, from where, on which branches. `chatops config check` says what this file allows and
# what is wrong with it. Keep it in git; secrets are never in it.
#
# Editors complete and check it with `chatops config schema > chatops.schema.json` and, as the first line here,
# #:schema ./chatops.schema.json

version = 1

# The project of the short form: /chatops <branch> <job>
default_project = {default}

[slack]
# The id of your workspace. Slack's web client shows it in its address: T012ABCDEF
teams = [{team}]

# Buttons and the form. The app needs an address for presses: docs/slack.md
# interactivity = true

[projects.{project}]
# gh/ORG/REPO, bb/ORG/REPO, or circleci/ORG-ID/PROJECT-ID
slug = {slug}

# /chatops {branch} {job}
[projects.{project}.jobs.{job_key}]
# Where it may be deployed from: `*` stands for anything but `/`
branches = [{branch_text}]

# The ids of channels. Slack shows one at the foot of a channel's details: C012ABCDEF
channels = [{channel}]

# Who may: the ids of users, "Copy member ID" in a profile's menu: U012ABCDEF
users = [{user}]

# What it changes: one deploy of it at a time
environment = "production"

# The workflow that decides how a deploy ended, if it has another name than the job
# workflow = {job_text}
"#,
            default = quoted(project),
            project = key(project),
            slug = quoted(slug),
            team = listed(&self.team),
            job_key = key(job),
            branch_text = quoted(branch),
            channel = listed(&self.channel),
            user = listed(&self.user),
            job_text = quoted(job),
        )
    }
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    // TOML's escapes of basic strings are those of JSON.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(answers: &Answers) -> Vec<String> {
        match Config::check(&answers.file(), "chatops.toml") {
            Ok(checked) => checked.warnings.iter().map(ToString::to_string).collect(),
            Err(error) => error.mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    fn filled_in() -> Answers {
        let some = |text: &str| Some(text.to_owned());
        Answers {
            slug: some("gh/acme/shop"),
            project: None,
            job: some("ship it?"),
            branch: some("release/*"),
            team: some("T012ABCDEF"),
            channel: some("C012ABCDEF"),
            user: some("U012ABCDEF"),
        }
    }

    #[test]
    fn what_is_filled_in_is_right() {
        let answers = Answers {
            job: None,
            ..filled_in()
        };
        assert_eq!(mistakes(&answers), [""; 0]);
        let config = Config::parse(&answers.file(), "chatops.toml").unwrap();
        assert_eq!(config.default_project.unwrap().as_str(), "shop");
    }

    #[test]
    fn each_gap_is_named() {
        insta::assert_snapshot!(mistakes(&Answers::default()).join("\n"), @"chatops.toml:21:8: '' is not a project slug: it is like gh/acme/web, bb/acme/web or circleci/<org id>/<project id>");
        let answers = Answers {
            slug: Some("gh/acme/web".to_owned()),
            ..Answers::default()
        };
        insta::assert_snapshot!(mistakes(&answers).join("\n"), @"
        chatops.toml:14:9: nobody: no workspace is listed, so every command is refused; add the id of yours
        chatops.toml:29:12: nowhere can deploy be run from: `channels` is empty
        chatops.toml:32:9: nobody may run deploy: `users` is empty
        ");
    }

    #[test]
    fn a_wrong_answer_is_a_mistake_of_the_file() {
        insta::assert_snapshot!(mistakes(&filled_in()).join("\n"), @"chatops.toml:24:21: job name: a space is not accepted: only letters, digits and `.` `_` `-` are");
        let quotes = Answers {
            slug: Some("gh/acme/\"x\"\n[slack]".to_owned()),
            job: None,
            ..filled_in()
        };
        insta::assert_snapshot!(mistakes(&quotes).join("\n"), @r#"
        chatops.toml:19:11: project name: `"` is not accepted: only letters, digits and `.` `_` `-` are
        chatops.toml:21:8: 'gh/acme/"x"\n[slack]' is not a project slug: it is like gh/acme/web, bb/acme/web or circleci/<org id>/<project id>
        "#);
    }

    #[test]
    fn what_is_not_given_is_asked() {
        let mut answers = Answers {
            team: Some("T012ABCDEF".to_owned()),
            ..Answers::default()
        };
        let mut screen = vec![];
        let typed = "gh/acme/web\n\n  \nC012ABCDEF\n";
        answers.ask(&mut typed.as_bytes(), &mut screen).unwrap();
        let screen = String::from_utf8(screen).unwrap();
        assert_eq!(screen.matches(": ").count(), 6, "{screen}");
        assert!(!screen.contains("workspace"), "{screen}");
        let Answers {
            slug,
            job,
            channel,
            user,
            ..
        } = answers;
        assert_eq!(slug.as_deref(), Some("gh/acme/web"));
        assert_eq!(channel.as_deref(), Some("C012ABCDEF"));
        assert_eq!((job, user), (None, None));
    }
}
