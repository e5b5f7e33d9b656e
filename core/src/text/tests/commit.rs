//! What is shipped: the commit, what it replaces, and how long it takes.

use insta::assert_snapshot;

use super::*;
use crate::fixtures::shipping;
use crate::release::TargetBefore;

fn ended(state: DeployState) -> DeployRecord {
    shipping(record_in(state))
}

#[test]
fn a_run_says_what_it_ships() {
    let running = ended(DeployState::Running);
    assert_snapshot!(rendered(&deploy_running(&running, &config())), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432...0123456789abcdef0123456789abcdef01234567|9f8e7d6> · Fix the &lt;cart&gt; · by Bo · usually 4 min
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let mut first = running.clone();
    first.before = Some(TargetBefore::default());
    assert_snapshot!(rendered(&deploy_running(&first, &config())), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> · Fix the &lt;cart&gt; · by Bo
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    let mut again = running;
    let revision = again.run.as_ref().and_then(|run| run.revision.clone());
    if let Some(replaced) = again
        .before
        .as_mut()
        .and_then(|before| before.replaced.as_mut())
    {
        replaced.revision = revision;
    }
    assert_snapshot!(rendered(&deploy_running(&again, &config())), @"
    (to all)
    :arrow_forward: *Running:* `deploy` on `main` → *web/production* · `f643ce10` · ana
    Commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456>, the same as before · Fix the &lt;cart&gt; · by Bo · usually 4 min
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn an_end_says_what_it_shipped() {
    let succeeded = ended(DeployState::Succeeded);
    assert_snapshot!(rendered(&final_status(&succeeded, false, &config())), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432...0123456789abcdef0123456789abcdef01234567|9f8e7d6> · <@U012ABCDEF>
    Fix the &lt;cart&gt; · by Bo
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    assert_snapshot!(rendered(&deploy_status(&succeeded, None, &config())), @"
    (to the requester)
    :white_check_mark: *Succeeded:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · ana
    Requested 2027-01-15 08:00 UTC · at CircleCI since 2027-01-15 08:00 UTC · ended 2027-01-15 08:00 UTC
    Commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> replaces <https://github.com/acme/web/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432...0123456789abcdef0123456789abcdef01234567|9f8e7d6> · Fix the &lt;cart&gt; · by Bo
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
    // What a failure has left there, nobody knows.
    let failed = ended(DeployState::Failed);
    assert_snapshot!(rendered(&final_status(&failed, false, &config())), @"
    (to all)
    :x: *Failed:* `deploy` on `main` → *web/production* · `f643ce10` · after less than a second · commit <https://github.com/acme/web/commit/0123456789abcdef0123456789abcdef01234567|0123456> · <@U012ABCDEF>
    Fix the &lt;cart&gt; · by Bo
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    To deploy it again: `/chatops main deploy`
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}

#[test]
fn nothing_is_linked_whose_address_is_unknown() {
    let mut record = ended(DeployState::Succeeded);
    if let Some(intent) = &mut record.trigger_intent {
        intent.slug.vcs = "circleci".into();
    }
    record.request.project = None;
    assert_snapshot!(rendered(&final_status(&record, false, &config())), @"
    (to all)
    :white_check_mark: *Succeeded:* `deploy` on `main` · `f643ce10` · after less than a second · commit `0123456` replaces `9f8e7d6` · <@U012ABCDEF>
    Fix the &lt;cart&gt; · by Bo
    CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` condition that this job's parameter does not meet, or a branch filter.
    [View build] https://app.circleci.com/pipelines/github/acme/web/7
    ");
}
