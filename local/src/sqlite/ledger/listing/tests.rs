//! Every list is a walk along one index, whatever the filter: no scan, no sort, and no row is read
//! that does not match.

use chatops_core::name::GitRef;
use std::path::Path;

use chatops_core::command::StatusFilter;
use chatops_core::deploy::DeployOutcome;
use chatops_core::id::{QualifiedUser, UserId};

use super::*;
use crate::sqlite::schema;

#[test]
fn no_walk_scans_sorts_or_reads_rows() {
    let mut db = Connection::open_in_memory().unwrap();
    schema::prepare_schema(Path::new("memory"), &mut db).unwrap();
    let plan = |index: ListIndex| {
        let sql = format!("EXPLAIN QUERY PLAN {}", index.walk_sql());
        let mut query = db.prepare(&sql).unwrap();
        let steps = query.query_map(params!["", 0, "", 0], |row| row.get("detail"));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    };
    // Along `deploy_requested` every row matches, so it covers nothing else.
    let plans: Vec<String> = ListIndex::VARIANTS.iter().copied().map(plan).collect();
    insta::assert_snapshot!(plans.join("\n"), @"
    SEARCH deploy USING INDEX deploy_requested (requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_user (user=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_user_name (user_name=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_branch (branch=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_job (job=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_project (project=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_environment (environment=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_state (state=? AND requested_at>? AND (requested_at,id)<(?,?))
    SEARCH deploy USING COVERING INDEX deploy_awaiting_retry (requested_at>? AND (requested_at,id)<(?,?))
    ");
}

#[test]
fn only_a_filter_without_a_part_walks_along_everything() {
    let parts: [fn(&mut DeployFilter); 7] = [
        |f| f.requesters = Some(RequesterFilter::Name("ana".to_owned())),
        |f| f.git_ref = GitRef::parse("main").ok(),
        |f| f.job = JobName::parse("deploy").ok(),
        |f| f.project = ProjectName::parse("web").ok(),
        |f| f.environment = Some("production".to_owned()),
        |f| f.status = Some(StatusFilter::Outcome(DeployOutcome::Failed)),
        |f| f.awaits_retry = true,
    ];
    for parts_taken in 0..1_usize << parts.len() {
        let mut filter = DeployFilter::default();
        for (n, part) in parts.iter().enumerate() {
            if parts_taken & (1 << n) != 0 {
                part(&mut filter);
            }
        }
        let routes = IndexRoute::all_routes(&filter);
        let everything = routes
            .iter()
            .any(|route| route.index == ListIndex::Requested);
        assert_eq!(everything, parts_taken == 0, "{filter:?}");
        assert!(!routes.is_empty(), "{filter:?}");
    }
}

#[test]
fn a_key_is_walked_once() {
    let id = |text| QualifiedUser::parse(text).unwrap();
    let ids = vec![id("T01/U02"), id("T01/U01"), id("T01/U02")];
    let filter = DeployFilter {
        requesters: Some(RequesterFilter::Users(ids)),
        ..DeployFilter::default()
    };
    let route = IndexRoute {
        index: ListIndex::User,
        keys: ["T01/U01", "T01/U02"].map(str::to_owned).to_vec(),
    };
    assert_eq!(IndexRoute::all_routes(&filter), [route]);
}

#[test]
fn a_user_of_any_workspace_is_looked_for_along_everything() {
    let user = UserId::parse("U01").unwrap();
    let filter = DeployFilter {
        requesters: Some(RequesterFilter::AnyWorkspace(vec![user])),
        ..DeployFilter::default()
    };
    let routes = IndexRoute::all_routes(&filter);
    assert_eq!(routes[0].index, ListIndex::Requested);
}
