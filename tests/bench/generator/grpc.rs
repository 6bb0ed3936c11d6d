//! As much of gRPC as a benchmark's client needs: unary calls over HTTP/2, several clients to a connection.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;

/// A connection that may be shared by cloning.
#[derive(Clone)]
pub struct Channel {
    sender: SendRequest<Bytes>,
    address: String,
    broken: Rc<Cell<bool>>,
}

impl Channel {
    pub async fn open(address: &str) -> Result<Channel> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        // It ends with its last sender; what goes wrong on it is told to whoever waits for an answer.
        tokio::spawn(connection);
        Ok(Channel { sender, address: address.to_owned(), broken: Rc::default() })
    }

    /// Whether no call on it has failed yet.
    pub fn is_open(&self) -> bool {
        !self.broken.get()
    }

    /// Sends a framed message and waits until the answer is whole.
    pub async fn call(&mut self, path: &str, message: Bytes) -> Result<()> {
        let done = self.exchange(path, message).await;
        self.broken.set(self.broken.get() || done.is_err());
        done
    }

    async fn exchange(&mut self, path: &str, message: Bytes) -> Result<()> {
        let request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut ready = self.sender.clone().ready().await?;
        let (answer, mut body) = ready.send_request(request, false)?;
        body.send_data(message, true)?;
        let (head, mut body) = answer.await?.into_parts();
        while let Some(data) = body.data().await {
            let bytes = data?.len();
            body.flow_control().release_capacity(bytes)?;
        }
        let trailers = body.trailers().await?;
        let fields = trailers.as_ref().unwrap_or(&head.headers);
        match fields.get("grpc-status").map(|status| status.as_bytes()) {
            Some(b"0") => Ok(()),
            _ => bail!("gRPC: {fields:?}"),
        }
    }
}

/// Puts the five bytes before a message that gRPC wants: not compressed, and how long it is.
pub fn framed(message: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(message.len() + 5);
    bytes.push(0);
    bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.into()
}
