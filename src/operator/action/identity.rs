//! Who an operator on this machine is: a name that the system vouches for, or a typed one beside it.
//!
//! No variable that anybody can set decides alone. Whoever is root could be anybody, so for root alone
//! `SUDO_USER` counts, which sudo sets.

use std::fs;

use chatops_core::ports::SenderId;
use nix::unistd::{Uid, User};

use super::{UsageError, text};

/// The longest name of an operator, in characters.
const MAX_NAME_LEN: usize = 64;

/// The login user of a process that nobody has logged in for, such as a service.
const NO_LOGIN: u32 = u32::MAX;

/// What the system knows of the user of a process.
struct ProcessUser {
    /// Who logged in, whatever they became since: the kernel's audit id.
    login_uid: Option<u32>,
    /// Whose the process is.
    real_uid: u32,
    /// `SUDO_USER`.
    sudo_user: Option<String>,
}

impl ProcessUser {
    fn current() -> Self {
        let sudo_user = std::env::var_os("SUDO_USER");
        let login_uid = fs::read_to_string("/proc/self/loginuid").ok();
        Self {
            login_uid: login_uid.and_then(|uid| uid.trim().parse().ok()),
            real_uid: Uid::current().as_raw(),
            sudo_user: sudo_user.and_then(|name| name.into_string().ok()),
        }
    }

    /// The name; the user id where the system has no name for it, as in a container.
    fn name(&self, find_user: impl Fn(u32) -> Option<String>) -> String {
        let login = self.login_uid.filter(|uid| *uid != NO_LOGIN);
        let by_login = login.and_then(&find_user);
        let by_sudo = || {
            let sudo_user = self.sudo_user.clone().filter(|_| self.real_uid == 0);
            sudo_user.filter(|name| !name.is_empty())
        };
        let name = by_login
            .or_else(by_sudo)
            .or_else(|| find_user(self.real_uid));
        let name = name.unwrap_or_else(|| format!("uid {}", self.real_uid));
        let plain = |c: char| if is_inner(c) || c == ' ' { c } else { '_' };
        name.chars().take(MAX_NAME_LEN).map(plain).collect()
    }
}

/// The operator's name on this machine: the login user, and a name that was typed, marked as unverified.
pub(super) fn operator_name(typed: Option<&str>) -> Result<String, UsageError> {
    name_with(typed, &ProcessUser::current(), |uid| {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        user.map(|user| user.name)
    })
}

/// The name that SQS will record of a sender with this user id.
pub(super) fn sender_name(user_id: String) -> String {
    SenderId(user_id).operator_name().to_owned()
}

fn name_with(
    typed: Option<&str>,
    process: &ProcessUser,
    find_user: impl Fn(u32) -> Option<String>,
) -> Result<String, UsageError> {
    let login = process.name(find_user);
    match typed {
        None => Ok(login),
        Some(typed) if typed == login => Ok(login),
        Some(typed) => {
            let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_name = typed.len() <= MAX_NAME_LEN
                && typed.starts_with(first)
                && typed.chars().all(is_inner);
            if is_name {
                Ok(text::unverified_name(&login, typed))
            } else {
                Err(UsageError(text::bad_name(typed)))
            }
        }
    }
}

fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(uid: u32) -> Option<String> {
        let name = match uid {
            0 => "root",
            1000 => "ada",
            1001 => r"CORP\grace",
            _ => return None,
        };
        Some(name.to_owned())
    }

    fn process(login_uid: Option<u32>, real_uid: u32, sudo_user: Option<&str>) -> ProcessUser {
        ProcessUser {
            login_uid,
            real_uid,
            sudo_user: sudo_user.map(str::to_owned),
        }
    }

    #[test]
    fn the_login_user_is_named_whatever_they_became() {
        let sudo = process(Some(1000), 0, Some("mallory"));
        assert_eq!(sudo.name(users), "ada");
        // A service, or a container: nobody has logged in.
        for none in [None, Some(NO_LOGIN)] {
            assert_eq!(process(none, 0, Some("ada")).name(users), "ada");
            assert_eq!(process(none, 0, Some("")).name(users), "root");
            assert_eq!(process(none, 0, None).name(users), "root");
            assert_eq!(process(none, 1000, None).name(users), "ada");
            // Nobody but root can claim to come from sudo.
            assert_eq!(process(none, 1000, Some("root")).name(users), "ada");
            assert_eq!(process(none, 4711, None).name(users), "uid 4711");
        }
        assert_eq!(process(Some(4711), 1000, None).name(users), "ada");
        assert_eq!(process(None, 1001, None).name(users), "CORP_grace");
    }

    #[test]
    fn a_typed_name_stands_beside_the_login_user() {
        let root = process(None, 0, None);
        let named = |typed| name_with(typed, &root, users).map_err(|usage| usage.0);
        assert_eq!(named(None).unwrap(), "root");
        assert_eq!(named(Some("root")).unwrap(), "root");
        let bob = named(Some("bob")).unwrap();
        insta::assert_snapshot!(bob, @r#"root as "bob" (unverified)"#);
        let long = "a".repeat(65);
        let bad = ["", "-rf", "a b", "a\nb", "ana\u{1b}[2J", "Zoë", "<@U012>"];
        for bad in bad.into_iter().chain([long.as_str()]) {
            let why = named(Some(bad)).unwrap_err();
            assert!(why.contains("--as"), "{why}");
            assert!(!why.contains('\u{1b}') && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn this_process_has_a_name_without_any_variable() {
        assert!(!operator_name(None).unwrap().is_empty());
    }

    #[test]
    fn on_aws_the_name_is_the_sessions() {
        assert_eq!(
            sender_name("AROAEXAMPLE:ada@example.com".into()),
            "ada@example.com"
        );
        assert_eq!(sender_name("AIDAEXAMPLE".into()), "AIDAEXAMPLE");
    }
}
