//! The bytes of an export: frames, each with its own checksum.
//!
//! ```text
//! frame   = kind u8, payload length u32 BE, CRC-32 (IEEE 802.3) u32 BE over kind, length and payload, payload
//! header  = kind 1: "statecpy", version u16 BE, note
//! records = kind 2: (key length u32 BE, value length u32 BE, key, value)*, in strict key order
//! trailer = kind 3: number of records u64 BE, digests
//! ```
//!
//! One header, any number of records frames, one trailer. It travels between nodes and lies in backups.

use crate::codec::MAX_VALUE_BYTES;
use crate::digest::Digests;
use crate::engine::Raw;
use crate::fault::Fault;
use crate::key::MAX_KEY_BYTES;

/// The version of the format.
pub const EXPORT_VERSION: u16 = 1;
/// The longest note in a header, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 << 10;
/// The longest frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 2 << 20;

const MAGIC: [u8; 8] = *b"statecpy";
const HEAD_BYTES: usize = 9;

const HEADER: u8 = 1;
const RECORDS: u8 = 2;
const TRAILER: u8 = 3;

/// A frame's contents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Header { note: Vec<u8> },
    Records(Vec<(Raw, Raw)>),
    Trailer { records: u64, digests: Digests },
}

pub(super) fn header(note: &[u8]) -> Vec<u8> {
    frame(HEADER, |out| {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&EXPORT_VERSION.to_be_bytes());
        out.extend_from_slice(note);
    })
}

pub(super) fn records(records: &[(Raw, Raw)]) -> Vec<u8> {
    frame(RECORDS, |out| {
        for (key, value) in records {
            out.extend_from_slice(&(key.len() as u32).to_be_bytes());
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
    })
}

pub(super) fn trailer(records: u64, digests: &Digests) -> Vec<u8> {
    frame(TRAILER, |out| {
        out.extend_from_slice(&records.to_be_bytes());
        out.extend_from_slice(&digests.encode());
    })
}

fn frame(kind: u8, payload: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES];
    payload(&mut bytes);
    let length = (bytes.len() - HEAD_BYTES) as u32;
    bytes[0] = kind;
    bytes[1..5].copy_from_slice(&length.to_be_bytes());
    let checksum = checksum(&bytes[..5], &bytes[HEAD_BYTES..]);
    bytes[5..HEAD_BYTES].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Finds the frames in a stream that arrives in pieces of any size. Buffers at most one frame and one piece.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole frame, if it has arrived.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Fault> {
        let pending = &self.buffer[self.taken..];
        let Some((head, rest)) = pending.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_FRAME_BYTES - HEAD_BYTES {
            return Err(damaged(format!("a frame claims {length} bytes")));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        if checksum(&head[..5], payload) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err(damaged("a frame fails its checksum"));
        }
        let frame = match kind {
            HEADER => parse_header(payload)?,
            RECORDS => parse_records(payload)?,
            TRAILER => parse_trailer(payload)?,
            other => return Err(damaged(format!("a frame is of kind {other}"))),
        };
        self.taken += HEAD_BYTES + length;
        Ok(Some(frame))
    }

    /// Whether part of a frame is waiting for the rest.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.len() == self.taken
    }
}

pub(super) fn damaged(detail: impl Into<String>) -> Fault {
    Fault::BadCopy { detail: detail.into() }
}

fn parse_header(payload: &[u8]) -> Result<Frame, Fault> {
    let Some((&magic, rest)) = payload.split_first_chunk() else {
        return Err(damaged("the header is too short"));
    };
    let Some((&version, note)) = rest.split_first_chunk() else {
        return Err(damaged("the header is too short"));
    };
    if magic != MAGIC {
        return Err(damaged("the header is not one of an export"));
    }
    match u16::from_be_bytes(version) {
        EXPORT_VERSION if note.len() <= MAX_NOTE_BYTES => Ok(Frame::Header { note: note.to_vec() }),
        EXPORT_VERSION => Err(damaged("the note is too long")),
        other => Err(damaged(format!(
            "it is in version {other}, and this program knows {EXPORT_VERSION}: upgrade this node"
        ))),
    }
}

fn parse_records(mut payload: &[u8]) -> Result<Frame, Fault> {
    let mut records = Vec::new();
    while !payload.is_empty() {
        let key_length = take_length(&mut payload, MAX_KEY_BYTES)?;
        let value_length = take_length(&mut payload, MAX_VALUE_BYTES)?;
        let key = take(&mut payload, key_length)?;
        let value = take(&mut payload, value_length)?;
        records.push((key, value));
    }
    Ok(Frame::Records(records))
}

fn parse_trailer(payload: &[u8]) -> Result<Frame, Fault> {
    let Some((&records, digests)) = payload.split_first_chunk() else {
        return Err(damaged("the trailer is too short"));
    };
    let digests = Digests::decode(digests).map_err(|fault| damaged(fault.to_string()))?;
    Ok(Frame::Trailer { records: u64::from_be_bytes(records), digests })
}

fn take_length(payload: &mut &[u8], limit: usize) -> Result<usize, Fault> {
    let Some((&length, rest)) = payload.split_first_chunk() else {
        return Err(damaged("a record ends too early"));
    };
    *payload = rest;
    let length = u32::from_be_bytes(length) as usize;
    if length <= limit { Ok(length) } else { Err(damaged(format!("a record claims {length} bytes"))) }
}

fn take(payload: &mut &[u8], length: usize) -> Result<Raw, Fault> {
    let Some((taken, rest)) = payload.split_at_checked(length) else {
        return Err(damaged("a record ends too early"));
    };
    *payload = rest;
    Ok(Raw::from(taken))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Decoder, Frame, Raw, frame, header, records, trailer};
    use crate::digest::{Digests, Tally};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn digests() -> Digests {
        let mut tally = Tally::new(Digests::default());
        tally.add(b"\x20\0\0\0\x01k", b"v");
        tally.finish()
    }

    fn sample() -> Vec<(Raw, Raw)> {
        vec![(Raw::from(&b"\x20\0\0\0\x01k"[..]), Raw::from(&b"v"[..]))]
    }

    /// Nodes and backups exchange these bytes: a change here is a new `EXPORT_VERSION`.
    #[test]
    fn golden_bytes() {
        assert_eq!(hex(&header(b"note")), "010000000ea5cfaa5d737461746563707900016e6f7465");
        assert_eq!(hex(&records(&sample())), "020000000f99761a8b000000060000000120000000016b76");
        assert_eq!(
            hex(&trailer(1, &digests())),
            "0300000022e95fbda2000000000000000101200000000000000001de873295ace27558a3e2c79f99bf3d6a"
        );
    }

    #[test]
    fn frames_arrive_in_pieces_of_any_size() {
        let stream = [header(b""), records(&sample()), trailer(1, &digests())].concat();
        for size in [1, 2, 7, stream.len()] {
            let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
            for piece in stream.chunks(size) {
                decoder.push(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    frames.push(frame);
                }
            }
            assert!(decoder.is_empty());
            let expect = [
                Frame::Header { note: Vec::new() },
                Frame::Records(sample()),
                Frame::Trailer { records: 1, digests: digests() },
            ];
            assert_eq!(frames, expect);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = records(&sample());
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            // A longer length waits for bytes that never come; everything else is damage.
            assert!(!matches!(decoder.next(), Ok(Some(_))), "bit {bit}");
        }
    }

    #[test]
    fn frames_that_pass_their_checksum_are_still_checked() {
        let check = |bytes: Vec<u8>, expect: &str| {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let fault = decoder.next().unwrap_err();
            assert_eq!(fault.code(), "storage_bad_copy");
            assert!(fault.to_string().contains(expect), "{fault}");
        };
        check(frame(9, |_| {}), "of kind 9");
        check(frame(1, |out| out.extend_from_slice(b"statecpy\0\x02")), "version 2");
        check(frame(1, |out| out.extend_from_slice(b"something else")), "not one of an export");
        check(frame(2, |out| out.extend_from_slice(&[0, 0, 0, 9, 0, 0, 0, 9, 1])), "ends too early");
        check(frame(2, |out| out.extend_from_slice(&[0xff; 8])), "claims");
        check(frame(3, |out| out.extend_from_slice(&[0; 8])), "a digest");
        check(vec![2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], "claims");
    }

    proptest! {
        #[test]
        fn decoding_noise_never_panics(noise in any::<Vec<u8>>(), kind in 0u8..5) {
            let mut decoder = Decoder::default();
            decoder.push(&noise);
            prop_assert!(!matches!(decoder.next(), Ok(Some(_))));
            let mut decoder = Decoder::default();
            decoder.push(&frame(kind, |out| out.extend_from_slice(&noise)));
            let _ = decoder.next();
        }
    }
}
