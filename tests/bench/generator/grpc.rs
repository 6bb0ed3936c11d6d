//! As much of gRPC as a benchmark's client needs: unary calls over HTTP/2, several clients to a connection.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Uri};
use tokio::net::TcpStream;

/// A connection that may be shared by cloning.
#[derive(Clone)]
pub struct Channel {
    sender: SendRequest<Bytes>,
    /// What is called: always the same.
    target: Uri,
    broken: Rc<Cell<bool>>,
}

impl Channel {
    /// For calls of one method, such as `/package.Service/Method`.
    pub async fn open(address: &str, path: &str) -> Result<Channel> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        // It ends with its last sender; what goes wrong on it is told to whoever waits for an answer.
        tokio::spawn(connection);
        let target = format!("http://{address}{path}").parse()?;
        Ok(Channel { sender, target, broken: Rc::default() })
    }

    /// Whether no call on it has failed yet.
    pub fn is_open(&self) -> bool {
        !self.broken.get()
    }

    /// Sends a framed message and waits until the answer is whole.
    pub async fn call(&mut self, message: Bytes) -> Result<()> {
        let done = self.exchange(message).await;
        self.broken.set(self.broken.get() || done.is_err());
        done
    }

    async fn exchange(&mut self, message: Bytes) -> Result<()> {
        // Clients are answered together: who waits for the others of its connection shares a packet with them.
        tokio::task::yield_now().await;
        let request = Request::post(self.target.clone())
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
