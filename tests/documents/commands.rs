//! What the documents tell people to type: each command exists and has the options that are given, and what is
//! typed in Slack can be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chatops_core::command::{self, Verb};

use crate::{files_that_end_with, read};

/// Options that stand before a command and have a value.
const WITH_VALUE: [&str; 3] = ["--stack", "--region", "--profile"];

/// The help of a command of the program; `None` if there is no such command.
fn help_of(words: &[&str]) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_chatops");
    let output = Command::new(program).args(words).arg("--help").output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text)
}

/// What people who use the program read.
fn pages() -> Vec<PathBuf> {
    let mut pages = files_that_end_with(&[".md"]);
    pages.retain(|page| page == Path::new("README.md") || page.starts_with("docs"));
    pages
}

/// All that a document shows as code: blocks line by line, and what stands between backticks.
fn codes(text: &str) -> Vec<String> {
    // A call may go on in the next line.
    let mut parts = text.split("\\\n");
    let mut joined = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        joined.push_str(part.trim_start_matches(' '));
    }
    let (blocks, prose): (Vec<&str>, Vec<&str>) =
        joined.lines().partition(|line| line.starts_with("    "));
    let prose = prose.join(" ");
    let inline = prose.split('`').skip(1).step_by(2);
    blocks
        .into_iter()
        .chain(inline)
        .map(str::to_owned)
        .collect()
}

/// The arguments of a call of the program, if the code is one.
fn arguments(code: &str) -> Option<Vec<&str>> {
    // What begins a comment in a block, and explanations in a column of their own.
    let code = code.trim().split(" #").next()?.split("   ").next()?;
    let words: Vec<&str> = code.split_whitespace().collect();
    let is_before = |word: &&&str| {
        ["$", "sudo", "env"].contains(*word) || word.contains('=') && !word.starts_with('-')
    };
    let before = words.iter().take_while(is_before).count();
    match &words[before..] {
        ["chatops", arguments @ ..] | ["cargo", "run", "--", arguments @ ..] => {
            Some(arguments.to_vec())
        }
        _ => None,
    }
}

/// The commands of the arguments, such as `audit verify`, and their options.
fn split<'a>(arguments: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut words, mut options) = (vec![], vec![]);
    let mut is_value = false;
    for &argument in arguments {
        let argument = argument.trim_end_matches(';');
        if std::mem::take(&mut is_value) {
            continue;
        }
        if argument.starts_with("--") {
            options.push(argument.split('=').next().unwrap());
            is_value = WITH_VALUE.contains(&argument);
        } else if ["&&", "|", ">"].contains(&argument) {
            break;
        } else {
            words.push(argument);
        }
    }
    // Only these two have commands of their own.
    let depth = if ["audit", "config"].contains(words.first().unwrap_or(&"")) {
        2
    } else {
        1
    };
    words.truncate(depth);
    (words, options)
}

#[test]
fn every_call_of_the_program_is_one_that_it_has() {
    let mut helps = BTreeMap::<Vec<String>, Option<String>>::new();
    let mut count = 0;
    for file in pages() {
        for code in codes(&read(file.to_str().unwrap())) {
            let Some(arguments) = arguments(&code) else {
                continue;
            };
            let (words, options) = split(&arguments);
            let key = words.iter().map(|&word| word.to_owned()).collect();
            let help = helps.entry(key).or_insert_with(|| help_of(&words));
            let Some(help) = help else {
                panic!("{}: there is no `{}`", file.display(), words.join(" "));
            };
            for option in options {
                let mut known = help.split_whitespace();
                let is_known = known.any(|known| known.trim_end_matches(',') == option);
                assert!(is_known, "{}: `{code}` has no {option}", file.display());
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} calls");
}

#[test]
fn each_verb_is_here_and_there_as_the_table_says() {
    let page = read("docs/commands.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells.as_slice() {
            [_, verb, slack, shell, _] => Some((verb.trim_matches('`'), *slack, *shell)),
            _ => None,
        }
    });
    let rows: Vec<_> = rows
        .filter(|(verb, ..)| Verb::parse(verb).is_some())
        .collect();
    let verbs: Vec<&str> = rows.iter().map(|(verb, ..)| *verb).collect();
    assert_eq!(verbs, Verb::words().collect::<Vec<_>>());
    for (verb, slack, shell) in rows {
        let typed = slack.trim_matches('`').replace("[filters]", "user:me");
        let typed = typed
            .replace("[command]", "retry")
            .replace("[project] ", "web ");
        let typed = typed
            .replace("<branch> <job>", "main deploy")
            .replace(['[', ']'], "");
        let typed = typed.replace("<target>", "web/production");
        let typed = typed
            .replace("<id>", "1a2b3c4d")
            .replace(" id", " 1a2b3c4d");
        assert!(command::parse(&typed).is_ok(), "{typed}");
        let Some(usage) = shell.split('`').nth(1) else {
            assert!(help_of(&[verb]).is_none(), "{verb} is in the shell, too");
            let said = failure_of(&[verb, "main", "deploy"]);
            assert!(
                said.contains(&format!("/chatops {verb} <branch> <job>")),
                "{said}"
            );
            continue;
        };
        if verb == "help" {
            continue;
        }
        let help = help_of(&[verb]).unwrap_or_else(|| panic!("there is no {verb}"));
        let words = usage.split_whitespace().skip(1);
        for word in words.map(|word| word.trim_matches(['[', ']', '<', '>'])) {
            assert!(help.contains(word), "{verb} has no {word}: {help}");
        }
    }
}

/// What the program says of a call that is wrong.
fn failure_of(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_chatops"))
        .args(words)
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_typed_in_slack_can_be_read() {
    let mut count = 0;
    for file in pages() {
        for code in codes(&read(file.to_str().unwrap())) {
            let code = code.split("   ").find(|part| !part.trim().is_empty());
            let Some(typed) = code.and_then(|code| code.trim().strip_prefix("/chatops ")) else {
                continue;
            };
            // What people put in themselves.
            let typed = typed
                .replace("<id>", "1a2b3c4d")
                .replace("<target>", "web/production");
            let typed = typed.replace("<branch>", "main").replace("<job>", "deploy");
            if typed.contains(['<', '[', '|', '…']) || typed.starts_with("failed with") {
                continue;
            }
            // A command is also named by its word alone.
            if Verb::words().any(|word| word == typed.trim()) {
                continue;
            }
            let read = command::parse(&typed);
            assert!(
                read.is_ok(),
                "{}: `/chatops {typed}`: {read:?}",
                file.display()
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count} commands");
}

#[test]
fn calls_are_found_and_taken_apart() {
    let text = "Type `chatops --aws --stack web show 1a2b3c4d` or\n\n    $ sudo env A=b chatops \\\n        doctor --slack   # why\n    chatops audit verify                 all\n";
    let codes = codes(text);
    let calls: Vec<_> = codes.iter().filter_map(|code| arguments(code)).collect();
    let parts: Vec<_> = calls.iter().map(|call| split(call)).collect();
    assert_eq!(
        parts,
        [
            (vec!["doctor"], vec!["--slack"]),
            (vec!["audit", "verify"], vec![]),
            (vec!["show"], vec!["--aws", "--stack"]),
        ]
    );
    assert!(help_of(&["list"]).is_none() && help_of(&["history"]).is_some());
}
