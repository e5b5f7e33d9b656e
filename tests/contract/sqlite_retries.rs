//! What only the file has: writes that can be made to fail one by one.

use chatops_core::ports::Ledger;

use crate::sqlite::TempDataFile;
use chatops_testkit::suites::retries::{assert_nothing_written, failed_deploy, retry_commit};
use chatops_testkit::suites::support::{block_on, id, try_commit};

/// Whichever of its writes is the one that fails.
#[test]
fn in_the_file_a_retry_that_fails_anywhere_writes_nothing() {
    for (table, write) in [
        ("deploy", "INSERT"),
        ("deploy", "UPDATE"),
        ("short_id", "INSERT"),
        ("notification", "INSERT"),
        ("event", "INSERT"),
    ] {
        // Of the two events each has to be the one that fails once.
        for deploy in [id(1), id(2)] {
            let data = TempDataFile::new();
            let sqlite = data.open();
            let old = block_on(failed_deploy(&sqlite, 1));
            let when = match table {
                "event" => format!("WHEN NEW.deploy = '{deploy}'"),
                _ => String::new(),
            };
            let trigger = format!(
                "CREATE TRIGGER broken BEFORE {write} ON {table} {when} \
                 BEGIN SELECT RAISE(ABORT, 'broken'); END"
            );
            let other = data.other_connection();
            other.execute_batch(&trigger).unwrap();
            block_on(async {
                let error = sqlite.commit(retry_commit(&old, 2)).await.unwrap_err();
                assert!(error.to_string().contains("broken"), "{table}: {error}");
                assert_nothing_written(&sqlite, &old, 2).await;
            });
            other.execute_batch("DROP TRIGGER broken").unwrap();
            block_on(try_commit(&sqlite, retry_commit(&old, 2))).unwrap();
        }
    }
}
