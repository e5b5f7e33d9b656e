//! What both servers share: the accept loop and the clock.

use std::io;

use axum::Router;
use chrono::{DateTime, Utc};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
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

/// Serves the router until the future is dropped, and its connections with it.
///
/// The loop is our own because axum's always sends an answer.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let router = TowerToHyperService::new(router);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
                    accepted = listener.accept() => {
        let Ok((stream, _)) = accepted else {
                            // Out of descriptors, most likely: let the connections end first.
                            tokio::task::yield_now().await;
                            continue;
                        };
                        let router = router.clone();
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
                        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                    }
                    Some(_) = connections.join_next() => {}
                }
    }
}
