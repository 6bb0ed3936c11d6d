//! What a node's clock says.
//!
//! ```text
//! question  version u8 = 1
//! answer    version u8 = 1 | milliseconds since the Unix epoch u64 BE
//! ```
//!
//! A node that does not know the question refuses it, and its clock counts for nothing.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::{NetError, NodeId};
use tokio::time::Instant;

use super::{Peers, kind};

const VERSION: u8 = 1;

impl Peers {
    /// What the clock of `node` said, sometime between the question and the answer.
    ///
    /// # Errors
    /// When it does not say by `deadline`.
    pub async fn clock(&self, node: NodeId, deadline: Instant) -> Result<u64, NetError> {
        let question = Bytes::from_static(&[VERSION]);
        let answer = self.call(node, kind::CLOCK, question, deadline).await?;
        decode(answer).ok_or_else(|| NetError::BadFrame("no clock of a form that is known here".to_owned()))
    }
}

/// The answer of a node whose clock says `now_ms`.
pub(super) fn answer(question: &[u8], now_ms: u64) -> Result<Bytes, String> {
    if question.first() != Some(&VERSION) {
        return Err(format!("a question for the clock that is not of version {VERSION}"));
    }
    let mut out = BytesMut::with_capacity(9);
    out.put_u8(VERSION);
    out.put_u64(now_ms);
    Ok(out.freeze())
}

fn decode(mut answer: Bytes) -> Option<u64> {
    (answer.try_get_u8().ok()? == VERSION).then(|| answer.try_get_u64().ok())?
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{answer, decode};

    #[test]
    fn the_bytes_are_pinned() {
        let bytes = [1, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(answer(&[1], 258).unwrap().as_ref(), bytes);
        assert_eq!(decode(Bytes::copy_from_slice(&bytes)), Some(258));
        // What a later version says besides is overlooked.
        assert_eq!(decode(Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 1, 2, 9])), Some(258));
        assert_eq!(decode(Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 1, 2])), None);
        assert_eq!(decode(Bytes::from_static(&[1, 0])), None);
        assert!(answer(&[2], 1).is_err() && answer(&[], 1).is_err());
    }
}
