//! Credentials and stacks: an error names its fix.

use std::fs;

use crate::support::{ProgramExit, StackWorld, run_program};

fn assert_fails(ended: &ProgramExit, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn a_stack_that_is_not_there_is_named() {
    let world = StackWorld::new();
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
        let why = "there is no stack nowhere in eu-west-1";
        assert_fails(&ended, 1, &[why, "--stack"]);
    }
    // The variable names it as well.
    let mut command = world.command(&["--aws", "history"]);
    let ended = run_program(command.env("CHATOPS_STACK", "elsewhere"));
    assert_fails(&ended, 1, &["no stack elsewhere in us-east-1"]);
    let ended = run_program(command.env("CHATOPS_STACK", &world.stack));
    assert_eq!(ended.success_output(), "No deploy found.\n");
}

#[test]
fn without_credentials_there_is_a_way_to_get_some() {
    let world = StackWorld::new();
    let mut command = world.command(&["--aws", "history"]);
    command.env_remove("AWS_ACCESS_KEY_ID");
    command.env_remove("AWS_SECRET_ACCESS_KEY");
    let why = "there are no AWS credentials";
    assert_fails(&run_program(&mut command), 1, &[why, "--profile"]);
    let mut command = world.command(&["--aws", "history"]);
    let ended = run_program(command.env_remove("AWS_REGION"));
    assert_fails(&ended, 1, &["--region", "AWS_REGION"]);
    let mut command = world.command(&["--aws", "history"]);
    let ended = run_program(command.env("CHATOPS_AWS_ROOTS", "mine"));
    assert_fails(&ended, 1, &["CHATOPS_AWS_ROOTS"]);
}

#[test]
fn a_profile_is_where_the_credentials_are() {
    let world = StackWorld::new();
    let aws = world.dir().join(".aws");
    fs::create_dir(&aws).unwrap();
    fs::write(aws.join("keys"), KEYS).unwrap();
    let config = CONFIG.replace("DIR", aws.to_str().unwrap());
    fs::write(aws.join("config"), config).unwrap();
    let there = |profile: &str| {
        let mut command = world.command(&["--aws", "--profile", profile, "--stack", &world.stack]);
        // With --profile the keys of the environment do not matter.
        command.arg("history").env("PATH", "/usr/bin:/bin");
        run_program(&mut command)
    };
    assert_eq!(there("process").success_output(), "No deploy found.\n");
    assert_eq!(there("keys").success_output(), "No deploy found.\n");
    // The output of the process is not shown.
    let why = "the AWS credentials cannot be";
    assert_fails(&there("broken"), 1, &[why, "exited"]);
    assert_fails(&there("sso"), 1, &["aws sso login --profile sso"]);
    assert_fails(&there("nobody"), 1, &["nobody", "AWS credentials"]);
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
fn what_does_not_work_with_aws_is_a_usage_error() {
    let world = StackWorld::new();
    for arguments in [
        &["--aws", "serve"][..],
        &["--aws", "demo"],
        &["--aws", "say", "hello"],
        &["--aws", "config", "check"],
        &["man", "--aws"],
    ] {
        assert_fails(&world.run(arguments), 2, &["--aws is for status, history"]);
    }
    for (line, parts) in [
        ("--aws history --data chatops.db", &["--data"][..]),
        ("history --stack web", &["--stack", "add --aws"]),
        ("--region eu-west-1 doctor", &["--region", "add --aws"]),
        ("--aws --stack a/b history", &["--stack"]),
        ("retry", &["ID"]),
        ("retry --all 1a2b3c4d", &["--all"]),
        ("retry 1a2b3c4d --max-age 1h", &["--max-age"]),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        assert_fails(&world.run(&arguments), 2, parts);
    }
    // Variables for the other installation do not matter.
    let mut command = world.command(&["history", "--data", "chatops.db"]);
    let ended = run_program(command.env("CHATOPS_STACK", "web"));
    assert_eq!(ended.success_output(), "No deploy found.\n");
    let mut command = world.command(&["--aws", "--stack", &world.stack, "history"]);
    let ended = run_program(command.env("CHATOPS_DATA", "x.db"));
    assert_eq!(ended.success_output(), "No deploy found.\n");
}
