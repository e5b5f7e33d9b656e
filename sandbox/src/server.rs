//! What both servers share: the accept loop, going offline, and the clock.

use std::io;
use std::net::SocketAddr;
use std::sync::{MutexGuard, PoisonError};

use axum::Router;
use chrono::{DateTime, Utc};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Marks a response that is not sent: the connection closes without a byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropConnection;

/// A moment.
pub(crate) type Time = DateTime<Utc>;

/// Locks, also after a panic of another holder.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time at which a request is served.
#[expect(
    clippy::disallowed_methods,
    reason = "the servers run in real time; the models under them take it as an argument"
)]
pub(crate) fn now() -> Time {
    Utc::now()
}

/// A server that can go offline and come back at the same address.
#[derive(Debug)]
pub(crate) struct LoopbackServer {
    address: SocketAddr,
    router: Router,
    state: Mutex<ListenerState>,
}

#[derive(Debug)]
enum ListenerState {
    /// The one task of the set serves. Dropping the set ends it and its connections.
    Serving(JoinSet<()>),
    /// The address is bound without a listener: connections are refused.
    Offline(TcpSocket),
}

impl LoopbackServer {
    /// Serves the router until dropped.
    pub(crate) fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            state: Mutex::new(ListenerState::spawn_server(listener, router.clone())),
            router,
        })
    }

    /// Goes offline: current calls get no response, new ones no connection. `false` if it was
    /// offline.
    pub(crate) async fn take_offline(&self) -> io::Result<bool> {
        let mut state = self.state.lock().await;
        let ListenerState::Serving(task) = &mut *state else {
            return Ok(false);
        };
        // Waits until the listener is closed, since its address cannot be bound before.
        task.shutdown().await;
        let socket = if self.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        *state = ListenerState::Offline(socket);
        Ok(true)
    }

    /// Whether it takes connections.
    pub(crate) async fn is_online(&self) -> bool {
        matches!(*self.state.lock().await, ListenerState::Serving(_))
    }

    /// Comes back. `false` if it was online.
    pub(crate) async fn bring_online(&self) -> io::Result<bool> {
        let mut state = self.state.lock().await;
        if matches!(*state, ListenerState::Serving(_)) {
            return Ok(false);
        }
        let empty = ListenerState::Serving(JoinSet::new());
        if let ListenerState::Offline(socket) = std::mem::replace(&mut *state, empty) {
            *state = ListenerState::spawn_server(socket.listen(BACKLOG)?, self.router.clone());
        }
        Ok(true)
    }
}

impl ListenerState {
    fn spawn_server(listener: TcpListener, router: Router) -> Self {
        let mut task = JoinSet::new();
        task.spawn(accept_connections(listener, router));
        Self::Serving(task)
    }
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Serves the router until the future is dropped, with its connections.
///
/// Not `axum::serve`, which always sends a response.
async fn accept_connections(listener: TcpListener, router: Router) {
    let router = TowerToHyperService::new(router);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, router.clone()));
                }
                // Most likely out of file descriptors, until connections end.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, router: TowerToHyperService<Router>) {
    // Streamed lines go out at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let response = router.call(request);
        async move {
            let response = response.await.map_err(io::Error::other)?;
            if response.extensions().get::<DropConnection>().is_some() {
                return Err(io::Error::other("the fault drops the connection"));
            }
            Ok(response)
        }
    });
    // The client sees how the connection ends.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
