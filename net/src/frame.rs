//! How a request, an answer and a channel's frames look on a stream.
//!
//! These bytes are a contract between nodes of different versions during a rolling upgrade: the tests below pin
//! them. A change needs a new version number and a reader for the old one.
//!
//! ```text
//! opening  version u8 = 1 | mode u8 (0 call, 1 channel) | group u32 BE | kind u8
//! frame    length u32 BE | body
//! answer   status u8 (0 done, 1 refused) | frame: the answer, or why not (UTF-8)
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    error::NetError,
    transport::{GroupId, Kind},
};

/// The version of everything in this file.
pub const VERSION: u8 = 1;

/// The largest body of a frame, in bytes. Appends hold at most 64 entries of 256 KiB each; chunks of a snapshot
/// are smaller.
pub const MAX_FRAME_BYTES: usize = 24 * 1024 * 1024;

/// Length of [`Opening::encode`].
pub const OPENING_BYTES: usize = 7;

/// What a new stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One request, one answer.
    Call,
    /// Frames both ways until each side finishes.
    Channel,
}

/// The first bytes of every stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    pub mode: Mode,
    pub group: GroupId,
    pub kind: Kind,
}

impl Opening {
    /// The bytes sent first.
    pub fn encode(self) -> [u8; OPENING_BYTES] {
        let mode = match self.mode {
            Mode::Call => 0,
            Mode::Channel => 1,
        };
        let group = self.group.0.to_be_bytes();
        [VERSION, mode, group[0], group[1], group[2], group[3], self.kind.0]
    }

    /// Reads what [`Opening::encode`] wrote.
    ///
    /// # Errors
    /// [`NetError::BadFrame`] for another version or mode.
    pub fn decode(bytes: [u8; OPENING_BYTES]) -> Result<Opening, NetError> {
        let [version, mode, g0, g1, g2, g3, kind] = bytes;
        if version != VERSION {
            return Err(NetError::BadFrame(format!("version {version}, this node speaks {VERSION}")));
        }
        let mode = match mode {
            0 => Mode::Call,
            1 => Mode::Channel,
            other => return Err(NetError::BadFrame(format!("mode {other}"))),
        };
        Ok(Opening { mode, group: GroupId(u32::from_be_bytes([g0, g1, g2, g3])), kind: Kind(kind) })
    }
}

/// A frame with its length in front.
///
/// # Errors
/// [`NetError::TooLarge`].
pub fn encode(body: &[u8]) -> Result<Bytes, NetError> {
    check_length(body.len())?;
    let mut out = BytesMut::with_capacity(4 + body.len());
    out.put_u32(body.len() as u32);
    out.put_slice(body);
    Ok(out.freeze())
}

/// The length announced by a frame's first four bytes, checked before anything is allocated for it.
///
/// # Errors
/// [`NetError::TooLarge`].
pub fn length(prefix: [u8; 4]) -> Result<usize, NetError> {
    let bytes = u32::from_be_bytes(prefix) as usize;
    check_length(bytes)?;
    Ok(bytes)
}

fn check_length(bytes: usize) -> Result<(), NetError> {
    if bytes > MAX_FRAME_BYTES {
        return Err(NetError::TooLarge { bytes, limit: MAX_FRAME_BYTES });
    }
    Ok(())
}

/// An answer to a call.
///
/// # Errors
/// [`NetError::TooLarge`].
pub fn encode_answer(answer: &Result<Bytes, String>) -> Result<Bytes, NetError> {
    let (status, body) = match answer {
        Ok(body) => (0, body.as_ref()),
        Err(why) => (1, why.as_bytes()),
    };
    check_length(body.len())?;
    let mut out = BytesMut::with_capacity(5 + body.len());
    out.put_u8(status);
    out.put_u32(body.len() as u32);
    out.put_slice(body);
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        let opening = Opening { mode: Mode::Channel, group: GroupId(0x01020304), kind: Kind(9) };
        assert_eq!(opening.encode(), [1, 1, 1, 2, 3, 4, 9]);
        assert_eq!(Opening::decode(opening.encode()), Ok(opening));
        assert_eq!(encode(b"ab").unwrap().as_ref(), [0, 0, 0, 2, b'a', b'b']);
        assert_eq!(encode_answer(&Ok(Bytes::from_static(b"x"))).unwrap().as_ref(), [0, 0, 0, 0, 1, b'x']);
        assert_eq!(encode_answer(&Err("n".into())).unwrap().as_ref(), [1, 0, 0, 0, 1, b'n']);
    }

    #[test]
    fn strange_bytes_are_refused() {
        assert!(matches!(Opening::decode([2, 0, 0, 0, 0, 1, 0]), Err(NetError::BadFrame(_))));
        assert!(matches!(Opening::decode([1, 7, 0, 0, 0, 1, 0]), Err(NetError::BadFrame(_))));
        assert!(matches!(length([0xff; 4]), Err(NetError::TooLarge { .. })));
        assert!(encode(&vec![0; MAX_FRAME_BYTES + 1]).is_err());
    }
}
