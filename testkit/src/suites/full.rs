//! Records in which no field has its default: what a store must not lose. They are written without
//! `..`, so that a new field has to be added here.

use std::time::Duration;

use chatops_core::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use chatops_core::deploy::{
    ActedBy, CancelRequest, CiPipeline, CiRun, CiRunKind, DeployEnd, DeployRecord, DeployState,
    EndReason, FailedReads, Hold, JobProgress, MatchedBy, Notice, ReadEfforts, RunWait, RunWatch,
    TriggerIntent, WaitReason,
};
use chatops_core::id::{ChannelId, InvocationId, RequestId};
use chatops_core::notification::{
    Announcement, Card, CardStatus, DeliveryStatus, NotificationKind, NotificationRecord, Refusal,
    StrayCard, Undelivered,
};
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::release::{ReplacedRelease, TargetBefore};
use chatops_core::secret::ResponseUrl;
use url::Url;
use uuid::Uuid;

use super::support::{at, id, pipeline, target};

/// A text that a store may not change.
pub const STRANGE_TEXT: &str = "\u{1f525} 'quoted' \"twice\" \\ \n";

/// A response URL.
pub const RESPONSE_URL: &str = "https://hooks.slack.com/commands/T1/2/abc";

/// A part of a second, which no column of a store has to hold.
const ODD: Duration = Duration::from_nanos(1_234_567_891);

fn text() -> String {
    STRANGE_TEXT.to_owned()
}

fn named(name: &str) -> (String, String) {
    (name.to_owned(), text())
}

/// The next version of a record, with something in every field.
pub fn full_record(record: &DeployRecord) -> DeployRecord {
    let by = ActedBy::User(record.request.qualified_user().into());
    DeployRecord {
        id: record.id,
        short_id: record.short_id.clone(),
        version: record.version + 1,
        state: DeployState::NothingRan,
        events: record.events,
        last_hash: record.last_hash,
        request: record.request.clone(),
        valid_until: at(601),
        locked_target: Some(target()),
        attempts: 3,
        last_error: Some(text()),
        token_refused: true,
        trigger_intent: Some(full_intent()),
        run: Some(full_run()),
        before: Some(TargetBefore {
            replaced: Some(ReplacedRelease {
                deploy: id(109),
                short_id: record.short_id.clone(),
                revision: Some("def".to_owned()),
            }),
            usual: Some(ODD),
        }),
        holds: vec![Hold {
            workflow: text(),
            job: Some(text()),
            waits: true,
        }],
        jobs: Some(JobProgress {
            done: 3,
            total: 7,
            running: vec![text()],
            failed: vec![text(), text()],
            read_at: at(64),
        }),
        reads: full_reads(WaitReason::Rerun),
        watch: Some(RunWatch {
            waited: ODD,
            cancels: true,
        }),
        notice: Some(Notice::AfterEnd {
            workflows: vec![named("late"), named("later")],
        }),
        due_at: Some(at(77)),
        end: Some(DeployEnd {
            at: at(76),
            reason: EndReason::WorkflowMissing {
                wanted: vec!["deploy".to_owned()],
                listed: vec![named("build")],
            },
        }),
        owes_ticket: true,
        cancel: Some(CancelRequest {
            by: by.clone(),
            at: at(70),
        }),
        retry_of: Some(id(101)),
        retry_request: Some(RequestId::of_request("T1", "A1", "102")),
        operator: Some(text()),
        retried_by: Some(id(103)),
        retry_root: Some(id(107)),
        unresolved_before: Some(id(108)),
        dismissed_by: Some(by),
    }
}

/// An intent with something in every field.
pub fn full_intent() -> TriggerIntent {
    TriggerIntent {
        by: InvocationId::new("full"),
        at: at(60),
        send_by: at(61),
        unknown_because: Some(text()),
        slug: ProjectSlug {
            vcs: "gh".to_owned(),
            org: "acme".to_owned(),
            repo: "web".to_owned(),
        },
        call: TriggerCall::PipelineRun {
            definition: Some(Uuid::from_u128(104)),
        },
        deploy_id_parameter: Some("deploy_id".to_owned()),
        workflow: WorkflowSelector::Named(vec!["deploy".to_owned(), text()]),
        must_run: vec!["ship".to_owned(), text()],
    }
}

fn full_run() -> CiRun {
    CiRun {
        pipeline: CiPipeline {
            kind: CiRunKind::Build,
            id: pipeline(105),
            number: 106,
            url: Url::parse("https://app.circleci.com/pipelines/github/acme/web/106").unwrap(),
        },
        matched_by: MatchedBy::DeployId,
        triggered_at: at(62),
        created_at: Some(at(63)),
        revision: Some("abc".to_owned()),
        subject: Some(text()),
        author: Some(text()),
    }
}

/// Reads with something in every field.
pub fn full_reads(reason: WaitReason) -> ReadEfforts {
    ReadEfforts {
        count: u32::MAX,
        at: Some(at(64)),
        pause: ODD,
        step: ODD * 2,
        waited: ODD * 3,
        failed: Some(FailedReads {
            count: 7,
            last: 3,
            waited: ODD * 4,
            since: at(65),
            error: text(),
            told: true,
        }),
        wait: Some(RunWait {
            reason,
            waited: ODD * 5,
            told: true,
        }),
    }
}

/// Every kind of notice.
pub fn all_notices() -> Vec<Notice> {
    vec![
        Notice::TriggerDelayed { error: text() },
        Notice::Unreadable { error: text() },
        Notice::NothingStarted,
        Notice::MayRerun { workflow: text() },
        Notice::AfterEnd {
            workflows: vec![named("late"), named("later")],
        },
        Notice::Unlocked {
            by: ActedBy::Operator { name: text() },
        },
    ]
}

/// The next version of a notification record, with something in every field.
pub fn full_notification(notification: &NotificationRecord) -> NotificationRecord {
    let slack = Url::parse("https://hooks.slack.com").unwrap();
    NotificationRecord {
        deploy: notification.deploy,
        version: notification.version + 1,
        response_url: Some(ResponseUrl::parse(RESPONSE_URL, &[slack]).unwrap()),
        expires_at: at(1_801),
        response_url_uses: 3,
        refusal: Some(Refusal {
            kind: NotificationKind::Hold,
            reason: text(),
        }),
        response_url_from: Some(at(80)),
        bot_from: Some(at(81)),
        bot_attempts: 4,
        token_refused: true,
        unsent_count: 5,
        unknown_count: 6,
        answer: DeliveryStatus::Delivered { at: at(2) },
        progress: DeliveryStatus::Failed { reason: text() },
        hold: DeliveryStatus::Delivered { at: at(78) },
        final_status: DeliveryStatus::Pending { from: at(77) },
        notice: DeliveryStatus::InFlight { until: at(79) },
        notice_again: true,
        hold_again: true,
        undelivered: Some(Undelivered {
            deploy: notification.deploy,
            kind: NotificationKind::Progress,
            reason: text(),
            at: at(82),
            told_later: true,
            channels: vec![ChannelId::parse("C0FEED").unwrap()],
        }),
        announcements: vec![Announcement {
            channel: ChannelId::parse("C0FEED").unwrap(),
            status: DeliveryStatus::InFlight { until: at(83) },
            attempts: 7,
            unsent_count: 8,
            unknown_count: 9,
        }],
        card: Some(Card {
            wanted: 12,
            shown: 11,
            at: Some(posted("1503435956.000247")),
            status: CardStatus::InFlight {
                until: at(84),
                draws: 12,
            },
            others_wait: at(85),
            lost_posts: 1,
            failures: 2,
            again: Some(at(86)),
            drawn: Some(text()),
            strays: vec![StrayCard {
                at: posted("1503435957.000001"),
                attempts: 1,
                next: at(87),
                in_flight: true,
            }],
        }),
    }
}

fn posted(ts: &str) -> PostedMessage {
    PostedMessage {
        channel: ChannelId::parse("C0CARD").unwrap(),
        ts: MessageTs::parse(ts).unwrap(),
    }
}
