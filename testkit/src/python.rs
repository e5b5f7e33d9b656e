//! Python with the emulator, the SAM transform and a linter for templates. The first test that needs it
//! installs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt");

/// The interpreter of the virtual environment, which the first caller creates.
pub fn python_path() -> PathBuf {
    let tmp = build_directory();
    fs::create_dir_all(&tmp).unwrap();
    let wanted = fs::read_to_string(REQUIREMENTS).unwrap();
    let (venv, done) = (tmp.join("ministack"), tmp.join("ministack.installed"));
    let lock = File::create(tmp.join("ministack.lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&done).ok().as_deref() != Some(&wanted) {
        let python = |program: &Path, args: &[&str]| run_installer(program, args, &venv);
        python(Path::new("python3"), &["-m", "venv", "--clear"]);
        let pip = ["-m", "pip", "install", "--quiet", "-r", REQUIREMENTS];
        python(&venv.join("bin/python"), &pip);
        fs::write(done, wanted).unwrap();
    }
    venv.join("bin/python")
}

/// Runs it with these arguments and nothing but these variables.
pub fn run_python(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(python_path())
        .arg("-B")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs a script, which ends well; the JSON that it prints.
pub fn run_script(path: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let output = run_python(&[&[path], arguments].concat(), variables);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The directory for what all tests share: `tmp` in the build directory of the running test.
pub(crate) fn build_directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // Below it come the profile and `deps`.
    test.ancestors().nth(3).unwrap().join("tmp")
}

fn run_installer(program: &Path, args: &[&str], venv: &Path) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    if args.contains(&"venv") {
        command.arg(venv);
    }
    let fix = "these tests need Python 3.10 or newer with venv and pip, and a package index that pip \
               can reach; or set AWS_ENDPOINT_URL to an endpoint that is running";
    let failed = |error| panic!("{} cannot be run: {error}; {fix}", program.display());
    let output = command.output().unwrap_or_else(failed);
    let (ok, words) = (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(ok, "{command:?} failed; {fix}\n{words}");
}
