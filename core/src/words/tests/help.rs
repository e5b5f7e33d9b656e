//! Help, for this person in this place.

use insta::assert_snapshot;

use super::*;
use crate::command::{KEYS, Verb};
use crate::fixtures::ask;
use crate::policy;

fn topic(verb: Verb) -> String {
    read(&help(Some(verb), &user(), &channel(), &config()))
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
         [projects.web.jobs.e2e]\nbranches = [{branches}]\nchannels = ['*']\npeople = ['*']\n"
    );
    Config::parse(&text, "chatops.toml").unwrap()
}

#[test]
fn all_of_it() {
    assert_snapshot!(read(&help(None, &user(), &channel(), &config())), @"
    (to the asker)
    :wave: *Deploy from Slack:* type `/chatops &lt;branch&gt; &lt;job&gt;`
    • `/chatops &lt;branch&gt; &lt;job&gt;` – start a job on a branch of `web`
    • `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;` – the same, in any project
    • `/chatops plan [project] &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/chatops status [id]` – how one deploy stands, or what is open now
    • `/chatops history [filters]` – what was deployed, newest first
    • `/chatops failed` – what did not start and waits for a retry
    • `/chatops retry &lt;id&gt;` – try again what did not start
    • `/chatops cancel &lt;id&gt;` – cancel a deploy that has not ended
    *What you may run here*
    • `web` (`site`), the default: `deploy` (`ship`), `test`
    More about one: `/chatops help &lt;command&gt;`.
    ");
}

#[test]
fn in_several_projects_under_another_name() {
    assert_snapshot!(read(&help(None, &user(), &channel(), &two_projects())), @"
    (to the asker)
    :wave: *Deploy from Slack:* type `/ship-it &lt;branch&gt; &lt;job&gt;`
    • `/ship-it &lt;branch&gt; &lt;job&gt;` – start a job on a branch of `web`
    • `/ship-it deploy [project] &lt;branch&gt; &lt;job&gt;` – the same, in any project
    • `/ship-it plan [project] &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/ship-it status [id]` – how one deploy stands, or what is open now
    • `/ship-it history [filters]` – what was deployed, newest first
    • `/ship-it failed` – what did not start and waits for a retry
    • `/ship-it retry &lt;id&gt;` – try again what did not start
    • `/ship-it cancel &lt;id&gt;` – cancel a deploy that has not ended
    *What you may run here*
    • `web` (`site`), the default: `deploy` (`ship`), `test`
    • `api`: `e2e`
    More about one: `/ship-it help &lt;command&gt;`.
    ");
    assert_snapshot!(read(&help(None, &user(), &channel(), &no_default())), @"
    (to the asker)
    :wave: *Deploy from Slack:* type `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`
    • `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;` – start a job on a branch
    • `/ship-it plan &lt;project&gt; &lt;branch&gt; &lt;job&gt;` – what that would do; starts nothing
    • `/ship-it status [id]` – how one deploy stands, or what is open now
    • `/ship-it history [filters]` – what was deployed, newest first
    • `/ship-it failed` – what did not start and waits for a retry
    • `/ship-it retry &lt;id&gt;` – try again what did not start
    • `/ship-it cancel &lt;id&gt;` – cancel a deploy that has not ended
    *What you may run here*
    • `api`: `e2e`
    • `web` (`site`): `deploy` (`ship`), `test`
    More about one: `/ship-it help &lt;command&gt;`.
    ");
}

#[test]
fn for_somebody_else() {
    let stranger = help(None, &other(), &channel(), &config());
    assert_snapshot!(stranger.details[0], @"
    *What you may run here*
    • `web` (`site`), the default: `test`
    ");
    let closed = CONFIG.replace("[\"*\"]", "[]");
    let closed = Config::parse(&closed, "chatops.toml").unwrap();
    assert_snapshot!(help(None, &other(), &channel(), &closed).details[0], @"There is nothing you may run here (rules `channels` and `people` of each job). An operator can add you, `U034GHIJKL`, and this conversation, `C012ABCDEF`, in `chatops.toml`.");
    let empty = Config {
        projects: std::collections::BTreeMap::new(),
        ..config()
    };
    assert_snapshot!(help(None, &other(), &channel(), &empty).details[0], @"There is nothing to run yet: `chatops.toml` has no project.");
}

#[test]
fn about_each_command() {
    assert_snapshot!(topic(Verb::Deploy), @"
    (to the asker)
    :wave: *Help:* `/chatops deploy` starts a job on a branch.
    *Form:* `/chatops &lt;branch&gt; &lt;job&gt;` or `/chatops deploy [project] &lt;branch&gt; &lt;job&gt;`
    Without a project, `web` is meant.
    A branch named like a command, such as `status`, needs `deploy` in front.
    *Examples:* `/chatops main deploy` · `/chatops deploy web main test`
    ");
    assert_snapshot!(topic(Verb::Plan), @"
    (to the asker)
    :wave: *Help:* `/chatops plan` says what a deploy would do: every rule, the lock, what CircleCI would get.
    *Form:* `/chatops plan [project] &lt;branch&gt; &lt;job&gt;`
    It starts nothing and promises nothing.
    *Examples:* `/chatops plan main deploy` · `/chatops plan web main test`
    ");
    assert_snapshot!(topic(Verb::Status), @"
    (to the asker)
    :wave: *Help:* `/chatops status` says how one deploy stands; without an id, what is open now.
    *Form:* `/chatops status [id]`
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    *Examples:* `/chatops status` · `/chatops status 1a2b3c4d`
    ");
    assert_snapshot!(topic(Verb::History), @"
    (to the asker)
    :wave: *Help:* `/chatops history` lists what was deployed, newest first.
    *Form:* `/chatops history [filter:value …]`
    Filters, all of which have to fit:
    • `user:me`, `user:@ana` or `user:U012ABCDEF` – who asked
    • `branch:main` – the branch, in full
    • `job:deploy` – the job
    • `project:web` – the project
    • `status:failed` – `open`, `succeeded`, `failed`, `canceled`, `refused`, or a state such as `TRIGGER_FAILED`
    • `since:7d` or `since:2026-11-30` – no older than that
    • `limit:5` – how many, at most 20
    • `before:1a2b3c4d` – older than that deploy: the next page
    *Examples:* `/chatops history user:me since:7d` · `/chatops history job:deploy branch:main limit:5`
    ");
    assert_snapshot!(topic(Verb::Failed), @"
    (to the asker)
    :wave: *Help:* `/chatops failed` lists what did not start, or nobody knows whether it did.
    *Form:* `/chatops failed [before:&lt;id&gt;]`
    Each comes with why, and with the command that tries it again.
    *Examples:* `/chatops failed` · `/chatops failed before:1a2b3c4d`
    ");
    assert_snapshot!(topic(Verb::Retry), @"
    (to the asker)
    :wave: *Help:* `/chatops retry` tries a deploy again that did not start, as a new deploy.
    *Form:* `/chatops retry &lt;id&gt; [confirm]`
    It is for what ended *Not started*, *Refused* or *Unresolved*. The last needs `confirm`: look at CircleCI first, and add it only if nothing started there.
    Every rule and the lock are checked again, for you and from here.
    24 hours after its end nothing is retried: type the deploy again.
    *Examples:* `/chatops retry 1a2b3c4d` · `/chatops retry 1a2b3c4d confirm`
    ");
    assert_snapshot!(topic(Verb::Cancel), @"
    (to the asker)
    :wave: *Help:* `/chatops cancel` cancels a deploy that has not ended.
    *Form:* `/chatops cancel &lt;id&gt;`
    For the one who asked, and for whoever may run that job from where they are.
    Before anything was sent it ends at once. Later CircleCI is asked to cancel it, and it ends as CircleCI says.
    Ids are in every message about a deploy, in `/chatops status` and in `/chatops history`.
    *Examples:* `/chatops cancel 1a2b3c4d` · `/chatops cancel 1a2b3c4d5e6f7a8b`
    ");
    assert_snapshot!(topic(Verb::Help), @"
    (to the asker)
    :wave: *Help:* `/chatops help` lists the commands, or tells more about one.
    *Form:* `/chatops help [command]`
    The commands: `deploy`, `plan`, `status`, `history`, `failed`, `retry`, `cancel`, `help`.
    *Examples:* `/chatops help` · `/chatops help retry`
    ");
}

#[test]
fn where_nothing_may_be_run_the_examples_have_places_to_fill_in() {
    let about = |verb, config: &Config| {
        let post = help(Some(verb), &user(), &channel(), config);
        post.rows.last().unwrap().to_string()
    };
    assert_snapshot!(about(Verb::Deploy, &on("", true)), @"*Examples:* `/chatops &lt;branch&gt; &lt;job&gt;` · `/chatops deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`");
    assert_snapshot!(about(Verb::Plan, &on("", false)), @"*Examples:* `/chatops plan &lt;project&gt; &lt;branch&gt; &lt;job&gt;`");
    assert_snapshot!(about(Verb::History, &on("", false)), @"*Examples:* `/chatops history user:me since:7d` · `/chatops history status:failed limit:5`");
}

#[test]
fn history_lists_every_filter() {
    let text = topic(Verb::History);
    for key in KEYS {
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
        for (verb, who) in Verb::ALL
            .into_iter()
            .flat_map(|verb| [(verb, user()), (verb, other())])
        {
            let post = help(Some(verb), &who, &channel(), &config);
            let examples = post.rows.last().unwrap().to_string();
            assert!(examples.starts_with("*Examples:* "), "{examples}");
            for text in ready(&examples, &config) {
                let deploy = match command::parse(&text) {
                    Ok(Command::Deploy(deploy) | Command::Ask(command::Question::Plan(deploy))) => {
                        deploy
                    }
                    Ok(_) => continue,
                    // A place to fill in, where there is nothing that could be run.
                    Err(_) if text.contains('<') => continue,
                    Err(error) => panic!("{text}: {error:?}"),
                };
                let asker = crate::message::Asker {
                    user: who.clone(),
                    ..crate::fixtures::asker()
                };
                let ask = asker.ask(&deploy, ask().asked_at, &config);
                assert!(policy::decide(&config, &ask).is_ok(), "{text}");
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
        let post = help(Some(Verb::Deploy), &user(), &channel(), &config);
        let examples = post.rows.last().unwrap().to_string();
        assert!(!examples.contains("&lt;"), "{pattern}: {examples}");
    }
}
