//! What is turned away: by which status and words, and with nothing left behind.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chatops_core::deploy::State;
use chatops_sandbox::http;
use chatops_sandbox::slack::{
    Message, SIGNATURE_HEADER, Sent, TIMESTAMP_HEADER, Typed, signed_request,
};
use chatops_testbed::deploy_id;

use crate::support::{PATIENCE, SIGNING_SECRET, Server, World, now};

/// Sends a request as it stands and takes the raw answer.
async fn raw(sent: &Sent) -> (u16, String) {
    let mut request = ::http::Request::post(&sent.url);
    for (name, value) in &sent.signed.headers {
        request = request.header(*name, value);
    }
    let request = request.body(sent.signed.body.clone()).unwrap();
    let reply = http::send(request, PATIENCE).await.unwrap();
    (reply.status.as_u16(), reply.text())
}

/// The same command with another body, signed as Slack would, `age` seconds ago.
fn signed(sent: &Sent, body: String, age: i64) -> Sent {
    Sent {
        signed: signed_request(SIGNING_SECRET, now().timestamp() - age, body),
        ..sent.clone()
    }
}

/// One field of the form changed.
fn changed(sent: &Sent, from: &str, to: &str) -> Sent {
    let body = sent.signed.body.replace(from, to);
    assert_ne!(body, sent.signed.body, "{from} is not in the form");
    signed(sent, body, 0)
}

/// Nothing of what was sent so far was begun, and the next command still works.
async fn nothing_was_begun(world: &World, server: Server) {
    assert!(!world.circleci_was_called());
    let records = world.records();
    assert!(records.heads.is_empty() && records.messages.is_empty());
    world.types(&server, "main test").await;
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    assert_eq!(records.only().ask.job.as_str(), "test");
    assert_eq!(world.posts_so_far(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_slack_did_not_sign_is_turned_away() {
    let world = World::new().await;
    let server = world.serve().await;
    let good = || world.compose(&server, "main deploy");
    let body = good().signed.body;
    let without = |names: &[&str]| {
        let mut sent = good();
        for name in names {
            sent.signed.remove(name);
        }
        sent
    };
    let with = |name: &str, value: &str| {
        let mut sent = good();
        sent.signed.set(name, value);
        sent
    };
    let zeros = format!("v0={}", "0".repeat(64));
    let second_before = (now().timestamp() - 1).to_string();
    let mut cut = good();
    let signature = cut.signed.headers.pop().unwrap().1;
    let half = (SIGNATURE_HEADER, signature[..40].to_owned());
    cut.signed.headers.push(half);
    let mut doubled = good();
    doubled.signed.headers.push((SIGNATURE_HEADER, signature));
    let mut foreign = good();
    foreign.signed = signed_request("another app's secret", now().timestamp(), body.clone());
    let mut tampered = good();
    tampered.signed.body = tampered.signed.body.replace("deploy", "migrate");
    for (name, sent) in [
        ("unsigned", without(&[SIGNATURE_HEADER, TIMESTAMP_HEADER])),
        ("no signature", without(&[SIGNATURE_HEADER])),
        ("no time", without(&[TIMESTAMP_HEADER])),
        ("wrong signature", with(SIGNATURE_HEADER, &zeros)),
        ("empty signature", with(SIGNATURE_HEADER, "v0=")),
        ("half a signature", cut),
        ("two signatures", doubled),
        ("another secret", foreign),
        ("another body", tampered),
        ("another time", with(TIMESTAMP_HEADER, &second_before)),
        ("a time that is none", with(TIMESTAMP_HEADER, "-5")),
        ("too old", signed(&good(), body.clone(), 301)),
        ("from the future", signed(&good(), body.clone(), -310)),
    ] {
        // All sound the same: who guesses learns nothing.
        let (status, words) = raw(&sent).await;
        assert_eq!(status, 401, "{name}: {words}");
        assert_eq!(words, "The request is not signed by Slack.\n", "{name}");
    }
    nothing_was_begun(&world, server).await;
}

#[tokio::test]
async fn what_slack_signed_and_is_no_command_is_turned_away() {
    let world = World::new().await;
    let server = world.serve().await;
    let good = || world.compose(&server, "main deploy");
    let body = good().signed.body;
    let more = |more: &str| signed(&good(), format!("{body}{more}"), 0);
    let mut json = good();
    json.signed.set("content-type", "application/json");
    let mut untyped = good();
    untyped.signed.remove("content-type");
    let mut answers = String::new();
    for (name, sent) in [
        ("17 KiB", more(&format!("&x={}", "x".repeat(17 * 1024)))),
        ("JSON", json),
        ("no content type", untyped),
        ("not UTF-8", more("&x=%ff")),
        ("a second text", more("&text=main+migrate")),
        ("no person", changed(&good(), "user_id=U0001", "user_id=")),
        ("no team", changed(&good(), "team_id=T0001", "team_id=t-1")),
        (
            "no channel",
            changed(&good(), "channel_id=C0001", "channel_id=%3C%21here%3E"),
        ),
        ("empty", signed(&good(), String::new(), 0)),
    ] {
        let (status, words) = raw(&sent).await;
        writeln!(answers, "{name}: {status} {}", words.trim_end()).unwrap();
    }
    insta::assert_snapshot!(answers, @r#"
    17 KiB: 413 The body is larger than 16 KiB.
    JSON: 400 Not a command: the content type has to be application/x-www-form-urlencoded.
    no content type: 400 Not a command: the content type has to be application/x-www-form-urlencoded.
    not UTF-8: 400 Not a command: the form is not UTF-8.
    a second text: 400 Not a command: the form has the field 'text' twice.
    no person: 400 Not a command: the form has no valid 'user_id'.
    no team: 400 Not a command: the form has no valid 'team_id'.
    no channel: 400 Not a command: the form has no valid 'channel_id'.
    empty: 400 Not a command: the form has no valid 'team_id'.
    "#);
    nothing_was_begun(&world, server).await;
}

#[tokio::test]
async fn other_addresses_and_methods_are_none() {
    let world = World::new().await;
    let server = world.serve().await;
    let base = format!("http://{}", server.address());
    let mut answers = String::new();
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/"),
        ("GET", "/slack/commands"),
        ("PUT", "/slack/commands"),
        ("GET", "/slack/commands?ssl_check=1"),
        ("GET", "/healthz"),
        ("POST", "/healthz"),
        ("POST", "/slack/commands/"),
        ("POST", "//slack/commands"),
        ("GET", "/../etc/passwd"),
    ] {
        let request = ::http::Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .body(String::new())
            .unwrap();
        let reply = http::send(request, PATIENCE).await.unwrap();
        let answer = format!("{} {}", reply.status.as_u16(), reply.text());
        writeln!(answers, "{method} {path}: {}", answer.trim_end()).unwrap();
    }
    insta::assert_snapshot!(answers, @r#"
    GET /: 404 There is nothing here.
    POST /: 404 There is nothing here.
    GET /slack/commands: 405 This address takes another method.
    PUT /slack/commands: 405 This address takes another method.
    GET /slack/commands?ssl_check=1: 200
    GET /healthz: 200 ok
    POST /healthz: 405
    POST /slack/commands/: 404 There is nothing here.
    POST //slack/commands: 404 There is nothing here.
    GET /../etc/passwd: 404 There is nothing here.
    "#);
    nothing_was_begun(&world, server).await;
}

#[tokio::test]
async fn hostile_words_reach_nobody() {
    let world = World::new().await;
    let server = world.serve().await;
    let long = "x".repeat(1025);
    let mut answers = String::new();
    for text in [
        "a$(reboot) deploy",
        "`id` deploy",
        "main;reboot deploy",
        "main|sh deploy",
        "main&&sh deploy",
        "../../etc/passwd deploy",
        "-x deploy",
        "--upload-pack=sh deploy",
        "HEAD deploy",
        "0123456789abcdef0123456789abcdef01234567 deploy",
        "main.lock deploy",
        "ma\u{202e}in deploy",
        "m\u{430}in deploy",
        "main <!channel>",
        "main @here",
        "main de/ploy",
        "main",
        "main deploy please",
        "status deploy",
        "{{pipeline.id}} deploy",
        "<<pipeline.id>> deploy",
        &long,
    ] {
        let ack = world.types(&server, text).await;
        assert_eq!(ack.status, Some(200), "{text}");
        let body = ack.body.unwrap();
        assert_eq!(body.response_type, "ephemeral", "{text}");
        writeln!(answers, "{}", body.text).unwrap();
    }
    insta::assert_snapshot!(answers, @r#"
    :speech_balloon: *Not a command:* `a$(reboot)` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `'id'` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `main;reboot` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `main|sh` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `main&amp;&amp;sh` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `../../etc/passwd` cannot be a branch: it may not contain `..`.
    :speech_balloon: *Not a command:* `-x` cannot be a branch: it may not start with `-`.
    :speech_balloon: *Not a command:* `--upload-pack=sh` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `HEAD` cannot be a branch: `HEAD` is not a branch.
    :speech_balloon: *Not a command:* `0123456789abcdef0123456789abcdef01234567` cannot be a branch: it looks like a commit; CircleCI starts branches only.
    :speech_balloon: *Not a command:* `main.lock` cannot be a branch: no part of it may end with `.lock`.
    :speech_balloon: *Not a command:* `ma in` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `mаin` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `&lt;!channel&gt;` cannot be a job: it may hold only letters, digits and `.` `_` `-`.
    :speech_balloon: *Not a command:* `@here` cannot be a job: it may hold only letters, digits and `.` `_` `-`.
    :speech_balloon: *Not a command:* `de/ploy` cannot be a job: it may hold only letters, digits and `.` `_` `-`.
    :speech_balloon: *Not a command:* a deploy needs a branch and a job, and that is 1 word.
    :speech_balloon: *Not a command:* a deploy needs a branch and a job, and that is 3 words.
    :speech_balloon: *Not a command:* `deploy` is not a deploy's id. Ids look like `1a2b3c4d`.
    :speech_balloon: *Not a command:* `{{pipeline.id}}` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* `&lt;&lt;pipeline.id&gt;&gt;` cannot be a branch: it may hold only letters, digits and `.` `_` `/` `-`.
    :speech_balloon: *Not a command:* the text is longer than 1,024 characters.
    "#);
    nothing_was_begun(&world, server).await;
}

#[tokio::test]
async fn a_reply_address_that_is_not_slacks_is_not_taken() {
    let world = World::new().await;
    let server = world.serve().await;
    for address in [
        "https%3A%2F%2Fevil.example%2Fcommands%2Fx",
        "http%3A%2F%2F127.0.0.1%3A1%2Fcommands%2Fx",
        "file%3A%2F%2F%2Fetc%2Fpasswd",
        "no+address",
    ] {
        let sent = world.compose(&server, "main deploy");
        let (before, rest) = sent.signed.body.split_once("response_url=").unwrap();
        let (_, after) = rest.split_once('&').unwrap();
        let forged = signed(&sent, format!("{before}response_url={address}&{after}"), 0);
        let (status, words) = raw(&forged).await;
        assert_eq!(status, 200);
        assert!(
            words.contains("(rule `slack.reply_origins`). Nothing was started."),
            "{words}"
        );
    }
    nothing_was_begun(&world, server).await;
}

#[tokio::test]
async fn a_no_names_its_rule() {
    let world = World::new().await;
    let server = world.serve().await;
    let elsewhere = Typed {
        channel_id: "C0002".to_owned(),
        ..Typed::new("main deploy")
    };
    let team = changed(
        &world.compose(&server, "main deploy"),
        "team_id=T0001",
        "team_id=T0666",
    );
    let compose = |text| world.compose(&server, text);
    let cases = [
        ("rule `projects`", compose("deploy shop main deploy")),
        ("rule `projects.web.jobs`", compose("main reboot")),
        (
            "rule `projects.web.jobs.deploy.branches`",
            compose("feature/x deploy"),
        ),
        (
            "rule `projects.web.jobs.restore.people`",
            compose("main restore"),
        ),
        (
            "rule `projects.web.jobs.deploy.channels`",
            world.sandbox.client().compose(&server.url, &elsewhere),
        ),
        ("rule `slack.teams`", team),
    ];
    for (rule, sent) in &cases {
        let (status, words) = raw(sent).await;
        assert_eq!(status, 200);
        assert!(words.contains("*Checking:*"), "{words}");
        world.message(rule).await;
    }
    let records = world.quiet().await;
    records.verify();
    server.stop().await;
    assert_eq!(records.heads.len(), cases.len());
    for (rule, sent) in &cases {
        assert_eq!(records.heads[&deploy_id(sent)].state, State::Refused);
        let told = world.told(sent);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].shown().starts_with(":no_entry: *Refused:* "));
        assert!(told[0].shown().contains(rule));
        assert_eq!(told[0].visible_to.as_deref(), Some("U0001"));
    }
    assert!(records.locks.is_empty());
    assert!(!world.circleci_was_called());
}

#[tokio::test]
async fn the_same_bytes_again_are_the_same_deploy() {
    let world = World::new().await;
    let server = world.serve().await;
    let client = world.sandbox.client();
    let sent = world.compose(&server, "main deploy");
    let (one, two) = tokio::join!(client.send(&sent), client.resend(&sent));
    assert!(one.shown.contains("*Accepted:*"), "{}", one.shown);
    assert_eq!(one.shown, two.shown);
    world.message("*Succeeded:*").await;
    let late = client.resend(&sent).await;
    assert_eq!(late.shown, one.shown);
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.only().id, deploy_id(&sent));
    assert_eq!((world.posts_so_far(), world.pipelines().len()), (1, 1));
    let told: Vec<String> = world.told(&sent).iter().map(Message::shown).collect();
    assert_eq!(told.len(), 2, "nothing is told twice: {told:?}");
    server.stop().await;
}

#[tokio::test]
async fn clients_that_stall_hold_nobody_up() {
    let world = World::new().await;
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    let half = sent.signed.body.len() / 2;
    let mut head = "POST /slack/commands HTTP/1.1\r\nHost: x\r\n".to_owned();
    for (name, value) in &sent.signed.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "Content-Length: {}\r\n\r\n", sent.signed.body.len()).unwrap();
    head.push_str(&sent.signed.body[..half]);
    let started = Instant::now();
    let stalled: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();

    let ack = world.types(&server, "main test").await;
    assert_eq!(ack.status, Some(200), "{}", ack.shown);
    world.message("*Succeeded:* `test`").await;

    for mut stream in stalled {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout"),
            "{answer}"
        );
        assert!(
            answer.ends_with("The body took too long to arrive.\n"),
            "{answer}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    let records = world.quiet().await;
    assert_eq!(records.only().ask.job.as_str(), "test");
    server.stop().await;
}
