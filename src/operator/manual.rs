//! `chatops man`: the manual pages, generated from the command line and its help.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use super::{UsageError, text};
use crate::output::CommandOutput;

#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// The command, such as `history` or `audit verify`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(super) fn print_manual(
    options: &ManOptions,
    mut tree: Command,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    tree.build();
    if let Some(dir) = &options.dir {
        write_all(&tree, dir, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = &tree;
    for name in &options.command {
        let next = page.find_subcommand(name);
        page = next.ok_or_else(|| UsageError(text::no_command(name)))?;
    }
    out.write_all(&render_page(page)?)?;
    Ok(ExitCode::SUCCESS)
}

fn write_all(page: &Command, dir: &Path, out: &mut CommandOutput) -> Result<()> {
    let path = dir.join(format!("{}.1", page_name(page)));
    let rendered = render_page(page)?;
    fs::write(&path, rendered).with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(out, "{}", path.display())?;
    pages_below(page).try_for_each(|below| write_all(below, dir, out))
}

/// The commands below one that have pages of their own.
fn pages_below(page: &Command) -> impl Iterator<Item = &Command> {
    let below = page.get_subcommands();
    below.filter(|below| below.get_name() != "help" && !below.is_hide_set())
}

/// `chatops-audit-verify`
fn page_name(page: &Command) -> String {
    page.get_display_name()
        .unwrap_or_else(|| page.get_name())
        .to_owned()
}

/// A page: what the help says, in the sections of a manual.
fn render_page(page: &Command) -> Result<Vec<u8>> {
    let usage = page.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let man = Man::new(page.clone().override_usage(usage));
    // A page has no date: the version says which it is of.
    let (title, version) = (page_name(page).to_uppercase(), env!("CARGO_PKG_VERSION"));
    let mut text =
        format!(".TH \"{title}\" \"1\" \"\" \"chatops {version}\" \"chatops\"\n").into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut rest = Roff::new();
    add_commands(page, &mut rest);
    add_environment(page, &mut rest);
    add_sections(page, &mut rest);
    add_see_also(page, &mut rest);
    rest.to_writer(&mut text)?;
    Ok(text)
}

fn add_commands(page: &Command, roff: &mut Roff) {
    if pages_below(page).next().is_some() {
        roff.control("SH", ["COMMANDS"]);
    }
    for below in pages_below(page) {
        let about = below
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        roff.control("TP", []);
        roff.text([bold(page_name(below)), roman("(1)")]);
        roff.text([roman(about)]);
    }
}

/// The variables that stand for options.
fn add_environment(page: &Command, roff: &mut Roff) {
    let variables = page.get_arguments().filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?;
        Some((variable, argument.get_long()?))
    });
    let variables: BTreeMap<&str, &str> = variables.collect();
    if !variables.is_empty() {
        roff.control("SH", ["ENVIRONMENT"]);
    }
    for (variable, option) in variables {
        roff.control("TP", []);
        roff.text([bold(variable)]);
        roff.text([
            roman("stands for "),
            bold(format!("--{option}")),
            roman(" where that is not given."),
        ]);
    }
}

/// What stands below the help, by the headings that it has there.
fn add_sections(page: &Command, roff: &mut Roff) {
    let help = page.get_after_long_help().or_else(|| page.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let mut sections = BTreeMap::<usize, Vec<&str>>::new();
    for paragraph in help
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        let is_of =
            |(_, begin): &(&str, &[&str])| begin.iter().any(|word| paragraph.starts_with(word));
        let section = SECTIONS.iter().position(is_of);
        sections
            .entry(section.unwrap_or(NOTES))
            .or_default()
            .push(paragraph);
    }
    for (section, paragraphs) in sections {
        roff.control("SH", [SECTIONS[section].0]);
        for (i, paragraph) in paragraphs.into_iter().enumerate() {
            if i > 0 {
                roff.control("PP", []);
            }
            let is_row = |line: &str| line.starts_with("  ");
            let lines = paragraph.lines().filter(|line| !HEADINGS.contains(line));
            let lines: Vec<&str> = lines.collect();
            // Rows stay below the text that they belong to.
            for block in lines.chunk_by(|one, next| is_row(one) == is_row(next)) {
                let text = block.join("\n");
                if is_row(&text) {
                    roff.control("nf", []);
                    roff.text([roman(text)]);
                    roff.control("fi", []);
                } else {
                    roff.text([roman(text.trim_start_matches("Exit codes: "))]);
                }
            }
        }
    }
}

/// The sections of a page, in their order, and how their paragraphs begin in the help.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("NOTES", &[]),
    ("SECRETS", &["Secrets,", "Optional:"]),
    ("FILES", &["Files:"]),
    ("EXIT STATUS", &["Exit codes:"]),
    ("EXAMPLES", &["Example"]),
];

/// Where every other paragraph stands.
const NOTES: usize = 0;

/// The headings of the help, which the section has itself.
const HEADINGS: [&str; 3] = ["Example:", "Examples:", "Files:"];

fn add_see_also(page: &Command, roff: &mut Roff) {
    let name = page_name(page);
    // `chatops-audit-verify` is below `chatops-audit`, and all are below `chatops`.
    let above = name.rsplit_once('-').map(|(above, _)| above.to_owned());
    let above: Vec<String> = above
        .into_iter()
        .filter(|above| !above.is_empty())
        .collect();
    if above.is_empty() {
        return;
    }
    roff.control("SH", ["SEE ALSO"]);
    for above in above {
        roff.text([bold(above), roman("(1)")]);
    }
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    fn page(words: &[&str]) -> String {
        let mut tree = crate::cli::command_tree();
        tree.build();
        let mut page = &tree;
        for word in words {
            page = page.find_subcommand(word).unwrap();
        }
        String::from_utf8(render_page(page).unwrap()).unwrap()
    }

    fn all<'t>(tree: &'t Command, found: &mut Vec<&'t Command>) {
        found.push(tree);
        pages_below(tree).for_each(|below| all(below, found));
    }

    #[test]
    fn every_command_and_option_has_its_page_and_its_completion() {
        let mut tree = crate::cli::command_tree();
        let shells = [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ];
        let completions = shells.map(|shell| {
            let mut text = vec![];
            clap_complete::generate(shell, &mut tree, "chatops", &mut text);
            String::from_utf8(text).unwrap()
        });
        tree.build();
        let mut pages = vec![];
        all(&tree, &mut pages);
        assert!(pages.len() > 15, "{}", pages.len());
        for page in pages {
            let name = page_name(page);
            let text = String::from_utf8(render_page(page).unwrap()).unwrap();
            for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"] {
                let is_group = page.has_subcommands() && heading == "EXIT STATUS";
                assert!(
                    text.contains(&format!(".SH {heading}"))
                        || text.contains(&format!(".SH \"{heading}\""))
                        || is_group,
                    "{name}: {heading}"
                );
            }
            let options = page.get_arguments().filter(|option| !option.is_hide_set());
            for option in options.filter_map(clap::Arg::get_long) {
                let written = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(text.contains(&written), "{name}: --{option}");
                for completion in &completions {
                    let is_there = completion.contains(&format!("--{option}"))
                        || completion.contains(&format!("-l {option}"));
                    assert!(is_there, "--{option}");
                }
            }
            for completion in &completions {
                assert!(completion.contains(page.get_name()), "{name}");
            }
        }
    }

    #[test]
    fn a_page_has_the_sections_of_a_manual() {
        let page = page(&["retry"]);
        for words in [
            ".TH \"CHATOPS-RETRY\" \"1\"",
            ".SH EXAMPLES",
            ".SH ENVIRONMENT",
            "CHATOPS_DATA",
            ".SH \"EXIT STATUS\"",
            "0 enqueued",
            ".SH \"SEE ALSO\"",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(page.contains("[OPTIONS] <ID|"), "{page}");
    }

    #[test]
    fn what_is_optional_stands_below_that_word() {
        let page = page(&["serve"]);
        let place = |words: &str| page.find(words).unwrap();
        assert!(place("Secrets, from") < place("  SLACK_SIGNING_SECRET "));
        assert!(place("  CIRCLECI_TOKEN ") < place("\nOptional:\n"));
        assert!(place("\nOptional:\n") < place("  SLACK_BOT_TOKEN "));
    }
}
