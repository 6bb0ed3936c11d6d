//! Our types inside the records of the write-ahead log. Each is `length u32 BE | bytes of codec.rs`; the record
//! around it, with its checksum, is raft-log's.

use std::{cmp::Ordering, io};

use bytes::{Bytes, BytesMut};
use openraft::vote::RaftVote;
use raft_log::codeq::{Decode, Encode};

use crate::{
    codec::{self, LOG_ID_BYTES, Malformed, Reader},
    host::MAX_COMMAND_BYTES,
    types::{LogId, Payload, Vote},
};

/// A command and what surrounds it; memberships are smaller.
const MAX_RECORD_BYTES: usize = MAX_COMMAND_BYTES + 4096;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WalLogId(pub LogId);

#[derive(Debug, Clone)]
pub(super) struct WalPayload(pub Payload);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalVote(pub Vote);

/// Votes are only partly ordered, and raft-log demands this trait under std's name.
impl PartialOrd for WalVote {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        RaftVote::partial_cmp(&self.0, &other.0)
    }
}

impl Encode for WalLogId {
    fn encode<W: io::Write>(&self, writer: W) -> io::Result<usize> {
        let mut bytes = BytesMut::with_capacity(LOG_ID_BYTES);
        codec::put_log_id(&mut bytes, &self.0);
        write(writer, &bytes)
    }
}

impl Decode for WalLogId {
    fn decode<R: io::Read>(reader: R) -> io::Result<Self> {
        read("log id", reader, codec::read_log_id).map(WalLogId)
    }
}

impl Encode for WalVote {
    fn encode<W: io::Write>(&self, writer: W) -> io::Result<usize> {
        let mut bytes = BytesMut::with_capacity(17);
        codec::put_vote(&mut bytes, &self.0);
        write(writer, &bytes)
    }
}

impl Decode for WalVote {
    fn decode<R: io::Read>(reader: R) -> io::Result<Self> {
        read("vote", reader, codec::read_vote).map(WalVote)
    }
}

impl Encode for WalPayload {
    fn encode<W: io::Write>(&self, writer: W) -> io::Result<usize> {
        write(writer, &codec::encode_payload(&self.0))
    }
}

impl Decode for WalPayload {
    fn decode<R: io::Read>(reader: R) -> io::Result<Self> {
        codec::decode_payload(read_bytes(reader)?).map(WalPayload).map_err(invalid)
    }
}

fn write<W: io::Write>(mut writer: W, bytes: &[u8]) -> io::Result<usize> {
    writer.write_all(&(bytes.len() as u32).to_be_bytes())?;
    writer.write_all(bytes)?;
    Ok(4 + bytes.len())
}

fn read<R: io::Read, T>(
    what: &'static str,
    reader: R,
    decode: impl FnOnce(&mut Reader) -> Result<T, Malformed>,
) -> io::Result<T> {
    let mut fields = Reader::new(what, read_bytes(reader)?);
    let value = decode(&mut fields).map_err(invalid)?;
    fields.end().map_err(invalid)?;
    Ok(value)
}

fn read_bytes<R: io::Read>(mut reader: R) -> io::Result<Bytes> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_RECORD_BYTES {
        let why = format!("a record of {length} bytes is above the limit of {MAX_RECORD_BYTES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

fn invalid(malformed: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, malformed)
}

#[cfg(test)]
mod tests {
    use openraft::{EntryPayload, vote::RaftLeaderId};

    use super::*;
    use crate::types::LeaderId;

    fn golden(value: &impl Encode, expect: &[u8]) {
        let mut bytes = Vec::new();
        assert_eq!(value.encode(&mut bytes).unwrap(), expect.len());
        assert_eq!(bytes, expect);
    }

    #[test]
    fn records_are_pinned() {
        let id = WalLogId(LogId::new(LeaderId::new(1, 2), 3));
        let id_bytes =
            [[0, 0, 0, 24].as_slice(), &1u64.to_be_bytes(), &2u64.to_be_bytes(), &3u64.to_be_bytes()]
                .concat();
        golden(&id, &id_bytes);
        assert_eq!(WalLogId::decode(id_bytes.as_slice()).unwrap(), id);

        let vote = WalVote(Vote::new(4, 5));
        let vote_bytes = [[0, 0, 0, 17].as_slice(), &4u64.to_be_bytes(), &5u64.to_be_bytes(), &[0]].concat();
        golden(&vote, &vote_bytes);
        assert_eq!(WalVote::decode(vote_bytes.as_slice()).unwrap(), vote);

        golden(&WalPayload(EntryPayload::Blank), &[0, 0, 0, 2, 1, 0]);
        assert_eq!(WalPayload::decode([0, 0, 0, 2, 1, 0].as_slice()).unwrap().0, EntryPayload::Blank);
    }

    #[test]
    fn an_absurd_length_allocates_nothing() {
        let error = WalPayload::decode([0xff, 0xff, 0xff, 0xff].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
