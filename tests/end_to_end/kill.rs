//! The process is killed in the middle of its work, again and again, and then stopped once.
//! What was acknowledged is neither lost nor done twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::deploy::DeployState::{
    self, Failed, Rejected, Succeeded, TriggerFailed, Unresolved,
};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::text::MessageKind::{Accepted, Final, Progress, Unconfirmed};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{CommandAck, CommandRequest, TypedCommand};
use chatops_testkit::deploy_id;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{
    ChildProcess, DataFileRows, ServeWorld, ServerProcess, ack_kind, assert_says, mark,
};

/// How often the process is killed.
const KILLS: u64 = 30;

/// How many commands have to be accepted, or it was no load.
const MIN_ACCEPTED: usize = 60;

/// People who type at the same time.
const TYPISTS: u32 = 3;

/// A person's pause between two commands: it sets the load and waits for nothing.
const PAUSE: Duration = Duration::from_millis(30);

const SEED: u64 = 0x5eed_0fc4_a70b;

/// Short enough that a deploy that was interrupted by a kill ends within seconds.
const TIMES: &str = r#"
connect_timeout = "200ms"
request_timeout = "500ms"
trigger_window = "1s"
lookup_timeout = "1500ms"
lookup_give_up = "4s"
workflow_start_timeout = "500ms"
empty_pipeline_timeout = "1s"
settle_time = "500ms"
rerun_timeout = "1s"
poll_interval_min = "50ms"
poll_interval_max = "100ms"
retry_backoff = "50ms"
delivery_lease = "800ms"
sweep_interval = "300ms"
lock_ttl = "1s"
"#;

/// Marsaglia's xorshift: the same moments in every run.
struct KillRng(u64);

impl KillRng {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A command, and what its requester saw at once.
struct SentRequest {
    sent: CommandRequest,
    ack: CommandAck,
}

impl SentRequest {
    fn is_accepted(&self) -> bool {
        self.ack.status == Some(200) && ack_kind(&self.ack) == Some(Accepted)
    }

    /// The requester does not know whether it is queued.
    fn is_unknown(&self) -> bool {
        self.ack.status.is_none() || ack_kind(&self.ack) == Some(Unconfirmed)
    }

    fn assert_known(&self) {
        let known = self.is_accepted() || self.is_unknown();
        assert!(known, "{}", self.ack.shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_thirty_kills() {
    println!("seed {SEED:#x}");
    let world = Arc::new(ServeWorld::with_times(TIMES).await);
    let build = Duration::from_millis(300);
    // Listed late, so that a lookup has to be repeated.
    world.script("test", RunScript::success(build).listed_after(build / 2));
    world.script("migrate", RunScript::failure(build));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (address, heard) = watch::channel(None);
    let mut typists = JoinSet::new();
    for number in 0..TYPISTS {
        let (world, requests) = (Arc::clone(&world), Arc::clone(&requests));
        typists.spawn(keep_typing(number, world, heard.clone(), requests));
    }

    let mut random = KillRng(SEED);
    let is_load = || {
        let requests = requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.is_accepted())
            .count()
            > MIN_ACCEPTED
    };
    let mut round = 0;
    // A slow machine accepts less between two kills.
    while round < KILLS || !is_load() {
        round += 1;
        let mut process = ChildProcess::spawn(world.command());
        // One in five is killed while it starts, the others under load.
        if round % 5 > 0 {
            address.send_replace(Some(process.url().await));
        }
        // This pause is the fault: the kill comes at a moment that nothing is ready for.
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        process.kill();
        address.send_replace(None);
    }
    typists.shutdown().await;
    // An aborted typist may have left a request on the way to a process that is gone.
    let requests = std::mem::take(&mut *requests.lock().unwrap());

    let before = world.records().records;
    let (accepted, unknown): (Vec<_>, Vec<_>) = requests.iter().partition(|r| r.is_accepted());
    let unknown = unknown.iter().filter(|request| request.is_unknown());
    let waiting = |request: &&&SentRequest| !before.contains_key(&deploy_id(&request.sent));
    let waiting = accepted.iter().filter(waiting).count();
    // On a slow machine a message may be received too often before a process has the time for it:
    // an operator puts it back. Retry tickets stay.
    let sql = "UPDATE message SET queue = replace(queue, '-dlq', ''), receive_count = 0 \
               WHERE body NOT LIKE '%\"retry.v1\"%'";
    world.open_data().execute(sql, []).unwrap();
    let server = world.serve().await;
    let records = world.wait_settled().await;
    server.stop().await;

    let accepted = accepted.len();
    println!("{accepted} accepted, {} without an answer", unknown.count());
    println!("{waiting} accepted commands were not on record yet after the last kill");
    let mut ends: BTreeMap<DeployState, usize> = BTreeMap::new();
    for record in records.records.values() {
        *ends.entry(record.state).or_default() += 1;
    }
    println!("{ends:?}");
    check_records(&world, &requests, &records);
}

/// One person types commands for as long as there is somebody to send them to.
async fn keep_typing(
    number: u32,
    world: Arc<ServeWorld>,
    mut address: watch::Receiver<Option<String>>,
    requests: Arc<Mutex<Vec<SentRequest>>>,
) {
    for n in 0.. {
        let url = address.wait_for(Option::is_some).await;
        let Ok(Some(url)) = url.map(|url| url.clone()) else {
            return;
        };
        // Every fourth command takes a lock. Each has a branch of its own, so that a lookup after a
        // lost answer has little to read.
        let job = if n % 4 == 3 { "migrate" } else { "test" };
        let typed = TypedCommand {
            user_id: format!("U{number}X{n}"),
            ..TypedCommand::new(&format!("load/{number}-{n} {job}"))
        };
        // Every fifth trigger, whose ever it is, loses its answer: then a kill finds deploys whose
        // outcome nobody knows.
        if n % 5 == 4 {
            world.fail_next_trigger(HttpFault::AnswerLost);
        }
        let client = world.sandbox.command_sender();
        let sent = client.prepare_command(&url, &typed);
        // On record before it is sent: what is aborted half-way counts as unanswered.
        let no_answer = CommandAck {
            status: None,
            body: None,
            latency: Duration::ZERO,
            shown: String::new(),
        };
        let mine = {
            let mut requests = requests.lock().unwrap();
            requests.push(SentRequest {
                sent: sent.clone(),
                ack: no_answer,
            });
            requests.len() - 1
        };
        let ack = client.send(&sent).await;
        requests.lock().unwrap()[mine].ack = ack;
        tokio::time::sleep(PAUSE).await;
    }
}

fn check_records(world: &ServeWorld, requests: &[SentRequest], records: &DataFileRows) {
    records.verify();
    let requests = requests.iter().map(|one| (deploy_id(&one.sent), one));
    let requests: BTreeMap<DeployId, &SentRequest> = requests.collect();
    let mut pipelines: BTreeMap<DeployId, usize> = BTreeMap::new();
    for pipeline in world.pipelines() {
        let id = pipeline.parameters["deploy_id"].as_str().unwrap();
        *pipelines.entry(DeployId::parse(id).unwrap()).or_default() += 1;
    }
    for (id, count) in &pipelines {
        assert_eq!(*count, 1, "{id} was triggered {count} times");
        requests
            .get(id)
            .expect("nobody requested it")
            .assert_known();
    }
    for (id, request) in &requests {
        let ack = &request.ack;
        assert!(matches!(ack.status, None | Some(200)), "{ack:?}");
        let Some(record) = records.records.get(id) else {
            assert!(!request.is_accepted(), "{id} was accepted and is lost");
            assert!(world.delivered_to(&request.sent).is_empty());
            continue;
        };
        request.assert_known();
        if request.is_accepted() {
            let short = format!("`{}`", id.short_id(ShortId::USUAL));
            assert_says(&ack.shown, &short);
        }
        let built = pipelines.contains_key(id);
        match record.state {
            Succeeded | Failed => assert!(built, "{id}"),
            Rejected | TriggerFailed => assert!(!built, "{id}"),
            // Killed between the intent and the POST, or before the lookup.
            Unresolved => {}
            other => panic!("{id} ended {other}"),
        }
        assert_notified(world, &request.sent, *id);
    }
    // Only a deploy whose start could not be proven keeps its lock, and that for a time.
    for (id, expires) in &records.locks {
        let state = records.records[id].state;
        assert!(*expires && state == Unresolved, "{id} holds a lock");
    }
}

/// The requester was notified of the end, and every copy after the first says that it is one.
fn assert_notified(world: &ServeWorld, sent: &CommandRequest, id: DeployId) {
    let delivered = world.delivered_to(sent);
    let marks = delivered.iter().filter_map(mark);
    let (progress, last): (Vec<_>, Vec<_>) = marks.partition(|mark| mark.kind == Progress);
    assert!(progress.len() <= 1, "{id}: {progress:?}");
    assert!(!last.is_empty(), "nobody was notified of {id}");
    assert!(last.iter().all(|mark| mark.kind == Final), "{id}: {last:?}");
    assert!(last[1..].iter().all(|mark| mark.repeat), "{id}: {last:?}");
    assert!(delivered.iter().all(|message| message.nth_use <= 5), "{id}");
}

#[tokio::test]
async fn a_stop_loses_nothing_that_was_typed_just_before() {
    let (world, server) = ServeWorld::start().await;
    let ack = world.type_command(&server, "main test").await;
    let ended = server.stop().await;
    assert_eq!(ack_kind(&ack), Some(Accepted), "{}", ack.shown);
    let said = ended.stdout.join("\n");
    assert_says(&said, "stopping: finishing what is in flight");

    let server = world.serve().await;
    world.wait_final(Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().state, Succeeded);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_trigger_that_is_under_way() {
    let world = ServeWorld::new().await;
    let hang = HttpFault::Hang {
        duration: Duration::from_millis(500),
    };
    world.fail_next_trigger(hang);
    let server = world.serve().await;
    world.type_command(&server, "main test").await;
    world.wait_triggers(1).await;
    server.stop().await;
    // Before it ended, the process stored that it had no answer.
    let records = world.records();
    let audit = records.audit(records.only_record().id);
    assert_says(&audit, r#""kind":"outcome_unknown""#);

    let server = world.serve().await;
    world.wait_final(Unresolved).await;
    assert_eq!(
        world.trigger_count(),
        1,
        "an unknown outcome is not repeated"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_say_nothing() {
    let (_world, server) = ServeWorld::start().await;
    let mut silent = Vec::new();
    for part in ["", "POST /slack/commands HTTP/1.1\r\nHost: x\r\n"] {
        silent.push(send_partly(&server, part));
    }
    // This one has had its answer and keeps the connection.
    let mut kept = send_partly(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = [0; 15];
    std::io::Read::read_exact(&mut kept, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // A stop that waited for them would be given up, and end with an error.
    server.stop().await;
    drop(silent);
}

fn send_partly(server: &ServerProcess, text: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    stream
}
