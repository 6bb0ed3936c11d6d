//! Whether the disk has room for a second copy of the state.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::measure::Counted;

/// New files take about twice the bytes of what is in them (see storage's figures), and more for few and large records.
const COPY_FACTOR: u64 = 3;
/// What log and backups need meanwhile.
const MARGIN_BYTES: u64 = 64 << 20;

/// What is missing for a copy of what was counted, in words; nothing if there is room, or if that cannot be found out: then the disk says
/// so itself, and the files in use are as they were.
pub fn lacking(directory: &Path, counted: Counted) -> Option<String> {
    let free = match free_bytes(directory) {
        Ok(free) => free,
        Err(error) => {
            tracing::debug!(%error, "how much of the disk is free is not known");
            return None;
        }
    };
    let needed = needed_bytes(counted);
    (free < needed).then(|| {
        let mib = |bytes: u64| bytes >> 20;
        format!("{} MiB are free on the state's disk and {} MiB are needed", mib(free), mib(needed))
    })
}

/// What somebody without privileges may still write to the disk that `directory` is on.
#[allow(unsafe_code, reason = "statvfs(3) has no safe form in std")]
fn free_bytes(directory: &Path) -> io::Result<u64> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero, and statvfs fills the structure in whenever it returns 0.
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// A copy is hardly larger than the files it is made from.
fn needed_bytes(counted: Counted) -> u64 {
    counted.live_bytes.saturating_mul(COPY_FACTOR).min(counted.files_bytes).saturating_add(MARGIN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Counted, MARGIN_BYTES, lacking, needed_bytes};

    #[test]
    fn a_copy_needs_room_beside_what_is_there() {
        let check = |live, files, expect| {
            assert_eq!(needed_bytes(Counted::now(live, 1, files, None)), expect + MARGIN_BYTES);
        };
        check(10, 1_000, 30);
        check(10, 20, 20);
        let here = std::env::temp_dir();
        assert_eq!(lacking(&here, Counted::now(0, 0, 0, None)), None);
        let told = lacking(&here, Counted::now(u64::MAX, 1, u64::MAX, None)).unwrap();
        assert!(told.contains("MiB are needed"), "{told}");
    }
}
