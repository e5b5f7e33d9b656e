//! What the program under test logs, by the thread that logs it: tests that run side by side see their own.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::filter::LevelFilter;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
}

struct ThreadLog;

impl io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures every level, as JSON without times. Called before anything can log, since a call site
/// decides at its first event whether it is enabled.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .without_time()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| ThreadLog)
            .init();
    });
}

/// What this thread has logged since the last call.
pub fn take() -> String {
    String::from_utf8(LINES.take()).unwrap()
}
