//! What stands between a node and a server: a wire that breaks once, or TLS.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Leads to `port`, and breaks once, in the middle of the first connection that carries as many bytes. Returns its own port.
pub async fn breaking_once(port: u16, after_bytes: u64) -> u16 {
    let (listener, own) = listener().await;
    let broken = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let broken = broken.clone();
            tokio::spawn(async move {
                let ((mut from, mut back), (mut answers, mut to)) = (client.split(), server.split());
                let mut first = (&mut from).take(after_bytes);
                let there = async {
                    copy(&mut first, &mut to).await?;
                    if first.limit() > 0 || !broken.swap(true, Ordering::SeqCst) {
                        return std::io::Result::Ok(());
                    }
                    copy(first.into_inner(), &mut to).await.map(drop)
                };
                tokio::select! {
                    done = there => done,
                    done = copy(&mut answers, &mut back) => done.map(drop),
                }
            });
        }
    });
    own
}

/// Leads to `port` by TLS, as `localhost`. Returns its own port and its authority's certificate (PEM).
pub async fn tls(port: u16) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (acceptor, (listener, own)) = (TlsAcceptor::from(Arc::new(config)), listener().await);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (own, made.cert.pem())
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
