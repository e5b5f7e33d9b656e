//! What a known key may hold, and the errors where it stands: names, ids, addresses, times, parameters.

use insta::assert_snapshot;

use super::*;

#[test]
fn names_patterns_and_ids_are_checked_where_they_stand() {
    assert_snapshot!(error_after("release/*", "release/[12]"), @"chatops.toml:34:21: a branch pattern may hold only letters, digits, `.` `_` `/` `-` and `*`");
    assert_snapshot!(error_after("\"release/*\"", "\"\""), @"chatops.toml:34:21: a branch pattern may not be empty");
    assert_snapshot!(error_after("release/*", "a..b"), @"chatops.toml:34:21: no branch name can fit this: names have no empty parts, no `..` and no leading `-`");
    assert_snapshot!(error_after("branches = [\"main\"", "tags = [\"v[12]\"]\nbranches = [\"main\""), @"chatops.toml:34:9: a tag pattern may hold only letters, digits, `.` `_` `/` `-` `+` `@` and `*`");
    assert_snapshot!(error_after("branches = [\"main\"", "tags = [\"@a\"]\nbranches = [\"main\""), @"chatops.toml:34:9: no tag name can fit this: names have no empty parts, no `..` and no leading `-`");
    assert_snapshot!(error_after("[\"deploys\"", "[\"deploy\""), @"chatops.toml:35:13: 'deploy' is neither a channel id nor a name from [channels]: did you mean 'deploys'?");
    assert_snapshot!(error_after("[\"ada\"", "[\"bob\""), @"chatops.toml:36:10: 'bob' is neither a user id nor a name from [users]: its names are ada, team");
    assert_snapshot!(error_after("\"T012ABCDEF\"", "\"acme\""), @"chatops.toml:6:10: 'acme' is not a workspace id; Slack's look like T012ABCDEF");
    assert_snapshot!(error_after("deploys = \"C012ABCDEF\"", "deploys = \"#deploys\""), @"chatops.toml:18:11: '#deploys' is not a channel id; Slack shows it at the foot of a channel's details, like C012ABCDEF");
    assert_snapshot!(error_after("ada = \"U012ABCDEF\"", "ada = \"@ada\""), @r#"chatops.toml:21:7: '@ada' is not a user id; Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF"#);
    assert_snapshot!(error_after("\"W056MNOPQR\"", "\"aada\""), @"chatops.toml:22:23: 'aada' is neither a user id nor a name from [users]: did you mean 'ada'?");
    assert_snapshot!(error_after("ada = \"U012ABCDEF\"", "ada = 7"), @r#"chatops.toml:21:7: `ada` takes a text in quotes, or a list of them, not a number: write "7""#);
    assert_snapshot!(error_of(&GOOD.replace("projects.api", "projects.\"a b\"")), @"chatops.toml:38:11: project name: a space is not accepted: only letters, digits and `.` `_` `-` are");
    assert_snapshot!(error_after("[projects.web.jobs.deploy]", "[projects.web.jobs.\"-x\"]"), @"chatops.toml:27:20: job name: it may not start with `-` or `.`");
    assert_snapshot!(error_after("\"production\"", "\"pro duction\""), @"chatops.toml:32:15: environment: a space is not accepted: only letters, digits and `.` `_` `-` are");
    assert_snapshot!(error_after("default_project = \"web\"", "default_project = \"wep\""), @r#"chatops.toml:2:19: there is no [projects.wep] to be the default: did you mean "web"?"#);
    assert_snapshot!(error_after("[\"deploys\", ", "[\"*\", "), @r#"chatops.toml:35:13: "*" already allows every channel; let it stand alone"#);
    assert_snapshot!(error_after("\"/ship\"", "\"ship it\""), @"chatops.toml:5:11: a slash command starts with `/`, has no spaces and at most 32 characters");
}

#[test]
fn announcements_go_to_named_channels_and_a_jobs_own_list_counts() {
    let of = |project: &str, job: &str| {
        let text = GOOD.replace(
            "slug = \"github/acme/web\"",
            &format!("slug = \"github/acme/web\"\n{project}"),
        );
        let text = text.replace(
            "exclusive = false\n",
            &format!("exclusive = false\n{job}\n"),
        );
        let config = Config::parse(&text, "chatops.toml").unwrap();
        let job = &config.projects[&crate::fixtures::project("web")].jobs
            [&crate::fixtures::job("deploy")];
        job.announce
            .iter()
            .map(|feed| feed.id.to_string())
            .collect::<Vec<_>>()
    };
    let both = "announce = [\"deploys\", \"G012ABCDEF\"]";
    assert_eq!(of("", ""), [""; 0]);
    assert_eq!(of(both, ""), ["C012ABCDEF", "G012ABCDEF"]);
    assert_eq!(of(both, "announce = [\"C0OWN\"]"), ["C0OWN"]);
    assert_eq!(of(both, "announce = []"), [""; 0]);
    assert_eq!(of("", both), ["C012ABCDEF", "G012ABCDEF"]);
    assert_snapshot!(error_after("exclusive = false", "announce = [\"*\"]"), @r#"chatops.toml:33:13: "*" is no channel; name each one"#);
    assert_snapshot!(error_after("exclusive = false", "announce = [\"releases\"]"), @"chatops.toml:33:13: 'releases' is neither a channel id nor a name from [channels]: its names are deploys");
    assert_snapshot!(error_after("exclusive = false", "announce = \"deploys\""), @r#"chatops.toml:33:12: `announce` takes a list of texts, not a text in quotes: write ["deploys"]"#);
}

#[test]
fn slugs_and_addresses_are_checked() {
    assert_snapshot!(error_after("slug = \"github/acme/web\"\n", ""), @r#"chatops.toml:24:1: [projects.web] needs `slug`: write slug = "gh/acme/web""#);
    assert_snapshot!(error_after("github/acme/web", "acme/web"), @r#"chatops.toml:25:8: 'acme/web' is not a project slug: did you mean "gh/acme/web"?"#);
    assert_snapshot!(error_after("github/acme/web", "gh/acme/../web"), @"chatops.toml:25:8: 'gh/acme/../web' is not a project slug: it is like gh/acme/web, bb/acme/web or circleci/<org id>/<project id>");
    assert_snapshot!(error_after("http://127.0.0.1:8080", "http://hooks.slack.com"), @"chatops.toml:7:52: plain http is for loopback addresses only; use https");
    assert_snapshot!(error_after("https://ci.example.com\"", "https://ci.example.com/api\""), @"chatops.toml:10:7: 'https://ci.example.com/api' is not an origin such as https://example.com");
    assert_snapshot!(error_after("https://ci.example.com\"", "https://me:pw@ci.example.com\""), @"chatops.toml:10:7: an address here holds no user or password");
    assert_snapshot!(error_after("https://ci.example.com\"", "ftp://ci.example.com\""), @"chatops.toml:10:7: 'ftp://ci.example.com' is not an origin such as https://example.com");
    assert_snapshot!(error_after("https://ci.example.com\"", "ci.example.com\""), @"chatops.toml:10:7: 'ci.example.com' is not an origin such as https://example.com");
}

#[test]
fn times_are_checked_one_by_one_and_against_each_other() {
    assert_snapshot!(error_after("\"5m\"", "\"5 parsecs\""), @r#"chatops.toml:14:15: `request_ttl` takes a time such as "90s", "10m" or "24h", not "5 parsecs""#);
    assert_snapshot!(error_after("\"5m\"", "300"), @r#"chatops.toml:14:15: `request_ttl` takes a time such as "90s", "10m" or "24h", not a number: write "300s""#);
    assert_snapshot!(error_after("\"5m\"", "\"0s\""), @"chatops.toml:14:15: request_ttl must be longer than zero");
    assert_snapshot!(error_after("\"5m\"", "\"91days\""), @"chatops.toml:14:15: request_ttl must be at most 90 days");
    assert_snapshot!(error_after("\"20s\"", "\"10s\""), @"chatops.toml:15:18: trigger_window (10s) must be longer than request_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "request_timeout = \"15s\""), @"chatops.toml:15:19: trigger_window (15s) must be longer than request_timeout (15s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "connect_timeout = \"10s\""), @"chatops.toml:15:19: request_timeout (10s) must be longer than connect_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "delivery_lease = \"10s\""), @"chatops.toml:15:18: delivery_lease (10s) must be longer than request_timeout (10s)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "lookup_timeout = \"16m\""), @"chatops.toml:15:18: lookup_give_up (15m) must be at least as long as lookup_timeout (16m)");
    assert_snapshot!(error_after("trigger_window = \"20s\"", "response_url_ttl = \"31m\""), @"chatops.toml:15:20: response_url_ttl must be at most 30m: then Slack closes the response URL");
}

#[test]
fn parameters_are_what_circleci_takes() {
    assert_snapshot!(error_after("\"what\"", "\"chatops_id\""), @"chatops.toml:30:23: job_parameter and deploy_id_parameter name the same parameter");
    assert_snapshot!(error_after("job_parameter = false\ndeploy_id_parameter = false", "job_parameter = \"deploy_id\""), @"chatops.toml:42:17: job_parameter and deploy_id_parameter name the same parameter");
    assert_snapshot!(error_after("\"what\"", "\"wh at\""), @"chatops.toml:29:17: a parameter's name holds letters, digits, `_` and `-`, at most 128");
    assert_snapshot!(error_after("\"what\"", "true"), @r#"chatops.toml:29:17: `job_parameter` takes a text in quotes, or false for none, not true: write something like "job""#);
    assert_snapshot!(error_after("\"what\"", "7"), @r#"chatops.toml:29:17: `job_parameter` takes a text in quotes, or false for none, not a number: write "7""#);
    assert_snapshot!(error_after("count = 3", "chatops_id = 3"), @"chatops.toml:31:46: parameter: it carries the job's name or the deploy's id already");
    assert_snapshot!(error_after("count = 3", "count = 3.5"), @"chatops.toml:31:54: CircleCI takes a text in quotes, a whole number, true or false for `count`, not a fraction");
    assert_snapshot!(error_after("count = 3", "count = [3]"), @"chatops.toml:31:54: CircleCI takes a text in quotes, a whole number, true or false for `count`, not a list");
    assert_snapshot!(error_after("count = 3", "count = 2020-01-01"), @"chatops.toml:31:54: CircleCI takes a text in quotes, a whole number, true or false for `count`, not a date");
    assert_snapshot!(error_after("\"eu\"", &format!("\"{}\"", "x".repeat(513))), @"chatops.toml:31:31: parameter: CircleCI takes values of at most 512 characters");
    let many: Vec<_> = (0..99).map(|i| format!("p{i} = 1")).collect();
    assert_snapshot!(error_after("count = 3", &many.join(", ")), @"chatops.toml:31:909: parameter: CircleCI takes at most 100 of them");
}
