//! What `chatops retry --all` says of the dead letters.

use crate::operator::retry_all::{Left, Summary};

/// How many cells the bar has.
const CELLS: u64 = 20;

/// How far it has come, as a bar; what there is may be more than was counted.
pub(in crate::operator) fn bar(what: &str, n: u64, of: u64) -> String {
    let full = (n.min(of) * CELLS).checked_div(of).unwrap_or(CELLS);
    let cells: String = (0..CELLS)
        .map(|cell| if cell < full { '#' } else { '.' })
        .collect();
    format!("{what:<6} [{cells}] {n} of {of}")
}

/// What became of every letter.
pub(in crate::operator) fn retried_all(summary: &Summary, call: &str) -> String {
    let letters = match summary.letters {
        0 => return "Nothing lies in the dead-letter queue.\n".to_owned(),
        1 => "1 dead letter".to_owned(),
        n => format!("{n} dead letters"),
    };
    let enqueued = if summary.dry_run {
        "would be tried again"
    } else {
        "enqueued, to be tried again"
    };
    let line = |n: usize, what: &str| format!("{n:>6}  {what}");
    let mut said = vec![
        format!("{letters}, as operator {}", summary.operator),
        line(summary.enqueued.len(), enqueued),
    ];
    said.extend(
        summary
            .left
            .iter()
            .map(|(why, n)| line(*n, &left(*why, call))),
    );
    if !summary.enqueued.is_empty() && !summary.dry_run {
        said.push(format!("The outcome: {call} history since:1h"));
    }
    said.push(String::new());
    said.join("\n")
}

/// Why letters are left, and what to do about them.
fn left(why: Left, call: &str) -> String {
    match why {
        Left::Duplicate => "for a deploy that another letter is about, too".to_owned(),
        Left::Retried => "tried again already: the worker removes them by itself".to_owned(),
        Left::NotAnOrder => {
            "left: no orders, but messages that failed time and again, for a person \
                             to look at"
                .to_owned()
        }
        Left::Unknown => "left: their deploys are not on record".to_owned(),
        Left::TooOld => "left: they ended too long ago; --max-age takes older ones".to_owned(),
        Left::Refused => format!("left: the rules say no; {call} retry <ID> says why"),
        Left::NotSent => "left: their wish could not be sent; do the same again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::operator::example;

    #[test]
    fn the_bar_fills() {
        let shown = [
            bar("read", 0, 40),
            bar("read", 10, 40),
            bar("wished", 39, 40),
            bar("wished", 40, 40),
            bar("read", 0, 0),
        ];
        insta::assert_snapshot!(shown.join("\n"), @"
        read   [....................] 0 of 40
        read   [#####...............] 10 of 40
        wished [###################.] 39 of 40
        wished [####################] 40 of 40
        read   [####################] 0 of 0
        ");
    }

    #[test]
    fn what_became_of_the_letters_is_told() {
        let mut summary = Summary {
            letters: 9,
            enqueued: vec![example::open().id, example::not_started().id],
            left: BTreeMap::from([
                (Left::Duplicate, 1),
                (Left::Retried, 1),
                (Left::NotAnOrder, 1),
                (Left::Unknown, 1),
                (Left::TooOld, 1),
                (Left::Refused, 1),
                (Left::NotSent, 1),
            ]),
            dry_run: false,
            operator: "ada".to_owned(),
        };
        insta::assert_snapshot!(retried_all(&summary, "chatops"), @"
        9 dead letters, as operator ada
             2  enqueued, to be tried again
             1  for a deploy that another letter is about, too
             1  tried again already: the worker removes them by itself
             1  left: no orders, but messages that failed time and again, for a person to look at
             1  left: their deploys are not on record
             1  left: they ended too long ago; --max-age takes older ones
             1  left: the rules say no; chatops retry <ID> says why
             1  left: their wish could not be sent; do the same again
        The outcome: chatops history since:1h
        ");
        summary.dry_run = true;
        summary.left.clear();
        insta::assert_snapshot!(retried_all(&summary, "chatops"), @"
        9 dead letters, as operator ada
             2  would be tried again
        ");
        summary.letters = 0;
        insta::assert_snapshot!(retried_all(&summary, "chatops"), @"Nothing lies in the dead-letter queue.");
    }
}
