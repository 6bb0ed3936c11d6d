//! The bytes of a segment. They are a format: version 2 of `FORMAT`, pinned by the tests below; new kinds of records may be
//! added. All integers are big-endian.
//!
//! ```text
//! segment  batch* | zeros to the end of the file
//! batch    "SNWL" | position u64 | bytes of its records u32 | its empty sectors u32 | crc32 of these 20 u32 | record* | 255 u8
//! record   bytes of kind and body u32 | crc32 of kind and body u32 | kind u8 | body
//!
//! kind 1   entry      log id | payload          (codec.rs)
//! kind 2   vote       vote
//! kind 3   committed  log id
//! kind 4   truncated  index u64: this one and all behind it are gone
//! kind 5   purged     log id: it and all before it are gone
//! kind 6   bounds     1 | vote or none | committed or none | purged or none | last or none
//! ```
//!
//! A *position* counts the bytes of all batches since the log began. A segment is named by that of its first byte, and begins
//! with the bounds of what is before it, so that earlier segments can go. A batch is what one write and one fsync make durable;
//! the next one is written after that, and whoever opens the log makes durable what was read before writing more, so that of all
//! batches only the last can be torn. A sector is 512 bytes of the file, or what of them belongs to the batch; *empty* are those with
//! nothing but zeros. A batch that has more of them than it says was torn.

use bytes::{Buf, BufMut, Bytes};
use openraft::storage::LogState;

use crate::{
    codec::{self, Malformed, Reader},
    types::{LogId, Payload, TypeConfig, Vote},
};

const MAGIC: [u8; 4] = *b"SNWL";
/// Of a batch, before its records.
pub(super) const HEAD_BYTES: usize = 24;
/// What a batch ends with.
pub(super) const TAIL: u8 = 0xff;
/// Of a record, before its kind.
const FRAME_BYTES: usize = 8;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
const BOUNDS_VERSION: u8 = 1;
/// No log gets this far: what is beyond was not written by us.
const LAST_INDEX: u64 = u64::MAX / 4;

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const COMMITTED: u8 = 3;
const TRUNCATED: u8 = 4;
const PURGED: u8 = 5;
const BOUNDS: u8 = 6;

/// What a log knows beside its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
    /// The last entry's, or what was purged last.
    pub last: Option<LogId>,
}

impl Bounds {
    pub(super) fn state(&self) -> LogState<TypeConfig> {
        LogState { last_purged_log_id: self.purged, last_log_id: self.last }
    }
}

/// One step of a log's life.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Entry(LogId, Payload),
    Vote(Vote),
    Committed(LogId),
    Truncated(u64),
    Purged(LogId),
    Bounds(Bounds),
}

/// Appends the record of an entry to a batch.
pub(super) fn put_entry(out: &mut Vec<u8>, id: &LogId, payload: &Payload) {
    let at = out.len();
    out.put_bytes(0, FRAME_BYTES);
    out.put_u8(ENTRY);
    codec::put_log_id(out, id);
    codec::put_payload(out, payload);
    frame(&mut out[at..]);
}

/// Appends `record` to a batch.
pub(super) fn put_record(out: &mut Vec<u8>, record: &Record) {
    let at = out.len();
    if !matches!(record, Record::Entry(..)) {
        out.put_bytes(0, FRAME_BYTES);
    }
    match record {
        Record::Entry(id, payload) => return put_entry(out, id, payload),
        Record::Vote(vote) => {
            out.put_u8(VOTE);
            codec::put_vote(out, vote);
        }
        Record::Committed(id) => {
            out.put_u8(COMMITTED);
            codec::put_log_id(out, id);
        }
        Record::Truncated(from) => {
            out.put_u8(TRUNCATED);
            out.put_u64(*from);
        }
        Record::Purged(id) => {
            out.put_u8(PURGED);
            codec::put_log_id(out, id);
        }
        Record::Bounds(bounds) => {
            out.put_u8(BOUNDS);
            out.put_u8(BOUNDS_VERSION);
            out.put_u8(bounds.vote.is_some().into());
            if let Some(vote) = &bounds.vote {
                codec::put_vote(out, vote);
            }
            for id in [&bounds.committed, &bounds.purged, &bounds.last] {
                codec::put_optional_log_id(out, id.as_ref());
            }
        }
    }
    frame(&mut out[at..]);
}

/// Fills in what is before a record's kind.
fn frame(record: &mut [u8]) {
    let (frame, rest) = record.split_at_mut(FRAME_BYTES);
    frame[..4].copy_from_slice(&(rest.len() as u32).to_be_bytes());
    frame[4..].copy_from_slice(&crc32fast::hash(rest).to_be_bytes());
}

/// Makes a batch of records behind room for its head: the one at `position`, which begins at byte `offset` of its segment.
pub(super) fn seal(batch: &mut Vec<u8>, position: u64, offset: usize) {
    batch.push(TAIL);
    let records = batch.len() - HEAD_BYTES - 1;
    batch[..4].copy_from_slice(&MAGIC);
    // The head's numbers change nothing in it: it begins with what is not zero, and so does what follows it.
    let empty = empty_sectors(batch, offset, batch.len());
    let mut head = &mut batch[4..];
    head.put_u64(position);
    head.put_u32(records as u32);
    head.put_u32(empty as u32);
    let crc = crc32fast::hash(&batch[..HEAD_BYTES - 4]);
    batch[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
}

/// Of the batch that begins `bytes`, if one with this position does: the bytes of its records, and its empty sectors.
fn read_head(bytes: &[u8], position: u64) -> Option<(usize, usize)> {
    let head = bytes.get(..HEAD_BYTES)?;
    let mut fields = &head[4..];
    let (at, records, empty) = (fields.get_u64(), fields.get_u32(), fields.get_u32());
    let is_whole = head[..4] == MAGIC && fields.get_u32() == crc32fast::hash(&head[..HEAD_BYTES - 4]);
    (is_whole && at == position).then_some((records as usize, empty as usize))
}

/// How long the record is that begins `bytes`, if it is whole.
fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let (mut frame, rest) = bytes.split_at_checked(FRAME_BYTES)?;
    let (length, crc) = (frame.get_u32() as usize, frame.get_u32());
    let body = rest.get(..length).filter(|body| !body.is_empty())?;
    (crc32fast::hash(body) == crc).then_some(FRAME_BYTES + length)
}

/// The record at the beginning of `bytes`, and its length.
pub(super) fn read_record(bytes: &Bytes) -> Result<(Record, usize), Malformed> {
    let bad = |why| Malformed::Bytes { what: "record of the log", why };
    let length = record_bytes(bytes).ok_or_else(|| bad("it is not whole"))?;
    let record = read_body(bytes.slice(FRAME_BYTES..length))?;
    let indices = match &record {
        Record::Entry(id, _) | Record::Committed(id) | Record::Purged(id) => [Some(id.index), None, None],
        Record::Truncated(from) => [Some(*from), None, None],
        Record::Bounds(bounds) => {
            [bounds.committed, bounds.purged, bounds.last].map(|id| id.map(|id| id.index))
        }
        Record::Vote(_) => [None; 3],
    };
    match indices.into_iter().flatten().all(|index| index <= LAST_INDEX) {
        true => Ok((record, length)),
        false => Err(bad("an index that no log reaches")),
    }
}

fn read_body(body: Bytes) -> Result<Record, Malformed> {
    let bad = |why| Malformed::Bytes { what: "record of the log", why };
    let mut reader = Reader::new("record of the log", body);
    let record = match reader.u8()? {
        ENTRY => {
            let id = codec::read_log_id(&mut reader)?;
            return Ok(Record::Entry(id, codec::decode_payload(reader.take_rest())?));
        }
        VOTE => Record::Vote(codec::read_vote(&mut reader)?),
        COMMITTED => Record::Committed(codec::read_log_id(&mut reader)?),
        TRUNCATED => Record::Truncated(reader.u64()?),
        PURGED => Record::Purged(codec::read_log_id(&mut reader)?),
        BOUNDS => Record::Bounds(read_bounds(&mut reader)?),
        _ => return Err(bad("a kind that this program does not know")),
    };
    reader.end()?;
    Ok(record)
}

fn read_bounds(reader: &mut Reader) -> Result<Bounds, Malformed> {
    match reader.u8()? {
        BOUNDS_VERSION => {}
        found => return Err(Malformed::Newer { what: "bounds of the log", found, known: BOUNDS_VERSION }),
    }
    Ok(Bounds {
        vote: if reader.flag()? { Some(codec::read_vote(reader)?) } else { None },
        committed: codec::read_optional_log_id(reader)?,
        purged: codec::read_optional_log_id(reader)?,
        last: codec::read_optional_log_id(reader)?,
    })
}

/// How the batches of a segment end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Only zeros follow.
    Clean,
    /// Power failed while a batch was written: nobody was told that it is durable.
    Torn,
    /// What was durable once is not readable.
    Damaged(&'static str),
}

/// Reads the batches of the segment that begins at `start`: gives each record with its place in `bytes` and its length to `take`,
/// and returns where they end, and how. A batch counts whole or not at all. Zeros at the end of `bytes` may be left out.
pub(super) fn read_segment(
    bytes: &Bytes,
    start: u64,
    mut take: impl FnMut(usize, usize, Record) -> Result<(), &'static str>,
) -> (usize, End) {
    let mut at = 0;
    loop {
        let records = match read_batch(&bytes.slice(at..), start + at as u64) {
            Batch::Whole(records) => records,
            Batch::Broken => return (at, end(bytes, start, at)),
            Batch::Unknown => {
                return (at, End::Damaged("a record is whole, and this program cannot read it"));
            }
        };
        let mut record_at = at + HEAD_BYTES;
        for (record, length) in records {
            if let Err(why) = take(record_at, length, record) {
                return (at, End::Damaged(why));
            }
            record_at += length;
        }
        at = record_at + 1;
    }
}

enum Batch {
    /// Its records, each with its length.
    Whole(Vec<(Record, usize)>),
    /// There is none, or not all of it.
    Broken,
    /// All of it is there, and a newer program wrote it.
    Unknown,
}

/// The batch that begins `bytes`.
fn read_batch(bytes: &Bytes, position: u64) -> Batch {
    let Some((length, _)) = read_head(bytes, position) else { return Batch::Broken };
    let Some(whole) = bytes.get(HEAD_BYTES..=HEAD_BYTES + length) else { return Batch::Broken };
    if whole[length] != TAIL {
        return Batch::Broken;
    }
    let mut rest = bytes.slice_ref(&whole[..length]);
    let (mut records, mut is_known) = (Vec::new(), true);
    while !rest.is_empty() {
        let Some(length) = record_bytes(&rest) else { return Batch::Broken };
        match read_record(&rest) {
            Ok(record) => records.push(record),
            Err(_) => is_known = false,
        }
        rest = rest.slice(length..);
    }
    if is_known { Batch::Whole(records) } else { Batch::Unknown }
}

/// What is at `at`, where no whole batch is.
///
/// A batch is written when the one before it is durable, so one that others follow was durable. If none follows, it was torn
/// when a sector of it was never written, which leaves it empty: bits that turned do not.
fn end(bytes: &[u8], start: u64, at: usize) -> End {
    let rest = &bytes[at..];
    if is_zero(rest) {
        return End::Clean;
    }
    let follows = rest
        .windows(MAGIC.len())
        .enumerate()
        .skip(1)
        .any(|(n, window)| window == MAGIC && read_head(&rest[n..], start + (at + n) as u64).is_some());
    if follows {
        return End::Damaged("a batch is damaged, and others follow it");
    }
    let (length, empty) = match read_head(rest, start + at as u64) {
        Some((records, empty)) => (HEAD_BYTES + records + 1, empty),
        // How long it was is not known; to the end of the sector there is more than zeros, if it was written.
        None => ((at + HEAD_BYTES).next_multiple_of(SECTOR_BYTES) - at, 0),
    };
    match empty_sectors(rest, at, length) > empty {
        true => End::Torn,
        false => End::Damaged("the last batch is damaged, and not torn"),
    }
}

/// How many sectors of the first `length` of `bytes`, which begin at byte `offset` of their segment, have nothing but zeros; so has
/// what is not there.
fn empty_sectors(bytes: &[u8], offset: usize, length: usize) -> usize {
    let there = &bytes[..length.min(bytes.len())];
    let (first, others) = there.split_at((SECTOR_BYTES - offset % SECTOR_BYTES).min(there.len()));
    let written = [first].into_iter().chain(others.chunks(SECTOR_BYTES)).filter(|sector| !is_zero(sector));
    (offset + length).div_ceil(SECTOR_BYTES) - offset / SECTOR_BYTES - written.count()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use openraft::{EntryPayload, vote::RaftLeaderId};

    use super::*;
    use crate::types::LeaderId;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId::new(term, 2), index)
    }

    fn records() -> Vec<Record> {
        vec![
            Record::Bounds(Bounds { vote: Some(Vote::new(1, 2)), last: Some(id(1, 3)), ..Bounds::default() }),
            Record::Entry(id(1, 4), EntryPayload::Blank),
            Record::Vote(Vote::new_committed(4, 5)),
            Record::Committed(id(1, 4)),
            Record::Truncated(9),
            Record::Purged(id(1, 3)),
        ]
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_bytes_are_pinned() {
        let record = |record: &Record| {
            let mut out = Vec::new();
            put_record(&mut out, record);
            assert_eq!(format!("{:?}", read_record(&out.clone().into()).unwrap().0), format!("{record:?}"));
            hex(&out)
        };
        let mut batch = vec![0; HEAD_BYTES];
        put_record(&mut batch, &Record::Truncated(9));
        seal(&mut batch, 513, 500);
        let lines: Vec<_> = [hex(&batch)].into_iter().chain(records().iter().map(record)).collect();
        assert_eq!(lines.join("\n"), include_str!("golden.txt").trim_end());
    }
}
