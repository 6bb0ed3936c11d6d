//! Reads each HTTP/1 request head before the HTTP library does, and refuses what is ambiguous (RFC 9112, sections 3.2,
//! 5, 6 and 11.2), too large, or too slow.
//!
//! The library answers such heads with a bare status or silence, and quietly drops one of two contradicting framing
//! fields. Here a refused head is replaced by a well-formed request that carries the refusal in [`REFUSED`], so that
//! it is answered in its turn, as a problem, by the same pipeline as everything else; nothing is read after it.
//! HTTP/2 has no such ambiguities and passes through.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use shop::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::framing::{Chunks, Framing, inspect};
use super::idle::IdleTimer;

/// Carries a refusal from here into the pipeline: `code; detail`. From a client it only earns that client a refusal.
pub const REFUSED: &str = "shopnode-refused";

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
const READ_BYTES: usize = 8 * 1024;
/// How long, and for how much, a closed connection is read on, so that the peer sees the answer and not a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What a head may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    pub bytes: usize,
    pub fields: usize,
    /// From a head's first byte to its last.
    pub timeout: Duration,
}

/// A connection whose request heads are inspected.
pub struct HeadGuard<T> {
    inner: T,
    limits: HeadLimits,
    idle: Arc<IdleTimer>,
    state: State,
    /// Read and not yet inspected.
    inbox: BytesMut,
    /// Inspected and not yet handed on.
    outbox: BytesMut,
    /// Runs while a head is incomplete.
    head_timer: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

enum State {
    Start,
    Head {
        scanned: usize,
    },
    Sized(u64),
    Chunked(Chunks),
    Http2,
    /// A refusal was handed on, or the body broke off: nothing more is read.
    Ended,
}

impl<T> HeadGuard<T> {
    pub fn new(inner: T, limits: HeadLimits, idle: Arc<IdleTimer>) -> Self {
        Self {
            inner,
            limits,
            idle,
            state: State::Start,
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            head_timer: None,
            linger: None,
        }
    }

    /// Moves what can be decided from the inbox to the outbox.
    fn advance(&mut self) {
        while !self.inbox.is_empty() {
            match &mut self.state {
                State::Start => {
                    let seen = self.inbox.len().min(HTTP2_PREFACE.len());
                    if self.inbox[..seen] != HTTP2_PREFACE[..seen] {
                        self.state = State::Head { scanned: 0 };
                    } else if seen == HTTP2_PREFACE.len() {
                        self.state = State::Http2;
                    } else {
                        return;
                    }
                }
                State::Head { scanned } => {
                    let from = scanned.saturating_sub(3);
                    let Some(end) = head_end(&self.inbox[from..]) else {
                        *scanned = self.inbox.len();
                        if self.inbox.len() > self.limits.bytes {
                            self.refuse(Code::HeadersTooLarge, "the request head is over the limit of bytes");
                        }
                        return;
                    };
                    self.accept_head(from + end);
                }
                State::Sized(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbox.len());
                    self.outbox.unsplit(self.inbox.split_to(take));
                    *left -= take as u64;
                    if *left == 0 {
                        self.state = State::Head { scanned: 0 };
                    }
                }
                State::Chunked(chunks) => match chunks.follow(&mut self.inbox, &mut self.outbox) {
                    Ok(true) => self.state = State::Head { scanned: 0 },
                    Ok(false) => return,
                    Err(()) => {
                        // What is wrong is handed on too: the library's decoder fails on it, and so does the handler.
                        self.outbox.unsplit(self.inbox.split());
                        self.state = State::Ended;
                    }
                },
                State::Http2 => self.outbox.unsplit(self.inbox.split()),
                State::Ended => self.inbox.clear(),
            }
        }
    }

    fn accept_head(&mut self, end: usize) {
        self.head_timer = None;
        if end > self.limits.bytes {
            return self.refuse(Code::HeadersTooLarge, "the request head is over the limit of bytes");
        }
        match inspect(&self.inbox[..end], self.limits.fields) {
            Ok(framing) => {
                self.outbox.unsplit(self.inbox.split_to(end));
                self.state = match framing {
                    Framing::Sized(0) => State::Head { scanned: 0 },
                    Framing::Sized(bytes) => State::Sized(bytes),
                    Framing::Chunked => State::Chunked(Chunks::default()),
                };
            }
            Err((code, detail)) => self.refuse(code, detail),
        }
    }

    fn refuse(&mut self, code: Code, detail: &str) {
        self.head_timer = None;
        self.inbox.clear();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n{REFUSED}: {}; {detail}\r\n\r\n",
            code.as_str()
        );
        self.outbox.extend_from_slice(head.as_bytes());
        self.state = State::Ended;
    }

    /// Who takes something of its answer has time to take more.
    fn taken(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.idle.wrote(bytes);
        }
        written
    }

    /// Whether the timer of an incomplete head has run out.
    fn head_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let waiting = matches!(self.state, State::Start | State::Head { .. }) && !self.inbox.is_empty();
        if !waiting {
            return false;
        }
        let (timeout, idle) = (self.limits.timeout, &self.idle);
        let timer = self.head_timer.get_or_insert_with(|| {
            // What has begun is refused if it is late, not cut.
            idle.allow(timeout + LINGER);
            Box::pin(sleep(timeout))
        });
        timer.as_mut().poll_unpin_ready(cx)
    }
}

/// Polls a pinned timer.
trait PollUnpinReady {
    fn poll_unpin_ready(self, cx: &mut Context<'_>) -> bool;
}

impl PollUnpinReady for Pin<&mut Sleep> {
    fn poll_unpin_ready(self, cx: &mut Context<'_>) -> bool {
        self.poll(cx).is_ready()
    }
}

/// The length of a head that ends in `bytes`. A bare LF ends it too here: it is refused when it is inspected.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let newline = |at: usize| bytes.get(at) == Some(&b'\n');
    (0..bytes.len()).filter(|at| newline(*at)).find_map(|at| {
        if newline(at + 1) {
            Some(at + 2)
        } else if bytes.get(at + 1) == Some(&b'\r') && newline(at + 2) {
            Some(at + 3)
        } else {
            None
        }
    })
}

impl<T: AsyncRead + Unpin> AsyncRead for HeadGuard<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.outbox.is_empty() {
                let take = this.outbox.len().min(buf.remaining());
                buf.put_slice(&this.outbox[..take]);
                this.outbox.advance(take);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                // Never ready and never woken: the refusal asked for the connection to be closed after its answer,
                // and an end of input here would cancel that answer.
                State::Ended => return Poll::Pending,
                State::Http2 => return Pin::new(&mut this.inner).poll_read(cx, buf),
                _ => {}
            }
            if this.head_is_late(cx) {
                this.refuse(Code::RequestTimeout, "the request head was not complete in time");
                continue;
            }
            let mut space = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.inbox.extend_from_slice(read.filled());
            this.advance();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HeadGuard<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.taken(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.taken(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if matches!(this.state, State::Start | State::Head { .. } | State::Http2) && this.inbox.is_empty()
            {
                return Poll::Ready(Ok(()));
            }
            this.linger = Some((Box::pin(sleep(LINGER)), 0));
        }
        let Some((timer, discarded)) = &mut this.linger else { return Poll::Ready(Ok(())) };
        while *discarded < LINGER_BYTES && timer.deadline() > Instant::now() {
            if timer.as_mut().poll_unpin_ready(cx) {
                break;
            }
            let mut space = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => *discarded += read.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::gateway::idle::IdleLimits;

    const LIMITS: HeadLimits = HeadLimits { bytes: 8_192, fields: 16, timeout: Duration::from_secs(10) };
    const MUCH: usize = 1 << 20;

    #[tokio::test]
    async fn a_peer_that_takes_much_has_time_to_take_more() {
        for vectored in [false, true] {
            let hour = Duration::from_secs(3_600);
            let idle = IdleTimer::start(IdleLimits { first: Duration::ZERO, idle: hour, answer: hour });
            assert!(idle.over().now_or_never().is_some());
            let (near, _far) = tokio::io::duplex(MUCH);
            let mut guard = HeadGuard::new(near, LIMITS, Arc::clone(&idle));
            let bytes = vec![0; MUCH];
            let written = match vectored {
                true => guard.write_vectored(&[io::IoSlice::new(&bytes)]).await,
                false => guard.write(&bytes).await,
            };
            assert_eq!(written.unwrap(), MUCH);
            assert!(idle.over().now_or_never().is_none());
        }
    }
}
