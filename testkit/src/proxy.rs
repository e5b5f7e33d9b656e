//! A way to the endpoint on which things go wrong: answers are lost, or others come in their place.

use std::sync::{Arc, Mutex};

use chatops_aws::client::AwsSdk;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::emulator::{self, endpoint};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum NetFault {
    /// Nothing: it is the next one's turn.
    Pass,
    /// It is done, and its answer never comes.
    HoldAnswer,
    /// It is done, and its answer is lost.
    LoseAnswer,
    /// It is not done, and this is the answer.
    Replace(String),
}

/// A request as it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyRequest {
    /// AWS's word for it, or the last part of the path.
    pub action: String,
    /// As it was sent.
    pub body: String,
}

/// What is to go wrong, and what has passed.
#[derive(Debug, Default)]
struct FaultPlan {
    action: &'static str,
    faults: Vec<NetFault>,
    passed: Vec<ProxyRequest>,
    held: usize,
}

/// The way to the endpoint, or to whatever else speaks HTTP.
#[derive(Debug)]
pub struct Proxy {
    /// Its address, without a path.
    pub url: String,
    plan: Arc<Mutex<FaultPlan>>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// A way to the emulator.
    pub async fn start() -> Self {
        Self::to(&endpoint().url).await
    }

    /// A way to an address without TLS.
    pub async fn to(address: &str) -> Self {
        let address = address.strip_prefix("http://");
        let address = address.unwrap_or_else(|| panic!("a proxy needs an endpoint without TLS"));
        let address: Arc<str> = address.trim_end_matches('/').into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::<Mutex<FaultPlan>>::default();
        let mut running = JoinSet::new();
        let shared = Arc::clone(&plan);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (plan, address) = (Arc::clone(&shared), Arc::clone(&address));
                connections.spawn(async move { forward(connection, &address, &plan).await });
            }
        });
        Self {
            url,
            plan,
            _running: running,
        }
    }

    /// Clients of the endpoint that go this way.
    pub fn aws(&self) -> AwsSdk {
        emulator::aws_clients(&self.url)
    }

    /// Lets the next requests of an action meet these. An action is AWS's word for it; elsewhere it
    /// is the last part of the path.
    pub fn inject(&self, action: &'static str, faults: Vec<NetFault>) {
        let plan = &mut *self.plan.lock().unwrap();
        (plan.action, plan.faults) = (action, faults);
        plan.faults.reverse();
        plan.passed.clear();
        plan.held = 0;
    }

    /// How many requests are done whose answer was held.
    pub fn held(&self) -> usize {
        self.plan.lock().unwrap().held
    }

    /// The requests of that action since.
    pub fn passed(&self) -> Vec<ProxyRequest> {
        let plan = self.plan.lock().unwrap();
        let ours = plan.passed.iter();
        let ours = ours.filter(|request| request.action == plan.action);
        ours.cloned().collect()
    }
}

/// An error as the JSON protocols tell it.
pub fn refusal(code: &str, more: &str) -> NetFault {
    let body = format!(r#"{{"__type":"com.amazonaws#{code}","message":"words"{more}}}"#);
    NetFault::Replace(format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A transaction cancelled for these reasons.
pub fn cancelled(reasons: &[&str]) -> NetFault {
    let reasons = reasons.iter();
    let reasons = reasons.map(|code| format!(r#"{{"Code":"{code}","Message":"words"}}"#));
    let reasons = reasons.collect::<Vec<_>>().join(",");
    let more = format!(r#","CancellationReasons":[{reasons}]"#);
    refusal("TransactionCanceledException", &more)
}

/// Passes one request on. Each connection has one: every answer says that it is the last.
async fn forward(mut client: TcpStream, address: &str, plan: &Mutex<FaultPlan>) -> Option<()> {
    let (head, body) = read_request(&mut client).await?;
    let mut lines = head.lines();
    let first = lines.next()?.to_owned();
    let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let named = |name: &str| fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    let action = match named("x-amz-target") {
        Some((_, target)) => target.rsplit('.').next()?.to_owned(),
        None => first.split(' ').nth(1)?.rsplit('/').next()?.to_owned(),
    };
    let fault = {
        let plan = &mut *plan.lock().unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let hit = action == plan.action;
        plan.passed.push(ProxyRequest { action, body });
        if hit { plan.faults.pop() } else { None }
    };
    if let Some(NetFault::Replace(answer)) = fault {
        return client.write_all(answer.as_bytes()).await.ok();
    }
    let kept = fields.iter();
    let kept = kept.filter(|(name, _)| !name.eq_ignore_ascii_case("connection"));
    let mut request = format!("{first}\r\nConnection: close\r\n");
    request.extend(kept.map(|(name, value)| format!("{name}: {value}\r\n")));
    let mut server = TcpStream::connect(address).await.ok()?;
    server
        .write_all(format!("{request}\r\n").as_bytes())
        .await
        .ok()?;
    server.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    match fault {
        None | Some(NetFault::Pass) => client.write_all(&answer).await.ok(),
        Some(NetFault::HoldAnswer) => {
            plan.lock().unwrap().held += 1;
            // Until whoever waits for it hangs up.
            client.read(&mut [0]).await.ok().map(|_| ())
        }
        Some(_) => None,
    }
}

async fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let ours = name.eq_ignore_ascii_case("content-length");
            ours.then(|| value.parse::<usize>().ok()).flatten()
        });
        let body = &bytes[end + 4..];
        if body.len() >= length.unwrap_or(0) {
            return Some((head, body.to_vec()));
        }
    }
}
