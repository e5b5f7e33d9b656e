//! The real process under load, killed again and again, on a machine and beside vendors that fail: what it
//! acknowledged is counted, and so is what became of it. Everything random comes from the seed; how the
//! operating system interleaves it does not.

mod judge;
mod load;
mod machine;
mod trouble;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::{Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};

pub use self::judge::ChaosReport;
use self::load::Load;
use self::machine::Machine;
use self::trouble::Trouble;

const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
const TOKEN: &str = "token-of-circleci";

/// Short enough that a deploy that was interrupted ends within seconds.
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

/// How long a build takes.
const BUILD: Duration = Duration::from_millis(300);

/// The longest that the process lives before it is killed, in milliseconds.
const LONGEST_LIFE_MS: u64 = 600;

/// What a run is like.
#[derive(Debug, Clone)]
pub struct ChaosSettings {
    /// The program `chatops`.
    pub program: PathBuf,
    /// How often it ends; one in eight is a stop instead of a kill.
    pub kills: u32,
    /// It goes on until so many commands were accepted: a slow machine accepts less between two kills.
    pub accepted: usize,
    /// Where the random choices come from.
    pub seed: u64,
}

/// Marsaglia's xorshift: the same choices in every run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Kills the server as often as asked, lets it finish in peace, and says what became of everything that it
/// accepted. `seen` is called after each kill.
pub async fn run(settings: &ChaosSettings, mut seen: impl FnMut(u32)) -> Result<ChaosReport> {
    let began = Instant::now();
    let project = FakeProject::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
    let sandbox = Sandbox::start(SandboxSettings::new(SIGNING_SECRET, vec![project])).await?;
    script(&sandbox);
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("chatops.toml"), config(&sandbox))?;
    let machine = Machine::prepare(&settings.program, dir.path())?;
    let sandbox = std::sync::Arc::new(sandbox);
    let load = Load::start(&sandbox);
    let mut random = Random(settings.seed.max(1));
    let mut report = ChaosReport::new(settings.seed);

    while report.kills + report.stops < settings.kills || load.accepted() < settings.accepted {
        let trouble = Trouble::draw(&mut random);
        report.note(trouble);
        trouble.begin(&machine, &sandbox).await?;
        let mut server = machine.spawn(trouble.descriptors())?;
        // One in five dies while it starts, the others under load.
        if random.below(5) > 0
            && let Some(url) = server.serving().await
        {
            trouble.crowd(&mut server, &url);
            load.send_to(Some(url));
        }
        // This pause is the fault: the end comes at a moment that nothing is ready for.
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        if random.below(8) == 0 {
            report.stops += 1;
            server.stop().await.context("it was asked to stop")?;
        } else {
            report.kills += 1;
            server.kill().await?;
        }
        load.send_to(None);
        trouble.end(&machine, &sandbox).await?;
        seen(report.kills + report.stops);
    }
    let typed = load.end().await;
    let mut server = machine.spawn(None)?;
    if server.serving().await.is_none() {
        bail!("the last server does not serve: {}", machine.errors());
    }
    let finishing = Instant::now();
    judge::wait_until_quiet(&machine, &sandbox).await;
    report.finished_in = finishing.elapsed();
    server
        .stop()
        .await
        .context("the last server was asked to stop")?;
    judge::judge(&mut report, &machine, &sandbox, &typed)?;
    report.took = began.elapsed();
    Ok(report)
}

fn script(sandbox: &Sandbox) {
    let mut circleci = sandbox.circleci().lock();
    // Listed late, so that a lookup has to be repeated.
    circleci.script_job("test", RunScript::success(BUILD).listed_after(BUILD / 2));
    circleci.script_job("migrate", RunScript::failure(BUILD));
}

fn config(sandbox: &Sandbox) -> String {
    let migrate = TestJob::limited("migrate", &["**"], &["C0001"], &["*"]);
    let jobs = [
        migrate.with("environment = \"production\""),
        TestJob::open("test").with("exclusive = false"),
    ];
    TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(sandbox.circleci_url())
        .timeouts(TIMES)
        .project("web", &jobs)
        .text()
}
