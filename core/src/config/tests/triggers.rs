//! How a job is started: what the file may say, and the defaults.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::deploy::TriggerIntent;
use crate::name::GitRef;

/// One project with one job, of these slug and lines.
fn file(slug: &str, lines: &str) -> String {
    format!(
        r#"version = 1
[slack]
teams = ["T012ABCDEF"]
[projects.web]
slug = "{slug}"
[projects.web.jobs.deploy]
branches = ["main"]
channels = ["*"]
users = ["*"]
{lines}
"#
    )
}

pub(super) fn parsed_job(slug: &str, lines: &str) -> JobConfig {
    let config = Config::parse(&file(slug, lines), "chatops.toml").unwrap();
    config.projects[&project("web")].jobs[&job("deploy")].clone()
}

fn parsed(slug: &str, lines: &str) -> TriggerConfig {
    parsed_job(slug, lines).trigger
}

pub(super) fn error_of(slug: &str, lines: &str) -> String {
    super::error_of(&file(slug, lines))
}

/// The parameters' names: of the job, of the deploy id.
fn parameter_names(trigger: &TriggerConfig) -> (Option<&str>, Option<&str>) {
    let id = trigger.deploy_id_parameter.as_deref();
    (trigger.job_parameter.as_deref(), id)
}

const DEFINITION: &str = "2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10";

#[test]
fn a_pipeline_run_is_the_default() {
    let definition = None;
    let run = TriggerCall::PipelineRun { definition };
    for (lines, call) in [("", run), ("trigger = 'pipeline'", TriggerCall::Pipeline)] {
        for slug in ["gh/acme/web", "bitbucket/acme/web"] {
            let trigger = parsed(slug, lines);
            assert_eq!(trigger.call, call);
            assert_eq!(trigger.config_branch, None);
            assert_eq!(parameter_names(&trigger), (Some("job"), Some("deploy_id")));
            assert!(trigger.parameters.is_empty());
        }
    }
}

#[test]
fn a_pipeline_run_may_name_its_definition() {
    for slug in ["gh/acme/web", "bb/acme/web", "circleci/Ab1/Cd2"] {
        let trigger = parsed(slug, "trigger = 'pipeline-run'");
        let definition = None;
        assert_eq!(trigger.call, TriggerCall::PipelineRun { definition });
        assert_eq!(parameter_names(&trigger), (Some("job"), Some("deploy_id")));
        let lines = format!("trigger = 'pipeline-run'\ndefinition = '{DEFINITION}'");
        let definition = Some(DEFINITION.parse().unwrap());
        assert_eq!(
            parsed(slug, &lines).call,
            TriggerCall::PipelineRun { definition }
        );
    }
}

#[test]
fn a_job_has_its_names_from_circleci() {
    let trigger = parsed("gh/acme/web", "trigger = 'job'");
    assert_eq!(trigger.call, TriggerCall::Job);
    let usual = (Some("CIRCLE_JOB"), Some("CHATOPS_DEPLOY_ID"));
    assert_eq!(parameter_names(&trigger), usual);
    let none = "trigger = 'job'\ndeploy_id_parameter = false";
    assert_eq!(parameter_names(&parsed("gh/a/b", none)), (usual.0, None));
    let other = "trigger = 'job'\ndeploy_id_parameter = 'RELEASE'";
    assert_eq!(
        parameter_names(&parsed("gh/a/b", other)),
        (usual.0, Some("RELEASE"))
    );
}

#[test]
fn build_parameters_are_text_and_pipeline_parameters_what_they_are() {
    let lines = "parameters = { notify = true, count = 3, region = 'eu' }";
    let sent = |trigger: &str| {
        let trigger = parsed("gh/acme/web", &format!("trigger = '{trigger}'\n{lines}"));
        serde_json::to_value(trigger.parameters).unwrap()
    };
    let typed = json!({ "notify": true, "count": 3, "region": "eu" });
    assert_eq!(
        (sent("pipeline"), sent("pipeline-run")),
        (typed.clone(), typed)
    );
    let text = json!({ "notify": "true", "count": "3", "region": "eu" });
    assert_eq!(sent("job"), text);
}

#[test]
fn the_jobs_of_a_circleci_project_need_the_newer_call() {
    let error = |lines| error_of("circleci/Ab1/Cd2", lines);
    let definition = None;
    let run = TriggerCall::PipelineRun { definition };
    assert_eq!(parsed("circleci/Ab1/Cd2", "").call, run);
    assert_snapshot!(error("trigger = 'pipeline'"), @r#"chatops.toml:10:11: the jobs of a circleci/… project need trigger = "pipeline-run""#);
    assert_snapshot!(error("trigger = 'job'"), @r#"chatops.toml:10:11: the jobs of a circleci/… project need trigger = "pipeline-run""#);
}

#[test]
fn a_definition_is_one_of_a_pipeline_run() {
    let error = |lines: &str| error_of("gh/acme/web", lines);
    let definition = format!("definition = '{DEFINITION}'");
    assert_snapshot!(error(&format!("trigger = 'pipeline'\n{definition}")), @r#"chatops.toml:11:14: only trigger = "pipeline-run" takes a definition"#);
    assert_snapshot!(error(&format!("{definition}\ntrigger = 'job'")), @r#"chatops.toml:10:14: only trigger = "pipeline-run" takes a definition"#);
    assert_snapshot!(error("trigger = 'pipeline-run'\ndefinition = 'deploy'"), @"chatops.toml:11:14: a definition is a UUID: Project Settings, Pipelines, in CircleCI");
    assert_snapshot!(error("trigger = 'pipeline-run'\ndefinition = ''"), @"chatops.toml:11:14: a definition is a UUID: Project Settings, Pipelines, in CircleCI");
    assert_snapshot!(error("trigger = 'pipeline-run'\ndefinition = 7"), @r#"chatops.toml:11:14: `definition` takes a text in quotes, not a number: write "7""#);
}

#[test]
fn a_jobs_name_travels_as_circle_job_and_nothing_else_does() {
    let error = |lines| error_of("gh/acme/web", &format!("trigger = 'job'\n{lines}"));
    assert_snapshot!(error("job_parameter = 'job'"), @r#"chatops.toml:11:17: trigger = "job" sends the job's name as CIRCLE_JOB, always; take this out"#);
    assert_snapshot!(error("job_parameter = false"), @r#"chatops.toml:11:17: trigger = "job" sends the job's name as CIRCLE_JOB, always; take this out"#);
    assert_snapshot!(error("deploy_id_parameter = 'CIRCLE_JOB'"), @"chatops.toml:11:23: CIRCLE_JOB carries the job's name; name another");
    assert_snapshot!(error("deploy_id_parameter = true"), @r#"chatops.toml:11:23: `deploy_id_parameter` takes a text in quotes, or false for none, not true: write something like "deploy_id""#);
    assert_snapshot!(error("parameters = { CIRCLE_JOB = 'x' }"), @"chatops.toml:11:16: parameter: it carries the job's name or the deploy's id already");
    assert_snapshot!(error("parameters = { CHATOPS_DEPLOY_ID = 'x' }"), @"chatops.toml:11:16: parameter: it carries the job's name or the deploy's id already");
    assert_snapshot!(error("parameters = { x = 1.5 }"), @"chatops.toml:11:20: CircleCI takes a text in quotes, a whole number, true or false for `x`, not a fraction");
}

#[test]
fn a_trigger_is_one_of_three_words() {
    let error = |lines| error_of("gh/acme/web", lines);
    assert_snapshot!(error("trigger = 'build'"), @r#"chatops.toml:10:11: `trigger` takes "pipeline-run", "pipeline" or "job", not "build""#);
    assert_snapshot!(error("trigger = 'Pipeline'"), @r#"chatops.toml:10:11: `trigger` takes "pipeline-run", "pipeline" or "job", not "Pipeline": did you mean "pipeline"?"#);
    assert_snapshot!(error("trigger = 1"), @r#"chatops.toml:10:11: `trigger` takes "pipeline-run", "pipeline" or "job", not a number"#);
}

#[test]
fn the_web_apis_origin_is_an_address() {
    let slack =
        |api: &str| file("gh/acme/web", "").replace("[slack]", &format!("[slack]\napi = '{api}'"));
    let config = Config::parse(&slack("http://127.0.0.1:8080"), "chatops.toml").unwrap();
    assert_eq!(config.slack.api.as_str(), "http://127.0.0.1:8080/");
    let config = Config::parse(&file("gh/acme/web", ""), "chatops.toml").unwrap();
    assert_eq!(config.slack.api.as_str(), "https://slack.com/");
    // A bot's token goes there: not in the clear, and not to an address with a path.
    assert_snapshot!(super::error_of(&slack("http://slack.com")), @"chatops.toml:3:7: plain http is for loopback addresses only; use https");
    assert_snapshot!(super::error_of(&slack("https://slack.com/api")), @"chatops.toml:3:7: 'https://slack.com/api' is not an origin such as https://example.com");
}

#[test]
fn a_stored_call_reads_back_and_the_default_is_not_stored() {
    for call in [
        TriggerCall::Pipeline,
        TriggerCall::PipelineRun { definition: None },
        TriggerCall::PipelineRun {
            definition: Some(DEFINITION.parse().unwrap()),
        },
        TriggerCall::Job,
    ] {
        let default = call == TriggerCall::PipelineRun { definition: None };
        let intent = TriggerIntent {
            call,
            ..crate::fixtures::trigger_intent(&crate::fixtures::me(), crate::fixtures::start())
        };
        let stored = serde_json::to_value(&intent).unwrap();
        assert_eq!(stored.get("call").is_none(), default);
        let read: TriggerIntent = serde_json::from_value(stored).unwrap();
        assert_eq!(read, intent);
    }
}

#[test]
fn a_single_job_has_no_tags() {
    assert_snapshot!(error_of("gh/acme/web", "trigger = 'job'\ntags = ['v*']"), @r#"chatops.toml:11:9: trigger = "job" builds branches only; take tags out, or choose another trigger"#);
    assert!(
        parsed_job("gh/acme/web", "trigger = 'job'\ntags = []")
            .tags
            .is_empty()
    );
    let job = parsed_job("gh/acme/web", "tags = ['v*', 'web@*']");
    let runs = |git_ref: &str| job.runs_on(&GitRef::parse(git_ref).unwrap());
    assert!(runs("main") && runs("tag:v1.2") && runs("tag:web@1+x"));
    assert!(!runs("v1.2") && !runs("tag:main") && !runs("tag:v1/2"));
}

/// The parameters of a job that has these lines below its name.
fn settable(lines: &str) -> TriggerConfig {
    parsed("gh/acme/web", lines)
}

#[test]
fn a_parameter_with_a_rule_can_be_set() {
    let trigger = settable(
        "parameters.fixed = 3
         parameters.version = { pattern = 'v*', required = true }
         parameters.size = { values = [1, 2], default = 1 }
         [projects.web.jobs.deploy.parameters.dry_run]
         values = [true, false]",
    );
    assert_eq!(trigger.parameters.get("fixed"), Some(&json!(3)));
    let accept = |name: &str, typed: &str| trigger.settable[name].accept(typed);
    assert_eq!(accept("version", "v1.2"), Some(json!("v1.2")));
    assert_eq!(accept("size", "2"), Some(json!(2)));
    assert_eq!(accept("dry_run", "true"), Some(json!(true)));
    for (name, typed) in [
        ("version", ""),
        ("version", "1.2"),
        ("version", "v1/2"),
        ("version", "v$(reboot)"),
        ("version", "v1;id"),
        ("size", "02"),
        ("size", "3"),
        ("dry_run", "True"),
    ] {
        assert_eq!(accept(name, typed), None, "{name}={typed}");
    }
    assert_eq!(trigger.settable["size"].default, Some(json!(1)));
    assert_eq!(trigger.parameter_name("Dry_Run"), Some("dry_run"));
    assert_eq!(trigger.parameter_name("FIXED"), Some("fixed"));
    assert_eq!(trigger.parameter_name("none"), None);

    let any = settable("parameters.x = { pattern = '**' }");
    let accept = |typed: &str| any.settable["x"].accept(typed).is_some();
    assert!(accept("https://a.b/c%20d,e=f@1:2+3"));
    for typed in ["", "-rf", "a b", "a|b", "`id`", "$HOME", "\u{202e}x"] {
        assert!(!accept(typed), "{typed}");
    }

    let two = settable("parameters.a = 1\nparameters.A = { values = ['x'] }");
    assert_eq!(
        (two.parameter_name("a"), two.parameter_name("A")),
        (Some("a"), Some("A"))
    );
}

#[test]
fn build_parameters_are_text() {
    let trigger = settable("trigger = 'job'\nparameters.SIZE = { values = [1, 2], default = 2 }");
    let rule = &trigger.settable["SIZE"];
    assert_eq!(
        (rule.accept("1"), &rule.default),
        (Some(json!("1")), &Some(json!("2")))
    );
}

#[test]
fn a_parameters_rule_says_where_it_is_wrong() {
    let wrong = |rule: &str| error_of("gh/acme/web", &format!("parameters.version = {rule}"));
    assert_snapshot!(wrong("{ patern = 'v*' }"), @"chatops.toml:10:24: [projects.web.jobs.deploy.parameters.version] has no key `patern`: did you mean `pattern`?");
    assert_snapshot!(wrong("{ pattern = 'v$' }"), @"chatops.toml:10:12: parameter: a value pattern may hold only letters, digits, `.` `_` `/` `-` `+` `@` `:` `,` `=` `%` and `*`");
    assert_snapshot!(wrong("{ pattern = '' }"), @"chatops.toml:10:12: parameter: a value pattern may not be empty");
    assert_snapshot!(wrong("{ pattern = 'v*', values = ['a'] }"), @r#"chatops.toml:10:12: parameter: what people may set takes a pattern or values, such as pattern = "v*""#);
    assert_snapshot!(wrong("{ required = true }"), @r#"chatops.toml:10:12: parameter: what people may set takes a pattern or values, such as pattern = "v*""#);
    assert_snapshot!(wrong("{ values = [] }"), @"chatops.toml:10:12: parameter: values are what is accepted: name one");
    assert_snapshot!(wrong("{ values = ['a', 1] }"), @"chatops.toml:10:12: parameter: values are all text, all whole numbers, or all true or false");
    assert_snapshot!(wrong("{ values = ['a', 'a'] }"), @"chatops.toml:10:12: parameter: 'a' is listed twice");
    assert_snapshot!(wrong("{ values = ['a b'] }"), @"chatops.toml:10:12: parameter: nobody can type a value with a space or a control character");
    assert_snapshot!(wrong("{ values = [1.5] }"), @"chatops.toml:10:33: CircleCI takes a list of texts, of whole numbers, or of true and false for `values`, not this list");
    assert_snapshot!(wrong("{ pattern = 'v*', default = '1' }"), @"chatops.toml:10:12: parameter: its default has to be accepted, too: v*");
    assert_snapshot!(wrong("{ values = [1], default = '1' }"), @"chatops.toml:10:12: parameter: its default has to be accepted, too: 1");
    assert_snapshot!(wrong("{ values = [1], default = 1, required = true }"), @"chatops.toml:10:12: parameter: a required parameter has no default");
    assert_snapshot!(error_of("gh/acme/web", "[projects.web.jobs.deploy.parameters.job]\nvalues = ['a']"), @"chatops.toml:10:38: parameter: it carries the job's name or the deploy's id already");
}
