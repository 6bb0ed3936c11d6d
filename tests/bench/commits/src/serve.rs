//! Etcd's `KV/Put` over gRPC, as far as its clients' bytes need: each message is committed as it comes, key and value, and
//! the answer is an empty `PutResponse`. Whoever does not lead answers UNAVAILABLE.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use raft::{Host, MAX_COMMAND_BYTES};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const OK: &str = "0";
const UNAVAILABLE: &str = "14";
/// Not compressed, and no bytes.
const EMPTY_MESSAGE: [u8; 5] = [0; 5];
/// What gRPC puts before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn forever(address: SocketAddr, host: Host) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let host = host.clone();
        tokio::spawn(async move {
            if let Err(error) = connection(stream, host).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

async fn connection(stream: TcpStream, host: Host) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = h2::server::handshake(stream).await?;
    while let Some(request) = requests.accept().await {
        let (request, answer) = request?;
        let host = host.clone();
        tokio::spawn(async move {
            if let Err(error) = put(request, answer, host).await {
                tracing::debug!(%error, "a request broke off");
            }
        });
    }
    Ok(())
}

async fn put(request: Request<RecvStream>, mut answer: SendResponse<Bytes>, host: Host) -> Result<()> {
    let command = message(request.into_body()).await?;
    let status = match host.submit(command, Instant::now() + PATIENCE).await {
        Ok(_) => OK,
        Err(_) => UNAVAILABLE,
    };
    // Many are committed together: who waits for the others of its connection shares a packet with them.
    tokio::task::yield_now().await;
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut body = answer.send_response(head, false)?;
    if status == OK {
        body.send_data(Bytes::from_static(&EMPTY_MESSAGE), false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    body.send_trailers(trailers)?;
    Ok(())
}

/// The one message of a request, without its prefix.
async fn message(mut body: RecvStream) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        if whole.len() + data.len() > MAX_COMMAND_BYTES {
            bail!("a message is too long");
        }
        whole.extend_from_slice(&data);
    }
    if whole.len() < PREFIX_BYTES {
        bail!("a request without a message");
    }
    Ok(whole.freeze().slice(PREFIX_BYTES..))
}
