//! What is not a command, and what to type instead.

use insta::assert_snapshot;

use super::*;

fn typed(text: &str) -> String {
    with(text, &config())
}

/// The two or more lines, without the first words that all of them have.
fn with(text: &str, config: &Config) -> String {
    let error = command::parse(text).expect_err(text);
    let message = bad_command(&error, config);
    assert_eq!(message.audience, Audience::Requester);
    check_ready_commands(&message, config);
    let lines = message.to_lines().join("\n");
    let start = ":speech_balloon: *Not a command:* ";
    lines.strip_prefix(start).unwrap().to_owned()
}

#[test]
fn too_few_and_too_many_words() {
    assert_snapshot!(typed("main"), @"
    a deploy needs a branch and a job, and that is 1 word.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("deploy"), @"
    `deploy` needs a branch and a job.
    Type `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("plan main"), @"
    `plan` needs a branch and a job, and that is 1 word.
    Type `/chatops plan [project] &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("deploy the main deploy now"), @"
    `deploy` needs a branch and a job, and that is 4 words.
    Type `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("please deploy main now"), @"
    a deploy needs a branch and a job, and that is 4 words.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(with("main", &two_projects()), @"
    a deploy needs a branch and a job, and that is 1 word.
    Type `/ship-it &lt;branch&gt; &lt;job&gt;` or, for another project, `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`. All commands: `/ship-it help`.
    ");
    assert_snapshot!(with("main", &no_default()), @"
    a deploy needs a branch and a job, and that is 1 word.
    Type `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`. All commands: `/ship-it help`.
    ");
    assert_snapshot!(typed(&"x".repeat(2_000)), @"
    the text is longer than 1,024 characters.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
}

#[test]
fn a_project_needs_deploy_in_front() {
    assert_snapshot!(typed("web main e2e"), @"
    a deploy needs a branch and a job, and that is 3 words.
    Did you mean `/chatops deploy web main e2e`?
    ");
    assert_snapshot!(with("apu main e2e", &two_projects()), @"
    a deploy needs a branch and a job, and that is 3 words.
    Did you mean `/ship-it deploy api main e2e`?
    ");
    assert_snapshot!(typed("please main deploy"), @"
    a deploy needs a branch and a job, and that is 3 words.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
}

#[test]
fn a_misspelled_command() {
    assert_snapshot!(typed("statsu"), @"
    it looks like a misspelled `status`.
    Did you mean `/chatops status`?
    ");
    assert_snapshot!(typed("Help"), @"
    it looks like a misspelled `help`.
    Did you mean `/chatops help`?
    ");
    assert_snapshot!(typed("retyr"), @"
    a deploy needs a branch and a job, and that is 1 word.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("retyr 1a2b3c4d confirm"), @"
    it looks like a misspelled `retry`.
    Did you mean `/chatops retry 1a2b3c4d confirm`?
    ");
    assert_snapshot!(typed("deplyo main e2e"), @"
    it looks like a misspelled `deploy`.
    Did you mean `/chatops deploy main e2e`?
    ");
    assert_snapshot!(typed("statsu main e2e"), @"
    a deploy needs a branch and a job, and that is 3 words.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("histroy user:me"), @"
    it looks like a misspelled `history`.
    Did you mean `/chatops history`?
    ");
    assert_snapshot!(typed("hlep me to deploy"), @"
    a deploy needs a branch and a job, and that is 4 words.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
}

#[test]
fn a_word_that_cannot_be_a_name() {
    assert_snapshot!(typed("-f deploy"), @"
    `-f` cannot be a branch: it may not start with `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("a$(reboot) deploy"), @"
    `a$(reboot)` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("main <!channel>"), @"
    `&lt;!channel&gt;` cannot be a job: it may hold only letters, digits and `.` `_` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("deploy w`b main deploy"), @"
    `w'b` cannot be a project: it may hold only letters, digits and `.` `_` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed(&format!("{} deploy", "x".repeat(201))), @"
    `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` cannot be a branch: it is longer than 200 characters.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("0123456789abcdef0123456789abcdef01234567 deploy"), @"
    `0123456789abcdef0123456789abcdef01234567` cannot be a branch: it looks like a commit; CircleCI starts branches only.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
}

#[test]
fn an_id_that_is_none() {
    assert_snapshot!(typed("retry"), @"
    `retry` needs a deploy's id.
    Type `/chatops retry &lt;id&gt; [confirm]`. Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
    assert_snapshot!(typed("cancel main"), @"
    `main` is not a deploy's id. Ids look like `1a2b3c4d`.
    Type `/chatops cancel &lt;id&gt;`. Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
    assert_snapshot!(typed("status deploy"), @"
    `deploy` is not a deploy's id. Ids look like `1a2b3c4d`.
    For a branch called `status`: `/chatops deploy status deploy`.
    ");
    assert_snapshot!(typed("status ship"), @"
    `ship` is not a deploy's id. Ids look like `1a2b3c4d`.
    For a branch called `status`: `/chatops deploy status ship`.
    ");
}

#[test]
fn a_word_too_many() {
    assert_snapshot!(typed("cancel 1a2b3c4d now"), @"
    `now` is a word too many for `cancel`.
    Type `/chatops cancel &lt;id&gt;`.
    ");
    assert_snapshot!(typed("retry 1a2b3c4d confrim"), @"
    `confrim` is a word too many.
    Did you mean `confirm`? Type `/chatops retry &lt;id&gt; [confirm]`.
    ");
    assert_snapshot!(typed("failed main"), @"
    `main` is a word too many for `failed`.
    Type `/chatops failed [before:&lt;id&gt;]`.
    ");
    assert_snapshot!(typed("failed before:main"), @"
    `main` is not a deploy's id. Ids look like `1a2b3c4d`.
    Type `/chatops failed [before:&lt;id&gt;]`. Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    ");
    assert_snapshot!(typed("help retry me"), @"
    `me` is a word too many for `help`.
    Type `/chatops help [command]`.
    ");
}

#[test]
fn words_that_are_no_filters() {
    assert_snapshot!(typed("history everything"), @"
    `everything` is not a filter: filters look like `job:deploy`.
    The filters are `user:`, `branch:`, `job:`, `project:`, `status:`, `since:`, `limit:`, `before:`. More: `/chatops help history`.
    ");
    assert_snapshot!(typed("history me"), @"
    `me` is not a filter: filters look like `job:deploy`.
    Did you mean `/chatops history user:me`?
    ");
    assert_snapshot!(typed("history failed"), @"
    `failed` is not a filter: filters look like `job:deploy`.
    Did you mean `/chatops history status:failed`?
    ");
    assert_snapshot!(typed("history ship"), @"
    `ship` is not a filter: filters look like `job:deploy`.
    Did you mean `/chatops history job:ship`?
    ");
    assert_snapshot!(typed("history site"), @"
    `site` is not a filter: filters look like `job:deploy`.
    Did you mean `/chatops history project:site`?
    ");
    assert_snapshot!(typed("history 1a2b3c4d"), @"
    `1a2b3c4d` is not a filter: filters look like `job:deploy`.
    Did you mean `/chatops status 1a2b3c4d`?
    ");
    assert_snapshot!(typed("history brnach:main"), @"
    there is no filter `brnach:`.
    Did you mean `branch:`?
    ");
    assert_snapshot!(typed("history colour:red"), @"
    there is no filter `colour:`.
    The filters are `user:`, `branch:`, `job:`, `project:`, `status:`, `since:`, `limit:`, `before:`. More: `/chatops help history`.
    ");
    assert_snapshot!(typed("history job:a job:b"), @"
    `job:` is given twice.
    Each filter is given once; all of them have to match.
    ");
    assert_snapshot!(typed("history user:ana"), @"
    `user:ana` is not understood.
    Did you mean `/chatops history user:@ana`?
    ");
    assert_snapshot!(typed("history status:fialed"), @"
    `status:fialed` is not understood.
    Did you mean `/chatops history status:failed`?
    ");
    assert_snapshot!(typed("history status:done"), @"
    `status:done` is not understood.
    `status:` takes `in-progress`, `succeeded`, `failed`, `canceled`, `rejected`, or a state such as `TRIGGER_FAILED`.
    ");
    assert_snapshot!(typed("history since:yesterday"), @"
    `since:yesterday` is not understood.
    `since:` takes a time such as `24h`, `7d` or `2w`, or a day such as `2026-11-30`.
    ");
    assert_snapshot!(typed("history limit:100"), @"
    `limit:100` is not understood.
    `limit:` takes a number from 1 to 20; there is more behind `before:`.
    ");
}

#[test]
fn no_such_topic() {
    assert_snapshot!(typed("help retyr"), @"
    `retyr` is not a command.
    Did you mean `/chatops help retry`?
    ");
    assert_snapshot!(typed("help everything"), @"
    `everything` is not a command.
    The commands are `deploy`, `plan`, `status`, `history`, `failed`, `retry`, `dismiss`, `cancel`, `unlock`, `help`.
    ");
}
