//! What only the file has: writes that can be made to fail one by one.

use chatops_core::ports::Store;

use crate::sqlite::Place;
use crate::suites::repeats::{failed, nothing_written, retry};
use crate::suites::support::{block_on, done, id};

/// Whichever of its writes is the one that fails.
#[test]
fn in_the_file_a_retry_that_fails_anywhere_writes_nothing() {
    for (table, write) in [
        ("head", "INSERT"),
        ("head", "UPDATE"),
        ("short", "INSERT"),
        ("reply", "INSERT"),
        ("event", "INSERT"),
    ] {
        // Of the two events each has to be the one that fails once.
        for deploy in [id(1), id(2)] {
            let place = Place::new();
            let sqlite = place.open();
            let old = block_on(failed(&sqlite, 1));
            let when = if table == "event" {
                format!("WHEN NEW.deploy = '{deploy}'")
            } else {
                String::new()
            };
            let trigger = format!(
                "CREATE TRIGGER broken BEFORE {write} ON {table} {when} \
                 BEGIN SELECT RAISE(ABORT, 'broken'); END"
            );
            place.stranger().execute_batch(&trigger).unwrap();
            block_on(async {
                let error = sqlite.commit(retry(&old, 2)).await.unwrap_err();
                assert!(error.to_string().contains("broken"), "{table}: {error}");
                nothing_written(&sqlite, &old, 2).await;
            });
            place
                .stranger()
                .execute_batch("DROP TRIGGER broken")
                .unwrap();
            block_on(done(&sqlite, retry(&old, 2))).unwrap();
        }
    }
}
