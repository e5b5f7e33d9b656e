//! What both servers share: the accept loop, the way to take one off the network, and the clock.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use chrono::{DateTime, Utc};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Marks a response that is not to be sent: the connection closes without a byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped;

/// The time at which a request is served.
#[expect(
    clippy::disallowed_methods,
    reason = "the servers run in real time; the models under them take it as an argument"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A server that can be taken off the network and put back at the same address.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    router: Router,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// The one task serves; dropping the set ends it and its connections.
    Serving(JoinSet<()>),
    /// The address is kept, and nobody listens: whoever connects is refused.
    Gone(TcpSocket),
}

impl Server {
    /// Serves the router until dropped.
    pub(crate) fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            state: Mutex::new(State::serving(listener, router.clone())),
            router,
        })
    }

    /// Takes it off the network: calls in hand get no answer, new ones no connection. `false` if
    /// it was off before.
    pub(crate) async fn take_away(&self) -> io::Result<bool> {
        let mut state = self.state.lock().await;
        let State::Serving(task) = &mut *state else {
            return Ok(false);
        };
        // Waits until the listener is closed, or its address could not be taken.
        task.shutdown().await;
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        *state = State::Gone(socket);
        Ok(true)
    }

    /// Puts it back. `false` if it was there.
    pub(crate) async fn bring_back(&self) -> io::Result<bool> {
        let mut state = self.state.lock().await;
        if matches!(*state, State::Serving(_)) {
            return Ok(false);
        }
        let nothing = State::Serving(JoinSet::new());
        if let State::Gone(socket) = std::mem::replace(&mut *state, nothing) {
            *state = State::serving(socket.listen(BACKLOG)?, self.router.clone());
        }
        Ok(true)
    }
}

impl State {
    fn serving(listener: TcpListener, router: Router) -> Self {
        let mut task = JoinSet::new();
        task.spawn(serve(listener, router));
        Self::Serving(task)
    }
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Serves the router until the future is dropped, and its connections with it.
///
/// The loop is our own because axum's always sends an answer.
async fn serve(listener: TcpListener, router: Router) {
    let router = TowerToHyperService::new(router);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone()));
                }
                // Out of descriptors, most likely: let the connections end first.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: TowerToHyperService<Router>) {
    // What is streamed goes out as it comes.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = router.call(request);
        async move {
            let response = answer.await.map_err(io::Error::other)?;
            if response.extensions().get::<Dropped>().is_some() {
                return Err(io::Error::other("the fault drops the connection"));
            }
            Ok(response)
        }
    });
    // How a connection ends is the client's to see.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
