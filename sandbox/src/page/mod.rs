//! The page at Slack's address: what one person sees of this Slack, and CircleCI beside it. It is plain
//! HTML, CSS and JavaScript, and gets what it shows as JSON, over one stream of events.
//!
//! It decides nothing about the app: a command and a press go to it as from Slack, signed.

pub(crate) mod guard;
mod requests;
mod stream;
mod switches;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use self::guard::OwnAddress;
use crate::circleci::{CircleCiServer, FakeCircleCi};
use crate::journal::Journal;
use crate::slack::{FakeSlack, InstalledApp};

/// Who and what the page offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The people whom one can be: name and id. The first is the one at the start.
    pub people: Vec<(String, String)>,
    /// The channels: name and id. The first is open at the start.
    pub channels: Vec<(String, String)>,
    /// Commands to try, without the slash command.
    pub suggestions: Vec<String>,
}

impl Workspace {
    fn person_name(&self, id: &str) -> Option<&str> {
        name_of(&self.people, id)
    }

    fn channel_name(&self, id: &str) -> Option<&str> {
        name_of(&self.channels, id)
    }
}

fn name_of<'a>(all: &'a [(String, String)], id: &str) -> Option<&'a str> {
    let found = all.iter().find(|(_, known)| known == id);
    found.map(|(name, _)| name.as_str())
}

/// What the page shows and what it can do.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) workspace: Workspace,
    /// The slash command.
    pub(crate) command: String,
    pub(crate) slack: Arc<FakeSlack>,
    pub(crate) circleci: Arc<FakeCircleCi>,
    pub(crate) circleci_server: Arc<CircleCiServer>,
    pub(crate) app: Arc<InstalledApp>,
    pub(crate) journal: Journal,
}

/// The files of the page: path, content type and text.
const FILES: [(&str, &str, &str); 8] = [
    ("/", HTML, include_str!("files/index.html")),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("files/page.css"),
    ),
    ("/icon.svg", "image/svg+xml", include_str!("files/icon.svg")),
    ("/page.js", SCRIPT, include_str!("files/page.js")),
    (
        "/conversation.js",
        SCRIPT,
        include_str!("files/conversation.js"),
    ),
    ("/blocks.js", SCRIPT, include_str!("files/blocks.js")),
    ("/mrkdwn.js", SCRIPT, include_str!("files/mrkdwn.js")),
    ("/circleci.js", SCRIPT, include_str!("files/circleci.js")),
];
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page, its stream and its requests.
pub(crate) fn router(page: Page, own: &OwnAddress) -> Router {
    let page = Arc::new(page);
    let changes = Router::new()
        .route("/page/command", post(requests::type_command))
        .route("/page/press", post(requests::press))
        .route("/page/circleci", post(switches::change))
        .with_state(Arc::clone(&page));
    let mut router = Router::new()
        .route("/page/events", get(stream::follow))
        .with_state(page)
        .merge(guard::require_own_page(changes, own));
    for (path, kind, text) in FILES {
        router = router.route(path, get(move || async move { file(kind, text) }));
    }
    guard::protect_page(guard::require_own_host(router, own))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
