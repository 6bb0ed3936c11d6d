use std::{collections::BTreeMap, path::PathBuf};

use futures::executor::block_on;
use openraft::{EntryPayload, vote::RaftLeaderId};
use tempfile::TempDir;

use super::*;
use crate::types::{Action, Command, LeaderId, Stamp};

const SECTOR: usize = 512;

fn id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

/// An entry whose bytes tell it from any other of its index, and that has no sector of zeros.
fn entry(term: u64, index: u64, bytes: usize) -> RaftEntry {
    let payload = vec![(term as u8).wrapping_mul(31).wrapping_add(index as u8) | 1; bytes];
    let command =
        Command { stamp: Stamp { now_ms: index, seed: [7; 16] }, action: Action::Apply(payload.into()) };
    RaftEntry { log_id: id(term, index), payload: EntryPayload::Normal(command) }
}

fn open(dir: &Path) -> io::Result<WalLog> {
    WalLog::open(dir, FaultLine::new(), Arc::new(NoObserver), Box::new(|_| Ok(())))
}

fn append(log: &mut WalLog, entries: Vec<RaftEntry>) {
    block_on(log.append(entries, IOFlushed::noop())).unwrap();
}

/// Returns when all before it is durable too.
fn vote(log: &mut WalLog, term: u64) {
    block_on(log.save_vote(&Vote::new(term, 1))).unwrap();
}

/// What a log says.
#[derive(Debug, PartialEq)]
struct Told {
    bounds: format::Bounds,
    entries: Vec<RaftEntry>,
}

fn told(log: &mut WalLog) -> Told {
    let bounds = *log.0.core.lock().bounds();
    Told { bounds, entries: block_on(log.try_get_log_entries(..)).unwrap() }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    Segment::all(dir).unwrap().into_iter().map(|segment| segment.path).collect()
}

/// Changes a file's bytes in place.
fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A log with a batch for each of `sizes`, which are those of entries, and where each batch ends.
fn batches(dir: &Path, sizes: &[usize]) -> Vec<usize> {
    let log = open(dir).unwrap();
    let mut ends = Vec::new();
    for (n, bytes) in sizes.iter().enumerate() {
        // Held together by the lock: else the writer may take the entry before the vote.
        let (reply, done) = tokio::sync::oneshot::channel();
        let both = log.0.core.change(|state| {
            state.append(entry(1, n as u64, *bytes))?;
            state.wait(Waiter::Reply(reply));
            Ok(())
        });
        both.unwrap();
        block_on(done).unwrap().unwrap();
        ends.push(content(&segments(dir)[0]).unwrap().len());
    }
    drop(log);
    ends
}

/// splitmix64
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below
}

#[test]
fn a_log_is_what_was_done_to_it_however_often_it_is_opened() {
    // What is in which batch is the writer's business, and differs from run to run.
    for seed in 0..12 {
        let dir = TempDir::new().unwrap();
        let mut log = open(dir.path()).unwrap();
        let mut state = seed;
        let (mut entries, mut term, mut purged) = (BTreeMap::<u64, RaftEntry>::new(), 1, None::<LogId>);
        for _ in 0..120 {
            let next =
                entries.last_key_value().map_or(purged.map_or(0, |id| id.index + 1), |(last, _)| last + 1);
            match random(&mut state, 10) {
                0..=5 => {
                    // Up to 1 MiB at once: segments are full every few turns.
                    let count = 1 + random(&mut state, 5);
                    let new: Vec<_> = (next..next + count)
                        .map(|index| entry(term, index, random(&mut state, 200_000) as usize))
                        .collect();
                    entries.extend(new.iter().map(|entry| (entry.log_id.index, entry.clone())));
                    append(&mut log, new);
                }
                6 => {
                    let first = entries.first_key_value().map_or(next, |(first, _)| *first);
                    let from = first + random(&mut state, next - first + 1);
                    drop(entries.split_off(&from));
                    let last = entries.last_key_value().map(|(_, entry)| entry.log_id).or(purged);
                    block_on(log.truncate_after(last)).unwrap();
                    term += 1;
                }
                7 => {
                    let Some(first) = entries.first_key_value().map(|(first, _)| *first) else { continue };
                    let upto = entries[&(first + random(&mut state, next - first))].log_id;
                    purged = Some(upto);
                    entries = entries.split_off(&(upto.index + 1));
                    block_on(log.purge(upto)).unwrap();
                }
                8 if random(&mut state, 4) == 0 => {
                    // As a copy of the leader's state goes beyond what is here.
                    let upto = id(term, next + random(&mut state, 30));
                    purged = Some(upto);
                    entries.clear();
                    block_on(log.purge(upto)).unwrap();
                }
                8 => vote(&mut log, term),
                _ => {
                    drop(log);
                    log = open(dir.path()).unwrap();
                }
            }
            let now = block_on(log.try_get_log_entries(..)).unwrap();
            assert!(now.iter().eq(entries.values()), "seed {seed}");
            let state = block_on(log.get_log_state()).unwrap();
            assert_eq!(state.last_purged_log_id, purged);
            assert_eq!(state.last_log_id, now.last().map(|entry| entry.log_id).or(purged));
        }
        vote(&mut log, term);
        let (held, largest) = (segments(dir.path()).len() as u64, 4 << 20);
        let bytes: u64 = entries.values().map(|entry| codec::payload_size(&entry.payload) as u64).sum();
        assert!(
            held <= bytes / (SEGMENT_BYTES - largest) + 3,
            "purged segments go: {held} for {bytes} bytes"
        );
    }
}

#[test]
fn vote_and_commit_index_are_kept_and_the_last_of_each_counts() {
    let dir = TempDir::new().unwrap();
    let mut log = open(dir.path()).unwrap();
    append(&mut log, (0..9).map(|index| entry(1, index, 10)).collect());
    block_on(log.save_committed(Some(id(1, 3)))).unwrap();
    block_on(log.save_committed(Some(id(1, 7)))).unwrap();
    vote(&mut log, 4);
    vote(&mut log, 5);
    let before = told(&mut log);
    assert_eq!((before.bounds.vote, before.bounds.committed), (Some(Vote::new(5, 1)), Some(id(1, 7))));
    drop(log);
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
}

#[test]
fn a_batch_that_was_torn_is_gone_whole_and_the_log_goes_on() {
    // The last batch is in one sector, in two, in many.
    for bytes in [20, 700, 9_000] {
        let mut state = bytes as u64;
        for _ in 0..40 {
            let dir = TempDir::new().unwrap();
            let ends = batches(dir.path(), &[300, 2_000, bytes]);
            let (from, to) = (ends[1], ends[2]);
            let mut whole = true;
            rewrite(&segments(dir.path())[0], |file| {
                // Many are opened: most of the zeros may be missing.
                file.truncate(to + 4_000);
                for sector in from / SECTOR..to.div_ceil(SECTOR) {
                    let piece = from.max(sector * SECTOR)..to.min((sector + 1) * SECTOR);
                    if random(&mut state, 2) == 0 {
                        file[piece].fill(0);
                        whole = false;
                    }
                }
            });
            let mut log = open(dir.path()).unwrap();
            let expected = if whole { 3 } else { 2 };
            assert_eq!(told(&mut log).entries.len(), expected, "{bytes}");
            append(&mut log, vec![entry(2, expected as u64, 40)]);
            vote(&mut log, 9);
            let before = told(&mut log);
            drop(log);
            assert_eq!(told(&mut open(dir.path()).unwrap()), before, "{bytes}");
        }
    }
}

#[test]
fn a_bit_that_turned_in_what_was_durable_is_never_passed_over() {
    let dir = TempDir::new().unwrap();
    let ends = batches(dir.path(), &[30, 1_500, 60]);
    let path = &segments(dir.path())[0];
    // Thousands are opened: most of the zeros may be missing.
    rewrite(path, |file| file.truncate(ends[2] + 1_000));
    for at in 0..ends[2] {
        rewrite(path, |file| file[at] ^= 1 << (at % 8));
        let error = open(dir.path()).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}");
        rewrite(path, |file| file[at] ^= 1 << (at % 8));
    }
    assert_eq!(told(&mut open(dir.path()).unwrap()).entries.len(), 3);
}

#[test]
fn a_bit_that_turned_is_told_from_a_tear_beside_zeros_that_belong_there() {
    let dir = TempDir::new().unwrap();
    let mut log = open(dir.path()).unwrap();
    let mut zeros = entry(1, 1, 0);
    let action = Action::Apply(vec![0; 5_000].into());
    zeros.payload = EntryPayload::Normal(Command { stamp: Stamp { now_ms: 1, seed: [1; 16] }, action });
    append(&mut log, vec![entry(1, 0, 700), zeros, entry(1, 2, 700)]);
    // At once: nothing of it is written before.
    drop(log);
    let path = &segments(dir.path())[0];
    rewrite(path, |file| file.truncate(20_000));
    let end = content(path).unwrap().len();
    // Also in the zeros: they belong there, so a bit that turns is one that is not zero.
    for at in (0..end).step_by(3) {
        rewrite(path, |file| file[at] ^= 1 << (at % 8));
        assert_eq!(open(dir.path()).map(drop).unwrap_err().kind(), io::ErrorKind::InvalidData, "byte {at}");
        rewrite(path, |file| file[at] ^= 1 << (at % 8));
    }
    assert_eq!(told(&mut open(dir.path()).unwrap()).entries.len(), 3);
    // And torn beside them.
    rewrite(path, |file| file[end - 600..end].fill(0));
    assert!(told(&mut open(dir.path()).unwrap()).entries.len() < 3);
}

/// What was read may be in the page cache only: of a process that died before its fsync, or after one that failed.
#[test]
fn what_was_read_is_written_again_before_anything_else() {
    let dir = TempDir::new().unwrap();
    long(dir.path());
    let old = std::time::SystemTime::UNIX_EPOCH;
    let written = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let all = segments(dir.path());
    let (last, others) = all.split_last().unwrap();
    for path in &all {
        File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    drop(open(dir.path()).unwrap());
    assert!(written(last) > old);
    // These were durable before the last one began.
    assert!(others.iter().all(|path| written(path) == old));
}

#[test]
fn a_batch_that_is_longer_than_a_segment_is_a_batch_like_any_other() {
    let dir = TempDir::new().unwrap();
    let mut log = open(dir.path()).unwrap();
    append(&mut log, vec![entry(1, 0, 100)]);
    vote(&mut log, 1);
    append(&mut log, (1..60).map(|index| entry(1, index, 250_000)).collect());
    vote(&mut log, 2);
    append(&mut log, vec![entry(1, 60, 100)]);
    vote(&mut log, 3);
    let before = told(&mut log);
    drop(log);
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
    let all = segments(dir.path());
    let long = all.iter().position(|path| fs::metadata(path).unwrap().len() > SEGMENT_BYTES).unwrap();
    // Torn where the file grew, before anything followed.
    all[long + 1..].iter().for_each(|path| fs::remove_file(path).unwrap());
    rewrite(&all[long], |file| file.truncate(SEGMENT_BYTES as usize + 5_000));
    let mut log = open(dir.path()).unwrap();
    assert_eq!(told(&mut log).entries, before.entries[..1]);
    append(&mut log, vec![entry(1, 1, 100)]);
    vote(&mut log, 4);
    let before = told(&mut log);
    drop(log);
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
}

#[test]
fn a_record_of_a_newer_program_is_neither_torn_nor_passed_over() {
    let dir = TempDir::new().unwrap();
    batches(dir.path(), &[30, 2_000]);
    let path = &segments(dir.path())[0];
    let end = content(path).unwrap().len();
    // A whole batch with one record of kind 99 and many zeros.
    let body = [[99].as_slice(), &[0; 3_000]].concat();
    let frame = [(body.len() as u32).to_be_bytes(), crc32fast::hash(&body).to_be_bytes()].concat();
    let mut batch = [&[0; format::HEAD_BYTES], &frame[..], &body].concat();
    format::seal(&mut batch, end as u64, end);
    rewrite(path, |file| file[end..end + batch.len()].copy_from_slice(&batch));
    let error = open(dir.path()).map(drop).unwrap_err();
    assert!(error.to_string().contains("this program cannot read it"), "{error}");
}

#[test]
fn no_bytes_are_too_strange_to_be_read() {
    let dir = TempDir::new().unwrap();
    let ends = batches(dir.path(), &[30, 700, 60]);
    let whole = content(&segments(dir.path())[0]).unwrap();
    let mut state = 1;
    for _ in 0..20_000 {
        let mut bytes = whole.to_vec();
        for _ in 0..=random(&mut state, 3) {
            let at = random(&mut state, bytes.len() as u64) as usize;
            match random(&mut state, 4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at..].fill(0xff),
                2 => bytes[at..].iter_mut().take(40).for_each(|byte| *byte = 0),
                _ => bytes[at] = random(&mut state, 256) as u8,
            }
        }
        let mut entries = 0;
        let read = |_, _, record| {
            entries += usize::from(matches!(record, Record::Entry(..)));
            Ok(())
        };
        let start = if random(&mut state, 2) == 0 { 0 } else { u64::MAX / 4 };
        let (end, _) = format::read_segment(&bytes.into(), start, read);
        assert!(end == 0 || start == 0 && ends.contains(&end));
        assert_eq!(entries, ends.iter().filter(|batch| **batch <= end).count());
    }
}

#[test]
fn a_copy_that_cannot_be_written_ends_with_an_error() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("log.new");
    fs::create_dir(&home).unwrap();
    let written = WalLog::write(&home, (None, None, None), |take| {
        for index in 0..200 {
            if index == 5 {
                fs::remove_dir_all(&home)?;
            }
            take(entry(1, index, 250_000))?;
        }
        Ok(())
    });
    assert!(written.is_err());
}

#[test]
fn what_follows_tells_damage_from_a_tear() {
    let dir = TempDir::new().unwrap();
    let ends = batches(dir.path(), &[3_000, 3_000, 3_000]);
    // Sectors of the second batch read as zeros, as in a tear; but the third was written when it was durable.
    rewrite(&segments(dir.path())[0], |file| file[ends[0] + 600..ends[0] + 1_700].fill(0));
    let error = open(dir.path()).map(drop).unwrap_err();
    assert!(error.to_string().contains("others follow it"), "{error}");
}

/// A log of several segments, closed.
fn long(dir: &Path) -> Told {
    let mut log = open(dir).unwrap();
    for index in 0..120 {
        append(&mut log, vec![entry(1, index, 200_000)]);
        vote(&mut log, index);
    }
    told(&mut log)
}

#[test]
fn a_segment_that_is_missing_or_torn_is_never_passed_over() {
    let dir = TempDir::new().unwrap();
    let before = long(dir.path());
    let all = segments(dir.path());
    assert!(all.len() >= 3, "{all:?}");
    let kept = dir.path().join("kept");
    for missing in &all[1..all.len() - 1] {
        fs::rename(missing, &kept).unwrap();
        let error = open(dir.path()).map(drop).unwrap_err();
        assert!(error.to_string().contains("a segment is missing"), "{error}");
        fs::rename(&kept, missing).unwrap();
    }
    // Its last batch was durable before the next segment began.
    fs::copy(&all[0], &kept).unwrap();
    let end = content(&all[0]).unwrap().len();
    rewrite(&all[0], |file| file[end - 5_000..].fill(0));
    let error = open(dir.path()).map(drop).unwrap_err();
    assert!(error.to_string().contains("a segment follows"), "{error}");
    fs::rename(&kept, &all[0]).unwrap();
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
    // The only one that is left, torn in its first batch: a new log looks alike, but would begin at 0.
    all[..all.len() - 1].iter().for_each(|path| fs::remove_file(path).unwrap());
    rewrite(&all[all.len() - 1], |file| file[600..].fill(0));
    let error = open(dir.path()).map(drop).unwrap_err();
    assert!(error.to_string().contains("what was before it is missing"), "{error}");
}

#[test]
fn purged_segments_go_and_do_no_harm_when_they_come_back() {
    let dir = TempDir::new().unwrap();
    long(dir.path());
    let all = segments(dir.path());
    let kept: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut log = open(dir.path()).unwrap();
    block_on(log.purge(id(1, 110))).unwrap();
    vote(&mut log, 200);
    let before = told(&mut log);
    drop(log);
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
    for (path, bytes) in all.iter().zip(kept).take(2) {
        fs::write(path, bytes).unwrap();
        assert_eq!(told(&mut open(dir.path()).unwrap()), before);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_new_segment_into_which_nothing_was_written_is_no_harm() {
    let dir = TempDir::new().unwrap();
    let before = long(dir.path());
    let last = Segment::all(dir.path()).unwrap().pop().unwrap();
    let end = last.start + content(&last.path).unwrap().len() as u64;
    Segment::begin(dir.path(), end, segment::prepare(dir.path()).unwrap()).unwrap();
    let mut log = open(dir.path()).unwrap();
    assert_eq!(told(&mut log), before);
    vote(&mut log, 300);
    let before = told(&mut log);
    drop(log);
    assert_eq!(told(&mut open(dir.path()).unwrap()), before);
}

#[test]
fn what_is_too_much_for_memory_is_read_from_the_disk() {
    let dir = TempDir::new().unwrap();
    let mut log = open(dir.path()).unwrap();
    let large = |index| entry(1, index, 250_000);
    for index in 0..300 {
        append(&mut log, vec![large(index)]);
    }
    vote(&mut log, 1);
    for _ in 0..2 {
        let places = log.0.core.lock().read(0, 300).iter().filter(|entry| entry.is_err()).count();
        assert!((20..200).contains(&places), "{places}");
        for index in [0, 7, 150, 299] {
            assert_eq!(block_on(log.try_get_log_entries(index..=index)).unwrap(), [large(index)]);
        }
        drop(log);
        log = open(dir.path()).unwrap();
    }
    // Of two entries with one index the later one counts, also when the earlier one was on the disk only.
    block_on(log.truncate_after(Some(id(1, 4)))).unwrap();
    append(&mut log, vec![entry(2, 5, 9)]);
    assert_eq!(block_on(log.try_get_log_entries(4..)).unwrap(), [large(4), entry(2, 5, 9)]);
}

#[test]
fn an_open_log_is_not_opened_twice() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let another = log.clone();
    drop(log);
    assert_eq!(open(dir.path()).map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(another);
    open(dir.path()).unwrap();
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged() {
    let dir = TempDir::new().unwrap();
    let fault_line = FaultLine::new();
    let mut log =
        WalLog::open(dir.path(), fault_line.clone(), Arc::new(NoObserver), Box::new(|_| Ok(()))).unwrap();
    vote(&mut log, 1);
    // The segment that is written to is still there for who has it open; the next one cannot be made.
    fs::remove_dir_all(dir.path()).unwrap();
    for index in 0..100 {
        let appended = block_on(log.append([entry(1, index, 200_000)], IOFlushed::noop()));
        if appended.and(block_on(log.save_vote(&Vote::new(2, 1)))).is_err() {
            break;
        }
    }
    assert!(block_on(log.save_vote(&Vote::new(3, 1))).is_err());
    assert!(block_on(log.append([entry(1, 500, 1)], IOFlushed::noop())).is_err());
    assert!(fault_line.is_broken());
}

#[test]
fn an_entry_that_does_not_follow_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut log = open(dir.path()).unwrap();
    append(&mut log, vec![entry(1, 0, 1), entry(1, 1, 1)]);
    assert!(block_on(log.append([entry(1, 3, 1)], IOFlushed::noop())).is_err());
}
