//! Every message against the limits, with the worst and longest foreign text. Seeds of past failures are
//! kept by the name of this file, so the properties stay in it.

mod foreign;
mod slack;

use proptest::prelude::*;
use serde_json::Value;
use strum::VariantArray;

use super::*;
use crate::command::{FormInput, HistoryFilter, UserFilter, Verb};
use crate::deploy::DeployRequest;
use crate::deploy::decide::{self, RetryDecision};
use crate::fixtures::{
    branch, job, project, qualified_channel, qualified_user, qualify, request, start,
};
use crate::id::{DeployRef, RequestId};

use crate::ports::{DeployPage, PageEnd, TargetLock};
use crate::rejection::Rejection;
use crate::release::{ReleaseHistory, TargetEnd};
use foreign::{
    any_record, any_rejection, every_notice, large, long_address, long_request, named, nasty,
};
use slack::{check, check_rows};

#[test]
fn a_message_at_all_of_its_limits() {
    let quotes = || Mrkdwn::default().escaped(&"\"".repeat(9_000));
    let label: String = "\"".repeat(500);
    let longest = MessageMark {
        deploy: Some(id()),
        repeat: true,
        ..MessageKind::NotAccepted.into()
    };
    let message = SlackMessage {
        mark: longest,
        audience: Audience::Requester,
        headline: quotes(),
        fields: vec![],
        rows: vec![quotes(); 1_000],
        details: vec![quotes(); 100],
        link: Some(MessageLink {
            url: long_address(900).url,
            label: label.into(),
        }),
        form: vec![],
        buttons: vec![],
    };
    check(&message);
    let blocks = message.to_json()["blocks"].as_array().unwrap().len();
    // The headline, 20 rows of 420 and how many more, five details, the button.
    assert_eq!(blocks, 1 + 4 + 5 + 1);
    check(&SlackMessage {
        rows: vec![],
        ..message.clone()
    });
    check(&SlackMessage {
        fields: vec![quotes(); 100],
        ..message
    });
}

proptest! {
    #[test]
    fn slack_takes_every_message_about_a_deploy(record in any_record(), repeat in any::<bool>(), who in nasty()) {
        let mut config = large(2, 1);
        config.slack.interactivity = repeat;
        check(&final_status(&record, repeat, &config));
        check(&announcement(&record, repeat, &config));
        check(&deploy_running(&record, &config));
        check(&card(&record, repeat, &config));
        check(&waiting_for_approval(&record, &config));
        check(&deploy_status(&record, None, &config));
        check(&deploy_notice(&record, &config));
        let by = ActedBy::Operator { name: who.clone() };
        for notice in every_notice(&who, by) {
            let notice = Some(notice);
            check(&deploy_notice(&DeployRecord { notice, ..record.clone() }, &config));
        }
        check(&cancel_requested(&record, &ActedBy::Operator { name: who.clone() }, &config));
        check(&already_ended(&record, &config));
        let by = ActedBy::Operator { name: who };
        check(&already_canceling(&record, &CancelRequest { by, at: at(1) }, &config));
        for why in [
            RetryDecision::Yes,
            RetryDecision::InProgress,
            RetryDecision::HasRun,
            RetryDecision::NeedsConfirm,
            RetryDecision::TooOld,
            RetryDecision::Retried,
        ] {
            check(&not_retried(&record, &why, &config));
        }
        check(&deploy_accepted(&record.request, record.id, &config));
        check(&deploy_unconfirmed(&record.request, record.id));
    }

    #[test]
    fn slack_takes_every_rejection(rejection in any_rejection()) {
        check(&cancel_denied(&record_in(DeployState::Running), &rejection, &config()));
        check(&team_not_allowed(&rejection, &config()));
        check(&deploy_refused(&rejection, &long_request(), id(), &config()));
    }

    #[test]
    fn slack_takes_every_list(
        deploys in prop::collection::vec(any_record(), 0..9),
        name in nasty(),
        full in any::<bool>(),
    ) {
        let deploys: Vec<_> = deploys.iter().cycle().take(deploys.len() * 3).cloned().collect();
        let more = Some(PageEnd {
            before: another().short_id(16),
            read_back_to: start(),
            full,
        });
        let config = large(0, 0);
        let page = DeployPage { deploys, more };
        let filter = HistoryFilter {
            user: Some(UserFilter::Name(name.chars().take(80).collect())),
            git_ref: Some(branch(&"b".repeat(200))),
            job: Some(job(&"j".repeat(100))),
            project: Some(project(&"p".repeat(100))),
            ..HistoryFilter::default()
        };
        for message in [deploy_history(&filter, &page, &config), in_progress(&page, &config), awaiting_retry(&page, &config)] {
            check(&message);
            check_rows(&message);
        }
    }

    #[test]
    fn slack_takes_every_answer_to_a_text(text in nasty(), other in "[a-z:<`@]{1,80}") {
        let config = large(1, 1);
        for verb in Verb::VARIANTS {
            for text in [&text, &other] {
                for text in [text.clone(), format!("{} {text}", verb.as_str())] {
                    if let Err(error) = command::parse(&text) {
                        check(&bad_command(&error, &config));
                    }
                }
            }
        }
        for front in ["deploy", "deploy main", "histroy"] {
            if let Err(error) = command::parse(&format!("{front} {text} main")) {
                check(&bad_command(&error, &config));
            }
        }
    }

    #[test]
    fn slack_takes_every_plan(value in nasty(), n in 0..98_usize, held in any::<bool>()) {
        let value: String = value.chars().take(512).collect();
        let mut config = config();
        let web = config.projects.get_mut(&project("web")).unwrap();
        let parameters = &mut web.jobs.get_mut(&job("deploy")).unwrap().trigger.parameters;
        for i in 0..n {
            parameters.insert(format!("{}{i}", "n".repeat(120)), Value::from(value.as_str()));
        }
        let holder = record_in(DeployState::Running);
        let lock = TargetLock { deploy: holder.id, since: start(), until: held.then(start) };
        let mut last = record_in(DeployState::Succeeded);
        if let Some(run) = &mut last.run {
            (run.revision, run.subject) = (Some("a".repeat(200)), Some(value.clone()));
        }
        last.request.user_name = Some(value.clone());
        let failed = TargetEnd::of(&record_in(DeployState::Failed)).unwrap();
        let mut interactive = config.clone();
        interactive.slack.interactivity = true;
        let releases = ReleaseHistory::default().after(&TargetEnd::of(&last).unwrap()).after(&failed);
        for ask in [request(), DeployRequest { user: other(), ..long_request() }, DeployRequest { git_ref: branch(&"b".repeat(200)), ..request() }] {
            let plan = decide::plan_deploy(&config, ask);
            let report = super::super::plan_report(&plan, held.then_some((&lock, &holder)), &releases, None, &config);
            let asked = PlanRequest { id: RequestId::of_request("T", "A", "1"), from_form: held };
            check(&super::super::plan::with_start_button(report, &plan, true, asked, &interactive));
        }
    }
}

#[test]
fn slack_takes_every_form() {
    let sizes = [(1, 1), (3, 30), (60, 1), (30, 25), (1, 300)];
    for (length, (projects, jobs)) in [4, 30, 90]
        .iter()
        .flat_map(|n| sizes.map(|size| (*n, size)))
    {
        let mut config = named(projects, jobs, length);
        config.slack.interactivity = true;
        let (user, channel) = (qualified_user(), qualified_channel());
        check(&new_form(&user, &channel, &config));
        check(&deploy_menu(&user, &channel, &config));
        for text in [
            "",
            "main",
            &"x".repeat(3_000),
            "<!channel> `",
            &"\"".repeat(900),
        ] {
            let typed = Some(text.to_owned());
            for job in [None, Some("web deploy".to_owned()), typed.clone()] {
                let input = FormInput {
                    job,
                    branch: typed.clone(),
                    parameters: typed.clone(),
                };
                check(&deploy_form(&input, &user, &channel, &config));
            }
        }
    }
}

#[test]
fn slack_takes_every_help() {
    for (projects, jobs) in [(0, 0), (1, 1), (3, 30), (60, 1), (30, 25)] {
        let config = large(projects, jobs);
        for topic in Verb::VARIANTS.iter().copied().map(Some).chain([None]) {
            check(&help_message(
                topic,
                &qualified_user(),
                &qualified_channel(),
                &config,
            ));
            check(&help_message(
                topic,
                &qualify(other()),
                &qualified_channel(),
                &config,
            ));
        }
    }
}

#[test]
fn slack_takes_an_accepted_action_and_an_unknown_deploy() {
    let full = DeployRef::parse(&id().to_string()).unwrap();
    check(&unknown_deploy(&full, &large(1, 1)));
    if let Ok(ChatCommand::Action(action)) = command::parse(&format!("cancel {full}")) {
        check(&action_accepted(&action));
    }
    check(&not_accepted());
    check(&invalid_response_url());
    check(&no_request_id());
}
