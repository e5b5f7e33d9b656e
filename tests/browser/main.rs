//! The page of the demo in a real browser: Chromium, headless, driven from outside. What is checked is
//! what a person sees and does. Without a browser these tests are skipped, unless `CHATOPS_BROWSER` is
//! `required`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "everything here is a test"
)]

mod browser;
mod driver;
mod faults;
mod form;
mod kept;
mod rendering;
mod stories;
mod world;
