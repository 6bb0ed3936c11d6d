//! When files have outgrown what is in them.

use std::time::{Duration, Instant};

use storage::Rebuilt;

use crate::config::Storage as Settings;

/// What was counted is believed for so long at most.
const COUNT_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// The bytes of keys and values, and when it was that they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub live_bytes: u64,
    /// Bytes of files and number of records at that time.
    pub files_bytes: u64,
    records: u64,
    at: Instant,
    /// What the files took when they were new, and what was in them, if that was in this process.
    fresh: Option<Fresh>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fresh {
    files_bytes: u64,
    live_bytes: u64,
}

impl Counted {
    pub fn now(live_bytes: u64, records: u64, files_bytes: u64, before: Option<Counted>) -> Counted {
        let fresh = before.and_then(|before| before.fresh);
        Counted { live_bytes, files_bytes, records, at: Instant::now(), fresh }
    }

    pub fn rebuilt(rebuilt: &Rebuilt) -> Counted {
        let Rebuilt { bytes, records, size_after, .. } = *rebuilt;
        let fresh = Fresh { files_bytes: size_after, live_bytes: bytes };
        Counted { fresh: Some(fresh), ..Counted::now(bytes, records, size_after, None) }
    }

    /// The same count with files as large as they are by now.
    pub fn with_files(self, files_bytes: u64) -> Counted {
        Counted { files_bytes, ..self }
    }
}

/// What the configuration allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files may have so many times the bytes of what is in them; 0: whatever they like.
    ratio: u64,
    min_bytes: u64,
}

impl Limits {
    pub fn of(settings: &Settings) -> Limits {
        Limits { ratio: settings.compact_ratio, min_bytes: settings.compact_min_mb << 20 }
    }

    /// Whether files are made new at all unless somebody asks.
    pub fn allow_any(&self) -> bool {
        self.ratio > 0
    }

    /// Whether files of this size are looked at at all.
    pub fn may_matter(&self, files_bytes: u64) -> bool {
        self.allow_any() && files_bytes >= self.min_bytes
    }

    /// Whether files are too large for what is in them, as it was counted. Files that were so already when they were
    /// new have to grow by half first: else they would be rewritten without end.
    pub fn are_outgrown(&self, counted: &Counted, files_bytes: u64) -> bool {
        let grown = counted.fresh.is_none_or(|fresh| {
            !self.exceeds(fresh.files_bytes, fresh.live_bytes)
                || files_bytes > fresh.files_bytes + fresh.files_bytes / 2
        });
        self.may_matter(files_bytes) && grown && self.exceeds(files_bytes, counted.live_bytes)
    }

    fn exceeds(&self, files_bytes: u64, live_bytes: u64) -> bool {
        files_bytes > live_bytes.saturating_mul(self.ratio)
    }

    /// Whether what was counted says too little by now: the files may be outgrown, and they have grown by an eighth since or lost an
    /// eighth of their records; or it is long ago.
    pub fn must_count(&self, counted: &Counted, files_bytes: u64, records: u64) -> bool {
        if counted.at.elapsed() >= COUNT_AFTER {
            return true;
        }
        let share = u128::from(counted.live_bytes) * u128::from(records) / u128::from(counted.records.max(1));
        let guess = Counted { live_bytes: u64::try_from(share).unwrap_or(u64::MAX), ..*counted };
        let has_changed = files_bytes >= counted.files_bytes + counted.files_bytes / 8
            || records <= counted.records - counted.records / 8;
        has_changed && self.are_outgrown(&guess, files_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use storage::Rebuilt;

    use super::{Counted, Limits};

    const MIB: u64 = 1 << 20;

    fn limits() -> Limits {
        Limits { ratio: 4, min_bytes: 100 * MIB }
    }

    #[test]
    fn files_are_outgrown_by_ratio_above_a_size() {
        let check = |live: u64, files: u64, expect: bool| {
            let counted = Counted::now(live * MIB, 1_000, files * MIB, None);
            assert_eq!(limits().are_outgrown(&counted, files * MIB), expect, "{live} {files}");
        };
        check(10, 99, false);
        check(10, 100, true);
        check(25, 100, false);
        check(25, 101, true);
        check(0, 100, true);
        let never = Limits { ratio: 0, ..limits() };
        assert!(!never.are_outgrown(&Counted::now(0, 0, MIB, None), 1_000 * MIB));
    }

    #[test]
    fn new_files_that_could_not_be_smaller_are_left_alone_until_they_have_grown() {
        let rebuilt = |bytes: u64| Rebuilt {
            records: 10,
            bytes: bytes * MIB,
            size_before: 300 * MIB,
            size_after: 110 * MIB,
            paused: Duration::ZERO,
        };
        let full = Counted { live_bytes: MIB, ..Counted::rebuilt(&rebuilt(50)) };
        assert!(limits().are_outgrown(&full, 110 * MIB), "what was in them is gone");
        let counted = Counted::rebuilt(&rebuilt(1));
        assert!(!limits().are_outgrown(&counted, 165 * MIB));
        assert!(limits().are_outgrown(&counted, 166 * MIB));
        // A later count knows it still.
        let later = Counted::now(MIB, 10, 120 * MIB, Some(counted));
        assert!(!limits().are_outgrown(&later, 165 * MIB) && limits().are_outgrown(&later, 166 * MIB));
    }

    #[test]
    fn everything_is_counted_again_when_it_may_say_something_else() {
        let counted = Counted::now(50 * MIB, 1_000, 190 * MIB, None);
        let check = |files: u64, records: u64, expect: bool| {
            assert_eq!(limits().must_count(&counted, files * MIB, records), expect, "{files} {records}");
        };
        check(190, 1_000, false);
        // By what was counted they are outgrown already.
        check(201, 1_000, false);
        check(214, 1_000, true);
        // They have grown with their records.
        check(230, 1_200, false);
        check(190, 900, false);
        check(190, 875, true);
    }
}
