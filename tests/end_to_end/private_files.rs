//! Who may read what lies on the disk: the files' modes, and what is left in the data file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_sandbox::circleci::RunScript;

use crate::operator;
use crate::support::{
    BUILD_TIME, SIGNING_SECRET, ServeWorld, ServerProcess, TOKEN, assert_says, run, shell,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn assert_private(world: &ServeWorld) {
    for name in ["chatops.db", "chatops.db-wal", "chatops.db-shm"] {
        assert_eq!(mode(&world.dir().join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_data_file_is_its_owners_alone() {
    let world = ServeWorld::new().await;
    let command = || shell(&world.command(), "umask 0");
    let server = ServerProcess::start(command()).await;
    assert_private(&world);
    server.stop().await;
    set_mode(&world.data(), 0o666);
    let server = ServerProcess::start(command()).await;
    assert_private(&world);
    let line = server.process.wait_line("its mode is 0600 now").await;
    assert_says(&line, "mode=0666");
    server.stop().await;
}

#[tokio::test]
async fn files_that_are_open_to_others_are_warned_of() {
    let world = ServeWorld::new().await;
    let secret = world.dir().join("secret");
    fs::write(&secret, SIGNING_SECRET).unwrap();
    let with_secret = |mut command: std::process::Command| {
        command.env_remove("SLACK_SIGNING_SECRET");
        command.env("SLACK_SIGNING_SECRET_FILE", &secret);
        command
    };
    for (secret_mode, config_mode, warned) in [
        (0o640, 0o664, false),
        (0o644, 0o666, true),
        (0o660, 0o602, true),
    ] {
        set_mode(&secret, secret_mode);
        set_mode(&world.config(), config_mode);
        let server = ServerProcess::start(with_secret(world.command())).await;
        let mut doctor = operator::command(&world, &["doctor"]);
        doctor.env("CIRCLECI_TOKEN", TOKEN);
        let report = run(with_secret(doctor)).await.stdout.join("\n");
        let log = server.stop().await.stdout.join("\n");
        for (said, words) in [
            (&log, "the secret's file is open to others"),
            (
                &log,
                "everybody on this machine can change the configuration",
            ),
            (&report, "its file is open to others (mode 06"),
            (&report, "can be changed by everybody (mode 06"),
        ] {
            assert_eq!(said.contains(words), warned, "{words}: {said}");
        }
    }
}

/// How often one of the texts is in a file.
fn count(path: &Path, texts: &[String]) -> usize {
    let bytes = fs::read(path).unwrap_or_default();
    let bytes = String::from_utf8_lossy(&bytes);
    texts
        .iter()
        .map(|text| bytes.matches(text.as_str()).count())
        .sum()
}

/// SQLite leaves a copy in about one file of a hundred, where it has moved rows between pages. If it did not
/// overwrite what is removed, at least ten would stay.
const LEFT_BY_SQLITE: usize = 3;

#[tokio::test]
async fn response_urls_do_not_stay_in_free_pages() {
    let (world, server) = ServeWorld::start().await;
    world.script("test", RunScript::success(BUILD_TIME));
    let mut sent = Vec::new();
    for _ in 0..30 {
        sent.push(world.send(&server, "main test").await);
    }
    for command in &sent {
        world.wait_end(command, Succeeded).await;
    }
    world.wait_settled().await;
    let urls = sent.iter().map(|command| &command.response_path);
    let urls: Vec<_> = urls
        .map(|path| path.rsplit('/').next().unwrap().to_owned())
        .collect();
    // While it runs: the write-ahead log is written to the file as it is once a minute.
    let data = world.open_data();
    let emptied: i64 = data
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    drop(data);
    if emptied == 0 {
        assert!(count(&world.data(), &urls) <= LEFT_BY_SQLITE);
    }
    server.stop().await;
    assert!(count(&world.data(), &urls) <= LEFT_BY_SQLITE);
    assert!(!world.dir().join("chatops.db-wal").exists());
}

/// A backup on a medium that nobody can write is read as any other file.
#[tokio::test]
async fn a_backup_on_a_read_only_medium_can_be_read() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main test", Succeeded).await;
    world.wait_settled().await;
    server.stop().await;
    let medium = tempfile::tempdir().unwrap();
    let backup = medium.path().join("100% of it?#.db");
    fs::copy(world.data(), &backup).unwrap();
    set_mode(&backup, 0o444);
    set_mode(medium.path(), 0o555);
    let mut command = crate::support::chatops("history");
    command.arg("--data").arg(&backup);
    // Root can write everywhere: another user reads.
    if fs::File::create(medium.path().join("probe")).is_ok() {
        fs::remove_file(medium.path().join("probe")).unwrap();
        let program = medium.path().join("chatops");
        fs::copy(command.get_program(), &program).unwrap();
        let mut other = std::process::Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        other.arg(program).args(command.get_args());
        other.stdout(std::process::Stdio::piped());
        other.stderr(std::process::Stdio::piped());
        command = other;
    }
    assert_says(&run(command).await.success(), "main");
    set_mode(medium.path(), 0o755);
}
