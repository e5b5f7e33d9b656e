//! What is not a command, and what to type instead.

use insta::assert_snapshot;
use strum::VariantArray as _;

use super::*;
use crate::command::ReservedWord;

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
    let start = "*Not a command:* ";
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
    a deploy is typed as a branch and a job.
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
    `a$(reboot)` cannot be a branch: `$` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    ");
    assert_snapshot!(typed("main <!channel>"), @"
    `&lt;!channel&gt;` cannot be a job: `&lt;` is not accepted: only letters, digits and `.` `_` `-` are.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("deploy w`b main deploy"), @"
    `w'b` cannot be a project: a backtick is not accepted: only letters, digits and `.` `_` `-` are.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed(&format!("{} deploy", "x".repeat(201))), @"
    `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` cannot be a branch: it is longer than 200 characters.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    ");
    assert_snapshot!(typed("0123456789abcdef0123456789abcdef01234567 deploy"), @"
    `0123456789abcdef0123456789abcdef01234567` cannot be a branch: CircleCI starts branches and tags; to deploy a commit, push a branch or a tag that points to it.
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
    The filters are `user:`, `branch:`, `tag:`, `job:`, `project:`, `env:`, `status:`, `since:`, `limit:`, `before:`. More: `/chatops help history`.
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
    The filters are `user:`, `branch:`, `tag:`, `job:`, `project:`, `env:`, `status:`, `since:`, `limit:`, `before:`. More: `/chatops help history`.
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
    assert_snapshot!(typed("history since:tomorrow"), @"
    `since:tomorrow` is not understood.
    `since:` takes a time such as `24h`, `7d` or `2w`, a day (UTC) such as `2026-11-30`, `today` or `yesterday`.
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
    The commands are `deploy`, `plan`, `status`, `show`, `history`, `failed`, `retry`, `dismiss`, `cancel`, `unlock`, `help`.
    ");
}

#[test]
fn a_sentence_is_answered_with_its_command() {
    assert_snapshot!(typed("main to production"), @"
    a deploy is typed as a branch and a job.
    Did you mean `/chatops main deploy`?
    ");
    assert_snapshot!(typed("deploy web main TO production"), @"
    a deploy is typed as a branch and a job.
    Did you mean `/chatops main deploy`?
    ");
    assert_snapshot!(typed("main on mars"), @"
    a deploy is typed as a branch and a job.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(with("main to e2e", &no_default()), @"
    a deploy is typed as a branch and a job.
    Type `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`. All commands: `/ship-it help`.
    ");
}

#[test]
fn a_sentence_that_two_jobs_fit_is_answered_with_both() {
    let migrate = "\n[projects.web.jobs.migrate]\nenvironment = \"production\"\nbranches = [\"*\"]\n\
                   channels = [\"*\"]\nusers = [\"*\"]\n";
    let two = Config::parse(&format!("{CONFIG}{migrate}"), "chatops.toml").unwrap();
    assert_snapshot!(with("main to production", &two), @"
    a deploy is typed as a branch and a job.
    Did you mean `/chatops main deploy` or `/chatops main migrate`?
    ");
}

#[test]
fn what_other_tools_call_a_branch() {
    assert_snapshot!(typed("web@main deploy"), @"
    `web@main` cannot be a branch: `@` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Did you mean `/chatops main deploy`?
    ");
    assert_snapshot!(typed("acme/web@release/2 deploy"), @"
    `acme/web@release/2` cannot be a branch: `@` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Did you mean `/chatops release/2 deploy`?
    ");
    assert_snapshot!(typed("https://github.com/acme/web/tree/main deploy"), @"
    `https://github.com/acme/web/tree/main` cannot be a branch: `:` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Did you mean `/chatops main deploy`?
    ");
    assert_snapshot!(typed("https://github.com/acme/web/pull/12 deploy"), @"
    `https://github.com/acme/web/pull/12` cannot be a branch: `:` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`. All commands: `/chatops help`.
    ");
    assert_snapshot!(typed("nobody@main deploy"), @"
    `nobody@main` cannot be a branch: `@` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    ");
}

#[test]
fn a_branch_that_git_allows_is_refused_with_a_way_out() {
    let branches = [
        "@types/x",
        "#123",
        "a+b",
        "fix->x",
        "m\u{e4}rz",
        "a\u{1f680}b",
    ];
    let shown = branches.map(|branch| typed(&format!("{branch} deploy")));
    assert_snapshot!(shown.join("\n"), @"
    `@types/x` cannot be a branch: `@` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    `#123` cannot be a branch: `#` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    `a+b` cannot be a branch: `+` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    `fix-&gt;x` cannot be a branch: `&gt;` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    `märz` cannot be a branch: `ä` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    `a🚀b` cannot be a branch: the character U+1F680 is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    ");
}

#[test]
fn words_of_other_tools() {
    let shown: Vec<String> = ReservedWord::VARIANTS
        .iter()
        .map(|word| typed(&format!("{} 1a2b3c4d", word.as_str())))
        .collect();
    assert_snapshot!(shown.join("\n"), @"
    `abort`: a deploy is given up by `cancel`.
    Did you mean `/chatops cancel 1a2b3c4d`?
    `approve`: an approval is given at CircleCI; `cancel` refuses it.
    Did you mean `/chatops status 1a2b3c4d`?
    `board`: what is where is shown by `history`, and what is going on by `status`.
    Type `/chatops history status:succeeded`.
    `break-glass`: no rule can be passed over from here; an operator changes `chatops.toml`.
    Type `/chatops help`.
    `figures`: what was deployed is listed by `history`.
    Type `/chatops history since:30d`.
    `lock`: a target is locked only while a deploy is under way there, and the next one is typed after it.
    Type `/chatops status`.
    `locks`: a target is locked only while a deploy is under way there, and the next one is typed after it.
    Type `/chatops status`.
    `logs`: they are at CircleCI; `status` shows the way.
    Did you mean `/chatops status 1a2b3c4d`?
    `redeploy`: what did not start is retried by `retry`; anything else is typed again.
    Did you mean `/chatops retry 1a2b3c4d`?
    `reject`: an approval is given at CircleCI; `cancel` refuses it.
    Did you mean `/chatops cancel 1a2b3c4d`?
    `rerun`: what did not start is retried by `retry`; anything else is typed again.
    Did you mean `/chatops retry 1a2b3c4d`?
    `rollback`: to go back, deploy the branch or the revert that you want there.
    Type `/chatops history status:succeeded`.
    `stop`: a deploy is given up by `cancel`.
    Did you mean `/chatops cancel 1a2b3c4d`?
    `wait`: a target is locked only while a deploy is under way there, and the next one is typed after it.
    Type `/chatops status`.
    `where`: what is where is shown by `history`, and what is going on by `status`.
    Type `/chatops history status:succeeded`.
    ");
    assert_snapshot!(typed("redeploy main deploy"), @"
    `redeploy`: what did not start is retried by `retry`; anything else is typed again.
    Did you mean `/chatops main deploy`?
    ");
    assert_snapshot!(typed("stop deploy"), @"
    `stop`: a deploy is given up by `cancel`.
    Type `/chatops status`. For a branch called `stop`: `/chatops deploy stop deploy`.
    ");
    assert_snapshot!(typed("rollback"), @"
    `rollback`: to go back, deploy the branch or the revert that you want there.
    Type `/chatops history status:succeeded`.
    ");
}
