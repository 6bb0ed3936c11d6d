//! The bytes of everything that raft writes to disk or sends: command, entry, log id, vote, membership.
//!
//! These are formats. A node must read what an older one wrote, and during an upgrade what a newer one sends, so
//! the tests below pin them. Each composite begins with a version byte; a change is a new version and a reader
//! for the old one. All integers are big-endian.
//!
//! ```text
//! command     1 | now_ms u64 | seed 16 | action u8 (0 apply, 1 checkpoint; 2 was never written) | rest: payload
//! entry       1 | payload u8 (0 blank, 1 command, 2 membership) | rest
//! log id      term u64 | node u64 | index u64
//! vote        term u64 | node u64 | committed u8
//! node        1 | name | cluster | http | zone            (each u16 length, UTF-8)
//! membership  1 | configs u8 { voters u16 { id u64 } } | nodes u16 { id u64 | node u16 length }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::NodeId;
use openraft::{EntryPayload, vote::RaftLeaderId};

use crate::types::{
    Action, Command, LeaderId, LogId, Membership, NodeInfo, Payload, Stamp, StoredMembership, Vote,
};

/// The version written into every composite below.
const VERSION: u8 = 1;

/// Bytes of a log id.
pub(crate) const LOG_ID_BYTES: usize = 24;

/// Bytes that no version of this program wrote, or that a newer one wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("version {found} of a {what} is newer than this program, which knows up to {known}: upgrade it")]
    Newer { what: &'static str, found: u8, known: u8 },
    #[error("malformed {what}: {why}")]
    Bytes { what: &'static str, why: &'static str },
}

/// Reads fields off the front of a buffer, never past its end.
pub(crate) struct Reader {
    what: &'static str,
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(what: &'static str, bytes: Bytes) -> Reader {
        Reader { what, rest: bytes }
    }

    pub(crate) fn bad(&self, why: &'static str) -> Malformed {
        Malformed::Bytes { what: self.what, why }
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<Bytes, Malformed> {
        if self.rest.remaining() < bytes {
            return Err(self.bad("too short"));
        }
        Ok(self.rest.split_to(bytes))
    }

    pub(crate) fn version(&mut self) -> Result<(), Malformed> {
        match self.u8()? {
            VERSION => Ok(()),
            0 => Err(self.bad("version 0")),
            found => Err(Malformed::Newer { what: self.what, found, known: VERSION }),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(self.take(2)?.get_u16())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(self.take(4)?.get_u32())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(self.take(8)?.get_u64())
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad("a flag that is neither 0 nor 1")),
        }
    }

    /// Everything that is left.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may follow what was read.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.bad("bytes left over")) }
    }
}

pub(crate) fn encode_command(command: &Command) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    put_command(&mut out, command);
    out.freeze()
}

fn put_command(out: &mut impl BufMut, command: &Command) {
    out.put_u8(VERSION);
    out.put_u64(command.stamp.now_ms);
    out.put_slice(&command.stamp.seed);
    match &command.action {
        Action::Apply(payload) => {
            out.put_u8(0);
            out.put_slice(payload);
        }
        Action::Checkpoint => out.put_u8(1),
    }
}

pub(crate) fn decode_command(bytes: Bytes) -> Result<Command, Malformed> {
    let mut reader = Reader::new("command", bytes);
    reader.version()?;
    let now_ms = reader.u64()?;
    let mut seed = [0; 16];
    reader.take(16)?.copy_to_slice(&mut seed);
    let stamp = Stamp { now_ms, seed };
    let action = match reader.u8()? {
        0 => return Ok(Command { stamp, action: Action::Apply(reader.take_rest()) }),
        1 => Action::Checkpoint,
        _ => return Err(reader.bad("unknown action")),
    };
    reader.end()?;
    Ok(Command { stamp, action })
}

pub(crate) fn encode_payload(payload: &Payload) -> Bytes {
    let mut out = BytesMut::with_capacity(payload_size(payload));
    put_payload(&mut out, payload);
    out.freeze()
}

pub(crate) fn put_payload(out: &mut impl BufMut, payload: &Payload) {
    out.put_u8(VERSION);
    match payload {
        EntryPayload::Blank => out.put_u8(0),
        EntryPayload::Normal(command) => {
            out.put_u8(1);
            put_command(out, command);
        }
        EntryPayload::Membership(membership) => {
            out.put_u8(2);
            put_membership(out, membership);
        }
    }
}

/// Bytes of an encoded payload, give or take a few.
pub(crate) fn payload_size(payload: &Payload) -> usize {
    match payload {
        EntryPayload::Blank => 2,
        EntryPayload::Normal(Command { action: Action::Apply(payload), .. }) => 28 + payload.len(),
        EntryPayload::Normal(_) => 32,
        EntryPayload::Membership(_) => 256,
    }
}

pub(crate) fn decode_payload(bytes: Bytes) -> Result<Payload, Malformed> {
    let mut reader = Reader::new("entry", bytes);
    reader.version()?;
    match reader.u8()? {
        0 => reader.end().map(|()| EntryPayload::Blank),
        1 => decode_command(reader.take_rest()).map(EntryPayload::Normal),
        2 => decode_membership(reader.take_rest()).map(EntryPayload::Membership),
        _ => Err(reader.bad("unknown payload")),
    }
}

pub(crate) fn put_log_id(out: &mut impl BufMut, id: &LogId) {
    out.put_u64(id.leader_id.term);
    out.put_u64(id.leader_id.node_id);
    out.put_u64(id.index);
}

pub(crate) fn read_log_id(reader: &mut Reader) -> Result<LogId, Malformed> {
    let leader = LeaderId::new(reader.u64()?, reader.u64()?);
    Ok(LogId::new(leader, reader.u64()?))
}

pub(crate) fn put_optional_log_id(out: &mut impl BufMut, id: Option<&LogId>) {
    out.put_u8(id.is_some().into());
    if let Some(id) = id {
        put_log_id(out, id);
    }
}

pub(crate) fn read_optional_log_id(reader: &mut Reader) -> Result<Option<LogId>, Malformed> {
    if reader.flag()? { read_log_id(reader).map(Some) } else { Ok(None) }
}

pub(crate) fn put_vote(out: &mut impl BufMut, vote: &Vote) {
    out.put_u64(vote.leader_id.term);
    out.put_u64(vote.leader_id.node_id);
    out.put_u8(vote.committed.into());
}

pub(crate) fn read_vote(reader: &mut Reader) -> Result<Vote, Malformed> {
    let (term, node) = (reader.u64()?, reader.u64()?);
    Ok(if reader.flag()? { Vote::new_committed(term, node) } else { Vote::new(term, node) })
}

pub(crate) fn encode_node(node: &NodeInfo) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    for text in [&node.name, &node.cluster, &node.http, &node.zone] {
        // Host names, URLs and zones; `Host` refuses longer ones before they get here.
        let end = text.floor_char_boundary(text.len().min(MAX_TEXT_BYTES));
        out.put_u16(end as u16);
        out.put_slice(&text.as_bytes()[..end]);
    }
    out.freeze()
}

/// The longest text in a [`NodeInfo`], in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

pub(crate) fn decode_node(bytes: Bytes) -> Result<NodeInfo, Malformed> {
    let mut reader = Reader::new("node", bytes);
    reader.version()?;
    let node = NodeInfo {
        name: read_text(&mut reader)?,
        cluster: read_text(&mut reader)?,
        http: read_text(&mut reader)?,
        zone: read_text(&mut reader)?,
    };
    reader.end()?;
    Ok(node)
}

fn read_text(reader: &mut Reader) -> Result<String, Malformed> {
    let bytes = reader.u16()?;
    let text = reader.take(bytes.into())?;
    String::from_utf8(text.to_vec()).map_err(|_| reader.bad("text that is not UTF-8"))
}

fn put_membership(out: &mut impl BufMut, membership: &Membership) {
    out.put_u8(VERSION);
    let configs = membership.get_joint_config();
    out.put_u8(configs.len() as u8);
    for voters in configs {
        out.put_u16(voters.len() as u16);
        for id in voters {
            out.put_u64(*id);
        }
    }
    out.put_u16(membership.nodes().count() as u16);
    for (id, node) in membership.nodes() {
        let node = encode_node(node);
        out.put_u64(*id);
        out.put_u16(node.len() as u16);
        out.put_slice(&node);
    }
}

fn decode_membership(bytes: Bytes) -> Result<Membership, Malformed> {
    let mut reader = Reader::new("membership", bytes);
    reader.version()?;
    let mut configs: Vec<BTreeSet<NodeId>> = Vec::new();
    for _ in 0..reader.u8()? {
        let mut voters = BTreeSet::new();
        for _ in 0..reader.u16()? {
            voters.insert(reader.u64()?);
        }
        configs.push(voters);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..reader.u16()? {
        let id = reader.u64()?;
        let bytes = reader.u16()?;
        nodes.insert(id, decode_node(reader.take(bytes.into())?)?);
    }
    if configs.is_empty() && nodes.is_empty() {
        reader.end()?;
        return Ok(Membership::default());
    }
    let membership = Membership::new(configs, nodes).map_err(|_| reader.bad("a voter without an address"))?;
    reader.end()?;
    Ok(membership)
}

pub(crate) fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    let mut out = BytesMut::new();
    put_optional_log_id(&mut out, stored.log_id().as_ref());
    put_membership(&mut out, stored.membership());
    out.freeze()
}

pub(crate) fn decode_stored_membership(bytes: Bytes) -> Result<StoredMembership, Malformed> {
    let mut reader = Reader::new("membership", bytes);
    let log_id = read_optional_log_id(&mut reader)?;
    Ok(StoredMembership::new(log_id, decode_membership(reader.take_rest())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(payload: Payload, golden: &str) {
        let bytes = encode_payload(&payload);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_payload(bytes), Ok(payload));
    }

    fn command(action: Action) -> Payload {
        EntryPayload::Normal(Command { stamp: Stamp { now_ms: 0x0102, seed: [7; 16] }, action })
    }

    fn members() -> Membership {
        let node = |n: u64| NodeInfo {
            name: format!("n{n}"),
            cluster: "a:1".into(),
            http: String::new(),
            zone: "z".into(),
        };
        Membership::new(
            vec![BTreeSet::from([1, 2]), BTreeSet::from([2])],
            BTreeMap::from([(1, node(1)), (2, node(2)), (3, node(3))]),
        )
        .unwrap()
    }

    #[test]
    fn entries_are_pinned() {
        let seed = "07".repeat(16);
        check(EntryPayload::Blank, "0100");
        check(
            command(Action::Apply(Bytes::from_static(b"ab"))),
            &format!("0101010000000000000102{seed}006162"),
        );
        check(command(Action::Checkpoint), &format!("0101010000000000000102{seed}01"));
        check(
            EntryPayload::Membership(members()),
            "0102010200020000000000000001000000000000000200010000000000000002\
             0003\
             0000000000000001000f0100026e310003613a31000000017a\
             0000000000000002000f0100026e320003613a31000000017a\
             0000000000000003000f0100026e330003613a31000000017a",
        );
    }

    #[test]
    fn ids_and_votes_are_pinned() {
        let mut out = BytesMut::new();
        let id = LogId::new(LeaderId::new(1, 2), 3);
        put_optional_log_id(&mut out, Some(&id));
        put_vote(&mut out, &Vote::new_committed(4, 5));
        assert_eq!(
            hex(&out),
            "01000000000000000100000000000000020000000000000003\
             0000000000000004000000000000000501"
        );
        let mut reader = Reader::new("test", out.freeze());
        assert_eq!(read_optional_log_id(&mut reader), Ok(Some(id)));
        assert_eq!(read_vote(&mut reader), Ok(Vote::new_committed(4, 5)));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_stored_membership_comes_back() {
        let stored = StoredMembership::new(Some(LogId::new(LeaderId::new(1, 2), 3)), members());
        assert_eq!(decode_stored_membership(encode_stored_membership(&stored)), Ok(stored));
        let none = StoredMembership::default();
        assert_eq!(decode_stored_membership(encode_stored_membership(&none)), Ok(none));
    }

    #[test]
    fn no_bytes_panic() {
        let good = encode_payload(&EntryPayload::Membership(members()));
        for end in 0..good.len() {
            assert!(decode_payload(good.slice(..end)).is_err(), "{end}");
        }
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 0xff;
            let _ = decode_payload(bad.into());
        }
        assert!(matches!(
            decode_payload(Bytes::from_static(&[2, 0])),
            Err(Malformed::Newer { found: 2, known: 1, .. })
        ));
    }
}
