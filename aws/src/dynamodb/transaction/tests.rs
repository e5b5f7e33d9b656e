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
    let judge = |codes: &[&str]| verdict(&reasons(codes));
    let condition = "ConditionalCheckFailed";
    assert_eq!(judge(&["None", condition]), Verdict::Condition(1));
    assert_eq!(
        judge(&[condition, "TransactionConflict"]),
        Verdict::Condition(0)
    );
    // Whether the first write's condition holds is not known before nobody is in its way.
    assert!(matches!(
        judge(&["None", "TransactionConflict", condition]),
        Verdict::Busy(_)
    ));
}

#[test]
fn what_passes_is_told_from_what_never_works() {
    for code in [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ] {
        let Verdict::Busy(words) = verdict(&reasons(&["None", code])) else {
            panic!("{code}")
        };
        assert_eq!(
            words,
            format!("write 1 of the transaction was refused with {code}: words")
        );
    }
    for codes in [
        &["ValidationError"][..],
        &["ItemCollectionSizeLimitExceeded"],
        &["SomethingNew"],
        &["None", "None"],
        &[],
    ] {
        assert!(matches!(verdict(&reasons(codes)), Verdict::Defect(_)));
    }
}

#[test]
fn pauses_grow_and_end() {
    let token = Uuid::from_bytes([255; 16]);
    let pauses: Vec<_> = (1..TRIES).map(|tries| pause(tries, token)).collect();
    assert!(pauses.is_sorted());
    assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
    assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(2));
}
