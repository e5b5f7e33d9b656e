//! One browser with one page: what is seen, what is typed and pressed. Every question is one script, so
//! that nothing changes between its parts.

use std::io::Write as _;
use std::path::Path;
use std::sync::Once;

use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::driver::{Driver, WindowSize};

/// The window that most people have at least.
pub(crate) const WIDE: WindowSize = WindowSize {
    width: 1280,
    height: 800,
};

/// A telephone.
pub(crate) const NARROW: WindowSize = WindowSize {
    width: 400,
    height: 800,
};

/// In this colour scheme.
pub(crate) const DARK: &str = "--blink-settings=preferredColorScheme=0";

/// A browser is large: two at a time.
static TURNS: Semaphore = Semaphore::const_new(2);

static SKIPPED: Once = Once::new();

/// A browser. It ends when dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    // Ends the browser before the next begins.
    _driver: Driver,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// A browser with this window; `None` if there is none on this machine and none is required.
    pub(crate) async fn start(size: WindowSize, arguments: &[&str]) -> Option<Self> {
        let turn = TURNS.acquire().await.unwrap();
        let Some(driver) = Driver::start() else {
            let required = std::env::var_os("CHATOPS_BROWSER").is_some_and(|it| it == "required");
            assert!(!required, "there is no chromedriver: run .ci/browser");
            SKIPPED.call_once(|| {
                // Past the capture of the test harness, which would hide it.
                let line =
                    b"the tests of the page are skipped: there is no chromedriver (.ci/browser)\n";
                let _ = std::io::stderr().write_all(line);
            });
            return None;
        };
        let Value::Object(capabilities) = driver.capabilities(size, arguments) else {
            unreachable!("they are an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .unwrap();
        Some(Self {
            client,
            _driver: driver,
            _turn: turn,
        })
    }

    /// Opens a page and waits until it shows its channels.
    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
        self.wait("the channels", "document.querySelector('#channels button')")
            .await;
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.client.execute(&script, vec![]).await.unwrap()
    }

    /// Waits until the expression is true there; its value.
    pub(crate) async fn wait(&self, what: &str, expression: &str) -> Value {
        let script =
            format!("const found = ({expression}); return found instanceof Element || found;");
        let asked = async || {
            let found = self.client.execute(&script, vec![]).await.unwrap();
            let nothing = matches!(found, Value::Null | Value::Bool(false));
            (!nothing).then_some(found)
        };
        chatops_testkit::wait_until(what, asked).await
    }

    /// Waits until a message of the channel says this; its text.
    pub(crate) async fn wait_message(&self, words: &str) -> String {
        let all = "[...document.querySelectorAll('#messages .message')]";
        let text = "(m) => m.querySelector('.body').innerText";
        let words_in = serde_json::to_string(words).unwrap();
        let found = format!("{all}.map({text}).findLast((text) => text.includes({words_in}))");
        let found = self.wait(words, &format!("{found} ?? null")).await;
        found.as_str().unwrap().to_owned()
    }

    /// Whether a message of the channel says this now.
    pub(crate) async fn has_message(&self, words: &str) -> bool {
        let words = serde_json::to_string(words).unwrap();
        let shown = format!("document.querySelector('#messages').innerText.includes({words})");
        self.value(&shown).await == Value::Bool(true)
    }

    /// Clicks what matches, as soon as it can be clicked. A page may show a thing anew at any moment.
    pub(crate) async fn click(&self, place: Locator<'_>) {
        let clicked = async || {
            let clicked = async { self.client.find(place).await?.click().await };
            done(clicked.await)
        };
        chatops_testkit::wait_until(&format!("{place:?}"), clicked).await;
    }

    /// Clicks the newest button with this label in the conversation or a dialog.
    pub(crate) async fn press(&self, label: &str) {
        let path =
            format!("(//main//*[self::button or self::a][normalize-space()='{label}'])[last()]");
        self.click(Locator::XPath(&path)).await;
    }

    /// Clicks the answer in the open dialog.
    pub(crate) async fn answer(&self, label: &str) {
        let path = format!("//dialog//button[normalize-space()='{label}']");
        self.click(Locator::XPath(&path)).await;
    }

    /// Becomes another person, or goes to another channel.
    pub(crate) async fn choose(&self, list: &str, name: &str) {
        let path = format!("//ul[@id='{list}']//button[.//*[normalize-space()='{name}']]");
        self.click(Locator::XPath(&path)).await;
        let place = format!(
            "[...document.querySelectorAll('#{list} [aria-current] .name')].some((it) => it.textContent === '{name}')"
        );
        self.wait(name, &place).await;
    }

    /// Types a line and Enter.
    pub(crate) async fn type_line(&self, words: &str) {
        let field = self.client.find(Locator::Id("words")).await.unwrap();
        let enter = char::from(Key::Enter);
        field.send_keys(&format!("{words}{enter}")).await.unwrap();
    }

    /// Keeps a picture of the page, for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let picture = self.client.screenshot().await.unwrap();
        keep(&root.join("target/screenshots"), name, &picture);
    }

    /// The same, which is also part of the documentation.
    pub(crate) async fn documented_picture(&self, name: &str, of: Option<&str>) {
        let picture = match of {
            Some(place) => {
                let element = self.client.find(Locator::Css(place)).await.unwrap();
                element.screenshot().await.unwrap()
            }
            None => self.client.screenshot().await.unwrap(),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        keep(&root.join("target/screenshots"), name, &picture);
        if std::env::var_os("UPDATE_PICTURES").is_some() {
            keep(&root.join("docs/images"), name, &picture);
        }
    }
}

/// A click that was made; `None` if it can be made later.
fn done(result: Result<(), CmdError>) -> Option<()> {
    match result {
        Ok(()) => Some(()),
        Err(error)
            if error.is_no_such_element()
                || error.is_stale_element_reference()
                || error.is_element_not_interactable()
                || is_covered(&error) =>
        {
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether something else lies over the element.
fn is_covered(error: &CmdError) -> bool {
    let covered = "element click intercepted";
    matches!(error, CmdError::Standard(error) if error.error() == covered)
}

fn keep(folder: &Path, name: &str, picture: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name).with_extension("png"), picture).unwrap();
}
