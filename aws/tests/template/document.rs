//! The template as `CloudFormation` gets it, and what its references stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use chatops_testkit::python;
use serde_json::{Map, Value};

/// The template as people write it.
pub(crate) const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The stack, wherever a name has to be shown.
pub(crate) const STACK: &str = "chatops";

/// What stands for what only AWS knows.
const PSEUDO_PARAMETERS: [(&str, &str); 5] = [
    ("AWS::StackName", STACK),
    ("AWS::Region", "eu-central-1"),
    ("AWS::AccountId", "123456789012"),
    ("AWS::Partition", "aws"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// The text of a file of the project, by its path from the root.
pub(crate) fn project_file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What Python needs besides.
const VARIABLES: [(&str, &str); 2] = [
    // The transform's library wants to know a region before it is asked anything.
    ("AWS_DEFAULT_REGION", "us-east-1"),
    // Nobody's own settings count.
    ("HOME", env!("CARGO_TARGET_TMPDIR")),
];

/// Runs Python in the tests' environment.
pub(crate) fn run_python(arguments: &[&str]) -> Output {
    python::run_python(arguments, &VARIABLES)
}

/// What one of the scripts beside this file prints.
pub(crate) fn run_script(name: &str, arguments: &[&str]) -> Value {
    let path = format!("{}/tests/template/{name}", env!("CARGO_MANIFEST_DIR"));
    python::run_script(&path, arguments, &VARIABLES)
}

/// A template after the SAM transform.
#[derive(Debug)]
pub(crate) struct SamTemplate(pub(crate) Value);

/// The product's.
pub(crate) fn template() -> &'static SamTemplate {
    static TRANSLATED: OnceLock<SamTemplate> = OnceLock::new();
    TRANSLATED.get_or_init(|| SamTemplate(run_script("translate.py", &[TEMPLATE])))
}

/// The same, as a file.
pub(crate) fn write_template(name: &str, template: &Value) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, serde_json::to_string_pretty(template).unwrap()).unwrap();
    path
}

impl SamTemplate {
    fn all(&self) -> &Map<String, Value> {
        self.0["Resources"].as_object().unwrap()
    }

    /// The resources of a type, such as `SQS::Queue`, by their names in the template.
    pub(crate) fn of_type(&self, kind: &str) -> BTreeMap<&str, Value> {
        let kind = format!("AWS::{kind}");
        let all = self.all().iter().filter(|(_, it)| it["Type"] == *kind);
        all.map(|(name, it)| (name.as_str(), self.resolved(&it["Properties"])))
            .collect()
    }

    /// The properties of a resource.
    pub(crate) fn properties(&self, name: &str) -> Value {
        let resource = self.all().get(name);
        let resource = resource.unwrap_or_else(|| panic!("there is no resource {name}"));
        self.resolved(&resource["Properties"])
    }

    /// The resources of which an attribute beside the properties has that value.
    pub(crate) fn with_attribute(&self, attribute: &str, value: &str) -> BTreeSet<&str> {
        let all = self.all().iter().filter(|(_, it)| it[attribute] == *value);
        all.map(|(name, _)| name.as_str()).collect()
    }

    /// A value with every reference replaced: a parameter by its default, a resource by its name in
    /// braces (`{Key}`, `{Key.Arn}`).
    pub(crate) fn resolved(&self, value: &Value) -> Value {
        match value {
            Value::Array(all) => all.iter().map(|it| self.resolved(it)).collect(),
            Value::Object(all) => {
                let mut entries = all.iter();
                match (entries.next(), entries.next()) {
                    (Some((function, argument)), None) => self.call_function(function, argument),
                    _ => None,
                }
                .unwrap_or_else(|| {
                    let all = all.iter();
                    let all = all.map(|(name, it)| (name.clone(), self.resolved(it)));
                    Value::Object(all.collect())
                })
            }
            _ => value.clone(),
        }
    }

    fn call_function(&self, function: &str, argument: &Value) -> Option<Value> {
        Some(match function {
            "Ref" => self.reference(argument.as_str()?),
            "Fn::GetAtt" => {
                let parts: Vec<_> = argument
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                self.reference(&parts.join("."))
            }
            "Fn::Sub" => match argument {
                Value::Array(all) => self.substituted(all[0].as_str()?, &all[1]).into(),
                text => self.substituted(text.as_str()?, &Value::Null).into(),
            },
            "Fn::Join" => {
                let parts = self.resolved(&argument[1]);
                let parts: Vec<_> = parts.as_array()?.iter().filter_map(Value::as_str).collect();
                parts.join(argument[0].as_str()?).into()
            }
            function => {
                assert!(
                    !function.starts_with("Fn::"),
                    "{function} is not understood here"
                );
                return None;
            }
        })
    }

    fn reference(&self, name: &str) -> Value {
        if let Some((_, value)) = PSEUDO_PARAMETERS.iter().find(|(pseudo, _)| *pseudo == name) {
            return (*value).into();
        }
        if let Some(parameter) = self.0["Parameters"].get(name) {
            return parameter["Default"].clone();
        }
        let resource = name.split('.').next().unwrap_or_default();
        assert!(
            self.all().contains_key(resource),
            "nothing is called {name}"
        );
        format!("{{{name}}}").into()
    }

    fn substituted(&self, text: &str, own: &Value) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = match own.get(name) {
                Some(value) => self.resolved(value),
                None => self.reference(name),
            };
            whole += &value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            whole += rest;
        }
        whole
    }
}

/// The texts of a value that is one or many.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().map(|it| it.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// A number, which some parameters write as text.
pub(crate) fn number(value: &Value) -> u64 {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or_else(|| panic!("{value} is no number"))
}
