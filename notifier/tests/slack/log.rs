//! What is logged, at every level, while something is posted: nothing that opens a door.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use chatops_core::ports::Chat as _;
use tracing_subscriber::filter::LevelFilter;

use crate::bot::{TOKEN, Tokens, bot, conversation, slack};
use crate::support::{PATH, answer, client, exchange, post, stored};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
}

/// Keeps what is logged for the thread that logs it.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens at every level, and forgets what this thread has logged before.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| Here)
            .init();
    });
    LINES.take();
}

/// What this thread has logged since then; neither the token nor the address is in it.
pub(crate) fn heard() -> String {
    let log = String::from_utf8(LINES.take()).unwrap();
    assert!(!log.contains("canary"), "{log}");
    log
}

#[tokio::test]
async fn neither_the_token_nor_the_address_is_logged() {
    listen();
    let texts = [
        answer("200 OK", "", r#"{"ok":true}"#),
        answer("200 OK", "", r#"{"ok":false,"error":"invalid_auth"}"#),
        answer("500 Internal Server Error", "", ""),
        String::new(),
    ];
    let (listener, origin) = slack().await;
    let tokens = Tokens::new(Some(TOKEN), None);
    let client = (client(&origin), bot(&origin, "", &tokens));
    for text in texts {
        exchange(&listener, &client.1, &conversation(), &post(), &text).await;
        let to = stored(&format!("{origin}{PATH}"));
        exchange(&listener, &client.0, &to, &post(), &text).await;
    }
    client.1.renew_token().await;
    let log = heard();
    assert!(
        log.contains("the bot's token could not be read afresh"),
        "{log}"
    );
    let printed = format!(
        "{client:?} {:?} {:#?}",
        conversation(),
        stored(&format!("{origin}{PATH}"))
    );
    assert!(!printed.contains(PATH), "{printed}");
}
