//! The sandbox around a real `chatops serve`, and what the two leave behind: a room for each side of it.

mod circleci;
mod data_file;
mod process;
mod slack;
mod waiting;
mod world;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_local::clock::WallClock;

pub(crate) use circleci::{BUILD_TIME, HANG, rate_limit, reject};
pub(crate) use data_file::DataFileRows;
pub(crate) use process::{
    ChildProcess, ProcessExit, ServerProcess, chatops, limited, run, run_args, shell,
};
pub(crate) use slack::{BOT_TOKEN, ack_kind, mark, typed_by};
pub(crate) use waiting::{WAIT_TIMEOUT, wait_until};
pub(crate) use world::{FORM_TOKEN, SIGNING_SECRET, ServeWorld, TOKEN};

#[track_caller]
pub(crate) fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "'{words}' is not in: {text}");
}

pub(crate) fn now() -> Time {
    WallClock.now()
}
