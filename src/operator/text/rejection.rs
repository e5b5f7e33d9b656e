//! The texts of the rules that reject a deploy.

use std::fmt::Display;

use chatops_core::name::GitRef;
use chatops_core::rejection::Rejection;

use crate::output::{iso_time, sanitize};

/// Why a rule rejects a deploy.
pub(in crate::operator) fn rejection_text(rejection: &Rejection) -> String {
    let rule = |project: &dyn Display, job: &dyn Display, key: &str| {
        format!("(rule projects.{project}.jobs.{job}.{key})")
    };
    match rejection {
        Rejection::Team { team } => {
            format!("commands from workspace {team} are not accepted (rule slack.teams)")
        }
        Rejection::NoProject { .. } => {
            "no project was named, and there is no default (rule default_project)".to_owned()
        }
        Rejection::UnknownProject { project, .. } => {
            format!("there is no project {project} (rule projects)")
        }
        Rejection::UnknownJob { project, job, .. } => {
            format!("project {project} has no job {job} (rule projects.{project}.jobs)")
        }
        Rejection::Channel {
            project,
            job,
            channel,
            ..
        } => {
            let rule = rule(project, job, "channels");
            format!("this job cannot be run from {channel} {rule}")
        }
        Rejection::User { project, job, user } => {
            let rule = rule(project, job, "users");
            format!("{user} may not run this job {rule}")
        }
        Rejection::Branch {
            project,
            job,
            git_ref,
            ..
        } => {
            let key = match git_ref {
                GitRef::Branch(_) => "branches",
                GitRef::Tag(_) => "tags",
            };
            let rule = rule(project, job, key);
            format!("this job cannot be run on {git_ref} {rule}")
        }
        Rejection::UnknownParameter {
            project,
            job,
            name,
            fixed,
            ..
        } => {
            let rule = rule(project, job, "parameters");
            let what = if *fixed {
                "is fixed"
            } else {
                "is no parameter"
            };
            format!("{} {what} for this job {rule}", sanitize(name))
        }
        Rejection::MissingParameter {
            project, job, name, ..
        } => {
            let rule = rule(project, job, &format!("parameters.{name}"));
            format!("this job needs {name}= {rule}")
        }
        Rejection::Parameter {
            project,
            job,
            name,
            value,
            ..
        } => {
            let rule = rule(project, job, &format!("parameters.{name}"));
            format!("{name}={} is not accepted {rule}", sanitize(value))
        }
        Rejection::Expired { requested_at } => format!(
            "requested at {}, too long ago to be started (rule timeouts.request_ttl)",
            iso_time(*requested_at)
        ),
        Rejection::Busy {
            target,
            short_id,
            user,
            since,
            ..
        } => format!(
            "{target} is taken by deploy {short_id} of {user} since {} (rule exclusive)",
            iso_time(*since)
        ),
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::id::UserId;

    use super::*;
    use crate::operator::example;

    #[test]
    fn each_rejection_names_its_rule() {
        let request = example::request("main");
        let (project, job) = (request.project.clone().unwrap(), request.job.clone());
        let said = |rejection| rejection_text(&rejection);
        insta::assert_snapshot!(said(Rejection::Team { team: request.team.clone() }), @"commands from workspace T012ABCDEF are not accepted (rule slack.teams)");
        insta::assert_snapshot!(said(Rejection::NoProject { known: vec![] }), @"no project was named, and there is no default (rule default_project)");
        insta::assert_snapshot!(said(Rejection::UnknownProject { project: project.clone(), known: vec![] }), @"there is no project web (rule projects)");
        insta::assert_snapshot!(said(Rejection::UnknownJob { project: project.clone(), job: job.clone(), git_ref: request.git_ref.clone(), usable: vec![] }), @"project web has no job deploy (rule projects.web.jobs)");
        insta::assert_snapshot!(said(Rejection::Channel { project: project.clone(), job: job.clone(), channel: request.channel.clone(), allowed: vec![] }), @"this job cannot be run from C012ABCDEF (rule projects.web.jobs.deploy.channels)");
        insta::assert_snapshot!(said(Rejection::User { project: project.clone(), job: job.clone(), user: request.user.clone() }), @"U012ABCDEF may not run this job (rule projects.web.jobs.deploy.users)");
        insta::assert_snapshot!(said(Rejection::Branch { project, job, git_ref: request.git_ref.clone(), patterns: vec![] }), @"this job cannot be run on main (rule projects.web.jobs.deploy.branches)");
        insta::assert_snapshot!(said(Rejection::Expired { requested_at: request.requested_at }), @"requested at 2027-01-15T08:00:00Z, too long ago to be started (rule timeouts.request_ttl)");
        let open = example::requested();
        let target = chatops_core::deploy::Target("gh/acme/web/production".into());
        let user = UserId::parse("U034GHIJKL").unwrap();
        let busy = Rejection::Busy {
            target,
            holder: open.id,
            short_id: open.short_id,
            user,
            held_by: None,
            since: request.requested_at,
            until: None,
            unlockable: false,
        };
        insta::assert_snapshot!(said(busy), @"gh/acme/web/production is taken by deploy 50176d64 of U034GHIJKL since 2027-01-15T08:00:00Z (rule exclusive)");
    }
}
