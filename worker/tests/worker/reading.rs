//! Who reads what: queries of people, guests and another workspace, and what actions say to somebody
//! who may not read the deploy. `U0001` and `C0001` exist in both workspaces.

use std::sync::Arc;

use chatops_core::command::{self, ChatCommand};
use chatops_core::config::Config;
use chatops_core::id::{ChannelId, DeployId, InvocationId, RequestId, ShortId, TeamId, UserId};
use chatops_core::message::{
    ActionMessage, ActionRequester, DeployMessage, MessageBody, NotifyMessage, QueryMessage,
    Requester, WorkMessage,
};
use chatops_core::ports::{DeployReader as _, Ports, QueueName};
use chatops_core::secret::ResponseUrl;
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryQueue};
use chatops_worker::{Invocation, Worker};

use crate::support::{NoSecrets, RejectingCircleCi};

const CONFIG: &str = r#"
version = 1
default_project = "web"
[slack]
teams = ["T0001", "T0002"]
[users]
auditors = ["T0001/U0006"]
[projects.web]
slug = "gh/acme/web"
aliases = ["site"]
read = ["auditors"]
[projects.web.jobs.deploy]
branches = ["main"]
channels = ["T0001/C0001"]
users = ["T0001/U0001"]
environment = "production"
[projects.api]
slug = "gh/acme/api"
[projects.api.jobs.deploy]
branches = ["*"]
channels = ["*"]
users = ["T0001/U0005"]
"#;

/// What the deploys of `web` must not show to somebody who may not read them.
const SECRETS: [&str; 6] = [
    "`main`",
    "on main",
    "· U0001",
    "production",
    "jobs.deploy",
    "C0001",
];

/// The one who deploys, where it is allowed.
const ADA: Person = Person("T0001", "U0001", "C0001");
const ADA_ELSEWHERE: Person = Person("T0001", "U0001", "C0009");
const GUEST: Person = Person("T0001", "U0009", "C0009");
const GUEST_IN_CHANNEL: Person = Person("T0001", "U0009", "C0001");
const AUDITOR: Person = Person("T0001", "U0006", "C0009");
/// The same ids in the other workspace.
const NAMESAKE: Person = Person("T0002", "U0001", "C0001");
const OF_API: Person = Person("T0001", "U0005", "C0009");

#[derive(Debug, Clone, Copy)]
struct Person(&'static str, &'static str, &'static str);

struct World {
    worker: Worker<Ports<MemoryLedger, MemoryQueue, RejectingCircleCi, NoSecrets>>,
    typed: u32,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
        let worker = Worker {
            ports: Ports {
                ledger: MemoryLedger::new(),
                queue: MemoryQueue::new(clock.clone(), 5),
                vendor: RejectingCircleCi,
                secrets: NoSecrets,
            },
            clock: Arc::new(clock),
            config: Arc::new(Config::parse(CONFIG, "chatops.toml").unwrap()),
        };
        Self { worker, typed: 0 }
    }

    /// Handles what somebody types, and returns the id that it has as a deploy.
    async fn type_command(&mut self, person: Person, text: &str) -> DeployId {
        let Person(team, user, channel) = person;
        self.typed += 1;
        let key = self.typed.to_string();
        let origins = &self.worker.config.slack.response_url_origins;
        let url = format!("https://hooks.slack.com/commands/{key}");
        let requester = Requester {
            team: TeamId::parse(team).unwrap(),
            channel: ChannelId::parse(channel).unwrap(),
            user: UserId::parse(user).unwrap(),
            user_name: None,
            response_url: Some(ResponseUrl::parse(&url, origins).unwrap()),
            unsigned: false,
        };
        let (requested_at, id) = (
            self.worker.clock.now(),
            DeployId::of_request(team, "A1", &key),
        );
        let message = match command::parse(text).unwrap() {
            ChatCommand::Deploy(deploy) => WorkMessage::Deploy(Box::new(DeployMessage {
                refused: None,
                press: None,
                id,
                requester,
                deploy,
                requested_at,
            })),
            ChatCommand::Query(query) => WorkMessage::Query(Box::new(QueryMessage {
                requester,
                query,
                requested_at,
                id: None,
                in_place: false,
            })),
            ChatCommand::Action(action) => WorkMessage::Action(Box::new(ActionMessage {
                id: RequestId::of_request(team, "A1", &key),
                requested_by: ActionRequester::User(requester),
                action,
                requested_at,
                card: None,
            })),
            ChatCommand::Help(_) | ChatCommand::Form => panic!("ingest answers that"),
        };
        let body = MessageBody::encode(&message).unwrap();
        let invocation = Invocation::from(InvocationId::new(format!("run {key}")));
        Box::pin(
            self.worker
                .handle(&invocation, QueueName::Work, &body, None),
        )
        .await
        .unwrap();
        id
    }

    /// The reply to what somebody types.
    async fn ask(&mut self, person: Person, text: &str) -> String {
        self.type_command(person, text).await;
        let sent = self.worker.ports.queue.messages(QueueName::Notify);
        let replies = sent.iter().filter_map(|message| {
            let NotifyMessage::QueryReply(reply) = message.body.decode().unwrap() else {
                return None;
            };
            let expected = format!("https://hooks.slack.com/commands/{}", self.typed);
            (reply.response_url.expose() == expected).then(|| reply.message.to_json().to_string())
        });
        let replies: Vec<String> = replies.collect();
        let [reply] = replies.as_slice() else {
            panic!("{text}: {replies:?}");
        };
        reply.clone()
    }
}

fn short(id: DeployId) -> String {
    id.short_id(ShortId::USUAL).to_string()
}

/// A reply shows nothing of the deploys of `web`.
fn assert_hidden(reply: &str, ids: &[DeployId], asked: &str) {
    for id in ids {
        assert!(!reply.contains(&short(*id)), "{asked}: {reply}");
    }
    for secret in SECRETS {
        assert!(!reply.contains(secret), "{asked} shows {secret}: {reply}");
    }
}

#[tokio::test]
async fn lists_hold_what_one_may_read() {
    let mut world = World::new();
    let web = world.type_command(ADA, "main deploy").await;
    let api = world
        .type_command(OF_API, "deploy api feature deploy")
        .await;
    for (person, sees_web, sees_api) in [
        (ADA, true, false),
        (ADA_ELSEWHERE, true, false),
        (GUEST_IN_CHANNEL, true, false),
        (AUDITOR, true, false),
        (OF_API, false, true),
        (GUEST, false, false),
        (NAMESAKE, false, false),
    ] {
        for asked in ["history", "history job:deploy", "failed"] {
            let reply = world.ask(person, asked).await;
            let sees = [web, api].map(|id| reply.contains(&short(id)));
            assert_eq!(sees, [sees_web, sees_api], "{person:?} {asked}: {reply}");
            if !sees_web {
                assert_hidden(&reply, &[web], asked);
            }
        }
        let reply = world.ask(person, "history user:me").await;
        assert_eq!(reply.contains(&short(web)), person.1 == "U0001" && sees_web);
        // The channel of a project opens no other one, and `status` lists nothing that runs.
        let reply = world.ask(person, "status").await;
        assert!(!reply.contains(&short(web)), "{reply}");
    }
}

#[tokio::test]
async fn a_deploy_that_one_may_not_read_does_not_exist() {
    let mut world = World::new();
    let web = world.type_command(ADA, "main deploy").await;
    let of_none = world.type_command(ADA, "deploy gone main deploy").await;
    let nothing = DeployId::of_request("T0001", "A1", "nothing");
    for person in [GUEST, NAMESAKE, OF_API] {
        for verb in ["status", "retry", "cancel", "history before:"] {
            let join = if verb.ends_with(':') { "" } else { " " };
            let text = |id| format!("{verb}{join}{}", short(id));
            let unknown = world.ask(person, &text(nothing)).await;
            let hidden = world.ask(person, &text(web)).await;
            let expected = unknown.replace(&short(nothing), &short(web));
            assert_eq!(hidden, expected, "{person:?} {verb}");
            assert_hidden(&hidden, &[], verb);
        }
    }
    // Nobody reads what is of no configured project.
    for person in [ADA, GUEST] {
        let reply = world
            .ask(person, &format!("status {}", short(of_none)))
            .await;
        assert!(reply.contains("Not found"), "{reply}");
    }
    let status = world.ask(ADA, &format!("status {}", short(web))).await;
    assert!(status.contains("`main`"), "{status}");
    let record = world.worker.ports.ledger.read_deploy(web).await.unwrap();
    assert_eq!(record.unwrap().retried_by, None);
}

#[tokio::test]
async fn the_plan_of_a_project_that_one_may_not_read_is_the_same_whatever_it_has() {
    let mut world = World::new();
    world.type_command(ADA, "main deploy").await;
    for person in [GUEST, NAMESAKE, OF_API] {
        let plans = [
            world.ask(person, "plan main deploy").await,
            world
                .ask(person, "plan site x deploy")
                .await
                .replace("`x`", "`main`"),
            world
                .ask(person, "plan main none")
                .await
                .replace("`none`", "`deploy`"),
        ];
        assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:#?}");
        assert!(plans[0].contains("projects.web.read"), "{}", plans[0]);
        assert!(plans[0].contains(&format!("{}/{}", person.0, person.1)));
        for secret in ["jobs.deploy", "C0001", "production", "gh/acme"] {
            assert!(!plans[0].contains(secret), "{}", plans[0]);
        }
    }
    let plan = world.ask(GUEST_IN_CHANNEL, "plan main deploy").await;
    assert!(plan.contains("projects.web.jobs.deploy.users"), "{plan}");
}

/// Only the one who asked has the right of the one who asked.
#[tokio::test]
async fn who_requested_a_deploy_may_cancel_it_wherever_they_are() {
    let mut world = World::new();
    // A project that nobody reads any more.
    let id = world.type_command(GUEST, "main deploy").await;
    let cancel = format!("cancel {}", short(id));
    let own = world.ask(GUEST, &cancel).await;
    assert!(own.contains("`main`"), "{own}");
    let other = Person("T0002", "U0009", "C0009");
    let other = world.ask(other, &cancel).await;
    assert!(other.contains("Not found"), "{other}");
}
