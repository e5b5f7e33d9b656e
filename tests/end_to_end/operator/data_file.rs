//! Data files that another program holds, has left behind, or that are none.

use super::{failure, success, two_deploys};
use crate::support::{ServeWorld, assert_says};

#[tokio::test]
async fn what_a_killed_server_leaves_behind_is_read() {
    let world = ServeWorld::new().await;
    let mut server = world.serve().await;
    let (good, bad) = two_deploys(&world, &server).await;
    server.process.kill();
    let table = success(&world, &["history"]).await;
    for record in [&good, &bad] {
        assert_says(&table, record.short_id.as_str());
    }
    let verified = success(&world, &["audit", "verify"]).await;
    assert!(verified.starts_with("2 deploys"), "{verified}");
    // The next one finds nothing in its way.
    world.serve().await.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_the_fix() {
    let world = ServeWorld::new().await;
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "there is no data file");
    assert_says(&why, "--data");
    // Reading creates no file.
    assert!(!world.data().exists());
    let why = failure(&world, &["cancel", "00000000", "--as", "ada"], 1).await;
    assert_says(&why, "there is no data file");
    assert!(!world.data().exists());

    std::fs::write(world.data(), "").unwrap();
    let why = failure(&world, &["audit", "verify"], 1).await;
    assert_says(&why, "is not a data file of chatops");
    let text = "this is a text and no database, however long it is";
    std::fs::write(world.data(), text).unwrap();
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "is not a data file of chatops");
    std::fs::remove_file(world.data()).unwrap();

    let server = world.serve().await;
    let (_, bad) = two_deploys(&world, &server).await;
    let file = world.open_data();
    // A reader does not wait for a writer; a retry fails.
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let short = bad.short_id.as_str();
    assert_says(&success(&world, &["history"]).await, short);
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, "locked by another program");
    file.execute_batch("ROLLBACK").unwrap();
    server.stop().await;
    file.pragma_update(None, "user_version", 8).unwrap();
    let why = failure(&world, &["history"], 1).await;
    assert_says(&why, "use a newer chatops");
}
