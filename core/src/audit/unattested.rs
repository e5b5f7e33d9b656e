//! What no event attests, with the reason: the one list. `docs/operations.md` shows it, and the tests that
//! tamper with a ledger leave out exactly this.

/// Something stored that `chatops audit verify` cannot compare with an event.
#[derive(Debug, Clone, Copy)]
pub struct Unattested {
    /// The table of the data file.
    pub table: &'static str,
    /// The column, and in a JSON body the field; `*` for all.
    pub field: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Why no event says it.
    pub why: &'static str,
}

const fn entry(
    table: &'static str,
    field: &'static str,
    what: &'static str,
    why: &'static str,
) -> Unattested {
    Unattested {
        table,
        field,
        what,
        why,
    }
}

/// All of it.
pub const UNATTESTED: &[Unattested] = &[
    entry(
        "deploy",
        "body.reads",
        "how often CircleCI was read",
        "each read would be an event; what people are told of it is one",
    ),
    entry(
        "deploy",
        "body.jobs",
        "the progress of the jobs",
        "shown only while a deploy runs, and read again with the next poll",
    ),
    entry(
        "deploy",
        "body.owes_ticket",
        "whether a retry ticket is still to be sent",
        "the ticket is a message in a queue",
    ),
    entry(
        "deploy",
        "body.watch",
        "for how long a run was watched after its end",
        "as for reads",
    ),
    entry(
        "lock",
        "until",
        "when the lock of a deploy whose end is not known expires, and that it is there until then",
        "the setting `lock_ttl` decides it; one that expires before the end is found",
    ),
    entry(
        "notification",
        "body",
        "how messages to Slack went, with the response URL",
        "the notifier writes no event; which messages were asked for is compared",
    ),
    entry(
        "action",
        "*",
        "actions that were refused",
        "they changed no deploy; those that made one are compared",
    ),
    entry(
        "action_count",
        "*",
        "how many actions a user asked for within a minute",
        "a limit, not a record",
    ),
    entry(
        "project",
        "*",
        "that webhooks of a project arrive, and pauses that CircleCI asked for",
        "a hint for the next poll",
    ),
    entry(
        "message",
        "*",
        "the queues",
        "messages only say that a record is to be read",
    ),
];
