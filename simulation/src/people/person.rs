//! Who types: people of several workspaces, with rights and without.

/// Somebody who types a command, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The workspace.
    pub team: &'static str,
    /// The user id, which is unique only within its workspace.
    pub user: &'static str,
    /// The channel id, likewise.
    pub channel: &'static str,
}

/// The workspaces whose commands are accepted.
pub(super) const TEAMS: [&str; 2] = [HOME, "T0002"];

/// The workspace of those who may deploy.
const HOME: &str = "T0001";

/// The channel that they may deploy from.
const DEPLOYMENTS: &str = "C0001";

impl Person {
    /// Those who may deploy.
    pub const ENTITLED: [Person; 3] = [
        Person::at_home("U0001", DEPLOYMENTS),
        Person::at_home("U0002", DEPLOYMENTS),
        Person::at_home("U0003", DEPLOYMENTS),
    ];

    /// Those who may not, although each of them has something in common with one who may.
    pub const OTHERS: [Person; 7] = [
        // A stranger, in the right channel and in another one.
        Person::at_home("U0666", DEPLOYMENTS),
        Person::at_home("U0666", "C0005"),
        // The right person in the wrong channel.
        Person::at_home("U0001", "C0005"),
        // A guest, who sees one channel.
        Person::at_home("U0777", "C0007"),
        // Another workspace is allowed, too, and has people and channels of the same ids.
        Person::of("T0002", "U0001", DEPLOYMENTS),
        Person::of("T0002", "U0002", "C0005"),
        // This one is not.
        Person::of("T0009", "U0001", DEPLOYMENTS),
    ];

    /// A person of the first workspace.
    #[must_use]
    pub const fn at_home(user: &'static str, channel: &'static str) -> Self {
        Self::of(HOME, user, channel)
    }

    /// A person of some workspace.
    #[must_use]
    pub const fn of(team: &'static str, user: &'static str, channel: &'static str) -> Self {
        Self {
            team,
            user,
            channel,
        }
    }

    /// Whether their workspace is one whose commands are accepted.
    #[must_use]
    pub fn is_of_known_workspace(&self) -> bool {
        TEAMS.contains(&self.team)
    }

    /// The user with the workspace, `T…/U…`.
    #[must_use]
    pub fn qualified_user(&self) -> String {
        format!("{}/{}", self.team, self.user)
    }

    /// The channel with the workspace, `T…/C…`.
    #[must_use]
    pub fn qualified_channel(&self) -> String {
        format!("{}/{}", self.team, self.channel)
    }
}
