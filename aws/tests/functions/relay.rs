//! A way to the emulator whose connections can all be closed at once.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct TcpRelay {
    pub(crate) url: String,
    connections: Arc<Mutex<JoinSet<()>>>,
    _running: JoinSet<()>,
}

impl TcpRelay {
    pub(crate) async fn start(to: &str) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::<Mutex<JoinSet<()>>>::default();
        let (mut running, shared) = (JoinSet::new(), Arc::clone(&connections));
        running.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let to = to.clone();
                shared.lock().await.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(to).await else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            url,
            connections,
            _running: running,
        }
    }

    /// Closes every connection there is.
    pub(crate) async fn close_connections(&self) {
        let mut connections = self.connections.lock().await;
        assert!(!connections.is_empty(), "nobody has ever connected");
        connections.shutdown().await;
    }
}
