//! How people are called: as the configuration names them, else as Slack did, else by the id.
//!
//! A name notifies nobody. Only the final status mentions somebody, the requester.

use super::Mrkdwn;
use crate::config::Config;
use crate::deploy::{ActedBy, DeployRequest, SlackUser};
use crate::id::UserId;

/// The longest name that is shown, in characters of Slack's markup.
const MAX_NAME: usize = 32;

impl Mrkdwn {
    /// Who requested a deploy.
    pub(super) fn requester(self, request: &DeployRequest, config: &Config) -> Self {
        self.person(&request.slack_user(), config)
    }

    /// Who acted.
    pub(super) fn actor(self, by: &ActedBy, config: &Config) -> Self {
        match by {
            ActedBy::User(user) | ActedBy::UnsignedUser(user) => self.person(user, config),
            ActedBy::Operator { name } => self.and("operator ").escaped(name),
        }
    }

    /// The same; of the requester only that, whom the message names already.
    pub(super) fn other_actor(
        self,
        by: &ActedBy,
        request: &DeployRequest,
        config: &Config,
    ) -> Self {
        if by.user() == Some(&request.qualified_user()) {
            self.and("the requester")
        } else {
            self.actor(by, config)
        }
    }

    /// A user by name.
    pub(super) fn person(mut self, user: &SlackUser, config: &Config) -> Self {
        // People choose their names in Slack: one that the configuration gives to others is not shown.
        let is_free = |name: &&String| !config.users.contains_key(&name.to_lowercase());
        let known = config.user_names.get(&user.id);
        let name = known.or_else(|| user.name.as_ref().filter(is_free));
        let name = name.map_or(user.id.id.as_str(), String::as_str);
        let shown = Mrkdwn::default().escaped(name).truncated(MAX_NAME);
        self.push_fmt(format_args!("{shown}"));
        self
    }

    /// A mention, which notifies.
    pub(super) fn mention(mut self, user: &UserId) -> Self {
        self.push_fmt(format_args!("<@{user}>"));
        self
    }
}
