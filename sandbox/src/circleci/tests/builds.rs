//! Builds of API v1.1: retries, reasons not to build, outcomes and sizes.

use super::*;

fn started(script: RunScript) -> (CircleCiModel, u64) {
    let mut model = model();
    model.script_next(script);
    let build = model.start_build(at(0), TOKEN, SLUG, "main", BTreeMap::new());
    let number = build.unwrap()["build_num"].as_u64().unwrap();
    (model, number)
}

fn words(model: &CircleCiModel, number: u64, milliseconds: i64) -> [Value; 3] {
    let build = model.get_build(at(milliseconds), SLUG, number).unwrap();
    ["lifecycle", "status", "outcome"].map(|name| build[name].clone())
}

#[test]
fn circleci_retries_a_build_of_its_own_trouble() {
    let script = RunScript::retried_build(SECOND, 3 * SECOND, "success");
    let (model, number) = started(script);
    let retry = number + 1;
    let running = model.get_build(at(999), SLUG, number).unwrap();
    assert_eq!(
        (&running["status"], &running["retries"]),
        (&json!("running"), &Value::Null)
    );
    assert_eq!(
        model.get_build(at(999), SLUG, retry).unwrap_err().status,
        404
    );
    let expected = [
        json!("finished"),
        json!("retried"),
        json!("infrastructure_fail"),
    ];
    assert_eq!(words(&model, number, 1000), expected);
    let retried = model.get_build(at(1000), SLUG, number).unwrap();
    assert_eq!(retried["retries"], json!([retry]));
    assert_eq!(retried["infrastructure_fail"], true);
    let again = model.get_build(at(1000), SLUG, retry).unwrap();
    assert_eq!(
        (&again["why"], &again["retry_of"]),
        (&json!("auto-retry"), &json!(number))
    );
    assert_eq!(again["status"], "running");
    assert_eq!(again["vcs_revision"], retried["vcs_revision"]);
    assert_eq!(words(&model, retry, 3000)[1], "success");
    let listed = |milliseconds| {
        let list = model.recent_builds(at(milliseconds), SLUG, None, None, None);
        list.unwrap().len()
    };
    assert_eq!((listed(999), listed(1000)), (1, 2));
}

#[test]
fn a_canceled_build_is_not_retried() {
    let script = RunScript::retried_build(SECOND, 3 * SECOND, "success");
    let (mut model, number) = started(script);
    model.cancel_build(at(500), SLUG, number).unwrap();
    assert_eq!(words(&model, number, 9000)[1], "canceled");
    assert!(model.get_build(at(9000), SLUG, number + 1).is_err());
    let truths = model.build_truths(at(500));
    assert_eq!(
        (truths.len(), truths[0].retry, truths[0].is_open),
        (1, None, false)
    );
}

#[test]
fn a_build_can_never_run_or_end_in_a_new_word() {
    for (reason, lifecycle) in [
        ("no-followers", "not_run"),
        ("prs-only", "not_run"),
        ("1.0-not-available", "scheduled"),
    ] {
        let (model, number) = started(RunScript::never_built(reason));
        let build = model.get_build(at(9000), SLUG, number).unwrap();
        assert_eq!(build["dont_build"], reason);
        assert_eq!(build.get("queued_at"), None);
        let expected = [json!(lifecycle), json!("not_run"), Value::Null];
        assert_eq!(words(&model, number, 9000), expected);
        assert!(model.build_truths(at(9000))[0].is_final);
    }
    let (model, number) = started(RunScript::build_outcome(SECOND, "evaporated"));
    assert_eq!(words(&model, number, 999)[1], "running");
    let expected = [json!("finished"), json!("evaporated"), json!("evaporated")];
    assert_eq!(words(&model, number, 1000), expected);
}

#[test]
fn a_build_can_be_larger_than_a_mebibyte() {
    let size = |build: &serde_json::Map<String, Value>| serde_json::to_string(build).unwrap().len();
    let limit = 1024 * 1024;
    let (model, number) = started(RunScript::success(SECOND).large_build(limit));
    let build = model.get_build(at(1000), SLUG, number).unwrap();
    assert!(size(&build) > limit);
    let addresses = build["steps"][0]["actions"].as_array().unwrap();
    let address = addresses[0]["output_url"].as_str().unwrap();
    assert!(address.contains("X-Amz-Signature="));
    let list = model
        .recent_builds(at(1000), SLUG, None, None, None)
        .unwrap();
    assert!(size(&list[0]) < 10_000);
    let (model, _) = started(RunScript::success(SECOND).large_summary(limit));
    let list = model
        .recent_builds(at(1000), SLUG, None, None, None)
        .unwrap();
    assert!(size(&list[0]) > limit);
}
