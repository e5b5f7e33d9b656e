//! The data file goes, changes or cannot be written while the server runs: nothing is acknowledged that is
//! not kept, and the health check and the log say why.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::text::MessageKind::{Accepted, NotAccepted};
use chatops_testkit::Patience;

use crate::support::{ServeWorld, ServerProcess, ack_kind, assert_says, limited, run, wait_until};

fn beside(world: &ServeWorld, suffix: &str) -> PathBuf {
    world.dir().join(format!("chatops.db{suffix}"))
}

fn remove_all(world: &ServeWorld) {
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(beside(world, suffix)).unwrap();
    }
}

fn truncate(path: PathBuf) {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
}

/// What happens to a file, and what is said of it.
type Loss = (fn(&ServeWorld), &'static str);

const LOSSES: [Loss; 9] = [
    (remove_all, "the data file was removed or replaced"),
    (
        |world| fs::rename(world.data(), beside(world, ".old")).unwrap(),
        "the data file was removed or replaced",
    ),
    (
        |world| {
            fs::copy(world.data(), beside(world, ".copy")).unwrap();
            fs::rename(beside(world, ".copy"), world.data()).unwrap();
        },
        "the data file was removed or replaced",
    ),
    (
        |world| truncate(world.data()),
        "the data file was truncated or overwritten",
    ),
    // Its beginning is as it was.
    (
        |world| {
            let file = OpenOptions::new().write(true).open(world.data()).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        },
        "the data file was truncated or overwritten",
    ),
    (
        |world| fs::write(world.data(), "something else").unwrap(),
        "the data file was truncated or overwritten",
    ),
    (
        |world| fs::remove_file(beside(world, "-wal")).unwrap(),
        "the write-ahead log of the data file was removed or replaced",
    ),
    (
        |world| fs::remove_file(beside(world, "-shm")).unwrap(),
        "the write-ahead log of the data file was removed or replaced",
    ),
    (
        |world| truncate(beside(world, "-wal")),
        "the write-ahead log of the data file was truncated",
    ),
];

#[tokio::test]
async fn what_cannot_be_kept_is_not_accepted() {
    for (lose, words) in LOSSES {
        let (world, server) = ServeWorld::start().await;
        world.deploy(&server, "main test", Succeeded).await;
        assert_eq!(server.health().await, (200, "ok\n".to_owned()));
        lose(&world);
        let ack = world.type_command(&server, "main deploy").await;
        assert_eq!(ack_kind(&ack), Some(NotAccepted), "{words}: {}", ack.shown);
        server.wait_health(503, words).await;
        let line = "not healthy: no command is accepted";
        assert_says(&server.process.wait_line(line).await, words);
        assert_eq!(world.trigger_count(), 1, "{words}");
        // It stays up, and ends as ever.
        let ended = server.stop().await;
        let said = ended.stdout.iter().filter(|said| said.contains(line));
        assert_eq!(said.count(), 1, "{words}: {:#?}", ended.stdout);
    }
}

/// A sweep is enough: nobody has to ask.
#[tokio::test]
async fn a_loss_is_noticed_without_a_command() {
    let (world, server) = ServeWorld::start().await;
    remove_all(&world);
    server.process.wait_line("not healthy").await;
    // What comes back may have been written by another: a start looks at it anew.
    server.stop().await;
    let server = world.serve().await;
    server.process.wait_line("a new data file was made").await;
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
}

#[tokio::test]
async fn what_was_accepted_outlives_its_write_ahead_log() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main test", Succeeded).await;
    let kept = world.wait_settled().await.only_record().clone();
    fs::remove_file(beside(&world, "-wal")).unwrap();
    server.wait_health(503, "restart chatops").await;
    server.stop().await;
    let server = world.serve().await;
    assert_eq!(world.records().only_record(), &kept);
    server.stop().await;
}

#[tokio::test]
async fn an_older_copy_over_the_file_is_noticed() {
    let (world, server) = ServeWorld::start().await;
    server.stop().await;
    fs::copy(world.data(), beside(&world, ".copy")).unwrap();
    let server = world.serve().await;
    // A probe changes the first page, and the write-ahead log is written to the file.
    world.deploy(&server, "main test", Succeeded).await;
    world.wait_settled().await;
    server.wait_health(200, "ok").await;
    let emptied = "PRAGMA wal_checkpoint(TRUNCATE)";
    let data = world.open_data();
    data.query_row(emptied, [], |_| Ok(())).unwrap();
    drop(data);
    server.wait_health(200, "ok").await;
    let mut older = fs::File::open(beside(&world, ".copy")).unwrap();
    let mut file = OpenOptions::new().write(true).open(world.data()).unwrap();
    std::io::copy(&mut older, &mut file).unwrap();
    server.wait_health(503, "truncated or overwritten").await;
    server.stop().await;
}

/// Others may write the write-ahead log to the file, and make the file smaller: that is no loss.
#[tokio::test]
async fn what_others_may_do_to_the_file_is_no_loss() {
    const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (world, server) = ServeWorld::start().await;
    let mut lengths = vec![];
    for sql in [
        CHECKPOINT,
        "CREATE TABLE filler AS SELECT randomblob(1000000) AS filler",
        CHECKPOINT,
        "DROP TABLE filler",
        "VACUUM",
        CHECKPOINT,
    ] {
        world.deploy(&server, "main test", Succeeded).await;
        world.wait_settled().await;
        let done = wait_until(sql, || {
            let data = world.open_data();
            let mut statement = data.prepare(sql).unwrap();
            let ran = statement
                .query([])
                .and_then(|mut rows| rows.next().map(drop));
            ran.ok()
        });
        done.await;
        assert_eq!(server.health().await, (200, "ok\n".to_owned()), "{sql}");
        lengths.push(fs::metadata(world.data()).unwrap().len());
    }
    assert!(lengths[5] + 900_000 < lengths[2], "{lengths:?}");
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
}

/// A limit of the size of files is as good as a full disk.
#[tokio::test]
async fn a_full_disk_is_not_healthy() {
    let world = ServeWorld::new().await;
    // In blocks of 512 bytes: a new data file has room, and little more.
    let server = ServerProcess::start(limited(&world.command(), "-f 700")).await;
    server.wait_health(200, "ok").await;
    let mut patience = Patience::new("a command that is not accepted");
    loop {
        let ack = world.type_command(&server, "main test").await;
        if ack_kind(&ack) != Some(Accepted) {
            break;
        }
        patience.pause(world.pipelines().len() as u64).await;
    }
    server.wait_health(503, "the disk").await;
    server.process.wait_line("not healthy").await;
    drop(server);
    // With room, all of it is there.
    let server = world.serve().await;
    world.wait_settled().await.verify();
    server.stop().await;
}

#[tokio::test]
async fn another_name_of_the_file_leads_to_the_same_lock() {
    let (world, server) = ServeWorld::start().await;
    let other = world.dir().join("other.db");
    fs::hard_link(world.data(), &other).unwrap();
    let second = world.command_on(&other, "127.0.0.1:0");
    let said = run(second).await.failure(1);
    assert_says(&said, "other.db is in use by another `chatops serve`");
    server.stop().await;
    // And with two names it is not used at all.
    for name in [&other, &world.data()] {
        let command = world.command_on(name, "127.0.0.1:0");
        let said = run(command).await.failure(1);
        assert_says(&said, "has 2 names (hard links)");
    }
    fs::remove_file(&other).unwrap();
    world.serve().await.stop().await;
}
