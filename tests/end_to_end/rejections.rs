//! What is rejected: with which status and words, and that it leaves nothing behind.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use chatops_core::deploy::DeployState::{Rejected, Succeeded};
use chatops_core::text::MessageKind::Accepted;
use chatops_sandbox::http;
use chatops_sandbox::slack::{
    CommandRequest, SIGNATURE_HEADER, TIMESTAMP_HEADER, TypedCommand, signed_request,
};
use chatops_testkit::deploy_id;

use crate::support::{
    SIGNING_SECRET, ServeWorld, ServerProcess, WAIT_TIMEOUT, ack_kind, assert_says, now,
};

/// Sends a request as it stands and takes the raw answer.
async fn send_raw(sent: &CommandRequest) -> (u16, String) {
    let mut request = ::http::Request::post(&sent.url);
    for (name, value) in &sent.signed.headers {
        request = request.header(*name, value);
    }
    let request = request.body(sent.signed.body.clone()).unwrap();
    let reply = http::send_request(request, WAIT_TIMEOUT).await.unwrap();
    (reply.status.as_u16(), reply.text())
}

/// The same command with another body, signed as Slack would, `age` seconds ago.
fn signed(sent: &CommandRequest, body: String, age: i64) -> CommandRequest {
    CommandRequest {
        signed: signed_request(SIGNING_SECRET, now().timestamp() - age, body),
        ..sent.clone()
    }
}

/// One field of the form changed.
fn changed(sent: &CommandRequest, from: &str, to: &str) -> CommandRequest {
    let body = sent.signed.body.replace(from, to);
    assert_ne!(body, sent.signed.body, "{from} is not in the form");
    signed(sent, body, 0)
}

/// Nothing of what was sent so far was begun, and the next command still works.
async fn assert_nothing_began(world: &ServeWorld, server: ServerProcess) {
    assert!(!world.circleci_was_called());
    let records = world.records();
    assert!(records.records.is_empty() && records.messages.is_empty());
    world.deploy(&server, "main test", Succeeded).await;
    let records = world.wait_settled().await;
    assert_eq!(records.only_record().request.job.as_str(), "test");
    assert_eq!(world.trigger_count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_slack_did_not_sign_is_rejected() {
    let (world, server) = ServeWorld::start().await;
    let good = || world.compose(&server, "main deploy");
    let body = good().signed.body;
    let without = |names: &[&str]| {
        let mut sent = good();
        for name in names {
            sent.signed.remove_header(name);
        }
        sent
    };
    let with = |name: &str, value: &str| {
        let mut sent = good();
        sent.signed.set_header(name, value);
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
        // All answers are the same: guessing teaches nothing.
        let (status, words) = send_raw(&sent).await;
        assert_eq!(status, 401, "{name}: {words}");
        assert_eq!(words, "The request is not signed by Slack.\n", "{name}");
    }
    assert_nothing_began(&world, server).await;
}

#[tokio::test]
async fn what_slack_signed_and_is_no_command_is_rejected() {
    let (world, server) = ServeWorld::start().await;
    let good = || world.compose(&server, "main deploy");
    let body = good().signed.body;
    let more = |more: &str| signed(&good(), format!("{body}{more}"), 0);
    let mut json = good();
    json.signed.set_header("content-type", "application/json");
    let mut untyped = good();
    untyped.signed.remove_header("content-type");
    let here = "channel_id=%3C%21here%3E";
    let mut answers = String::new();
    for (name, sent) in [
        ("17 KiB", more(&format!("&x={}", "x".repeat(17 * 1024)))),
        ("JSON", json),
        ("no content type", untyped),
        ("not UTF-8", more("&x=%ff")),
        ("a second text", more("&text=main+migrate")),
        ("no person", changed(&good(), "user_id=U0001", "user_id=")),
        ("no team", changed(&good(), "team_id=T0001", "team_id=t-1")),
        ("no channel", changed(&good(), "channel_id=C0001", here)),
        ("empty", signed(&good(), String::new(), 0)),
    ] {
        let (status, words) = send_raw(&sent).await;
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
    assert_nothing_began(&world, server).await;
}

#[tokio::test]
async fn other_addresses_and_methods_are_none() {
    let (world, server) = ServeWorld::start().await;
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
    ] {
        let request = ::http::Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .body(String::new())
            .unwrap();
        let reply = http::send_request(request, WAIT_TIMEOUT).await.unwrap();
        let answer = format!("{} {}", reply.status.as_u16(), reply.text());
        writeln!(answers, "{method} {path}: {}", answer.trim_end()).unwrap();
    }
    // Over a raw connection, since the client normalizes the path.
    let path = "/../etc/passwd";
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    writeln!(answers, "GET {path}: {} {}", &head[9..12], body.trim_end()).unwrap();
    insta::assert_snapshot!(answers, @r#"
    GET /: 404 There is nothing here.
    POST /: 404 There is nothing here.
    GET /slack/commands: 405 This address takes another method.
    PUT /slack/commands: 405 This address takes another method.
    GET /slack/commands?ssl_check=1: 200
    GET /healthz: 200 ok
    POST /healthz: 405 This address takes another method.
    POST /slack/commands/: 404 There is nothing here.
    POST //slack/commands: 404 There is nothing here.
    GET /../etc/passwd: 404 There is nothing here.
    "#);
    assert_nothing_began(&world, server).await;
}

#[tokio::test]
async fn hostile_words_reach_nobody() {
    let (world, server) = ServeWorld::start().await;
    let long = "x".repeat(1025);
    let mut answers = String::new();
    for text in [
        "a$(reboot) deploy",
        "x`id`y deploy",
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
        let ack = world.type_command(&server, text).await;
        assert_eq!(ack.status, Some(200), "{text}");
        let body = ack.body.unwrap();
        assert_eq!(body.response_type, "ephemeral", "{text}");
        writeln!(answers, "{}", body.text).unwrap();
    }
    insta::assert_snapshot!(answers, @"
    *Not a command:* `a$(reboot)` cannot be a branch: `$` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `x'id'y` cannot be a branch: a backtick is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `main;reboot` cannot be a branch: `;` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `main|sh` cannot be a branch: `|` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `main&amp;&amp;sh` cannot be a branch: `&amp;` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `../../etc/passwd` cannot be a branch: it may not contain `..`.
    *Not a command:* `-x` cannot be a branch: it may not start with `-`.
    *Not a command:* `--upload-pack=sh` cannot be a branch: `=` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `HEAD` cannot be a branch: `HEAD` is neither a branch nor a tag.
    *Not a command:* `0123456789abcdef0123456789abcdef01234567` cannot be a branch: CircleCI starts branches and tags; to deploy a commit, push a branch or a tag that points to it.
    *Not a command:* `main.lock` cannot be a branch: no part of it may end with `.lock`.
    *Not a command:* `ma in` cannot be a branch: the character U+202E is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `mаin` cannot be a branch: `а` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `&lt;!channel&gt;` cannot be a job: `&lt;` is not accepted: only letters, digits and `.` `_` `-` are.
    *Not a command:* `@here` cannot be a job: `@` is not accepted: only letters, digits and `.` `_` `-` are.
    *Not a command:* `de/ploy` cannot be a job: `/` is not accepted: only letters, digits and `.` `_` `-` are.
    *Not a command:* a deploy needs a branch and a job, and that is 1 word.
    *Not a command:* a deploy needs a branch and a job, and that is 3 words.
    *Not a command:* `deploy` is not a deploy's id. Ids look like `1a2b3c4d`.
    *Not a command:* `{{pipeline.id}}` cannot be a branch: `{` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* `&lt;&lt;pipeline.id&gt;&gt;` cannot be a branch: `&lt;` is not accepted: only letters, digits and `.` `_` `/` `-` are.
    *Not a command:* the text is longer than 1,024 characters.
    ");
    assert_nothing_began(&world, server).await;
}

#[tokio::test]
async fn a_response_url_that_is_not_slacks_is_rejected() {
    let (world, server) = ServeWorld::start().await;
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
        let (status, words) = send_raw(&forged).await;
        assert_eq!(status, 200);
        let rule = "(rule `slack.response_url_origins`). Nothing was started.";
        assert_says(&words, rule);
    }
    assert_nothing_began(&world, server).await;
}

#[tokio::test]
async fn a_rejection_names_its_rule() {
    let (world, server) = ServeWorld::start().await;
    let elsewhere = TypedCommand {
        channel_id: "C0002".to_owned(),
        ..TypedCommand::new("main deploy")
    };
    let compose = |text| world.compose(&server, text);
    let team = changed(&compose("main deploy"), "team_id=T0001", "team_id=T0666");
    // What names nothing is answered at once, and on no record.
    for (rule, text) in [
        ("rule `projects`", "deploy shop main deploy"),
        ("rule `projects.web.jobs`", "main reboot"),
    ] {
        let (status, words) = send_raw(&compose(text)).await;
        assert_eq!(status, 200);
        assert_says(&words, "Nothing to start");
        assert_says(&words, rule);
    }
    let cases = [
        (
            "rule `projects.web.jobs.deploy.branches`",
            compose("feature/x deploy"),
        ),
        (
            "rule `projects.web.jobs.restore.users`",
            compose("main restore"),
        ),
        (
            "rule `projects.web.jobs.deploy.channels`",
            world.compose_as(&server, &elsewhere),
        ),
        ("rule `slack.teams`", team),
    ];
    for (rule, sent) in &cases {
        let (status, words) = send_raw(sent).await;
        assert_eq!(status, 200);
        assert_says(&words, &format!("refused:{}", deploy_id(sent)));
        assert_says(&words, rule);
    }
    let records = world.wait_settled().await;
    records.verify();
    server.stop().await;
    assert_eq!(records.records.len(), cases.len());
    for record in records.records.values() {
        assert_eq!(record.state, Rejected, "{record:?}");
    }
    // The answer was all.
    for (_, sent) in &cases {
        let delivered = world.delivered_to(sent);
        assert!(delivered.is_empty(), "{delivered:?}");
    }
    assert!(records.locks.is_empty());
    assert!(!world.circleci_was_called());
}

#[tokio::test]
async fn the_same_bytes_again_are_the_same_deploy() {
    let (world, server) = ServeWorld::start().await;
    let client = world.sandbox.command_sender();
    let sent = world.compose(&server, "main deploy");
    let (one, two) = tokio::join!(client.send(&sent), client.resend(&sent));
    assert_eq!(ack_kind(&one), Some(Accepted), "{}", one.shown);
    assert_eq!(one.shown, two.shown);
    world.wait_end(&sent, Succeeded).await;
    let late = client.resend(&sent).await;
    assert_eq!(late.shown, one.shown);
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().id, deploy_id(&sent));
    assert_eq!((world.trigger_count(), world.pipelines().len()), (1, 1));
    let delivered = world.delivered_to(&sent);
    assert_eq!(delivered.len(), 2, "nothing is sent twice: {delivered:?}");
    server.stop().await;
}

#[tokio::test]
async fn clients_that_stall_hold_nobody_up() {
    let (world, server) = ServeWorld::start().await;
    let sent = world.compose(&server, "main deploy");
    let half = sent.signed.body.len() / 2;
    let mut part = "POST /slack/commands HTTP/1.1\r\nHost: x\r\n".to_owned();
    for (name, value) in &sent.signed.headers {
        write!(part, "{name}: {value}\r\n").unwrap();
    }
    write!(part, "Content-Length: {}\r\n\r\n", sent.signed.body.len()).unwrap();
    part.push_str(&sent.signed.body[..half]);
    let stalled: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(part.as_bytes()).unwrap();
            stream
        })
        .collect();

    world.deploy(&server, "main test", Succeeded).await;

    for mut stream in stalled {
        stream.set_read_timeout(Some(WAIT_TIMEOUT)).unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        let begins = answer.starts_with("HTTP/1.1 408 Request Timeout");
        let why = "The body took too long to arrive.\n";
        assert!(begins && answer.ends_with(why), "{answer}");
    }
    let records = world.wait_settled().await;
    assert_eq!(records.only_record().request.job.as_str(), "test");
    server.stop().await;
}
