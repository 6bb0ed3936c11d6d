//! Asking another node which authority signed the certificate that it proves itself with.
//!
//! ```text
//! question  version u8 = 1
//! answer    version u8 = 1 | SHA-256 of the authority's SubjectPublicKeyInfo 32
//! ```

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use net::NodeId;
use tokio::time::Instant;

use super::{Peers, TellAuthority, kind};

const VERSION: u8 = 1;
const DEADLINE: Duration = Duration::from_millis(500);

impl Peers {
    /// From where this node's own authority is known. The first one told stays.
    pub fn tell_authority(&self, tell: impl Fn() -> Option<[u8; 32]> + Send + Sync + 'static) {
        // An error means that it was told before.
        let _ = self.0.tell_authority.set(Box::new(tell));
    }

    /// The authority that signed the certificate of `node`, as it says; `None` when it does not say, also because it is of a version
    /// that does not know the question.
    pub async fn authority(&self, node: NodeId) -> Option<[u8; 32]> {
        if node == self.node() {
            return self.0.tell_authority.get().and_then(|tell| tell());
        }
        let deadline = Instant::now() + DEADLINE;
        let answer = self.call(node, kind::AUTHORITY, Bytes::from_static(&[VERSION]), deadline).await;
        decode(&answer.ok()?)
    }
}

/// The answer to the question `body`.
pub(super) fn answer(tell: Option<&TellAuthority>, body: &[u8]) -> Result<Bytes, String> {
    if body.first() != Some(&VERSION) {
        return Err("a question about an authority of a version that is not known here".to_owned());
    }
    let authority = tell.and_then(|tell| tell()).ok_or_else(|| "this node cannot say".to_owned())?;
    Ok(encode(&authority))
}

fn encode(authority: &[u8; 32]) -> Bytes {
    let mut out = BytesMut::with_capacity(33);
    out.put_u8(VERSION);
    out.put_slice(authority);
    out.freeze()
}

fn decode(body: &[u8]) -> Option<[u8; 32]> {
    match body.split_first() {
        Some((&VERSION, authority)) => authority.try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{answer, decode, encode};
    use crate::peers::TellAuthority;

    #[test]
    fn the_bytes_are_pinned() {
        let bytes = encode(&[7; 32]);
        assert_eq!(bytes.as_ref(), [&[1][..], &[7; 32]].concat());
        assert_eq!(decode(&bytes), Some([7; 32]));
        for strange in [&bytes[..32], &[], &[2; 33]] {
            assert_eq!(decode(strange), None);
        }
        let tell: TellAuthority = Box::new(|| Some([7; 32]));
        assert_eq!(answer(Some(&tell), &[1]), Ok(bytes));
        assert!(answer(Some(&tell), &[2]).is_err() && answer(None, &[1]).is_err());
    }
}
