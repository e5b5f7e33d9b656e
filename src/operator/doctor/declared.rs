//! The pipeline parameters that a `.circleci/config.yml` declares, as far as a light reading of it
//! goes: the keys one step below a `parameters:` that stands at the very left.

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// The names, in their order.
    pub(super) parameters: Vec<String>,
    /// What stands behind `version:`.
    pub(super) version: Option<String>,
}

/// Reads a configuration. `None` if it is written in a way that this does not read, such as on one
/// line in braces.
pub(super) fn read(yaml: &str) -> Option<Declared> {
    let mut declared = Declared {
        parameters: vec![],
        version: None,
    };
    let (mut inside, mut step) = (false, None);
    for line in yaml.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') || text == "---" {
            continue;
        }
        if text.starts_with('\t') || line.starts_with('\t') {
            return None;
        }
        let (key, value) = match text.split_once(':') {
            Some((key, value)) => (unquoted(key), uncommented(value)),
            None if indent == 0 => return None,
            None => continue,
        };
        if indent == 0 {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if !key.chars().all(plain) {
                return None;
            }
            inside = key == "parameters";
            // An anchor or a text in braces would need a real reader.
            if inside && !value.is_empty() {
                return None;
            }
            if key == "version" {
                declared.version = Some(unquoted(value).to_owned());
            }
        } else if inside && *step.get_or_insert(indent) == indent {
            if key == "<<" {
                return None;
            }
            declared.parameters.push(key.to_owned());
        }
    }
    Some(declared)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn uncommented(value: &str) -> &str {
    let value = value.split_once(" #").map_or(value, |(value, _)| value);
    value.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_below_parameters_are_read() {
        let yaml = "\
# what it is
version: 2.1 # no less

parameters:
  # which one
  job:
    type: string
    default: \"\"
  'deploy_id':
    type: string
    default: none

jobs:
  build:
    parameters:
      other:
        type: string
    steps:
      - run: echo 'a: b'
";
        let declared = read(yaml).unwrap();
        assert_eq!(declared.parameters, ["job", "deploy_id"]);
        assert_eq!(declared.version.as_deref(), Some("2.1"));
    }

    #[test]
    fn none_and_what_cannot_be_read_are_told_apart() {
        assert_eq!(read("version: 2\njobs: {}\n").unwrap().parameters, [""; 0]);
        assert_eq!(
            read("{version: 2.1, parameters: {job: {type: string}}}"),
            None
        );
        assert_eq!(
            read("version: 2.1\nparameters: {job: {type: string}}\n"),
            None
        );
        assert_eq!(
            read("version: 2.1\nparameters: &all\n  job: {type: string}\n"),
            None
        );
        assert_eq!(read("version: 2.1\nparameters:\n  <<: *all\n"), None);
        assert_eq!(read("not a configuration"), None);
    }
}
