//! People who type at the same time, for as long as there is somebody to send it to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::Sandbox;
use chatops_sandbox::slack::{CommandAck, CommandRequest, TypedCommand};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// How many people type.
const TYPISTS: u32 = 3;

/// A person's pause between two commands: it sets the load and waits for nothing.
const PAUSE: Duration = Duration::from_millis(30);

/// A command, and what its requester saw at once.
#[derive(Debug)]
pub(super) struct TypedRequest {
    pub(super) sent: CommandRequest,
    /// `None` while the answer is on its way; it never comes if the process is killed.
    ack: Option<CommandAck>,
}

impl TypedRequest {
    /// The requester saw *Accepted*.
    pub(super) fn is_accepted(&self) -> bool {
        self.answered_as(MessageKind::Accepted)
    }

    /// The requester does not know whether it will run.
    pub(super) fn is_unknown(&self) -> bool {
        let no_answer = self.ack.as_ref().is_none_or(|ack| ack.status.is_none());
        no_answer || self.answered_as(MessageKind::Unconfirmed)
    }

    fn answered_as(&self, kind: MessageKind) -> bool {
        let body = self.ack.as_ref().and_then(|ack| ack.body.as_ref());
        let mark = body.and_then(|body| MessageMark::parse(&body.block_id()?));
        mark.is_some_and(|mark| mark.kind == kind)
    }
}

type Requests = Arc<Mutex<Vec<TypedRequest>>>;

/// The people and what they typed.
#[derive(Debug)]
pub(super) struct Load {
    address: watch::Sender<Option<Url>>,
    requests: Requests,
    typists: JoinSet<()>,
}

impl Load {
    pub(super) fn start(sandbox: &Arc<Sandbox>) -> Self {
        let (address, heard) = watch::channel(None);
        let requests = Requests::default();
        let mut typists = JoinSet::new();
        for number in 0..TYPISTS {
            let (sandbox, requests) = (Arc::clone(sandbox), Arc::clone(&requests));
            typists.spawn(keep_typing(number, sandbox, heard.clone(), requests));
        }
        Self {
            address,
            requests,
            typists,
        }
    }

    /// Where the commands go from now on, if anywhere.
    pub(super) fn send_to(&self, url: Option<Url>) {
        self.address.send_replace(url);
    }

    /// How many commands were accepted so far.
    pub(super) fn accepted(&self) -> usize {
        let requests = lock(&self.requests);
        let accepted = requests.iter().filter(|request| request.is_accepted());
        accepted.count()
    }

    /// Everything that was typed.
    pub(super) async fn end(mut self) -> Vec<TypedRequest> {
        self.typists.shutdown().await;
        std::mem::take(&mut lock(&self.requests))
    }
}

fn lock(requests: &Mutex<Vec<TypedRequest>>) -> std::sync::MutexGuard<'_, Vec<TypedRequest>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep_typing(
    number: u32,
    sandbox: Arc<Sandbox>,
    mut address: watch::Receiver<Option<Url>>,
    requests: Requests,
) {
    for n in 0.. {
        let url = address.wait_for(Option::is_some).await;
        let Some(url) = url.ok().and_then(|url| url.clone()) else {
            return;
        };
        // Every fourth command takes a lock. Each has a branch of its own, so that a lookup after a lost
        // answer has little to read.
        let job = if n % 4 == 3 { "migrate" } else { "test" };
        let typed = TypedCommand {
            user_id: format!("U{number}X{n}"),
            ..TypedCommand::new(&format!("load/{number}-{n} {job}"))
        };
        let client = sandbox.command_sender();
        let sent = client.prepare_command(url.as_str(), &typed);
        // On record before it is sent: what is given up half-way counts as unanswered.
        let mine = {
            let mut requests = lock(&requests);
            requests.push(TypedRequest {
                sent: sent.clone(),
                ack: None,
            });
            requests.len() - 1
        };
        let ack = client.send(&sent).await;
        if let Some(request) = lock(&requests).get_mut(mine) {
            request.ack = Some(ack);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
