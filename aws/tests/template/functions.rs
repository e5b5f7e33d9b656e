//! The functions: what is built, what each reads from its environment, how long it may take.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use chatops_aws::client::AwsSettings;
use chatops_aws::lambda::batch::END_MARGIN;
use chatops_aws::lambda::{load_config, table_name};
use chatops_aws::operator::StackNames;
use chatops_aws::secrets::SecretSources;
use chatops_aws::sqs::QueueUrls;
use chatops_core::config::Config;
use chatops_core::ports::QueueName;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use crate::document::{STACK, TEMPLATE, number, project_file, template, texts};
use crate::queues::queue_resource;

/// The functions, and the packages they are built from.
pub(crate) const FUNCTIONS: [(&str, &str); 3] = [
    ("Ingest", "ingest"),
    ("Worker", "worker"),
    ("Notifier", "notifier"),
];

/// What Lambda sets by itself.
const LAMBDAS: [&str; 4] = [
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// What may be set and is not, each with its reason.
const LEFT_OUT: [(&str, &str); 2] = [
    ("AWS_ENDPOINT_URL", "is for emulators"),
    (
        "CHATOPS_AWS_ROOTS",
        "Amazon's roots, the default, are what signs AWS inside AWS",
    ),
];

/// What the log reads; it is asked once in a process, so not here.
const LOG_LEVEL: &str = "CHATOPS_LOG_LEVEL";

fn function_env(function: &str) -> BTreeMap<String, String> {
    let variables = &template().properties(function)["Environment"]["Variables"];
    let variables = variables.as_object().unwrap().iter();
    variables
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// Reads settings as a function's `main` does, and says which were looked up.
fn read(package: &str, set: &BTreeMap<String, String>) -> Result<BTreeSet<String>, String> {
    let main = project_file(&format!("{package}/src/main.rs"));
    let queue_names: Vec<_> = QueueName::ALL
        .into_iter()
        .filter(|name| path_words(&main).contains(&&*format!("QueueName::{name:?}")))
        .collect();
    assert!(!queue_names.is_empty(), "{package} uses no queue");
    let asked = RefCell::new(BTreeSet::from([LOG_LEVEL.to_owned()]));
    let lookup = |name: &str| -> Option<OsString> {
        asked.borrow_mut().insert(name.to_owned());
        if LAMBDAS.contains(&name) {
            return Some("set by Lambda".into());
        }
        // Where the layer is, in a function; here is what it is made of.
        let value = set.get(name)?;
        let layer = value.strip_prefix("/opt/");
        let layer = layer.filter(|_| name == "CHATOPS_CONFIG");
        let here = |file| Path::new(TEMPLATE).with_file_name("config").join(file);
        Some(layer.map_or_else(|| value.into(), |file| here(file).into_os_string()))
    };
    let said = |error: &dyn std::fmt::Display| error.to_string();
    load_config(lookup).map_err(|error| format!("{error:#}"))?;
    AwsSettings::read(lookup).map_err(|error| said(&error))?;
    SecretSources::read(lookup).map_err(|error| said(&error))?;
    QueueUrls::read(lookup, &queue_names).map_err(|error| said(&error))?;
    if main.contains("lambda::table_name(") {
        table_name(lookup).map_err(|error| said(&error))?;
    }
    let asked = asked.borrow().clone();
    Ok(asked)
}

/// What stands between characters that no path of an item has.
fn path_words(code: &str) -> Vec<&str> {
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    code.split(ends).collect()
}

#[test]
fn what_a_function_reads_is_set_and_nothing_else() {
    let not_set = LAMBDAS.into_iter().chain(LEFT_OUT.map(|(name, _)| name));
    let not_set: BTreeSet<_> = not_set.map(str::to_owned).collect();
    for (function, package) in FUNCTIONS {
        let set = function_env(function);
        let asked = read(package, &set).unwrap_or_else(|error| panic!("{function}: {error}"));
        let wanted: BTreeSet<_> = asked.difference(&not_set).cloned().collect();
        let set: BTreeSet<_> = set.into_keys().collect();
        assert_eq!(set, wanted, "{function}");
    }
}

/// So that the test above cannot be satisfied by settings that nobody needs.
#[test]
fn without_any_of_them_a_function_does_not_start() {
    for (function, package) in FUNCTIONS {
        let all = function_env(function);
        for name in all.keys().filter(|name| *name != LOG_LEVEL) {
            let mut set = all.clone();
            set.remove(name);
            let error = read(package, &set).unwrap_err();
            assert!(error.contains(name), "{function} without {name}: {error}");
        }
    }
}

/// A variable that some code begins to read has to be known to these tests.
#[test]
fn no_code_reads_a_variable_that_is_not_known_here() {
    let mut known: BTreeSet<_> = LEFT_OUT.map(|(name, _)| name.to_owned()).into();
    for (function, _) in FUNCTIONS {
        known.extend(function_env(function).into_keys());
    }
    let mut read = BTreeSet::new();
    for package in ["aws", "ingest", "worker", "notifier", "core"] {
        for (path, code) in source_files(&format!("{package}/src")) {
            let names = code.split('"').skip(1).step_by(2);
            let names = names.filter(|it| it.starts_with("CHATOPS_") && path_words(it).len() == 1);
            read.extend(names.map(|name| (name.to_owned(), path.clone())));
        }
    }
    // CircleCI hands it to a job; see the configuration's `trigger = "job"`.
    read.retain(|(name, _)| name != "CHATOPS_DEPLOY_ID");
    let unknown: Vec<_> = read
        .iter()
        .filter(|(name, _)| !known.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(read.iter().any(|(name, _)| name == LOG_LEVEL));
}

/// The program's files below a directory, without tests.
fn source_files(root: &str) -> Vec<(String, String)> {
    let base = Path::new(TEMPLATE).parent().unwrap();
    let mut found = Vec::new();
    let mut rest = vec![root.to_owned()];
    while let Some(path) = rest.pop() {
        let at = base.join(&path);
        if at.is_dir() {
            let entries = fs::read_dir(&at).unwrap();
            let entries = entries.map(|entry| entry.unwrap().file_name());
            rest.extend(entries.map(|name| format!("{path}/{}", name.to_str().unwrap())));
        } else if at.extension().is_some_and(|it| it == "rs") && !path.contains("/tests") {
            let code = project_file(&path);
            let program = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            found.push((path, program.to_owned()));
        }
    }
    assert!(!found.is_empty(), "there is nothing in {root}");
    found
}

#[test]
fn addresses_and_names_are_those_of_the_stack() {
    let names = StackNames::new(STACK);
    let secrets = names.secrets();
    for ((function, _), secret) in FUNCTIONS.iter().zip(secrets) {
        let set = function_env(function);
        assert_eq!(set["CHATOPS_SECRETS"], secret, "{function}");
        let made = template().of_type("SecretsManager::Secret");
        assert!(made.values().any(|it| it["Name"] == *secret), "{secret}");
        for queue_name in QueueName::ALL {
            if let Some(url) = set.get(QueueUrls::env_name(queue_name)) {
                let expected = format!("{{{}}}", queue_resource(queue_name).0);
                assert_eq!(*url, expected, "{function}");
            }
        }
        if let Some(table) = set.get("CHATOPS_TABLE") {
            assert_eq!(table, "{Table}", "{function}");
        }
    }
    assert_eq!(template().properties("Table")["TableName"], names.table());
}

#[test]
fn every_level_of_the_log_is_one() {
    let levels = &template().0["Parameters"]["LogLevel"];
    for level in texts(&levels["AllowedValues"]) {
        assert!(level.parse::<LevelFilter>().is_ok(), "{level}");
    }
    assert_eq!(levels["Default"], "info");
    let logs = project_file("aws/src/lambda/logs.rs");
    assert!(logs.contains(&format!("const LOG_LEVEL: &str = \"{LOG_LEVEL}\";")));
}

#[test]
fn the_layer_is_the_configuration() {
    let layers = template().of_type("Lambda::LayerVersion");
    assert_eq!(layers.len(), 1);
    for (layer, properties) in layers {
        assert_eq!(properties["Content"]["S3Key"], "config.zip");
        for (function, _) in FUNCTIONS {
            let used = &template().properties(function)["Layers"];
            assert_eq!(*used, json!([format!("{{{layer}}}")]), "{function}");
        }
    }
    let path = &template().0["Parameters"]["ConfigPath"]["Default"];
    assert_eq!(path, "/opt/chatops.toml");
}

#[test]
fn each_function_is_the_program_of_its_package() {
    for (function, package) in FUNCTIONS {
        let resource = &template().0["Resources"][function];
        let properties = template().properties(function);
        let program = format!("chatops-{package}");
        let built = json!({
            "BuildMethod": "rust-cargolambda",
            "BuildProperties": {"Binary": program},
        });
        assert_eq!(resource["Metadata"], built, "{function}");
        assert_eq!(properties["Code"]["S3Key"], format!("{package}.zip"));
        assert_eq!(properties["FunctionName"], format!("{STACK}-{package}"));
        let manifest = project_file(&format!("{package}/Cargo.toml"));
        let named = manifest.contains(&format!("name = \"{program}\""));
        assert!(named, "{program}");
        assert_eq!(properties["Runtime"], "provided.al2023");
        assert_eq!(properties["Handler"], "bootstrap");
        assert_eq!(properties["Architectures"], json!(["arm64"]));
        assert_eq!(properties["PackageType"], Value::Null);
        let memory = number(&properties["MemorySize"]);
        assert!((128..=256).contains(&memory), "{function}: {memory}");
        // A log group of its own, so that it is encrypted and forgets.
        let group = format!("{{{function}Logs}}");
        assert_eq!(properties["LoggingConfig"]["LogGroup"], group);
        let logs = template().properties(&format!("{function}Logs"));
        let group = format!("/aws/lambda/{STACK}-{package}");
        assert_eq!(logs["LogGroupName"], group);
        assert_eq!(number(&logs["RetentionInDays"]), 90);
    }
}

/// A worker with less time would begin no trigger.
#[test]
fn a_function_has_time_for_the_slowest_call() {
    let config = Config::parse(&project_file("config/chatops.toml"), "chatops.toml").unwrap();
    let needed = config.timeouts.request_timeout + 2 * END_MARGIN;
    for function in ["Worker", "Notifier"] {
        let timeout = number(&template().properties(function)["Timeout"]);
        let enough = timeout >= 30 && timeout > needed.as_secs();
        assert!(enough, "{function}: {timeout} s");
    }
    // Slack has gone after three seconds; API Gateway after thirty.
    let ingest = number(&template().properties("Ingest")["Timeout"]);
    assert!((3..=10).contains(&ingest), "{ingest}");
}

#[test]
fn the_sweeper_comes_every_minute_and_is_not_caught_up_on() {
    let rules = template().of_type("Events::Rule");
    assert_eq!(rules.len(), 1);
    for rule in rules.values() {
        assert_eq!(rule["ScheduleExpression"], "rate(1 minute)");
        assert_ne!(rule["State"], "DISABLED");
        let targets = rule["Targets"].as_array().unwrap();
        assert_eq!(targets.len(), 1);
        assert_eq!(targets[0]["Arn"], "{Worker.Arn}");
        // With an input of its own it would not be the event that the worker knows.
        for other in ["Input", "InputPath", "InputTransformer"] {
            assert_eq!(targets[0][other], Value::Null);
        }
    }
    let retries = template().properties("WorkerEventInvokeConfig");
    assert_eq!(retries["MaximumRetryAttempts"], 0);
}
