//! The real `chatops demo --keep`: the page is where it says, and shows what happens from the beginning.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use chatops_testkit::address::free_address;

use crate::browser::{Browser, WIDE};

/// A demo that is asked to stop when dropped, so that it removes its files.
struct KeptDemo(Child);

impl Drop for KeptDemo {
    fn drop(&mut self) {
        // It may have ended before.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_kept_demo_says_where_its_page_is() {
    let Some(browser) = Browser::start(WIDE, &[]).await else {
        return;
    };
    let free = free_address();
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_chatops"))
        .args(["demo", "--keep", "--slack", &free.to_string()])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut demo = KeptDemo(child.unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let line = lines.find(|line| line.contains("http://")).unwrap();
    thread::spawn(move || lines.for_each(drop));
    let (_, address) = line.split_once("http://").unwrap();
    assert_eq!(address, format!("{free}/"));
    browser.open(&format!("http://{address}")).await;
    browser.wait_message("Running:").await;
    println!(
        "a card runs {} ms after the start",
        started.elapsed().as_millis()
    );
    browser.wait_message("Succeeded:").await;
}
