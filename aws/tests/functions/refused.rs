//! What comes from outside and is no command: refused in both payload formats, and nothing is
//! queued.

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_sandbox::slack::{self as signature, Typed};
use serde_json::{Value, json};

use crate::gateway::Payload;
use crate::mapping::Manner;
use crate::world::{LEFT, SIGNING_SECRET, WEBHOOK_SECRET, World};

/// A request, and the status that it is answered with.
struct Bad {
    what: &'static str,
    method: &'static str,
    target: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u64,
}

const COMMAND: &str = "/slack/commands";
const WEBHOOK: &str = "/circleci/webhook";

impl Bad {
    fn new(what: &'static str, (headers, body): Signed, status: u64) -> Self {
        Self {
            what,
            method: "POST",
            target: COMMAND,
            headers,
            body,
            status,
        }
    }

    fn by(mut self, method: &'static str, target: &'static str) -> Self {
        (self.method, self.target) = (method, target);
        self
    }
}

type Signed = (Vec<(String, String)>, Vec<u8>);

/// A body signed as Slack signs.
fn signed(world: &World, body: impl Into<String>) -> Signed {
    let typed = Typed::new("main deploy");
    let sent = world.sandbox.client().compose("", &typed).signed;
    let of = |name: &str| sent.headers.iter().find(|h| h.0 == name).unwrap().1.clone();
    let time = of(signature::TIMESTAMP_HEADER).parse().unwrap();
    let signed = signature::signed_request(SIGNING_SECRET, time, body.into());
    let headers = signed.headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    (headers.collect(), signed.body.into_bytes())
}

/// The form of a command.
fn form(world: &World) -> String {
    let typed = Typed::new("main deploy");
    world.sandbox.client().compose("", &typed).signed.body
}

fn without(mut signed: Signed, name: &str) -> Signed {
    signed.0.retain(|header| header.0 != name);
    signed
}

fn with(signed: Signed, name: &str, value: &str) -> Signed {
    let mut other = without(signed, name);
    other.0.push((name.to_owned(), value.to_owned()));
    other
}

fn bad(world: &World) -> Vec<Bad> {
    let good = || signed(world, form(world));
    let json = |body: &str, more: &[(&str, &str)]| {
        let headers = [("Content-Type", "application/json")];
        let headers = headers.iter().chain(more);
        let headers = headers.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        (headers.collect::<Vec<_>>(), body.as_bytes().to_vec())
    };
    let forged = format!("v1={}", "0".repeat(64));
    let padded = |length: usize| format!("{}&padding={}", form(world), "x".repeat(length));
    vec![
        Bad::new(
            "no signature",
            without(good(), signature::SIGNATURE_HEADER),
            401,
        ),
        Bad::new(
            "no timestamp",
            without(good(), signature::TIMESTAMP_HEADER),
            401,
        ),
        Bad::new("no headers at all", (vec![], good().1), 401),
        Bad::new(
            "forged",
            with(
                good(),
                signature::SIGNATURE_HEADER,
                &format!("v0={}", "0".repeat(64)),
            ),
            401,
        ),
        Bad::new("another body", (good().0, b"text=other".to_vec()), 401),
        Bad::new("old", with(good(), signature::TIMESTAMP_HEADER, "1"), 401),
        Bad::new(
            "a strange time",
            with(good(), signature::TIMESTAMP_HEADER, "99999999999999999999"),
            401,
        ),
        Bad::new("wrong method", good(), 405).by("PUT", COMMAND),
        Bad::new("wrong method", good(), 405).by("GET", COMMAND),
        Bad::new("a method of nobody's", good(), 405).by("BREW", COMMAND),
        Bad::new("no method", good(), 400).by("", COMMAND),
        Bad::new("another path", good(), 404).by("POST", "/slack/commands/more"),
        Bad::new("a path that is none", good(), 400).by("POST", "/slack commands"),
        Bad::new("no path", good(), 400).by("POST", ""),
        Bad::new("oversized", signed(world, padded(16 * 1024)), 413),
        Bad::new("oversized and unsigned", (vec![], vec![b'x'; 5 << 20]), 413),
        Bad::new("malformed", signed(world, "%%%=%"), 400),
        Bad::new(
            "JSON in place of a form",
            signed(world, r#"{"text":"main deploy"}"#),
            400,
        ),
        Bad::new(
            "another type",
            with(good(), "Content-Type", "text/plain"),
            400,
        ),
        Bad::new("no type", without(good(), "Content-Type"), 400),
        Bad::new("empty", signed(world, ""), 400),
        Bad::new("empty and unsigned", (vec![], vec![]), 401),
        Bad::new(
            "a field twice",
            signed(world, form(world) + "&team_id=T0001"),
            400,
        ),
        Bad::new(
            "not UTF-8",
            signed(
                world,
                form(world).replace("text=main+deploy", "text=%00%f0%9f"),
            ),
            400,
        ),
        Bad::new("an event without a signature", json("{}", &[]), 401).by("POST", WEBHOOK),
        Bad::new(
            "a forged event",
            json("{}", &[("circleci-signature", &forged)]),
            401,
        )
        .by("POST", WEBHOOK),
        Bad::new("an event of Slack's", good(), 401).by("POST", WEBHOOK),
        Bad::new("an oversized event", (vec![], vec![b' '; 257 * 1024]), 413).by("POST", WEBHOOK),
        Bad::new("an event asked for", json("", &[]), 405).by("GET", WEBHOOK),
    ]
}

/// Each in both formats, and in each as text and as base64.
#[tokio::test]
async fn nothing_from_outside_breaks_the_ingest() {
    let world = World::new().await;
    for bad in bad(&world) {
        for payload in Payload::ALL {
            for base64 in [true, false] {
                let what = format!("{} as {payload:?}, base64: {base64}", bad.what);
                let event = payload.event(bad.method, bad.target, &bad.headers, &bad.body, base64);
                let answer = world.ingest.invoke(&event, LEFT).await.answer();
                assert_eq!(answer["statusCode"], bad.status, "{what}: {answer}");
                assert!(!answer.to_string().contains("canary"), "{what}: {answer}");
                assert_eq!(world.depth(Lane::Work).await, 0, "{what}: {answer}");
            }
        }
    }
    assert_eq!(world.ingest.starts(), 1);
    world.check_logs();
}

/// What no HTTP client can make, but an event can hold.
#[tokio::test]
async fn no_event_breaks_the_ingest() {
    let world = World::new().await;
    for payload in Payload::ALL {
        let (headers, body) = signed(&world, form(&world));
        let good = payload.event("POST", COMMAND, &headers, &body, true);
        let changed = |name: &str, value: Value| {
            let mut event = good.clone();
            event[name] = value;
            event
        };
        let header = match payload {
            Payload::One => "multiValueHeaders",
            Payload::Two => "headers",
        };
        let mut bare = changed("headers", json!({}));
        bare["multiValueHeaders"] = json!({});
        let value = |text: &str| match payload {
            Payload::One => json!([text]),
            Payload::Two => json!(text),
        };
        let events = [
            (changed("body", json!("%%% not base64 %%%")), 400),
            (changed("body", json!("AAA")), 400),
            (changed("body", Value::Null), 401),
            (changed("isBase64Encoded", json!(false)), 401),
            (bare, 401),
            (changed(header, json!({"x": value("a\nb")})), 400),
            (changed(header, json!({"a header": value("b")})), 400),
        ];
        for (event, status) in events {
            let answer = world.ingest.invoke(&event, LEFT).await.answer();
            assert_eq!(answer["statusCode"], status, "{event}: {answer}");
            assert_eq!(world.depth(Lane::Work).await, 0, "{event}: {answer}");
        }
        // The very same without the change is taken.
        let answer = world.ingest.invoke(&good, LEFT).await.answer();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(world.takes(Lane::Work).await.len(), 1);
        world.loses_hints().await;
    }
    assert_eq!(world.ingest.starts(), 1);
    world.check_logs();
}

/// A command of a workspace that is not ours is put on record and refused there.
#[tokio::test]
async fn a_foreign_team_starts_nothing() {
    let world = World::new().await;
    let url = world.url(Payload::Two, COMMAND);
    let client = world.sandbox.client();
    let mut sent = client.compose(&url, &Typed::new("main deploy"));
    let foreign = sent.signed.body.replace("team_id=T0001", "team_id=T0666");
    sent.signed.body.clone_from(&foreign);
    let (headers, _) = signed(&world, foreign);
    for name in [signature::TIMESTAMP_HEADER, signature::SIGNATURE_HEADER] {
        let value = headers.iter().find(|h| h.0 == name).unwrap().1.clone();
        sent.signed.set(name, value);
    }
    let ack = client.send(&sent).await;
    assert_eq!(ack.body.unwrap().response_type, "ephemeral");
    world.connect(Manner::Plainly);
    world.ends(&sent, State::Refused, 0).await;
    assert!(!world.circleci_was_called());
    world.check_logs();
}

/// Each secret counts only where it belongs.
#[tokio::test]
async fn a_secret_signs_only_its_own() {
    let world = World::new().await;
    let (mut headers, body) = signed(&world, form(&world));
    let time = headers
        .iter()
        .find(|h| h.0 == signature::TIMESTAMP_HEADER)
        .unwrap();
    let text = String::from_utf8(body.clone()).unwrap();
    let forged = signature::sign(WEBHOOK_SECRET, time.1.parse().unwrap(), &text);
    let at = headers
        .iter_mut()
        .find(|h| h.0 == signature::SIGNATURE_HEADER);
    at.unwrap().1 = forged;
    let event = Payload::Two.event("POST", COMMAND, &headers, &body, true);
    let answer = world.ingest.invoke(&event, LEFT).await.answer();
    assert_eq!(answer["statusCode"], 401);
    world.check_logs();
}
