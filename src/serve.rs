//! `chatops serve`: from the options to the running server, and what signals ask of it.

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use chatops_core::config::CheckedConfig;
use chatops_local::modes;
use chatops_local::secrets::EnvSecrets;
use chatops_local::serve::{ChatopsServer, Reloader, ServeSettings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::cli::ServeOptions;
use crate::config_file::read_checked;
use crate::{logging, service_manager};

/// Runs until a signal asks for the end.
pub(crate) async fn run(options: ServeOptions) -> Result<ExitCode> {
    // Before anything else: a signal that comes during the start is obeyed after it.
    let mut signals = Signals::listen()?;
    let log = logging::init_logging(options.log, &options.log_level)?;
    let path = options.config.path;
    let checked = load_config(&path)?;
    let warnings = checked.warnings.len();
    let settings = ServeSettings {
        config: Arc::new(checked.config),
        secrets: EnvSecrets::read(|name| std::env::var_os(name))?,
        data: options.data.path,
        listen: options.listen,
        lost_log_lines: log.lost_lines(),
    };
    let server = ChatopsServer::start(settings).await?;
    tell_warnings(warnings);
    let reloader = server.reloader();
    service_manager::tell_serving("");
    let (stop, asked) = oneshot::channel();
    let mut stop = Some(stop);
    let mut running = pin!(server.run_until(async {
        let _ = asked.await;
    }));
    loop {
        tokio::select! {
            ended = &mut running => {
                ended?;
                info!("stopped");
                return Ok(ExitCode::SUCCESS);
            }
            signal = signals.next() => match (signal, stop.take()) {
                (AskedFor::Reload, kept) => {
                    stop = kept;
                    service_manager::tell_reloading();
                    let kept = reload(&path, &reloader);
                    service_manager::tell_serving(kept);
                }
                (AskedFor::Stop(signal), Some(stop)) => {
                    info!(signal, "asked to stop");
                    service_manager::tell_stopping();
                    let _ = stop.send(());
                }
                (AskedFor::Stop(signal), None) => {
                    warn!(signal, "asked to stop again: ending at once; the rest is on record");
                    return Ok(ExitCode::FAILURE);
                }
            },
        }
    }
}

/// Takes up the configuration and the secrets as they are now. What cannot be used changes nothing; it says
/// what stays in use for that, and the log says why.
fn reload(path: &Path, reloader: &Reloader) -> &'static str {
    info!(config = %path.display(), "asked to read the configuration and the secrets again");
    let all_read = reloader.reread_secrets();
    let used = load_config(path).and_then(|checked| {
        reloader.use_config(checked.config)?;
        tell_warnings(checked.warnings.len());
        Ok(())
    });
    if let Err(error) = used {
        for mistake in format!("{error:#}").lines() {
            error!(mistake, "the configuration is not used");
        }
        error!("the configuration that was read before stays in use");
        return "the configuration that was read before stays in use: the log says why";
    }
    if all_read {
        ""
    } else {
        "a secret that was read before stays in use: the log says why"
    }
}

/// Says that the configuration in use has warnings.
fn tell_warnings(count: usize) {
    if count > 0 {
        warn!(
            count,
            "the configuration has warnings: `chatops config check` shows them"
        );
    }
}

fn load_config(path: &Path) -> Result<CheckedConfig> {
    let checked = read_checked(path)?;
    if let Some(mode) = modes::excess(path, modes::CONFIGURATION) {
        warn!(
            config = %path.display(),
            mode = %modes::octal(mode),
            "everybody on this machine can change the configuration, and so who may deploy: chmod o-w"
        );
    }
    Ok(checked)
}

/// What a signal asks for.
enum AskedFor {
    /// The name of the signal.
    Stop(&'static str),
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Of a limit of the size of files: without a handler it would end the process, and the write that went
    /// too far fails anyway.
    _file_too_large: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen =
            |kind, name: &str| signal(kind).with_context(|| format!("no {name} is received"));
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
            _file_too_large: listen(
                SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()),
                "SIGXFSZ",
            )?,
        })
    }

    async fn next(&mut self) -> AskedFor {
        tokio::select! {
            _ = self.terminate.recv() => AskedFor::Stop("SIGTERM"),
            _ = self.interrupt.recv() => AskedFor::Stop("SIGINT"),
            _ = self.hangup.recv() => AskedFor::Reload,
        }
    }
}
