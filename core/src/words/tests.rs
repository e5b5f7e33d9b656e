//! Every post as a person reads it, and what Slack takes of it.

use std::fmt::Write;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::audit::{Actor, Change};
use crate::command::{self, Command};
use crate::config::Config;
use crate::deploy::{End, Head, Pipeline, Reason, State};
use crate::fixtures::{
    ask, at, branch, channel, config, head_in, id, job, me, pipeline, project, secs, start, target,
    team, user,
};
use crate::id::{ChannelId, UserId};
use crate::machine;
use crate::policy::Refusal;

fn read(post: &Post) -> String {
    let who = match post.audience {
        Audience::Channel => "to all",
        Audience::Asker => "to the asker",
    };
    format!("({who})\n{}", post.to_lines().join("\n"))
}

/// The last word about a deploy that came to `state` by that reason, three minutes later.
fn ended(state: State, reason: Reason) -> Post {
    last(&head_ended(state, reason), false)
}

fn head_ended(state: State, reason: Reason) -> Head {
    let from = match state {
        State::Refused => State::Requested,
        State::Canceled if matches!(reason, Reason::CanceledBefore { .. }) => State::Requested,
        State::TriggerFailed | State::Unresolved => State::Armed,
        State::CiErrored => State::Triggered,
        State::NothingRan if reason == Reason::NoWorkflow => State::Triggered,
        _ => State::Running,
    };
    let change = Change::Ended { state, reason };
    let by = Actor::Worker(me());
    machine::apply(&head_in(from), change, by, at(192))
        .unwrap()
        .0
}

fn refused(refusal: Refusal) -> String {
    read(&ended(State::Refused, Reason::Refused(refusal)))
}

fn workflows(all: &[(&str, &str)]) -> Reason {
    let decided_by = all.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned()));
    Reason::Workflows {
        decided_by: decided_by.collect(),
    }
}

fn typed(text: &str) -> String {
    match command::parse(text) {
        Err(error) => read(&bad_command(&error, &config())),
        Ok(Command::Help) => read(&help(&user(), &channel(), &config())),
        Ok(Command::Deploy(deploy)) => panic!("{deploy:?}"),
    }
}

#[test]
fn what_ingest_answers() {
    let short = id().short(8);
    assert_snapshot!(read(&accepted(&ask(), &short)), @"
    (to all)
    :inbox_tray: *Accepted:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    ");
    assert_snapshot!(read(&checking(&ask(), &short)), @"
    (to the asker)
    :mag: *Checking:* `deploy` on `main` of `web` · `f643ce10`
    ");
    assert_snapshot!(read(&not_accepted()), @"
    (to the asker)
    :warning: *Not accepted:* the command could not be queued. Nothing was started; try again in a minute.
    ");
    assert_snapshot!(read(&cannot_confirm(&ask(), &short)), @"
    (to the asker)
    :warning: *Could not confirm:* `deploy` on `main` of `web` · `f643ce10`
    It may have been accepted: if it was, a message follows here. Wait for it before you type the command again.
    ");
    assert_snapshot!(read(&not_slacks()), @"
    (to the asker)
    :no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's (rule `slack.reply_origins`). Nothing was started.
    ");
    assert_snapshot!(read(&no_identity()), @"
    (to the asker)
    :no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a repetition of it could not be told from a new command. Nothing was started.
    ");
}

#[test]
fn what_is_not_a_command() {
    assert_snapshot!(typed("main"), @"
    (to the asker)
    :speech_balloon: *Not a command:* a branch and a job are needed, and that is 1 word.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("deploy"), @"
    (to the asker)
    :speech_balloon: *Not a command:* a branch and a job are needed.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("please deploy main now"), @"
    (to the asker)
    :speech_balloon: *Not a command:* a branch and a job are needed, and that is 4 words.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("status now"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `status` is a reserved word. For a branch of that name put `deploy` in front.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("-f deploy"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `-f` cannot be a branch: it may not start with `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("a$(reboot) deploy"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `a$(reboot)` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("main <!channel>"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `&lt;!channel&gt;` cannot be a job: it may hold only letters, digits and `.` `_` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("deploy w`b main deploy"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `w'b` cannot be a project: it may hold only letters, digits and `.` `_` `-`.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed(&format!("{} deploy", "x".repeat(201))), @"
    (to the asker)
    :speech_balloon: *Not a command:* `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` cannot be a branch: it is longer than 200 characters.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed("0123456789abcdef0123456789abcdef01234567 deploy"), @"
    (to the asker)
    :speech_balloon: *Not a command:* `0123456789abcdef0123456789abcdef01234567` cannot be a branch: it looks like a commit; CircleCI starts branches only.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
    assert_snapshot!(typed(&"x".repeat(2_000)), @"
    (to the asker)
    :speech_balloon: *Not a command:* the text is longer than 1,024 characters.
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    ");
}

#[test]
fn help_shows_what_this_person_may_run_here() {
    assert_snapshot!(typed("help"), @"
    (to the asker)
    :wave: *Deploy from here*
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    What you may run here:
    • `web`: `deploy`, `test`
    ");
    let stranger = UserId::parse("U99").unwrap();
    assert_snapshot!(read(&help(&stranger, &channel(), &config())), @"
    (to the asker)
    :wave: *Deploy from here*
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    What you may run here:
    • `web`: `test`
    ");
    let closed = crate::fixtures::CONFIG.replace("[\"*\"]", "[]");
    let closed = Config::parse(&closed, "chatops.toml").unwrap();
    assert_snapshot!(read(&help(&stranger, &channel(), &closed)), @"
    (to the asker)
    :wave: *Deploy from here*
    Type `/chatops &lt;branch&gt; &lt;job&gt;`.
    There is nothing you may run here (rules `channels` and `people`).
    ");
    let others = format!(
        "{}\n[projects.api]\nslug = \"gh/acme/api\"\n",
        crate::fixtures::CONFIG
    );
    let two = Config::parse(&others, "chatops.toml").unwrap();
    assert_snapshot!(help(&user(), &channel(), &two).to_lines()[1], @"Type `/chatops &lt;branch&gt; &lt;job&gt;` or, for another project, `/chatops deploy api &lt;branch&gt; &lt;job&gt;`.");
    let no_default = others.replace("default_project = \"web\"", "");
    let no_default = Config::parse(&no_default, "chatops.toml").unwrap();
    assert_snapshot!(help(&user(), &channel(), &no_default).to_lines()[1], @"Type `/chatops deploy api &lt;branch&gt; &lt;job&gt;`.");
}

#[test]
fn while_it_runs() {
    assert_snapshot!(read(&progress(&head_in(State::Running))), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn every_end_and_its_reasons() {
    assert_snapshot!(read(&ended(State::Succeeded, workflows(&[("build", "success")]))), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::Failed, workflows(&[("build", "failed"), ("lint", "error")]))), @"
    (to all)
    :x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` failed, `lint` error
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::Canceled, workflows(&[("build", "canceled")]))), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` canceled
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::Canceled, Reason::CanceledBefore { by: user() })), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by the one who had asked.
    ");
    let by = UserId::parse("U034GHIJKL").unwrap();
    assert_snapshot!(read(&ended(State::Canceled, Reason::CanceledBefore { by })), @"
    (to all)
    :no_entry_sign: *Canceled:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Canceled before anything was started, by <@U034GHIJKL>.
    ");
    assert_snapshot!(read(&ended(State::NothingRan, Reason::NoWorkflow)), @"
    (to all)
    :ghost: *Nothing ran:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI made a pipeline without a workflow. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::NothingRan, workflows(&[("build", "not_run")]))), @"
    (to all)
    :ghost: *Nothing ran:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    `build` not run
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let messages = vec![
        "Job 'x' is `missing`".to_owned(),
        "b".to_owned(),
        "c".to_owned(),
    ];
    assert_snapshot!(read(&ended(State::CiErrored, Reason::ConfigErrors { messages })), @"
    (to all)
    :warning: *Config error:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI says: `Job 'x' is 'missing'`
    CircleCI says: `b`
    … and 1 more.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::CiErrored, Reason::ConfigErrors { messages: vec![] })), @"
    (to all)
    :warning: *Config error:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    CircleCI could not make a workflow of the project's configuration, and did not say why.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(read(&ended(State::LostTrack, Reason::TrackedTooLong)), @"
    (to all)
    :grey_question: *Lost track:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>
    It was followed for as long as it may be (rule `times.track_for`); CircleCI knows the rest.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn when_it_was_not_started() {
    let no = |status, message: &str| {
        let message = message.to_owned();
        read(&ended(
            State::TriggerFailed,
            Reason::TriggerRefused { status, message },
        ))
    };
    assert_snapshot!(no(404, "Project not found"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (404): `Project not found`
    The usual causes: the project's slug in `chatops.toml`, a token that may not see the project, or a parameter that the project does not declare.
    ");
    assert_snapshot!(no(401, "Invalid token provided."), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (401): `Invalid token provided.`
    The CircleCI token is not valid, or no longer: an operator has to renew it.
    ");
    assert_snapshot!(no(400, "Unexpected argument(s): deploy_id"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (400): `Unexpected argument(s): deploy_id`
    The usual causes: a branch that does not exist, or an undeclared parameter.
    ");
    assert_snapshot!(no(403, ""), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    CircleCI said no (403).
    Nothing was started at CircleCI.
    ");
    let gave_up = |attempts, last: &str| {
        let last = last.to_owned();
        read(&ended(
            State::TriggerFailed,
            Reason::TriggerGaveUp { attempts, last },
        ))
    };
    assert_snapshot!(gave_up(1, "429 Too Many Requests"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Tried 1 time until the command was too old; the last time it met: `429 Too Many Requests`
    Nothing was started at CircleCI.
    ");
    assert_snapshot!(gave_up(12, "the connection was refused"), @"
    (to all)
    :rotating_light: *Not started:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Tried 12 times until the command was too old; the last time it met: `the connection was refused`
    Nothing was started at CircleCI.
    ");
}

#[test]
fn when_nobody_knows() {
    let unproven = |candidates| {
        let doubt = "503 Service Unavailable".to_owned();
        read(&ended(
            State::Unresolved,
            Reason::Unproven { doubt, candidates },
        ))
    };
    assert_snapshot!(unproven(vec![]), @"
    (to all)
    :grey_question: *Unresolved:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Whether CircleCI started it could not be learned: `503 Service Unavailable`
    Look at CircleCI before you type the command again.
    ");
    assert_snapshot!(unproven(vec![pipeline(7), pipeline(8)]), @"
    (to all)
    :grey_question: *Unresolved:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Whether CircleCI started it could not be learned: `503 Service Unavailable`
    Look at CircleCI before you type the command again.
    It may be one of these: <https://app.circleci.com/pipelines/github/acme/web/7|pipeline 7>, <https://app.circleci.com/pipelines/github/acme/web/8|pipeline 8>
    ");
}

#[test]
fn every_refusal_and_its_way_out() {
    let known = vec![project("web"), project("api")];
    assert_snapshot!(refused(Refusal::Team { team: team() }), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Commands from this workspace are not listened to (rule `slack.teams`).
    An operator can add `T012ABCDEF` to `teams` in `chatops.toml`.
    ");
    assert_snapshot!(refused(Refusal::NoProject { known: known.clone() }), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    No project was named, and there is no default (rule `default_project`).
    Put one of these in front of the branch: `web`, `api`.
    ");
    assert_snapshot!(refused(Refusal::NoProject { known: vec![] }), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    No project was named, and there is no default (rule `default_project`).
    An operator has to add a project to `chatops.toml` first.
    ");
    assert_snapshot!(refused(Refusal::UnknownProject { project: project("wep"), known }), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    There is no project `wep` (rule `projects`).
    Put one of these in front of the branch: `web`, `api`.
    ");
    let unknown = |usable| Refusal::UnknownJob {
        project: project("web"),
        job: job("deplyo"),
        usable,
    };
    assert_snapshot!(refused(unknown(vec![job("deploy"), job("test")])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Project `web` has no job `deplyo` (rule `projects.web.jobs`).
    Here you may run `deploy`, `test`.
    ");
    assert_snapshot!(refused(unknown(vec![])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    Project `web` has no job `deplyo` (rule `projects.web.jobs`).
    It has no job that you may run here.
    ");
    let other = ChannelId::parse("C034GHIJKL").unwrap();
    let elsewhere = |allowed| Refusal::Channel {
        project: project("web"),
        job: job("deploy"),
        channel: channel(),
        allowed,
    };
    assert_snapshot!(refused(elsewhere(vec![other.clone(), other])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    This job is not run from here (rule `projects.web.jobs.deploy.channels`).
    Try <#C034GHIJKL>, <#C034GHIJKL>; or an operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
    assert_snapshot!(refused(elsewhere(vec![])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    This job is not run from here (rule `projects.web.jobs.deploy.channels`).
    An operator can add `C012ABCDEF` to its `channels` in `chatops.toml`.
    ");
    let person = Refusal::Person {
        project: project("web"),
        job: job("deploy"),
        user: user(),
    };
    assert_snapshot!(refused(person), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    You may not run this job (rule `projects.web.jobs.deploy.people`).
    An operator can add `U012ABCDEF` to its `people` in `chatops.toml`.
    ");
    let on = |patterns: &[&str]| Refusal::Branch {
        project: project("web"),
        job: job("deploy"),
        branch: branch("main"),
        patterns: patterns.iter().map(|&p| p.to_owned()).collect(),
    };
    assert_snapshot!(refused(on(&["production", "release/*"])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    This job is not run on that branch (rule `projects.web.jobs.deploy.branches`).
    It runs on `production`, `release/*`.
    ");
    assert_snapshot!(refused(on(&[])), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    This job is not run on that branch (rule `projects.web.jobs.deploy.branches`).
    An operator has to list its `branches` in `chatops.toml` first.
    ");
    assert_snapshot!(refused(Refusal::Stale { asked_at: start() }), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    It was asked too long ago to be started now: <!date^1800000000^{date_short_pretty} {time}|2027-01-15 08:00 UTC> (rule `times.stale_after`).
    Type it again if it is still wanted.
    ");
    let busy = Refusal::Busy {
        target: target(),
        holder: id(),
        short: id().short(8),
        user: UserId::parse("U034GHIJKL").unwrap(),
        since: start(),
    };
    assert_snapshot!(refused(busy), @"
    (to the asker)
    :no_entry: *Refused:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    `web/production` is taken by deploy `f643ce10` of <@U034GHIJKL>, since <!date^1800000000^{date_short_pretty} {time}|2027-01-15 08:00 UTC>.
    One deploy at a time: type it again when that one has ended.
    ");
}

#[test]
fn a_copy_says_that_it_is_one() {
    let head = head_ended(State::Succeeded, workflows(&[("build", "success")]));
    assert_snapshot!(read(&last(&head, true)), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · _said again, in case the first copy was lost_ · <@U012ABCDEF>
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn the_json_that_slack_gets() {
    let post = ended(State::Failed, workflows(&[("build", "failed")]));
    let json = serde_json::to_string_pretty(&post.to_json()).unwrap();
    assert_snapshot!(json, @r#"
    {
      "blocks": [
        {
          "text": {
            "text": ":x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "text": {
            "text": "`build` failed",
            "type": "mrkdwn",
            "verbatim": true
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "action_id": "open",
              "text": {
                "text": "View build",
                "type": "plain_text"
              },
              "type": "button",
              "url": "https://app.circleci.com/pipelines/github/acme/web/7"
            }
          ],
          "type": "actions"
        }
      ],
      "response_type": "in_channel",
      "text": ":x: *Failed:* `deploy` on `main` of `web` · `f643ce10` · after 3 min 12 s · <@U012ABCDEF>",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
    assert_eq!(not_accepted().to_json()["response_type"], "ephemeral");
}

#[test]
fn the_headline_carries_everything_and_mentions_the_asker_once_at_the_end() {
    for state in State::ALL.into_iter().filter(|s| s.is_terminal()) {
        let post = last(&head_in(state), true);
        let headline = post.headline.to_string();
        for part in ["`deploy`", "`main`", "`web`", id().short(8).as_str(), "*"] {
            assert!(headline.contains(part), "{headline}");
        }
        assert!(headline.ends_with(" · <@U012ABCDEF>"), "{headline}");
        assert_eq!(headline.matches("<@").count(), 1);
    }
}

#[test]
fn a_line_is_cut_without_leaving_half_of_anything() {
    let line = Line::new("ab ")
        .code("cdef")
        .and(" ")
        .user(&user())
        .foreign("&&");
    assert_eq!(line.cut(100), line.to_string());
    let cuts: Vec<_> = [6, 8, 12, 16, 26, 29].map(|limit| line.cut(limit)).into();
    insta::assert_debug_snapshot!(cuts, @r#"
    [
        "ab ``…",
        "ab `cd`…",
        "ab `cdef` …",
        "ab `cdef` …",
        "ab `cdef` <@U012ABCDEF>…",
        "ab `cdef` <@U012ABCDEF>…",
    ]
    "#);
}

/// Foreign text at its worst: marks of Slack's grammar, quotes, line breaks, wide characters.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[<>&*_~`|\"\\\\:@#!;]{1,30}",
        "\\PC{0,40}",
        "[\\x00-\\x1f\\x7f\u{80}-\u{9f}]{1,4}",
        Just("<!channel>".to_owned()),
        Just("&amp;&lt;".to_owned()),
        Just("\u{202e}evil\u{2066}\u{2028}".to_owned()),
        (1..4_000_usize).prop_map(|n| "\"".repeat(n)),
        (1..4_000_usize).prop_map(|n| "<".repeat(n)),
        (1..4_000_usize).prop_map(|n| "\u{1f680}".repeat(n)),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn long_address(length: usize) -> Pipeline {
    let mut pipeline = pipeline(7);
    pipeline.url.set_path(&"x".repeat(length));
    pipeline
}

fn any_reason() -> impl Strategy<Value = (State, Reason)> {
    let texts = || prop::collection::vec(nasty(), 0..30);
    prop_oneof![
        (any::<u16>(), nasty()).prop_map(|(status, message)| {
            (
                State::TriggerFailed,
                Reason::TriggerRefused { status, message },
            )
        }),
        (any::<u32>(), nasty()).prop_map(|(attempts, last)| {
            (
                State::TriggerFailed,
                Reason::TriggerGaveUp { attempts, last },
            )
        }),
        texts().prop_map(|messages| (State::CiErrored, Reason::ConfigErrors { messages })),
        (nasty(), 0..40_usize, 1..5_000_usize).prop_map(|(doubt, n, length)| {
            let candidates = vec![long_address(length); n];
            (State::Unresolved, Reason::Unproven { doubt, candidates })
        }),
        texts().prop_map(|names| {
            let decided_by = names.into_iter().map(|name| (name, "not_run".to_owned()));
            let decided_by = decided_by.collect();
            (State::NothingRan, Reason::Workflows { decided_by })
        }),
        any_refusal().prop_map(|refusal| (State::Refused, Reason::Refused(refusal))),
    ]
}

fn any_refusal() -> impl Strategy<Value = Refusal> {
    let word = || "[a-zA-Z0-9._]{1,100}".prop_filter("a name", |w| !w.starts_with('.'));
    (word(), word(), 0..400_usize, 0..6).prop_map(|(p, j, n, which)| {
        let (project, job) = (project(&p), job(&j));
        match which {
            0 => Refusal::NoProject {
                known: vec![project; n],
            },
            1 => Refusal::UnknownProject {
                known: vec![project.clone(); n],
                project,
            },
            2 => Refusal::UnknownJob {
                project,
                usable: vec![job.clone(); n],
                job,
            },
            3 => Refusal::Channel {
                project,
                job,
                channel: channel(),
                allowed: vec![channel(); n],
            },
            4 => Refusal::Branch {
                project,
                job,
                branch: branch(&"b".repeat(200)),
                patterns: vec!["p*".repeat(500); n],
            },
            _ => Refusal::Person {
                project,
                job,
                user: user(),
            },
        }
    })
}

/// What Slack documents or is known to refuse.
fn check_limits(post: &Post) {
    let json = post.to_json();
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert!((1..=3_000).contains(&chars(&json["text"])));
    let blocks = json["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        if block["type"] == "section" {
            let text = &block["text"]["text"];
            assert!((1..=3_000).contains(&chars(text)), "{text}");
            let shown = text.as_str().unwrap().replace("<!date^", "");
            assert!(!shown.contains("<!"), "a broadcast: {text}");
        } else {
            let button = &block["elements"][0];
            assert!((1..=75).contains(&chars(&button["text"]["text"])));
            assert!((1..=3_000).contains(&chars(&button["url"])));
        }
    }
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all <= 13_000, "{all} characters");
}

proptest! {
    #[test]
    fn slack_takes_every_last_word(
        (state, reason) in any_reason(),
        repeat in any::<bool>(),
        length in 1..5_000_usize,
        took in 0..10_000_000_u64,
    ) {
        let mut head = head_in(State::Running);
        head.ask.branch = branch(&"b".repeat(200));
        head.ask.job = job(&"j".repeat(100));
        head.state = state;
        if let Some(run) = &mut head.run {
            run.pipeline = long_address(length);
        }
        head.end = Some(End { at: start() + secs(took), reason });
        check_limits(&last(&head, repeat));
        check_limits(&progress(&head));
    }

    #[test]
    fn slack_takes_every_answer(text in nasty(), jobs in 0..300_usize) {
        let mut file = crate::fixtures::CONFIG.to_owned();
        for i in 0..jobs {
            let job = "j".repeat(100);
            writeln!(file, "[projects.p{i}]\nslug = 'gh/a/b'\n[projects.p{i}.jobs.{job}]").unwrap();
            writeln!(file, "channels = ['*']\npeople = ['*']").unwrap();
        }
        let config = Config::parse(&file, "chatops.toml").unwrap();
        check_limits(&help(&user(), &channel(), &config));
        if let Err(error) = command::parse(&text) {
            check_limits(&bad_command(&error, &config));
        }
        if let Err(error) = command::parse(&format!("deploy {text} main deploy")) {
            check_limits(&bad_command(&error, &config));
        }
    }
}
