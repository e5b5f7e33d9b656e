//! model

mod book;
mod desk;
mod evidence;
mod rules;
mod run;
mod search;
mod show;
mod work;

pub use self::rules::{Real, Rules};
use self::book::Book;
use self::work::Work;
/// t
pub fn trial(rules: &dyn Rules, deploys: usize, workers: usize, retry: bool, cancel: bool) {
    let book = Book::default();
    let space = Work { book: &book, rules, deploys, workers, retry, cancel };
    let t = std::time::Instant::now();
    let found = search::Bfs::new(&space, 2).run(&mut |s, d| if d % 10 == 0 { println!("{d} {s} {:?}", t.elapsed()) });
    println!("{} states {} trans depth {} settled {} {:?}", found.states, found.transitions, found.depth, found.settled, t.elapsed());
    if let Some((why, lines)) = found.broken { println!("{why}"); for l in lines { println!("  {l}"); } }
}
