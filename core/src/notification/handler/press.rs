//! A button of a card was pressed: that says where the card is, and that it may show something old.

use super::{NotifyContext, NotifyRun, ReadingNotification, failed, read, was_saved};
use crate::Time;
use crate::notification::NotificationRecord;
use crate::notification::draw::after_press;
use crate::phase::Phase;
use crate::ports::{CommitError, SaveNotification};
use crate::posted::PostedMessage;

/// Notes that a button of a card was pressed.
#[derive(Debug, Clone)]
pub struct NotingPress {
    /// The record with the note.
    pub record: NotificationRecord,
    /// The card.
    pub pressed: PostedMessage,
}

impl NotingPress {
    /// The note, if there is anything to note.
    pub(super) fn of(
        record: &NotificationRecord,
        pressed: &PostedMessage,
        now: Time,
    ) -> Option<Self> {
        let mut record = record.clone();
        let changed = after_press(&mut record, pressed, now);
        changed.then(|| Self {
            record,
            pressed: pressed.clone(),
        })
    }
}

impl Phase for NotingPress {
    type Request = SaveNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> SaveNotification {
        SaveNotification(self.record.clone())
    }

    fn resume(self, answer: Result<(), CommitError>, _: NotifyContext<'_>) -> NotifyRun {
        let deploy = self.record.deploy;
        match was_saved(answer) {
            Ok(true) => read(deploy, true),
            Ok(false) => NotifyRun::Read(ReadingNotification {
                deploy,
                pressed: Some(self.pressed),
                has_written: false,
            }),
            Err(error) => failed(error),
        }
    }
}
