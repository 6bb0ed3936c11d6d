//! The files of a log. Each is filled with zeros before it is used, so that its length hardly ever changes afterwards: an fsync then
//! has data to write and nothing of the file system's own, which takes half the time of one after an append. A batch that does not fit
//! makes its file longer.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use crate::log::format::{CHUNK, sync_dir};

/// Bytes of a segment. One is zeroed while the one before it is used, so it is small enough to be soon done.
pub(super) const SEGMENT_BYTES: u64 = 8 << 20;

/// The name of a segment that is not used yet.
const NEXT: &str = "next";

/// No log gets this far: what is beyond was not written by us.
const LAST_START: u64 = u64::MAX / 4;
static ZEROS: [u8; 1 << 18] = [0; 1 << 18];

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    /// The position of its first byte.
    pub start: u64,
    pub file: File,
    pub path: PathBuf,
}

/// A segment as its log knows it.
#[derive(Debug)]
pub(super) struct Held {
    pub segment: Arc<Segment>,
    /// The largest index among its entries: once that is purged, it can go.
    pub largest: u64,
}

impl Segment {
    /// All that are in `dir`, in order.
    pub(super) fn all(dir: &Path) -> io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != CHUNK) {
                continue;
            }
            let start = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let why = || invalid(format!("{} is no segment of a log", path.display()));
            let start = start.filter(|start| *start <= LAST_START).ok_or_else(why)?;
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            segments.push(Segment { start, file, path });
        }
        segments.sort_by_key(|segment: &Segment| segment.start);
        Ok(segments)
    }

    /// Gives the file that was made ready the name of a segment that begins at `start`.
    pub(super) fn begin(dir: &Path, start: u64, ready: File) -> io::Result<Segment> {
        let path = dir.join(format!("{start:020}.{CHUNK}"));
        fs::rename(dir.join(NEXT), &path)?;
        sync_dir(dir)?;
        Ok(Segment { start, file: ready, path })
    }

    /// Writes what was read from this segment once more, and makes it durable.
    ///
    /// What was read need not be on the disk: who wrote it may have died before the fsync, or after one that failed, which
    /// leaves pages that nobody writes again.
    pub(super) fn rewrite(&self, content: &[u8]) -> io::Result<()> {
        self.file.write_all_at(content, 0)?;
        self.file.sync_all()
    }

    /// The same in another file, which has nothing behind `content`: nothing of what was torn can come back.
    pub(super) fn replace(self, dir: &Path, content: &[u8]) -> io::Result<Segment> {
        let file = prepare(dir)?;
        file.write_all_at(content, 0)?;
        file.sync_all()?;
        Segment::begin(dir, self.start, file)
    }
}

/// Makes the file for the next segment: full of zeros, or empty when the disk has no room for them.
pub(super) fn prepare(dir: &Path) -> io::Result<File> {
    let path = dir.join(NEXT);
    // Another file each time: nobody can still be writing into it.
    remove_if_there(&path)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    if zero(&file, 0, SEGMENT_BYTES).and_then(|()| file.sync_all()).is_err() {
        // There is no room for that many zeros, but perhaps for records, and others need it too: this segment grows as it is
        // written. Whatever else is wrong with the disk, the first record will tell.
        file.set_len(0)?;
        file.sync_all()?;
    }
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn zero(file: &File, mut at: u64, end: u64) -> io::Result<()> {
    while at < end {
        let piece = ZEROS.len().min((end - at) as usize);
        file.write_all_at(&ZEROS[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

/// The file for the segment after the current one, made ahead on a thread of its own.
#[derive(Debug, Default)]
pub(super) struct Ahead(Option<JoinHandle<io::Result<File>>>);

impl Ahead {
    /// Begins to make it, if nobody has yet.
    pub(super) fn begin(&mut self, dir: &Path) {
        if self.0.is_none() {
            let dir = dir.to_owned();
            // Without a thread it is made when it is needed.
            self.0 = std::thread::Builder::new().name("wal-ahead".into()).spawn(move || prepare(&dir)).ok();
        }
    }

    /// The file; made here when it is not there, or could not be made earlier: the disk may have room by now.
    pub(super) fn take(&mut self, dir: &Path) -> io::Result<File> {
        match self.0.take().map(JoinHandle::join) {
            Some(Ok(Ok(file))) => Ok(file),
            _ => prepare(dir),
        }
    }
}

impl Drop for Ahead {
    /// Waits until nothing is written any more.
    fn drop(&mut self) {
        let _ = self.0.take().map(JoinHandle::join);
    }
}

pub(super) fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
