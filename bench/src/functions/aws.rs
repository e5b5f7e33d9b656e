//! A stand-in for SQS and Secrets Manager that responds at once, over TLS, the largest cost of a
//! cold start.

use std::io::BufReader;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::wire;

/// Starts it until the process ends and returns its URL. `authority` receives its certificate.
pub(super) fn start_endpoint(signing_secret: &str, authority: &Path) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    std::fs::write(authority, made.cert.pem())?;
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
    let config = Arc::new(config);
    let secret = serde_json::json!({
        "Name": "inbound", "CreatedDate": 1_600_000_000,
        "SecretString": serde_json::json!({"slack_signing_secret": signing_secret}).to_string(),
    });
    let secret: Arc<str> = secret.to_string().into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr().context("no address")?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (config, secret) = (Arc::clone(&config), Arc::clone(&secret));
            thread::spawn(move || serve_connection(connection, config, &secret));
        }
    });
    Ok(format!("https://{address}"))
}

fn serve_connection(connection: TcpStream, config: Arc<ServerConfig>, secret: &str) -> Result<()> {
    connection.set_nodelay(true)?;
    let session = ServerConnection::new(config)?;
    let mut stream = BufReader::new(StreamOwned::new(session, connection));
    while let Some(request) = wire::read_request(&mut stream)? {
        let target = request.header("x-amz-target").unwrap_or_default();
        let body = match target.rsplit('.').next().unwrap_or_default() {
            "GetSecretValue" => secret,
            "SendMessage" => r#"{"MessageId":"1","MD5OfMessageBody":"0"}"#,
            _ => "{}",
        };
        wire::write_response(stream.get_mut(), "", body.as_bytes())?;
    }
    Ok(())
}
