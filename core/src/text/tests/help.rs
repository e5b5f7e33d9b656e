//! Help, for this person in this place.

use insta::assert_snapshot;
use strum::VariantArray;

use super::*;
use crate::command::{FILTER_KEYS, Verb};
use crate::fixtures::{qualified_channel, qualified_user, qualify, request};
use crate::policy;

fn topic(verb: Verb) -> String {
    rendered(&help_message(
        Some(verb),
        &qualified_user(),
        &qualified_channel(),
        &config(),
    ))
}

/// The configuration with one job of these branches that everybody may run everywhere.
fn on(branches: &str, default: bool) -> Config {
    let default = if default {
        "default_project = 'web'\n"
    } else {
        ""
    };
    let text = format!(
        "version = 1\n{default}[slack]\nteams = ['*']\n[projects.web]\nslug = 'gh/a/b'\n\
         [projects.web.jobs.e2e]\nbranches = [{branches}]\nchannels = ['*']\nusers = ['*']\n"
    );
    Config::parse(&text, "chatops.toml").unwrap()
}

#[test]
fn all_of_it() {
    assert_snapshot!(rendered(&help_message(None, &qualified_user(), &qualified_channel(), &config())), @"
    (to the requester)
    *Deploy from Slack:* type `/chatops &lt;branch&gt; &lt;job&gt;`
    • `/chatops &lt;branch&gt; &lt;job&gt;` – start a job on a branch of `web`
    • `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;` – the same, in any project
    • `/chatops plan [project] &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/chatops status [id]` – the state of one deploy, or what is in progress
    • `/chatops show &lt;id&gt;` – one deploy, like `status` with its id
    • `/chatops history [filters]` – what was deployed, newest first
    • `/chatops failed` – deploys waiting for a retry
    • `/chatops retry &lt;id&gt;` – retry a deploy that did not start
    • `/chatops cancel &lt;id&gt;` – cancel a deploy that has not ended
    • `/chatops unlock &lt;target&gt;` – free what a deploy keeps locked
    *What you may run here*
    • `web` (`site`), the default: `deploy` (`ship`), `test`
    More about one: `/chatops help &lt;command&gt;`.
    ");
}

#[test]
fn in_several_projects_under_another_name() {
    assert_snapshot!(rendered(&help_message(None, &qualified_user(), &qualified_channel(), &two_projects())), @"
    (to the requester)
    *Deploy from Slack:* type `/ship-it &lt;branch&gt; &lt;job&gt;`
    • `/ship-it &lt;branch&gt; &lt;job&gt;` – start a job on a branch of `web`
    • `/ship-it deploy [project] &lt;branch&gt; &lt;job&gt;` – the same, in any project
    • `/ship-it plan [project] &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/ship-it status [id]` – the state of one deploy, or what is in progress
    • `/ship-it show &lt;id&gt;` – one deploy, like `status` with its id
    • `/ship-it history [filters]` – what was deployed, newest first
    • `/ship-it failed` – deploys waiting for a retry
    • `/ship-it retry &lt;id&gt;` – retry a deploy that did not start
    • `/ship-it cancel &lt;id&gt;` – cancel a deploy that has not ended
    • `/ship-it unlock &lt;target&gt;` – free what a deploy keeps locked
    *What you may run here*
    • `web` (`site`), the default: `deploy` (`ship`), `test`
    • `api`: `e2e`
    More about one: `/ship-it help &lt;command&gt;`.
    ");
    assert_snapshot!(rendered(&help_message(None, &qualified_user(), &qualified_channel(), &no_default())), @"
    (to the requester)
    *Deploy from Slack:* type `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`
    • `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;` – start a job on a branch
    • `/ship-it plan &lt;project&gt; &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/ship-it status [id]` – the state of one deploy, or what is in progress
    • `/ship-it show &lt;id&gt;` – one deploy, like `status` with its id
    • `/ship-it history [filters]` – what was deployed, newest first
    • `/ship-it failed` – deploys waiting for a retry
    • `/ship-it retry &lt;id&gt;` – retry a deploy that did not start
    • `/ship-it cancel &lt;id&gt;` – cancel a deploy that has not ended
    • `/ship-it unlock &lt;target&gt;` – free what a deploy keeps locked
    *What you may run here*
    • `api`: `e2e`
    • `web` (`site`): `deploy` (`ship`), `test`
    More about one: `/ship-it help &lt;command&gt;`.
    ");
}

#[test]
fn for_somebody_else() {
    let stranger = help_message(None, &qualify(other()), &qualified_channel(), &config());
    assert_snapshot!(stranger.details[0], @"
    *What you may run here*
    • `web` (`site`), the default: `test`
    ");
    let closed = CONFIG.replace("[\"*\"]", "[]");
    let closed = Config::parse(&closed, "chatops.toml").unwrap();
    assert_snapshot!(help_message(None, &qualify(other()), &qualified_channel(), &closed).details[0], @"There is nothing you may run here (rules `channels` and `users` of each job). An operator can add you, `U034GHIJKL`, and this conversation, `C012ABCDEF`, in `chatops.toml`.");
    let empty = Config {
        projects: std::collections::BTreeMap::new(),
        ..config()
    };
    assert_snapshot!(help_message(None, &qualify(other()), &qualified_channel(), &empty).details[0], @"There is nothing to run yet: `chatops.toml` has no project.");
}

#[test]
fn about_each_command() {
    assert_snapshot!(topic(Verb::Deploy), @"
    (to the requester)
    *Help:* `/chatops deploy` starts a job on a branch.
    *Form:* `/chatops &lt;branch&gt; &lt;job&gt;` or `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;`
    Without a project, `web` is meant.
    A branch named like a command, such as `status`, needs `deploy` in front.
    *Examples:* `/chatops main deploy` · `/chatops deploy web main test`
    ");
    assert_snapshot!(topic(Verb::Plan), @"
    (to the requester)
    *Help:* `/chatops plan` shows what a deploy would do: every rule, the lock, what CircleCI would get.
    *Form:* `/chatops plan [project] &lt;branch&gt; &lt;job&gt;`
    It starts nothing and promises nothing.
    *Examples:* `/chatops plan main deploy` · `/chatops plan web main test`
    ");
    assert_snapshot!(topic(Verb::Show), @"
    (to the requester)
    *Help:* `/chatops show` shows the state of one deploy, as `status` with its id does.
    *Form:* `/chatops show &lt;id&gt;`
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    Its audit, event by event, is shown by `chatops show` on the command line.
    *Examples:* `/chatops show 1a2b3c4d` · `/chatops show 1a2b3c4d5e6f7a8b`
    ");
    assert_snapshot!(topic(Verb::Status), @"
    (to the requester)
    *Help:* `/chatops status` shows the state of one deploy; without an id, what is in progress.
    *Form:* `/chatops status [id]`
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    *Examples:* `/chatops status` · `/chatops status 1a2b3c4d`
    ");
    assert_snapshot!(topic(Verb::History), @"
    (to the requester)
    *Help:* `/chatops history` lists what was deployed, newest first.
    *Form:* `/chatops history [filter:value …]`
    Filters, all of which have to match:
    • `user:me`, `user:@ana` or `user:U012ABCDEF` – the requester
    • `branch:main` – the branch, in full
    • `tag:v1.2.3` – the tag, in full
    • `job:deploy` – the job
    • `project:web` – the project
    • `env:production` – the environment
    • `status:failed` – `in-progress`, `succeeded`, `failed`, `canceled`, `rejected`, or a state such as `TRIGGER_FAILED`
    • `since:7d`, `since:today` or `since:2026-11-30` – no older than that; days are UTC
    • `limit:5` – how many, at most 20
    • `before:1a2b3c4d` – older than that deploy: the next page
    • `all` – also what was not allowed, blocked or expired, which only `status:rejected` lists otherwise
    *Examples:* `/chatops history user:me since:7d` · `/chatops history branch:main job:deploy limit:5`
    ");
    assert_snapshot!(topic(Verb::Failed), @"
    (to the requester)
    *Help:* `/chatops failed` lists deploys waiting for a retry: they did not start, or that is not known.
    *Form:* `/chatops failed [before:&lt;id&gt;]`
    Each is shown with why, and with the command that retries it.
    *Examples:* `/chatops failed` · `/chatops failed before:1a2b3c4d`
    ");
    assert_snapshot!(topic(Verb::Retry), @"
    (to the requester)
    *Help:* `/chatops retry` retries a deploy that did not start, as a new deploy.
    *Form:* `/chatops retry &lt;id&gt; [confirm]`
    It is for what ended *Trigger failed*, *Not allowed*, *Blocked*, *Expired* or *Unresolved*. The last needs `confirm`: look at CircleCI first, and add it only if nothing started there.
    Where a newer deploy of the same target has succeeded, it needs `confirm`, too.
    Every rule and the lock are checked again, for you and this channel. What is refused changes nothing: the deploy waits as before.
    24 hours after its end a deploy can no longer be retried: type it again.
    *Examples:* `/chatops retry 1a2b3c4d` · `/chatops retry 1a2b3c4d confirm`
    ");
    assert_snapshot!(topic(Verb::Cancel), @"
    (to the requester)
    *Help:* `/chatops cancel` cancels a deploy that has not ended.
    *Form:* `/chatops cancel &lt;id&gt;`
    For the requester, and for anyone who may run that job from their channel.
    Before anything was sent it ends at once. Later CircleCI is asked to cancel it, and it ends as CircleCI says.
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    *Examples:* `/chatops cancel 1a2b3c4d` · `/chatops cancel 1a2b3c4d5e6f7a8b`
    ");
    assert_snapshot!(topic(Verb::Help), @"
    (to the requester)
    *Help:* `/chatops help` lists the commands, or tells more about one.
    *Form:* `/chatops help [command]`
    The commands: `deploy`, `plan`, `status`, `show`, `history`, `failed`, `retry`, `dismiss`, `cancel`, `unlock`, `help`.
    *Examples:* `/chatops help` · `/chatops help retry`
    ");
}

#[test]
fn where_nothing_may_be_run_the_examples_have_places_to_fill_in() {
    let about = |verb, config: &Config| {
        let message = help_message(Some(verb), &qualified_user(), &qualified_channel(), config);
        message.rows.last().unwrap().to_string()
    };
    assert_snapshot!(about(Verb::Deploy, &on("", true)), @"*Examples:* `/chatops &lt;branch&gt; &lt;job&gt;` · `/chatops deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`");
    assert_snapshot!(about(Verb::Plan, &on("", false)), @"*Examples:* `/chatops plan &lt;project&gt; &lt;branch&gt; &lt;job&gt;`");
    assert_snapshot!(about(Verb::History, &on("", false)), @"*Examples:* `/chatops history user:me since:7d` · `/chatops history status:failed limit:5`");
}

#[test]
fn history_lists_every_filter() {
    let text = topic(Verb::History);
    for key in FILTER_KEYS {
        assert!(text.contains(&format!("\n• `{key}:")), "{key}");
    }
}

/// Every example is a command; a deploy among them is one that the policy lets through.
#[test]
fn examples_really_work() {
    let pattern = [
        "'main'",
        "'release/*'",
        "'status'",
        "'*'",
        "'**'",
        "'*-fix'",
        "'v1.*'",
        "'a**b'",
        "'HEAD'",
        "'hot/*/fix', 'develop'",
    ];
    let pattern = pattern
        .into_iter()
        .flat_map(|p| [on(p, true), on(p, false)]);
    for config in pattern.chain([config(), two_projects(), no_default()]) {
        let verbs = Verb::VARIANTS.iter();
        for (verb, who) in verbs.flat_map(|verb| [(verb, user()), (verb, other())]) {
            let message = help_message(
                Some(*verb),
                &qualify(who.clone()),
                &qualified_channel(),
                &config,
            );
            let examples = message.rows.last().unwrap().to_string();
            assert!(examples.starts_with("*Examples:* "), "{examples}");
            for text in ready_commands(&examples, &config) {
                let deploy = match command::parse(&text) {
                    Ok(
                        ChatCommand::Deploy(deploy)
                        | ChatCommand::Query(command::Query::Plan(deploy)),
                    ) => deploy,
                    Ok(_) => continue,
                    // A place to fill in, where there is nothing that could be run.
                    Err(_) if text.contains('<') => continue,
                    Err(error) => panic!("{text}: {error:?}"),
                };
                let requester = crate::message::Requester {
                    user: who.clone(),
                    ..crate::fixtures::requester()
                };
                let ask = requester.deploy_request(&deploy, request().requested_at, &config);
                assert!(policy::authorize_deploy(&config, &ask).is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn every_pattern_that_can_be_met_has_an_example() {
    for pattern in [
        "'release/*'",
        "'*'",
        "'**'",
        "'*-fix'",
        "'v1.*'",
        "'a**b'",
        "'status'",
    ] {
        let config = on(pattern, true);
        let message = help_message(
            Some(Verb::Deploy),
            &qualified_user(),
            &qualified_channel(),
            &config,
        );
        let examples = message.rows.last().unwrap().to_string();
        assert!(!examples.contains("&lt;"), "{pattern}: {examples}");
    }
}
