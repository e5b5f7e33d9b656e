//! The form, and the plan that follows it.

use insta::assert_snapshot;

use super::*;
use crate::command::{ButtonVerb, FormField, FormInput};
use crate::deploy::decide;
use crate::fixtures::{qualified_channel, qualified_user, qualify, request, response_url};
use crate::id::RequestId;

fn interactive(mut config: Config) -> Config {
    config.slack.interactivity = true;
    config
}

fn filled(job: &str, branch: &str, parameters: &str) -> FormInput {
    let typed = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    FormInput {
        job: typed(job),
        branch: typed(branch),
        parameters: typed(parameters),
    }
}

fn shown(input: &FormInput, config: &Config) -> String {
    rendered(&deploy_form(
        input,
        &qualified_user(),
        &qualified_channel(),
        config,
    ))
}

fn first(config: &Config) -> SlackMessage {
    new_form(&qualified_user(), &qualified_channel(), config)
}

#[test]
fn it_begins_with_what_is_run_most() {
    assert_snapshot!(rendered(&first(&interactive(two_projects()))), @"
    (to the requester)
    *Deploy* · pick, then check the plan
    What [web: deploy ▾]
    Branch [main________]
    [Plan]
    [Help]
    ");
    let json = first(&interactive(config())).to_json();
    assert_snapshot!(serde_json::to_string_pretty(&json["blocks"][1]).unwrap(), @r#"
    {
      "block_id": "job",
      "element": {
        "action_id": "job",
        "initial_option": {
          "text": {
            "emoji": false,
            "text": "web: deploy",
            "type": "plain_text"
          },
          "value": "web deploy"
        },
        "options": [
          {
            "text": {
              "emoji": false,
              "text": "web: deploy",
              "type": "plain_text"
            },
            "value": "web deploy"
          },
          {
            "text": {
              "emoji": false,
              "text": "web: test",
              "type": "plain_text"
            },
            "value": "web test"
          }
        ],
        "placeholder": {
          "emoji": false,
          "text": "Choose",
          "type": "plain_text"
        },
        "type": "static_select"
      },
      "label": {
        "emoji": false,
        "text": "What",
        "type": "plain_text"
      },
      "optional": false,
      "type": "input"
    }
    "#);
    // Each field is found by its name.
    for (block, name) in [(1, FormField::Job), (2, FormField::Branch)] {
        let block = &json["blocks"][block];
        assert_eq!(block["block_id"], name.as_str());
        assert_eq!(block["element"]["action_id"], name.as_str());
    }
}

#[test]
fn parameters_are_asked_for_where_a_job_takes_some() {
    let text =
        format!("{CONFIG}\n[projects.web.jobs.deploy.parameters.version]\npattern = \"v*\"\n");
    let config = interactive(Config::parse(&text, "chatops.toml").unwrap());
    assert_snapshot!(rendered(&first(&config)), @"
    (to the requester)
    *Deploy* · pick, then check the plan
    What [web: deploy ▾]
    Branch [main________]
    Parameters [____________]
    [Plan]
    [Help]
    ");
    let slip = filled("web deploy", "main", "v1.2");
    assert_snapshot!(shown(&slip, &config), @"
    (to the requester)
    *Deploy* · pick, then check the plan
    `v1.2` is no parameter: they are typed as `name=value`, with spaces between them.
    What [web: deploy ▾]
    Branch [main________]
    Parameters [v1.2________]
    [Plan]
    [Help]
    ");
}

#[test]
fn a_slip_is_told_in_the_form_and_what_was_typed_stays() {
    let config = interactive(config());
    let slips = [
        filled("", "main", ""),
        filled("web deploy", "", ""),
        filled("web deploy", "fix/don't", ""),
        filled("web deploy", "main", ""),
    ];
    let slips: Vec<String> = slips.iter().map(|slip| shown(slip, &config)).collect();
    assert_snapshot!(slips.join("\n\n"), @"
    (to the requester)
    *Deploy* · pick, then check the plan
    Choose what to deploy.
    What [… ▾]
    Branch [main________]
    [Plan]
    [Help]

    (to the requester)
    *Deploy* · pick, then check the plan
    Type a branch. A form that Slack has loaded again is empty.
    What [web: deploy ▾]
    Branch [____________]
    [Plan]
    [Help]

    (to the requester)
    *Deploy* · pick, then check the plan
    `fix/don't` cannot be a branch: `'` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    Git accepts more names than a CircleCI config can be trusted with. Push the commit under another name and deploy that, for instance: `git push origin HEAD:deploy-this`.
    What [web: deploy ▾]
    Branch [fix/don't___]
    [Plan]
    [Help]

    (to the requester)
    *Deploy* · pick, then check the plan
    What [web: deploy ▾]
    Branch [main________]
    [Plan]
    [Help]
    ");
}

/// A configuration in which only those it lists may run anything.
fn closed() -> Config {
    Config::parse(
        &CONFIG.replace("users = [\"*\"]", "users = [\"U012ABCDEF\"]"),
        "chatops.toml",
    )
    .unwrap()
}

#[test]
fn who_may_run_nothing_or_has_no_buttons_gets_help() {
    let help =
        |config: &Config, who| help_message(None, &qualify(who), &qualified_channel(), config);
    let config = interactive(closed());
    let stranger = qualify(other());
    let here = qualified_channel();
    assert_eq!(new_form(&stranger, &here, &config), help(&config, other()));
    let input = FormInput::default();
    assert_eq!(
        deploy_form(&input, &stranger, &here, &config),
        help(&config, other())
    );
    assert_eq!(
        deploy_menu(&stranger, &here, &config),
        help(&config, other())
    );
    let plain = super::config();
    assert_eq!(first(&plain), help(&plain, user()));
}

/// Slack refuses a message of more than 13,000 characters, whatever is in it.
#[test]
fn what_does_not_fit_into_a_menu_is_typed() {
    let jobs: Vec<String> = (0..90)
        .map(|n| {
            let name = format!("{}-{n}", "j".repeat(50));
            format!(
                "[projects.web.jobs.{name}]\nbranches = [\"main\"]\nchannels = [\"*\"]\nusers = [\"*\"]\n"
            )
        })
        .collect();
    let text = format!(
        "version = 1\n[slack]\nteams = [\"*\"]\n[projects.web]\nslug = \"gh/acme/web\"\n{}",
        jobs.concat()
    );
    let many = interactive(Config::parse(&text, "chatops.toml").unwrap());
    let form = first(&many);
    let length = form.to_json().to_string().len();
    assert!((7_500..13_000).contains(&length), "{}", rendered(&form));
    assert!(rendered(&form).contains(" more, which are typed: "));
    let few = rendered(&first(&interactive(two_projects())));
    assert!(!few.contains("typed: "), "{few}");
}

#[test]
fn a_menu_of_branches_needs_no_fields() {
    let config = interactive(two_projects());
    let menu = deploy_menu(&qualified_user(), &qualified_channel(), &config);
    assert_snapshot!(rendered(&menu), @"
    (to the requester)
    *Deploy* · choose, then check the plan
    [… ▾]
    Any other branch is typed: `/ship-it deploy &lt;project&gt; &lt;branch&gt; &lt;job&gt;`.
    ");
    let json = menu.to_json();
    let element = &json["blocks"][1]["elements"][0];
    assert_eq!(element["action_id"], ButtonVerb::Choose.as_str());
    let options = element["option_groups"][0]["options"].as_array().unwrap();
    for option in options {
        let value = option["value"].as_str().unwrap();
        let asked = ButtonVerb::Choose.meaning(value, None);
        assert!(asked.is_ok(), "{value}");
    }
}

#[test]
fn a_plan_has_the_button_that_starts_it() {
    let plan = |config: &Config, from_form, starts| {
        let plan = decide::plan_deploy(config, request());
        let id = RequestId::of_request("T1", "A1", "1");
        let asked = PlanRequest { id, from_form };
        let report = to_requester_empty();
        super::super::plan::with_start_button(report, &plan, starts, asked, config)
    };
    let config = interactive(config());
    let labels = |message: &SlackMessage| message.to_lines()[1..].join(" ");
    assert_eq!(labels(&plan(&config, true, true)), "[Deploy it] [Back]");
    assert_eq!(labels(&plan(&config, false, true)), "[Deploy it]");
    assert_eq!(labels(&plan(&config, true, false)), "[Back]");
    assert_eq!(labels(&plan(&config, false, false)), "");
    assert_eq!(labels(&plan(&super::config(), true, true)), "");
    let button = plan(&config, true, true).buttons[0].clone();
    assert_eq!(
        button.confirm.as_deref(),
        Some("Run deploy on main for web/production?")
    );
    let ButtonSubject::Words(words) = button.about else {
        panic!("{button:?}");
    };
    assert!(ButtonVerb::Deploy.meaning(&words, None).is_ok(), "{words}");
    assert!(!words.contains(response_url().expose()));
}

fn to_requester_empty() -> SlackMessage {
    slack_message::reply(Mrkdwn::new("plan"))
}
