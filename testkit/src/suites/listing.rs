//! Lists of deploys: the order, every filter, every page. The checks are in the rooms; here is what a list
//! has to show.

mod deploys;
mod filters;
mod pages;
mod readable;

use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use chatops_core::ports::{DeployFilter, RequesterFilter};

pub use deploys::{job, put_commits, qualified, requested};
pub use filters::*;
pub use pages::*;
pub use readable::*;

use crate::suites::suite;

suite! { $ listing_checks:
    nothing_is_listed_at_first,
    the_newest_comes_first_and_ties_go_by_id,
    every_filter_finds_what_fits,
    every_limit_turns_the_pages,
    a_page_begins_behind_any_deploy,
    names_are_found_in_any_case,
    a_user_is_told_apart_by_workspace,
    an_environment_lists_its_own_deploys,
    since_is_that_moment_or_later,
    a_list_follows_every_write,
    what_takes_too_many_reads_is_continued,
    what_may_not_be_read_is_not_listed,
    every_page_ends_at_a_deploy_that_may_be_read,
}

fn by(requesters: RequesterFilter) -> DeployFilter {
    DeployFilter {
        requesters: Some(requesters),
        ..DeployFilter::default()
    }
}

pub fn fitting(records: &[DeployRecord], filter: &DeployFilter) -> Vec<DeployId> {
    let fitting = records.iter().filter(|record| filter.matches(record));
    fitting.map(|record| record.id).collect()
}

pub fn ids(deploys: &[DeployRecord]) -> Vec<DeployId> {
    deploys.iter().map(|record| record.id).collect()
}
