//! That every list is a walk along one index, whatever is asked for: no scan, no sort, and of
//! what does not fit no row is read.

use std::path::Path;

use chatops_core::command::Status;
use chatops_core::deploy::Standing;
use chatops_core::name::{BranchName, JobName, ProjectName};

use super::super::schema;
use super::*;

const INDEXES: [Index; 8] = [
    Index::Asked,
    Index::User,
    Index::UserName,
    Index::Branch,
    Index::Job,
    Index::Project,
    Index::State,
    Index::AwaitsRetry,
];

#[test]
fn no_walk_scans_sorts_or_reads_rows() {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::prepare(Path::new("memory"), &mut connection).unwrap();
    let plan = |index: Index| {
        let sql = format!("EXPLAIN QUERY PLAN {}", index.walk());
        let mut query = connection.prepare(&sql).unwrap();
        let steps = query.query_map(params!["", 0, "", 0], |row| row.get("detail"));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    };
    // Along `head_asked` everything fits, so every row is shown.
    insta::assert_snapshot!(INDEXES.map(plan).join("\n"), @"
    SEARCH head USING INDEX head_asked (asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_user (user=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_user_name (user_name=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_branch (branch=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_job (job=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_project (project=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_state (state=? AND asked_at>? AND (asked_at,id)<(?,?))
    SEARCH head USING COVERING INDEX head_awaits_retry (asked_at>? AND (asked_at,id)<(?,?))
    ");
}

#[test]
fn only_a_filter_without_a_part_walks_along_everything() {
    let parts: [fn(&mut Filter); 6] = [
        |f| f.people = Some(People::Name("ana".to_owned())),
        |f| f.branch = BranchName::parse("main").ok(),
        |f| f.job = JobName::parse("deploy").ok(),
        |f| f.project = ProjectName::parse("web").ok(),
        |f| f.status = Some(Status::Standing(Standing::Failed)),
        |f| f.awaits_retry = true,
    ];
    for parts_taken in 0..1_usize << parts.len() {
        let mut filter = Filter::default();
        for (n, part) in parts.iter().enumerate() {
            if parts_taken & (1 << n) != 0 {
                part(&mut filter);
            }
        }
        let routes = Route::all(&filter);
        let everything = routes.iter().any(|route| route.index == Index::Asked);
        assert_eq!(everything, parts_taken == 0, "{filter:?}");
        assert!(!routes.is_empty(), "{filter:?}");
    }
}

#[test]
fn a_key_is_walked_once() {
    let id = |text| UserId::parse(text).unwrap();
    let ids = vec![id("U02"), id("U01"), id("U02")];
    let filter = Filter {
        people: Some(People::Ids(ids)),
        ..Filter::default()
    };
    let route = Route {
        index: Index::User,
        keys: vec!["U01", "U02"],
    };
    assert_eq!(Route::all(&filter), [route]);
}
