//! The `chatops` command.

fn main() -> std::process::ExitCode {
    chatops::cli::main()
}
