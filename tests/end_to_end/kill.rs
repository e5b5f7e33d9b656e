//! The process is killed in the middle of its work, again and again, and then once asked to stop.
//! What was acknowledged is neither lost nor done twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatops_core::deploy::State;
use chatops_core::id::{DeployId, ShortId};
use chatops_sandbox::circleci::{Call, Script};
use chatops_sandbox::slack::{Ack, Message, Sent, Typed};
use chatops_sandbox::{Fault, Sandbox};
use chatops_testbed::deploy_id;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Process, Records, Server, World};

/// How often the process is killed.
const KILLS: u64 = 30;

/// People who type at the same time.
const TYPISTS: u32 = 3;

/// A person's pause between two commands: it sets the load and waits for nothing.
const PAUSE: Duration = Duration::from_millis(30);

const SEED: u64 = 0x5eed_0fc4_a70b;

/// Short enough that a deploy that met a kill ends within seconds.
const TIMES: &str = r#"
connect_timeout = "200ms"
request_timeout = "500ms"
send_window = "1s"
horizon = "1500ms"
search_for = "4s"
grace = "500ms"
poll_first = "50ms"
poll_longest = "100ms"
retry_first = "50ms"
reply_lease = "800ms"
sweep_every = "300ms"
unresolved_lock = "1s"
"#;

/// Marsaglia's xorshift: the same moments in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A command, and what its asker heard at once.
struct Asked {
    sent: Sent,
    ack: Ack,
}

impl Asked {
    fn accepted(&self) -> bool {
        self.ack.status == Some(200) && self.ack.shown.contains("*Accepted:*")
    }

    /// Nobody told the asker what became of it: it may be queued or not.
    fn open(&self) -> bool {
        self.ack.status.is_none() || self.ack.shown.contains("*Could not confirm:*")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_thirty_kills() {
    println!("seed {SEED:#x}");
    let world = Arc::new(World::with_times(TIMES).await);
    script(&world.sandbox);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (address, heard) = watch::channel(None);
    let mut typists = JoinSet::new();
    for number in 0..TYPISTS {
        typists.spawn(types_on(
            number,
            Arc::clone(&world),
            heard.clone(),
            Arc::clone(&asked),
        ));
    }

    let mut random = Random(SEED);
    for round in 0..KILLS {
        let mut process = Process::spawn(world.command());
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
    let asked = std::mem::take(&mut *asked.lock().unwrap());

    let before = world.records();
    let lost = |asked: &&Asked| !before.heads.contains_key(&deploy_id(&asked.sent));
    let waiting = asked.iter().filter(|a| a.accepted()).filter(lost).count();
    let server = world.serve().await;
    let records = world.quiet().await;
    server.stop().await;

    let accepted = asked.iter().filter(|asked| asked.accepted()).count();
    let open = asked.iter().filter(|asked| asked.open()).count();
    println!("{accepted} accepted, {open} without an answer");
    println!("{waiting} accepted commands were not on record yet after the last kill");
    let mut ends: BTreeMap<State, usize> = BTreeMap::new();
    for head in records.heads.values() {
        *ends.entry(head.state).or_default() += 1;
    }
    println!("{ends:?}");
    assert!(accepted > 60, "that was no load: {accepted} commands");
    check(&world, &asked, &records);
}

fn script(sandbox: &Sandbox) {
    let build = Duration::from_millis(300);
    let mut model = sandbox.circleci().lock();
    // Listed late, so that a look-up has to be repeated.
    model.script("test", Script::success(build).listed_after(build / 2));
    model.script("migrate", Script::failure(build));
}

/// One person types commands for as long as there is somebody to send them to.
async fn types_on(
    number: u32,
    world: Arc<World>,
    mut address: watch::Receiver<Option<String>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    for n in 0.. {
        let Ok(url) = address
            .wait_for(Option::is_some)
            .await
            .map(|url| url.clone())
        else {
            return;
        };
        // Every fourth command takes a lock. Each has a branch of its own, so that a look-up
        // after a lost answer has little to read.
        let job = if n % 4 == 3 { "migrate" } else { "test" };
        let typed = Typed {
            user_id: format!("U{number}X{n}"),
            ..Typed::new(&format!("load/{number}-{n} {job}"))
        };
        // Every fifth trigger, whose ever it is, loses its answer: then a kill finds deploys whose
        // outcome nobody knows.
        if n % 5 == 4 {
            let circleci = world.sandbox.circleci();
            circleci.fail_next(Call::Trigger, Fault::AnswerLost);
        }
        let client = world.sandbox.client();
        let sent = client.compose(&url.unwrap_or_default(), &typed);
        // On record before it is sent: what is aborted half-way counts as unanswered.
        let mine = {
            let mut asked = asked.lock().unwrap();
            let ack = Ack {
                status: None,
                body: None,
                latency: Duration::ZERO,
                shown: String::new(),
            };
            asked.push(Asked {
                sent: sent.clone(),
                ack,
            });
            asked.len() - 1
        };
        let ack = client.send(&sent).await;
        asked.lock().unwrap()[mine].ack = ack;
        tokio::time::sleep(PAUSE).await;
    }
}

fn check(world: &World, asked: &[Asked], records: &Records) {
    records.verify();
    let asked: BTreeMap<DeployId, &Asked> = asked.iter().map(|a| (deploy_id(&a.sent), a)).collect();
    let mut pipelines: BTreeMap<DeployId, usize> = BTreeMap::new();
    for pipeline in world.pipelines() {
        let id = pipeline.parameters["deploy_id"].as_str().unwrap();
        *pipelines.entry(DeployId::parse(id).unwrap()).or_default() += 1;
    }
    for (id, count) in &pipelines {
        assert_eq!(*count, 1, "{id} was triggered {count} times");
        let asked = asked.get(id).expect("nobody asked for that pipeline");
        assert!(asked.accepted() || asked.open(), "{}", asked.ack.shown);
    }
    for (id, asked) in &asked {
        assert!(
            matches!(asked.ack.status, None | Some(200)),
            "{:?}",
            asked.ack
        );
        let Some(head) = records.heads.get(id) else {
            assert!(!asked.accepted(), "{id} was accepted and is lost");
            assert!(world.told(&asked.sent).is_empty());
            continue;
        };
        assert!(asked.accepted() || asked.open(), "{}", asked.ack.shown);
        if asked.accepted() {
            let short = format!("`{}`", id.short(ShortId::USUAL));
            assert!(asked.ack.shown.contains(&short), "{}", asked.ack.shown);
        }
        let built = pipelines.contains_key(id);
        match head.state {
            State::Succeeded | State::Failed => assert!(built, "{id}"),
            State::Refused | State::TriggerFailed => assert!(!built, "{id}"),
            // Killed between the intent and the POST, or before the answer could be looked for.
            State::Unresolved => {}
            other => panic!("{id} ended {other}"),
        }
        told_in_the_end(world, &asked.sent, *id);
    }
    // Only a deploy whose start could not be proven keeps its lock, and that for a time.
    for (id, expires) in &records.locks {
        let state = records.heads[id].state;
        assert!(*expires && state == State::Unresolved, "{id} holds a lock");
    }
}

/// The asker was told the end, and every copy after the first says that it is one.
fn told_in_the_end(world: &World, sent: &Sent, id: DeployId) {
    let told = world.told(sent);
    let (progress, last): (Vec<_>, Vec<_>) = told
        .iter()
        .map(Message::shown)
        .partition(|shown| shown.contains("*Running:*"));
    assert!(progress.len() <= 1, "{id}: {progress:?}");
    assert!(!last.is_empty(), "{id} was never told");
    for copy in &last[1..] {
        assert!(copy.contains("said again"), "{id}: {last:?}");
    }
    assert!(told.iter().all(|message| message.nth_use <= 5), "{id}");
}

#[tokio::test]
async fn a_stop_loses_nothing_that_was_typed_just_before() {
    let world = World::new().await;
    let server = world.serve().await;
    let ack = world.types(&server, "main test").await;
    let ended = server.stop().await;
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    let said = ended.stdout.join("\n");
    assert!(
        said.contains("stopping: finishing what is in hand"),
        "{said}"
    );

    let server = world.serve().await;
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.only().state, State::Succeeded);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_trigger_that_is_under_way() {
    let world = World::new().await;
    let hang = Fault::Hang {
        for_: Duration::from_millis(500),
    };
    world.sandbox.circleci().fail_next(Call::Trigger, hang);
    let server = world.serve().await;
    world.types(&server, "main test").await;
    world.posts(1).await;
    server.stop().await;
    // The process did not leave before it had written down that it never heard an answer.
    let records = world.records();
    let head = records.only();
    assert!(records.audit(head.id).contains(r#""what":"doubted""#));

    let server = world.serve().await;
    world.message("*Unresolved:*").await;
    assert_eq!(world.posts_so_far(), 1, "in doubt nothing is sent again");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_say_nothing() {
    let world = World::new().await;
    let server = world.serve().await;
    let mut silent = Vec::new();
    for head in ["", "POST /slack/commands HTTP/1.1\r\nHost: x\r\n"] {
        silent.push(speaks(&server, head));
    }
    // This one has had its answer and keeps the connection.
    let mut kept = speaks(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = [0; 15];
    std::io::Read::read_exact(&mut kept, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(silent);
}

fn speaks(server: &Server, text: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    stream
}
