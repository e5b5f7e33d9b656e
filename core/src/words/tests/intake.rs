//! What ingest answers at once.

use insta::assert_snapshot;

use super::*;
use crate::command::Wish;
use crate::fixtures::{ask, team};
use crate::policy::Refusal;

#[test]
fn a_command() {
    let short = id().short(8);
    assert_snapshot!(read(&accepted(&ask(), &short)), @"
    (to all)
    :inbox_tray: *Accepted:* `deploy` on `main` of `web` · `f643ce10` · <@U012ABCDEF>
    ");
    assert_snapshot!(read(&checking(&ask(), &short)), @"
    (to the asker)
    :mag: *Checking:* `deploy` on `main` of `web` · `f643ce10` · the answer follows.
    ");
    assert_snapshot!(read(&not_accepted()), @"
    (to the asker)
    :warning: *Not accepted:* the command could not be queued. Nothing was started; try again in a minute.
    ");
    assert_snapshot!(read(&cannot_confirm(&ask(), &short)), @"
    (to the asker)
    :warning: *Could not confirm:* `deploy` on `main` of `web` · `f643ce10`
    It may have been accepted: if it was, a message follows here. Wait for it before you type the command again.
    ");
    assert_snapshot!(read(&not_slacks()), @"
    (to the asker)
    :no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's (rule `slack.reply_origins`). Nothing was started.
    ");
    assert_snapshot!(read(&no_identity()), @"
    (to the asker)
    :no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a repetition of it could not be told from a new command. Nothing was started.
    ");
    assert_snapshot!(read(&not_listened_to(&Refusal::Team { team: team() })), @"
    (to the asker)
    :no_entry: *Not here:* commands from this workspace are not listened to (rule `slack.teams`).
    An operator can add `T012ABCDEF` to `teams` in `chatops.toml`.
    ");
}

#[test]
fn a_wish() {
    let wish = |text| match command::parse(text) {
        Ok(Command::Wish(wish)) => wish,
        other => panic!("{other:?}"),
    };
    let read = |wish: Wish| read(&noted(&wish));
    assert_snapshot!(read(wish("retry 1a2b3c4d")), @"
    (to the asker)
    :inbox_tray: *Noted:* `retry 1a2b3c4d` · the answer follows.
    ");
    assert_snapshot!(read(wish("cancel 1a2b3c4d")), @"
    (to the asker)
    :inbox_tray: *Noted:* `cancel 1a2b3c4d` · the answer follows.
    ");
}
