//! Pre-images that no longer fit in memory: one sorted file, read from any key on.
//!
//! The file lives no longer than the process: it is unlinked as soon as it is open. Its bytes are therefore no format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Raw;
use crate::fault::Fault;

/// Where to start reading is known every so many bytes.
const INDEX_BYTES: u64 = 64 << 10;
/// What one reader buffers of one run.
const BUFFER_BYTES: usize = 16 << 10;
/// The length that says: there was no value.
const ABSENT: u32 = u32::MAX;

/// A key and what it had at the moment of the export; `None`: nothing.
pub(super) type PreImage = (Raw, Option<Raw>);

/// A sorted file of pre-images.
pub(super) struct Run {
    file: File,
    bytes: u64,
    /// The first key at or after each step of `INDEX_BYTES`, and where it begins.
    index: Vec<(Raw, u64)>,
}

impl Run {
    /// Writes pre-images, which must come in key order, to a new file in `directory`.
    pub(super) fn write<'a>(
        directory: &Path,
        pre_images: impl Iterator<Item = (&'a Raw, &'a Option<Raw>)>,
    ) -> io::Result<Run> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, unlinked_file(directory)?);
        let (mut bytes, mut index) = (0, Vec::new());
        for (key, value) in pre_images {
            if bytes >= index.len() as u64 * INDEX_BYTES {
                index.push((key.clone(), bytes));
            }
            let value_length = value.as_ref().map_or(ABSENT, |value| value.len() as u32);
            out.write_all(&(key.len() as u32).to_be_bytes())?;
            out.write_all(&value_length.to_be_bytes())?;
            out.write_all(key)?;
            out.write_all(value.as_deref().unwrap_or_default())?;
            bytes += 8 + key.len() as u64 + value.as_ref().map_or(0, |value| value.len() as u64);
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Run { file, bytes, index })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A place in a run; its head is the next pre-image.
pub(super) struct RunCursor {
    input: BufReader<Section>,
    head: Option<PreImage>,
}

impl RunCursor {
    /// At the first pre-image whose key is `from` or later.
    pub(super) fn seek(run: Arc<Run>, from: &[u8]) -> Result<RunCursor, Fault> {
        let block = run.index.partition_point(|(key, _)| **key <= *from).saturating_sub(1);
        let at = run.index.get(block).map_or(0, |(_, at)| *at);
        let input = BufReader::with_capacity(BUFFER_BYTES, Section { run, at });
        let mut cursor = RunCursor { input, head: None };
        cursor.advance()?;
        while cursor.head().is_some_and(|key| **key < *from) {
            cursor.advance()?;
        }
        Ok(cursor)
    }

    /// The key of the next pre-image.
    pub(super) fn head(&self) -> Option<&Raw> {
        self.head.as_ref().map(|(key, _)| key)
    }

    /// Takes the head and reads the next one.
    pub(super) fn advance(&mut self) -> Result<Option<PreImage>, Fault> {
        let next = self.read().map_err(|error| Fault::ExportLost {
            detail: format!("its spilled pre-images could not be read: {error}"),
        })?;
        Ok(std::mem::replace(&mut self.head, next))
    }

    fn read(&mut self) -> io::Result<Option<PreImage>> {
        let section = self.input.get_ref();
        if section.at == section.run.bytes && self.input.buffer().is_empty() {
            return Ok(None);
        }
        let (mut key_length, mut value_length) = ([0; 4], [0; 4]);
        self.input.read_exact(&mut key_length)?;
        self.input.read_exact(&mut value_length)?;
        let mut key = vec![0; u32::from_be_bytes(key_length) as usize];
        self.input.read_exact(&mut key)?;
        let value = match u32::from_be_bytes(value_length) {
            ABSENT => None,
            length => {
                let mut value = vec![0; length as usize];
                self.input.read_exact(&mut value)?;
                Some(Raw::from(value))
            }
        };
        Ok(Some((Raw::from(key), value)))
    }
}

/// Reads a shared file from a position of its own.
struct Section {
    run: Arc<Run>,
    at: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.run.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A file without a name: nothing remains of it, however the process ends.
fn unlinked_file(directory: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!("pre-images-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = directory.join(name);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            // Left behind by a process that ended between the two calls.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
