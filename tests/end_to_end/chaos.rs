//! The process under load, killed and stopped at moments that nothing is ready for, on a machine and beside
//! vendors that fail. `chatops-bench chaos` does the same for longer.

use chatops_bench::chaos::{self, ChaosSettings};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_thirty_ends() {
    let settings = ChaosSettings {
        program: env!("CARGO_BIN_EXE_chatops").into(),
        kills: 30,
        accepted: 60,
        seed: 104_389,
    };
    let report = chaos::run(&settings, |_| ()).await.unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    // The seed brings each trouble at least once.
    assert_eq!(report.troubles.len(), 8, "{report}");
}
