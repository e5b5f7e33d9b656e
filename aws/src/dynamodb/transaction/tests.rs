use super::*;

fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
    let reason = |code: &&str| {
        let reason = CancellationReason::builder().code(*code);
        reason.message("words").build()
    };
    codes.iter().map(reason).collect()
}

#[test]
fn the_first_write_that_failed_decides() {
    let judge = |codes: &[&str]| classify(&reasons(codes));
    let condition = "ConditionalCheckFailed";
    assert_eq!(judge(&["None", condition]), CancelKind::Condition(1));
    let first = judge(&[condition, "TransactionConflict"]);
    assert_eq!(first, CancelKind::Condition(0));
    // Whether a condition holds is not known while another transaction is in the way.
    let conflict = judge(&["None", "TransactionConflict", condition]);
    assert!(matches!(conflict, CancelKind::Transient(_)));
}

#[test]
fn what_passes_is_distinguished_from_what_never_works() {
    for code in [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ] {
        let CancelKind::Transient(words) = classify(&reasons(&["None", code])) else {
            panic!("{code}")
        };
        let expected = format!("write 1 of the transaction was refused with {code}: words");
        assert_eq!(words, expected);
    }
    for codes in [
        &["ValidationError"][..],
        &["ItemCollectionSizeLimitExceeded"],
        &["SomethingNew"],
        &["None", "None"],
        &[],
    ] {
        let kind = classify(&reasons(codes));
        assert!(matches!(kind, CancelKind::Permanent(_)));
    }
}

#[test]
fn pauses_grow_and_end() {
    let token = Uuid::from_bytes([255; 16]);
    let pauses: Vec<_> = (1..MAX_TRIES)
        .map(|tries| retry_pause(tries, token))
        .collect();
    assert!(pauses.is_sorted());
    assert!(pauses[0] >= RETRY_BACKOFF.first / 2 && pauses[0] <= RETRY_BACKOFF.first);
    assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(2));
}
