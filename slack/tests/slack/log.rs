//! What is logged, at every level, while something is posted: no secret.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use chatops_core::ports::ChatClient as _;
use tracing_subscriber::filter::LevelFilter;

use crate::bot::{bot_client, bot_target, listen_as_slack, usual_token};
use crate::support::{
    PATH, any_message, client, error_response, exchange_once, ok_response, raw_response,
    stored_target,
};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
}

/// Keeps what is logged for the thread that logs it.
struct LogCapture;

impl io::Write for LogCapture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures every level, and drops what this thread has logged before.
pub(crate) fn capture_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| LogCapture)
            .init();
    });
    LINES.take();
}

/// What this thread has logged since then; neither the token nor the response URL is in it.
pub(crate) fn take_log() -> String {
    let log = String::from_utf8(LINES.take()).unwrap();
    assert!(!log.contains("canary"), "{log}");
    log
}

#[tokio::test]
async fn neither_the_token_nor_the_response_url_is_logged() {
    capture_log();
    let texts = [
        ok_response(),
        error_response("invalid_auth"),
        raw_response("500 Internal Server Error", "", ""),
        String::new(),
    ];
    let (listener, origin) = listen_as_slack().await;
    let tokens = usual_token();
    let client = (client(&origin), bot_client(&origin, "", &tokens));
    for text in texts {
        exchange_once(&listener, &client.1, &bot_target(), &any_message(), &text).await;
        let to = stored_target(&format!("{origin}{PATH}"));
        exchange_once(&listener, &client.0, &to, &any_message(), &text).await;
    }
    client.1.renew_token().await;
    let (log, message) = (take_log(), "the bot's token could not be refreshed");
    assert!(log.contains(message), "{log}");
    let target = stored_target(&format!("{origin}{PATH}"));
    let printed = format!("{client:?} {:?} {target:#?}", bot_target());
    assert!(!printed.contains(PATH), "{printed}");
}
