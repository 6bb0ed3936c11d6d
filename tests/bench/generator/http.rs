//! As much of HTTP/1.1 as a benchmark's client needs: one keep-alive connection, one request at a time, answers that
//! tell their length.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAX_ANSWER_BYTES: usize = 1 << 20;

pub struct Connection {
    stream: TcpStream,
    /// What was read of the present answer.
    buffer: Vec<u8>,
}

/// The status and the whole body.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// What the lines before the body say.
struct Head {
    bytes: usize,
    status: u16,
    body_bytes: usize,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Connection> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read_more().await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
        };
        let whole = head.bytes + head.body_bytes;
        while self.buffer.len() < whole {
            self.read_more().await?;
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.bytes..whole] })
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.buffer.len() > MAX_ANSWER_BYTES {
            bail!("an answer is longer than {MAX_ANSWER_BYTES} bytes");
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

impl Answer<'_> {
    /// An error that shows the answer, unless it has the wanted status.
    pub fn expect(&self, status: u16) -> Result<()> {
        if self.status != status {
            bail!("wanted {status}, got {}: {}", self.status, String::from_utf8_lossy(self.body));
        }
        Ok(())
    }
}

impl Head {
    /// `None` while the empty line has not come.
    fn parse(bytes: &[u8]) -> Result<Option<Head>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).context("an answer's head is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        match (status, length) {
            (Some(status), Some(body_bytes)) => Ok(Some(Head { bytes: end + 4, status, body_bytes })),
            _ => bail!("an answer without status or length: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text = b"HTTP/1.1 201 Created\r\nA: b\r\ncontent-LENGTH: 12\r\n\r\n{}";
        for end in 0..text.len() - 2 {
            assert!(Head::parse(&text[..end]).unwrap().is_none(), "{end}");
        }
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.bytes, head.body_bytes), (201, text.len() - 2, 12));
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
