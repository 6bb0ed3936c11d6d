//! How somebody who has no certificate yet asks for one: one request and one answer on a connection of its own, under
//! the ALPN `shopnode-join/1`, at the same socket as everything else.
//!
//! Whoever asks has checked by then that the answering node is of the cluster that it means: see [`Pin`]. Nothing else
//! answers a peer without a certificate. What is in the two messages is not looked at here.

mod ask;
mod door;
mod pin;

use std::net::SocketAddr;

pub use ask::{JoinError, ask};
use bytes::Bytes;
pub(crate) use door::Door;
pub use pin::Pin;

use crate::transport::BoxFuture;

/// The longest request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// The longest answer, in bytes: a hundred addresses and a few certificates.
pub const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// Answers those who are no nodes yet.
pub trait Registrar: Send + Sync + 'static {
    /// Answers one request, of at most [`MAX_REQUEST_BYTES`], with at most [`MAX_ANSWER_BYTES`]. Who asks has proved
    /// nothing.
    fn register(&self, from: SocketAddr, request: Bytes) -> BoxFuture<'_, Bytes>;
}
