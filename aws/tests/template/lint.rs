//! What the linter says, to the template and to what the SAM transform makes of it. It understands the
//! transformed one better: mappings, time-outs and names it checks only there.

use serde_json::{Value, json};

use crate::document::{TEMPLATE, run_python, template, write_template};

/// The rules that do not count here, each with its reason.
const IGNORED: [(&str, &str); 1] = [(
    "I3011",
    "wants a deletion policy for all that keeps anything; what outlives the stack is the table and the \
     key, which a test of its own asks for",
)];

/// Every finding, also those that are only for information.
fn lint_findings(path: &str) -> Vec<String> {
    let mut arguments = vec!["-c", "from cfnlint.runner import main; main()"];
    arguments.extend(["--format", "json"]);
    arguments.extend(["--include-checks", "I", "--ignore-checks"]);
    arguments.extend(IGNORED.iter().map(|(rule, _)| *rule));
    arguments.extend(["--template", path]);
    let output = run_python(&arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    let all = serde_json::from_slice::<Vec<Value>>(&output.stdout);
    let all = all.unwrap_or_else(|error| panic!("the linter cannot be run: {error}\n{words}"));
    let said = |finding: &Value| {
        let line = &finding["Location"]["Start"]["LineNumber"];
        let (rule, message) = (&finding["Rule"]["Id"], &finding["Message"]);
        format!("{rule} line {line}: {message}")
    };
    all.iter().map(said).collect()
}

#[test]
fn the_template_has_no_findings() {
    assert_eq!(lint_findings(TEMPLATE), Vec::<String>::new());
}

#[test]
fn what_the_transform_makes_of_it_has_no_findings() {
    let path = write_template("template.translated.json", &template().0);
    assert_eq!(lint_findings(path.to_str().unwrap()), Vec::<String>::new());
}

/// A linter that finds nothing anywhere would be no proof.
#[test]
fn the_linter_finds_what_is_wrong() {
    let mut broken = template().0.clone();
    let resources = &mut broken["Resources"];
    resources["WorkerWork"]["Properties"]["FunctionResponseTypes"] =
        json!(["ReportBatchItemFailure"]);
    resources["Ingest"]["Properties"]["Timeout"] = json!(1000);
    resources["Table"]["Properties"]["AttributeDefinitions"][0]["AttributeName"] = json!("other");
    let path = write_template("template.broken.json", &broken);
    let findings = lint_findings(path.to_str().unwrap()).join("\n");
    for word in ["ReportBatchItemFailure", "1000", "other"] {
        assert!(findings.contains(word), "{word}: {findings}");
    }
}
