//! The numbered list in `ARCHITECTURE.md` is the one that the simulation checks.

use std::fs;
use std::path::Path;

use chatops_simulation::violation::Invariant;

/// `UPDATE_INVARIANTS=1 cargo test -p chatops-simulation --test invariants` writes the list.
#[test]
fn the_architecture_lists_the_invariants() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = fs::read_to_string(&path).unwrap();
    let marks = [
        "<!-- invariants: rendered from simulation/src/violation.rs -->\n",
        "<!-- /invariants -->",
    ];
    let (before, rest) = text.split_once(marks[0]).unwrap();
    let (listed, after) = rest.split_once(marks[1]).unwrap();
    let rendered = Invariant::render_list();
    if std::env::var_os("UPDATE_INVARIANTS").is_some() {
        let text = [before, marks[0], &rendered, marks[1], after].concat();
        fs::write(&path, text).unwrap();
    } else {
        assert_eq!(listed, rendered, "UPDATE_INVARIANTS=1 writes the list");
    }
}
