//! SMTP connections: bounded in number, size and patience.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::mailbox::Mailbox;
use super::session::{MAX_MAIL_BYTES, Session, Step};

const MAX_CONNECTIONS: usize = 64;
/// For one line, or for one mail.
const PATIENCE: Duration = Duration::from_secs(60);
/// RFC 5321, 4.5.3.1.6, asks for a thousand; some senders need more.
const MAX_LINE_BYTES: u64 = 8000;

pub(super) async fn accept(listener: TcpListener, mailbox: Arc<Mailbox>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (mailbox, stop) = (mailbox.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that hangs up or dawdles loses its connection, nothing else.
                _ = converse(stream, &mailbox) => {}
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, mailbox: &Mailbox) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut session = Session::default();
    stream.write_all(b"220 catcher ESMTP\r\n").await?;
    loop {
        let Some(line) = timeout(PATIENCE, read_line(&mut stream)).await?? else { return Ok(()) };
        match session.command(&line) {
            Step::Reply(reply) => stream.write_all(reply.as_bytes()).await?,
            Step::Close(reply) => {
                stream.write_all(reply.as_bytes()).await?;
                return stream.shutdown().await;
            }
            Step::ReadMail(reply) => {
                stream.write_all(reply.as_bytes()).await?;
                let raw = timeout(PATIENCE, read_mail(&mut stream)).await??;
                let (from, to) = session.take_envelope();
                let reply = match raw {
                    Some(raw) => format!("250 kept as {}\r\n", mailbox.put(from, to, raw)),
                    None => "552 too large\r\n".to_owned(),
                };
                stream.write_all(reply.as_bytes()).await?;
            }
        }
    }
}

/// One line without its ending; none at the end of the connection.
async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let bytes = read_raw_line(stream).await?;
    let Some(line) = bytes else { return Ok(None) };
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

async fn read_raw_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = stream.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
    match line.last() {
        None if read == 0 => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a line that does not end")),
    }
}

/// A mail up to the lone dot, which doubled dots are not (RFC 5321, 4.5.2); none if it is too large, read all the
/// same, up to ten times the limit.
async fn read_mail(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut mail = Vec::new();
    let mut total = 0;
    loop {
        let line = read_raw_line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line == b".\r\n" {
            return Ok((total <= MAX_MAIL_BYTES).then_some(mail));
        }
        let text = if line.starts_with(b"..") { &line[1..] } else { &line[..] };
        total += text.len();
        if total > 10 * MAX_MAIL_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a mail that does not end"));
        }
        if total <= MAX_MAIL_BYTES {
            mail.extend_from_slice(text);
        }
    }
}
