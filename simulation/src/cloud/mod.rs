//! The ports on AWS: the memory store and queue behind what `DynamoDB`, SQS and Lambda do, and what
//! the adapters make of it.
//!
//! Everything here is off unless the run is on AWS
//! ([`CrashPoints::is_on_aws`](crate::crash_points::CrashPoints::is_on_aws)). What any store and
//! queue can do is not here but at the crash points, on AWS as elsewhere:
//!
//! | fault | call | what happens, and what the adapter makes of it |
//! |---|---|---|
//! | `ReadFails` | every read | throttled until the SDK gives up, or records that stay left out of a list: `LedgerError` |
//! | `WriteFails` | `commit`, `save_notification` | denied, or cancelled by conflicts or throttles at all eight tries, or overtaken on the notification record in all eight rounds, or the read before it fails: `LedgerError`, nothing written |
//! | `WriteAnswerLost` | `commit`, `save_notification` | written, and no answer to any of the SDK's attempts: `LedgerError` |
//! | `SendFails` | `send` | SQS says no: `NotSent` |
//! | `SendAnswerLost` | `send` | taken, and no answer to any attempt: `Unknown` |
//! | `Delay`, `WakeUpLost`, `Duplicate` | delivery | late; lost at the end of its retention; twice at the same time |
//!
//! A commit whose first answer was lost and that the SDK sends again carries the same token:
//! `DynamoDB` answers with success, so that nothing can be seen of it but the time it took, and
//! somebody else may read in between, as at every point. A delay is cut to 15 minutes by the memory
//! queue, as by SQS. What follows is new here:
//!
//! | fault | call | what happens, and what the adapter makes of it |
//! |---|---|---|
//! | `WriteWaits` | `commit`, `save_notification` | cancelled by a conflict or a throttle, and sent again up to seven times: others write in between, or the process dies; then whatever the conditions say |
//! | `WriteSelfConflict` | `commit`, `save_notification` | written; then the adapter makes a transaction with another token (it had been overtaken on the notification record or the lock) or the token is no longer known, and finds its own version: `Conflict::StaleVersion`, as if another had written it |
//! | `WriteArrivesLate` | `commit`, `save_notification` | `LedgerError`, as if it had failed, but the request is still on its way, and is done after others have read, if its conditions hold then |
//! | `DueMissing`, `DueStale` | `list_due` | the index lags: what is due is not shown, or what is not due (any more) is |
//! | `ListMissing` | `list_deploys` | the index lags: a deploy is not shown. One that does not fit any more never is, since the adapter shows what the record says |
//! | `SendThrottled` | `send` | not taken; but a throttled attempt may follow one whose answer was lost: `Unknown` |
//! | `SendTwice` | `send` | the SDK sends again what was taken, and SQS knows no tokens: twice in the queue, and success |
//! | `ReceiveOverlooks` | `receive` | SQS samples only some of its hosts: no messages, and success |
//! | `ReceiveFails` | `receive` | `QueueError` |
//! | `VisibleTooEarly` | `receive` | visible again at once: two handlers have it, and one of the two receipts is old |
//! | `OldReceiptCounts` | `delete` | by an old receipt: deleted while another handler has it. Otherwise it is void, which the adapter takes for done |
//! | `DeleteFails`, `DeleteAnswerLost` | `delete` | `QueueError`; the message comes again, or does not |
//! | `ReleaseFails` | `release` | `QueueError`; the message comes when it would have come anyway |
//! | `CutShort` | a run | the function ends soon: a run that cannot wait for an answer any more begins no trigger (`DeadlineTooClose`), an unfinished one is dropped, and the message comes again |
//! | `BatchDies` | a run | several messages are one batch: the function dies after some of them were done, and all come again. Without that, only what failed does |

mod ledger;
mod queue;
pub mod scenarios;

pub use self::ledger::CloudLedger;
pub use self::queue::CloudQueue;
