//! The lines of a log that say which event was recorded, whatever wrote them out: the server's text and JSON,
//! the journal, `CloudWatch`.

use chatops_core::audit::EventHash;
use chatops_core::id::DeployId;

/// An event that the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedEvent {
    pub(super) deploy: DeployId,
    pub(super) n: u64,
    pub(super) hash: EventHash,
}

/// The word of the line; in text it stands right before the fields.
const WORD: &str = "recorded";

/// The events that a line names. A line of JSON inside another's text has one more layer of quotes, which are
/// skipped; a line with many of them, as `aws logs` writes, gives them all.
pub(super) fn logged_events(line: &str) -> impl Iterator<Item = LoggedEvent> + '_ {
    let starts: Vec<usize> = line.match_indices("deploy.id").map(|(at, _)| at).collect();
    (0..starts.len()).filter_map(move |n| {
        let end = starts.get(n + 1).copied().unwrap_or(line.len());
        let fields = &line[starts[n]..end];
        let before = &line[..starts[n]];
        let is_text = fields.starts_with("deploy.id=");
        let says = if is_text {
            before.ends_with(&format!("{WORD} "))
        } else {
            value_of(fields, "message").is_some_and(|value| value == WORD)
                || message_before(before).is_some_and(|value| value == WORD)
        };
        let event = LoggedEvent {
            deploy: DeployId::parse(value_of(fields, "deploy.id")?).ok()?,
            n: value_of(fields, "event.n")?.parse().ok()?,
            hash: EventHash::parse(value_of(fields, "event.hash")?)?,
        };
        says.then_some(event)
    })
}

/// The message of the object that begins before the fields, where it stands first.
fn message_before(before: &str) -> Option<&str> {
    let object = &before[before.rfind('{')?..];
    value_of(object, "message")
}

/// The value behind a key: `key=value`, `"key":"value"`, `\"key\":\"value\"`.
fn value_of<'l>(text: &'l str, key: &str) -> Option<&'l str> {
    let mut rest = text;
    while let Some(at) = rest.find(key) {
        let after = &rest[at + key.len()..];
        let value = after.trim_start_matches(['"', '\\', ' ']);
        if let Some(value) = value.strip_prefix([':', '=']) {
            let value = value.trim_start_matches(['"', '\\', ' ']);
            let end = value.find(['"', '\\', ' ', ',', '}', '\t']);
            return Some(&value[..end.unwrap_or(value.len())]);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "f643ce10-7507-5ba4-a5e5-a01266e1559c";

    fn hash() -> EventHash {
        EventHash::of("x")
    }

    fn found(line: &str) -> Vec<LoggedEvent> {
        logged_events(line).collect()
    }

    #[test]
    fn every_form_of_the_line_is_read() {
        let hash = hash();
        let json = format!(
            r#"{{"timestamp":"2026-11-29T20:00:00Z","level":"INFO","message":"recorded","deploy.id":"{ID}","event.n":3,"event.hash":"{hash}","event.kind":"started","state":"RUNNING","target":"chatops_worker","spans":[{{"deploy.id":"{ID}","name":"handle"}}]}}"#
        );
        let sorted = format!(
            r#"{{"deploy.id":"{ID}","event.hash":"{hash}","event.kind":"started","event.n":3,"message":"recorded","state":"RUNNING"}}"#
        );
        let text = format!(
            r#"2026-11-29T20:00:00.000Z  INFO handle{{deploy.id={ID}}}: chatops_worker: recorded deploy.id={ID} event.n=3 event.hash={hash} event.kind="started" state="RUNNING""#
        );
        let inside = serde_json::json!({ "events": [{ "message": json }, { "message": sorted }] });
        let expected = LoggedEvent {
            deploy: DeployId::parse(ID).unwrap(),
            n: 3,
            hash,
        };
        for line in [
            json.clone(),
            sorted.clone(),
            text.clone(),
            format!("Nov 29 20:00:00 host chatops[1]: {text}"),
            format!("2026-11-29T20:00:00 2026/11/29/[$LATEST]abc {json}"),
            serde_json::json!({ "MESSAGE": text, "_PID": "1" }).to_string(),
        ] {
            assert_eq!(found(&line), [expected], "{line}");
        }
        assert_eq!(found(&inside.to_string()), [expected, expected]);
        assert_eq!(
            found(&serde_json::to_string_pretty(&inside).unwrap()).len(),
            2
        );
    }

    #[test]
    fn other_lines_are_skipped() {
        let hash = hash();
        for line in [
            String::new(),
            "recorded".to_owned(),
            format!("deploy requested deploy.id={ID}"),
            format!("WARN error=\"deploy.id={ID} event.n=3 event.hash={hash}\""),
            format!("recorded deploy.id={ID} event.n=-1 event.hash={hash}"),
            format!("recorded deploy.id={ID} event.n=1 event.hash=12"),
            format!("recorded deploy.id=\u{1f680} event.n=1 event.hash={hash}"),
            "\u{1f680}deploy.id".to_owned(),
        ] {
            assert_eq!(found(&line), [], "{line}");
        }
    }
}
