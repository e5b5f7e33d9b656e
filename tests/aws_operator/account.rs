//! Who asks, and where: what is wrong with it is said with its fix.

use std::fs;

use crate::support::{Ended, World, ended};

fn no(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn a_stack_that_is_not_there_is_named() {
    let world = World::new();
    let whole = ["--aws", "--stack", "nowhere", "--region", "eu-west-1"];
    for arguments in [
        &["history"][..],
        &["failed"],
        &["show", "1a2b3c4d"],
        &["retry", "1a2b3c4d"],
        &["retry", "--all"],
        &["cancel", "1a2b3c4d"],
        &["audit", "verify"],
    ] {
        let ended = world.run(&[&whole, arguments].concat());
        no(
            &ended,
            1,
            &["there is no stack nowhere in eu-west-1", "--stack"],
        );
    }
    // The variable names it as well.
    let mut command = world.command(&["--aws", "history"]);
    no(
        &ended(command.env("CHATOPS_STACK", "elsewhere")),
        1,
        &["no stack elsewhere in us-east-1"],
    );
    let mut command = world.command(&["--aws", "history"]);
    let said = ended(command.env("CHATOPS_STACK", &world.stack)).said();
    assert_eq!(said, "Nothing found.\n");
}

#[test]
fn without_credentials_there_is_a_way_to_get_some() {
    let world = World::new();
    let mut command = world.command(&["--aws", "history"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    no(
        &ended(&mut command),
        1,
        &["there are no AWS credentials", "--profile"],
    );
    let mut command = world.command(&["--aws", "history"]);
    no(
        &ended(command.env_remove("AWS_REGION")),
        1,
        &["--region", "AWS_REGION"],
    );
    let mut command = world.command(&["--aws", "history"]);
    no(
        &ended(command.env("CHATOPS_AWS_ROOTS", "mine")),
        1,
        &["CHATOPS_AWS_ROOTS"],
    );
}

#[test]
fn a_profile_is_where_the_credentials_are() {
    let world = World::new();
    let aws = world.dir().join(".aws");
    fs::create_dir(&aws).unwrap();
    fs::write(aws.join("keys"), KEYS).unwrap();
    let config = CONFIG.replace("DIR", aws.to_str().unwrap());
    fs::write(aws.join("config"), config).unwrap();
    let there = |profile: &str| {
        let mut command = world.command(&["--aws", "--profile", profile, "--stack", &world.stack]);
        // What the environment holds does not matter to whoever names a profile.
        command.arg("history").env("PATH", "/usr/bin:/bin");
        ended(&mut command)
    };
    assert_eq!(there("process").said(), "Nothing found.\n");
    assert_eq!(there("keys").said(), "Nothing found.\n");
    // What the process says about itself is nobody's business.
    no(
        &there("broken"),
        1,
        &["the AWS credentials cannot be had", "exited"],
    );
    no(&there("sso"), 1, &["aws sso login --profile sso"]);
    no(&there("nobody"), 1, &["nobody", "AWS credentials"]);
}

/// What a process for credentials prints.
const KEYS: &str = r#"{"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "canary-1"}"#;

const CONFIG: &str = "
[profile process]
credential_process = cat DIR/keys
[profile keys]
aws_access_key_id = test
aws_secret_access_key = canary-2
[profile broken]
credential_process = sh -c 'echo canary-3 >&2; exit 3'
[profile sso]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = ops
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.com/start
";

#[test]
fn what_makes_no_sense_with_aws_is_not_typed_right() {
    let world = World::new();
    for arguments in [
        &["--aws", "serve"][..],
        &["--aws", "demo"],
        &["--aws", "say", "hello"],
        &["--aws", "config", "check"],
        &["man", "--aws"],
    ] {
        no(&world.run(arguments), 2, &["--aws is for history"]);
    }
    no(
        &world.run(&["--aws", "history", "--data", "chatops.db"]),
        2,
        &["--data"],
    );
    no(
        &world.run(&["history", "--stack", "web"]),
        2,
        &["--stack", "add --aws"],
    );
    no(
        &world.run(&["--region", "eu-west-1", "doctor"]),
        2,
        &["--region", "add --aws"],
    );
    no(
        &world.run(&["--aws", "--stack", "a/b", "history"]),
        2,
        &["--stack"],
    );
    no(&world.run(&["retry"]), 2, &["ID"]);
    no(&world.run(&["retry", "--all", "1a2b3c4d"]), 2, &["--all"]);
    no(
        &world.run(&["retry", "1a2b3c4d", "--max-age", "1h"]),
        2,
        &["--max-age"],
    );
    no(
        &world.run(&["retry", "1a2b3c4d", "--dry-run"]),
        2,
        &["--dry-run"],
    );
    // The environment of another occasion does not matter.
    let mut command = world.command(&["history", "--data", "chatops.db"]);
    assert_eq!(
        ended(command.env("CHATOPS_STACK", "web")).said(),
        "Nothing found.\n"
    );
    let mut command = world.command(&["--aws", "--stack", &world.stack, "history"]);
    assert_eq!(
        ended(command.env("CHATOPS_DATA", "x.db")).said(),
        "Nothing found.\n"
    );
}
