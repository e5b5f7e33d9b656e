//! The jobs of a workflow.

use chatops_core::ports::{CiClient, CiJob, CiReadError, JobStatus};
use serde_json::{Value, json};

use crate::malformed::assert_unreadable;
use crate::raw_server::{RawServer, ok_response};
use crate::support::{client, missing_pipeline};

async fn list_jobs(answers: Vec<Value>) -> (Result<Vec<CiJob>, CiReadError>, Vec<String>) {
    let answers = answers.iter().map(|json| ok_response(&json.to_string()));
    let raw = RawServer::new(answers.collect()).await;
    let jobs = client(&raw.url).list_jobs(&missing_pipeline(), "a/b").await;
    (jobs, raw.requests())
}

#[tokio::test]
async fn the_jobs_of_a_workflow_are_listed_page_by_page() {
    let page = |name: &str, next: Value| json!({"items": [{"name": name, "status": "success"}], "next_page_token": next});
    let pages = vec![page("build", json!("x y")), page("deploy", Value::Null)];
    let (jobs, requests) = list_jobs(pages).await;
    let jobs = jobs.unwrap();
    let names: Vec<_> = jobs.iter().map(|job| &*job.name).collect();
    assert_eq!(names, ["build", "deploy"]);
    for (request, query) in requests.iter().zip(["", "?page-token=x+y"]) {
        let start = format!("GET /api/v2/workflow/a%2Fb/job{query} HTTP/1.1");
        assert!(request.starts_with(&start), "{request}");
    }
    let (jobs, requests) = list_jobs(vec![page("build", json!("more"))]).await;
    let message = "the workflow has more than 10 pages of jobs";
    assert_eq!(jobs.unwrap_err().message, message);
    assert_eq!(requests.len(), 10);
}

#[tokio::test]
async fn every_status_of_a_job_has_its_meaning() {
    use JobStatus::{Canceled, Failed, NotRun, Open, Other, Success, Unauthorized};
    let cases = [
        (json!("success"), Success),
        (json!("failed"), Failed),
        (json!("timedout"), Failed),
        (json!("infrastructure_fail"), Failed),
        (json!("terminated-unknown"), Failed),
        (json!("not_run"), NotRun),
        (json!("canceled"), Canceled),
        (json!("unauthorized"), Unauthorized),
        (json!("running"), Open),
        (json!("retried"), Open),
        (json!("queued"), Open),
        (json!("not_running"), Open),
        (json!("on_hold"), Open),
        (json!("skipped"), NotRun),
        (json!("blocked"), NotRun),
        (json!("brand-new"), Other),
        (json!("SUCCESS"), Other),
        (json!(null), Other),
        (json!(7), Other),
    ];
    let items = cases
        .each_ref()
        .map(|(status, _)| json!({"name": "a", "status": status}));
    let (jobs, _) = list_jobs(vec![json!({ "items": items })]).await;
    for (job, (status, expected)) in jobs.unwrap().iter().zip(cases) {
        assert_eq!(job.status, expected, "{status}");
    }
    let items = json!([null, {}, [], {"name": null, "status": "success"}]);
    let (jobs, _) = list_jobs(vec![json!({ "items": items })]).await;
    let jobs: Vec<_> = jobs
        .unwrap()
        .into_iter()
        .map(|job| (job.name, job.status))
        .collect();
    let expected = [Other, Other, Success].map(|status| ("(no name)".to_owned(), status));
    assert_eq!(jobs, expected);
}

#[tokio::test]
async fn a_list_that_is_none_shows_no_jobs() {
    for answer in [json!({}), json!({"items": null}), json!([])] {
        let (jobs, _) = list_jobs(vec![answer.clone()]).await;
        assert_unreadable(jobs, &answer.to_string());
    }
}
