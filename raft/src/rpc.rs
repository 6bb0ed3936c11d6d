//! What members of a group say to each other, in bytes.
//!
//! Nodes of two versions meet here during an upgrade, so the tests below pin every message. Each begins with a
//! version byte; the parts are those of [`crate::codec`]. `?x` is a flag byte and, if it is 1, x.
//!
//! ```text
//! append       1 | vote | ?previous log id | ?leader commit | count u32 { log id | length u32 | entry }
//! append ok    1 | 0 success · 1 ?partial · 2 conflict · 3 vote
//! stream ok    1 | 0 ?matching · 1 conflict log id · 2 vote
//! vote         1 | vote | ?last log id | transfer u8
//! vote answer  1 | vote | granted u8 | ?last log id
//! transfer     1 | leader's vote | to u64 | ?last log id
//! transferred  1 | 0 · 1 expected vote, actual vote · 2 ?expected, ?actual
//! read index   1 | proof u8 (0 fresh, 1 lease)       answer: 1 | 0 index u64 · 1 ?leader u64 · 2 · 3
//! snapshot     see snapshot_transfer.rs
//! copy         see refetch.rs
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use net::{Kind, NodeId};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use crate::{
    codec::{
        self, Malformed, Reader, put_log_id, put_optional_log_id, put_vote, read_log_id,
        read_optional_log_id, read_vote,
    },
    error::ReadError,
    read_index::Proof,
    types::{RaftEntry, TypeConfig},
};

/// The version of every message.
pub(crate) const VERSION: u8 = 1;

/// One append, one answer: heartbeats.
pub(crate) const APPEND: Kind = Kind(1);
/// A channel of appends, answered in order.
pub(crate) const APPEND_STREAM: Kind = Kind(2);
pub(crate) const VOTE: Kind = Kind(3);
pub(crate) const PRE_VOTE: Kind = Kind(4);
pub(crate) const TRANSFER_LEADER: Kind = Kind(5);
/// A channel that carries one snapshot.
pub(crate) const SNAPSHOT: Kind = Kind(6);
pub(crate) const READ_INDEX: Kind = Kind(7);
/// A channel that carries a copy of the leader's state to who asks.
pub(crate) const COPY: Kind = Kind(8);

/// Something that members send.
pub(crate) trait Message: Sized {
    /// For errors.
    const WHAT: &'static str;
    fn put(&self, out: &mut BytesMut);
    fn read(reader: &mut Reader) -> Result<Self, Malformed>;

    fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        out.put_u8(VERSION);
        self.put(&mut out);
        out.freeze()
    }

    fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(Self::WHAT, bytes);
        reader.version()?;
        let message = Self::read(&mut reader)?;
        reader.end()?;
        Ok(message)
    }
}

impl Message for AppendEntriesRequest<TypeConfig> {
    const WHAT: &'static str = "append";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, &self.vote);
        put_optional_log_id(out, self.prev_log_id.as_ref());
        put_optional_log_id(out, self.leader_commit.as_ref());
        out.put_u32(self.entries.len() as u32);
        for entry in &self.entries {
            let payload = codec::encode_payload(&entry.payload);
            put_log_id(out, &entry.log_id);
            out.put_u32(payload.len() as u32);
            out.put_slice(&payload);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let vote = read_vote(reader)?;
        let prev_log_id = read_optional_log_id(reader)?;
        let leader_commit = read_optional_log_id(reader)?;
        // Not trusted for an allocation: the bytes run out first.
        let count = reader.u32()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let log_id = read_log_id(reader)?;
            let length = reader.u32()?;
            let payload = codec::decode_payload(reader.take(length as usize)?)?;
            entries.push(RaftEntry { log_id, payload });
        }
        Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
    }
}

impl Message for AppendEntriesResponse<TypeConfig> {
    const WHAT: &'static str = "append answer";

    fn put(&self, out: &mut BytesMut) {
        match self {
            AppendEntriesResponse::Success => out.put_u8(0),
            AppendEntriesResponse::PartialSuccess(matching) => {
                out.put_u8(1);
                put_optional_log_id(out, matching.as_ref());
            }
            AppendEntriesResponse::Conflict => out.put_u8(2),
            AppendEntriesResponse::HigherVote(vote) => {
                out.put_u8(3);
                put_vote(out, vote);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(match reader.u8()? {
            0 => AppendEntriesResponse::Success,
            1 => AppendEntriesResponse::PartialSuccess(read_optional_log_id(reader)?),
            2 => AppendEntriesResponse::Conflict,
            3 => AppendEntriesResponse::HigherVote(read_vote(reader)?),
            _ => return Err(reader.bad("unknown outcome")),
        })
    }
}

impl Message for StreamAppendResult<TypeConfig> {
    const WHAT: &'static str = "append stream answer";

    fn put(&self, out: &mut BytesMut) {
        match self {
            Ok(matching) => {
                out.put_u8(0);
                put_optional_log_id(out, matching.as_ref());
            }
            Err(StreamAppendError::Conflict(log_id)) => {
                out.put_u8(1);
                put_log_id(out, log_id);
            }
            Err(StreamAppendError::HigherVote(vote)) => {
                out.put_u8(2);
                put_vote(out, vote);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(match reader.u8()? {
            0 => Ok(read_optional_log_id(reader)?),
            1 => Err(StreamAppendError::Conflict(read_log_id(reader)?)),
            2 => Err(StreamAppendError::HigherVote(read_vote(reader)?)),
            _ => return Err(reader.bad("unknown outcome")),
        })
    }
}

impl Message for VoteRequest<TypeConfig> {
    const WHAT: &'static str = "vote request";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, &self.vote);
        put_optional_log_id(out, self.last_log_id.as_ref());
        out.put_u8(self.leadership_transfer.into());
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let mut request = VoteRequest::new(read_vote(reader)?, read_optional_log_id(reader)?);
        request.leadership_transfer = reader.flag()?;
        Ok(request)
    }
}

impl Message for VoteResponse<TypeConfig> {
    const WHAT: &'static str = "vote answer";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, &self.vote);
        out.put_u8(self.vote_granted.into());
        put_optional_log_id(out, self.last_log_id.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let (vote, granted) = (read_vote(reader)?, reader.flag()?);
        Ok(VoteResponse::new(vote, read_optional_log_id(reader)?, granted))
    }
}

impl Message for TransferLeaderRequest<TypeConfig> {
    const WHAT: &'static str = "leader transfer";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, self.from_leader());
        out.put_u64(*self.to_node_id());
        put_optional_log_id(out, self.last_log_id());
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let (from, to) = (read_vote(reader)?, reader.u64()?);
        Ok(TransferLeaderRequest::new(from, to, read_optional_log_id(reader)?))
    }
}

impl Message for TransferLeaderResponse<TypeConfig> {
    const WHAT: &'static str = "leader transfer answer";

    fn put(&self, out: &mut BytesMut) {
        match self {
            Ok(()) => out.put_u8(0),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                out.put_u8(1);
                put_vote(out, expected);
                put_vote(out, actual);
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                out.put_u8(2);
                put_optional_log_id(out, expected.as_ref());
                put_optional_log_id(out, actual.as_ref());
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(match reader.u8()? {
            0 => Ok(()),
            1 => Err(TransferLeaderError::VoteChanged {
                expected: read_vote(reader)?,
                actual: read_vote(reader)?,
            }),
            2 => Err(TransferLeaderError::LogNotFlushed {
                expected: read_optional_log_id(reader)?,
                actual: read_optional_log_id(reader)?,
            }),
            _ => return Err(reader.bad("unknown outcome")),
        })
    }
}

impl Message for Proof {
    const WHAT: &'static str = "read index request";

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Proof::Fresh => 0,
            Proof::Lease => 1,
        });
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        match reader.u8()? {
            0 => Ok(Proof::Fresh),
            1 => Ok(Proof::Lease),
            _ => Err(reader.bad("unknown proof")),
        }
    }
}

/// What the leader answers to a [`Proof`].
pub(crate) type ReadIndexAnswer = Result<u64, ReadError>;

impl Message for ReadIndexAnswer {
    const WHAT: &'static str = "read index answer";

    fn put(&self, out: &mut BytesMut) {
        match self {
            Ok(index) => {
                out.put_u8(0);
                out.put_u64(*index);
            }
            Err(ReadError::NotLeader { leader }) => {
                out.put_u8(1);
                out.put_u8(leader.is_some().into());
                if let Some(leader) = leader {
                    out.put_u64(*leader);
                }
            }
            Err(ReadError::NoQuorum | ReadError::IndexNotReached { .. }) => out.put_u8(2),
            Err(ReadError::Stopped) => out.put_u8(3),
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(match reader.u8()? {
            0 => Ok(reader.u64()?),
            1 => {
                let leader: Option<NodeId> = if reader.flag()? { Some(reader.u64()?) } else { None };
                Err(ReadError::NotLeader { leader })
            }
            2 => Err(ReadError::NoQuorum),
            3 => Err(ReadError::Stopped),
            _ => return Err(reader.bad("unknown outcome")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use openraft::{EntryPayload, vote::RaftLeaderId};

    use super::*;
    use crate::types::{LeaderId, LogId, Vote};

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId::new(1, 2), index)
    }

    const VOTE_HEX: &str = "0000000000000004000000000000000501";
    const ID_HEX: &str = "00000000000000010000000000000002";

    fn vote() -> Vote {
        Vote::new_committed(4, 5)
    }

    /// Compares by the debug text, because openraft's requests have no equality.
    fn check<M: Message + Debug>(message: M, golden: &str) {
        let bytes = message.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden, "{message:?}");
        assert_eq!(format!("{:?}", M::decode(bytes.clone()).unwrap()), format!("{message:?}"));
        for end in 0..bytes.len() {
            assert!(M::decode(bytes.slice(..end)).is_err(), "{message:?} cut at {end}");
        }
    }

    #[test]
    fn appends_are_pinned() {
        let entries = vec![RaftEntry { log_id: id(9), payload: EntryPayload::Blank }];
        let request =
            AppendEntriesRequest { vote: vote(), prev_log_id: Some(id(8)), entries, leader_commit: None };
        check(
            request,
            &format!(
                "01{VOTE_HEX}01{ID_HEX}0000000000000008 00 00000001 {ID_HEX}0000000000000009 00000002 0100"
            )
            .replace(' ', ""),
        );
        check(AppendEntriesResponse::<TypeConfig>::Success, "0100");
        check(AppendEntriesResponse::<TypeConfig>::PartialSuccess(None), "010100");
        check(AppendEntriesResponse::<TypeConfig>::Conflict, "0102");
        check(AppendEntriesResponse::<TypeConfig>::HigherVote(vote()), &format!("0103{VOTE_HEX}"));
        let matching: StreamAppendResult<TypeConfig> = Ok(Some(id(3)));
        check(matching, &format!("010001{ID_HEX}0000000000000003"));
        let conflict: StreamAppendResult<TypeConfig> = Err(StreamAppendError::Conflict(id(3)));
        check(conflict, &format!("0101{ID_HEX}0000000000000003"));
        let higher: StreamAppendResult<TypeConfig> = Err(StreamAppendError::HigherVote(vote()));
        check(higher, &format!("0102{VOTE_HEX}"));
    }

    #[test]
    fn votes_and_transfers_are_pinned() {
        let mut request = VoteRequest::<TypeConfig>::new(vote(), Some(id(7)));
        request.leadership_transfer = true;
        check(request, &format!("01{VOTE_HEX}01{ID_HEX}000000000000000701"));
        check(VoteResponse::<TypeConfig>::new(vote(), None, true), &format!("01{VOTE_HEX}0100"));
        let transfer = TransferLeaderRequest::<TypeConfig>::new(vote(), 6, None);
        check(transfer, &format!("01{VOTE_HEX}000000000000000600"));
        let done: TransferLeaderResponse<TypeConfig> = Ok(());
        check(done, "0100");
        let changed: TransferLeaderResponse<TypeConfig> =
            Err(TransferLeaderError::VoteChanged { expected: vote(), actual: vote() });
        check(changed, &format!("0101{VOTE_HEX}{VOTE_HEX}"));
        let unflushed: TransferLeaderResponse<TypeConfig> =
            Err(TransferLeaderError::LogNotFlushed { expected: None, actual: None });
        check(unflushed, "01020000");
    }

    #[test]
    fn read_indices_are_pinned() {
        check(Proof::Fresh, "0100");
        check(Proof::Lease, "0101");
        let found: ReadIndexAnswer = Ok(5);
        check(found, "01000000000000000005");
        let elsewhere: ReadIndexAnswer = Err(ReadError::NotLeader { leader: Some(3) });
        check(elsewhere, "0101010000000000000003");
        let none: ReadIndexAnswer = Err(ReadError::NoQuorum);
        check(none, "0102");
        let stopped: ReadIndexAnswer = Err(ReadError::Stopped);
        check(stopped, "0103");
    }
}
