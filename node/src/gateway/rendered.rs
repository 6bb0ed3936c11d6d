//! Bodies of public answers that are asked for again and again, kept as long as the record that they show has the same bytes:
//! what a commit changes is thereby never shown, and nobody has to be told.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use shop::ids::ProductId;
use storage::Raw;

use super::problem::Problem;

/// The memory that is taken, in bytes, roughly: bodies and the records that they were made of.
const LIMIT_BYTES: usize = 16 << 20;
/// Locks, so that requests on many threads seldom meet.
const SHARDS: usize = 16;
/// What an entry costs beside its bytes.
const ENTRY_BYTES: usize = 200;

/// A body and its entity tag.
#[derive(Debug, Clone)]
pub struct Shown {
    pub body: Bytes,
    pub tag: String,
}

#[derive(Debug)]
struct Entry {
    /// What the page was made of.
    record: Raw,
    page: Shown,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.record.len() + self.page.body.len() + ENTRY_BYTES
    }
}

/// Two halves instead of a list in order of use: what is used moves into the recent one, and when that is full the earlier
/// one goes.
#[derive(Debug, Default)]
struct Shard {
    recent: HashMap<ProductId, Entry>,
    recent_bytes: usize,
    earlier: HashMap<ProductId, Entry>,
}

/// Pages of products.
#[derive(Debug)]
pub struct Rendered {
    shards: Vec<Mutex<Shard>>,
    shard_bytes: usize,
    hasher: RandomState,
}

impl Default for Rendered {
    fn default() -> Self {
        Self::limited_to(LIMIT_BYTES)
    }
}

impl Rendered {
    fn limited_to(bytes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, shard_bytes: bytes / SHARDS, hasher: RandomState::new() }
    }

    /// The page of a product that is stored as `record`: the one that is kept, or what `make` makes of it.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub fn page(
        &self,
        id: ProductId,
        record: &Raw,
        make: impl FnOnce() -> Result<Shown, Problem>,
    ) -> Result<Shown, Problem> {
        if let Some(page) = self.kept(id, record) {
            return Ok(page);
        }
        let page = make()?;
        self.keep(id, Entry { record: record.clone(), page: page.clone() });
        Ok(page)
    }

    fn kept(&self, id: ProductId, record: &Raw) -> Option<Shown> {
        let mut shard = self.shard(id);
        if let Some(entry) = shard.recent.get(&id) {
            return (entry.record == *record).then(|| entry.page.clone());
        }
        let entry = shard.earlier.remove(&id).filter(|entry| entry.record == *record)?;
        let page = entry.page.clone();
        self.add(&mut shard, id, entry);
        Some(page)
    }

    fn keep(&self, id: ProductId, entry: Entry) {
        let mut shard = self.shard(id);
        shard.earlier.remove(&id);
        self.add(&mut shard, id, entry);
    }

    fn add(&self, shard: &mut Shard, id: ProductId, entry: Entry) {
        if shard.recent_bytes >= self.shard_bytes / 2 {
            shard.earlier = std::mem::take(&mut shard.recent);
            shard.recent_bytes = 0;
        }
        shard.recent_bytes += entry.bytes();
        if let Some(before) = shard.recent.insert(id, entry) {
            shard.recent_bytes -= before.bytes();
        }
    }

    fn shard(&self, id: ProductId) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(id) as usize % self.shards.len();
        // Counts and maps are changed without a panic in between.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use shop::Code;
    use shop::ids::ProductId;
    use storage::Raw;

    use super::{Problem, Rendered, SHARDS, Shown};

    const ID: ProductId = ProductId([7; 16]);

    fn raw(text: &str) -> Raw {
        text.as_bytes().into()
    }

    /// The body that is shown of a record, and whether it was made anew.
    fn shown(rendered: &Rendered, id: ProductId, record: &str, make: &str) -> (String, bool) {
        let mut is_made = false;
        let page = rendered.page(id, &raw(record), || {
            is_made = true;
            Ok(Shown { body: Bytes::copy_from_slice(make.as_bytes()), tag: String::new() })
        });
        (String::from_utf8(page.unwrap().body.to_vec()).unwrap(), is_made)
    }

    #[test]
    fn a_page_is_kept_as_long_as_its_record_is_the_same() {
        let rendered = Rendered::default();
        assert_eq!(shown(&rendered, ID, "one", "first"), ("first".into(), true));
        assert_eq!(shown(&rendered, ID, "one", "never"), ("first".into(), false));
        assert_eq!(shown(&rendered, ID, "two", "second"), ("second".into(), true));
        assert_eq!(shown(&rendered, ID, "two", "never"), ("second".into(), false));
        // A node whose state took the place of a newer one shows what it has.
        assert_eq!(shown(&rendered, ID, "one", "first again"), ("first again".into(), true));
        assert_eq!(shown(&rendered, ProductId([8; 16]), "one", "another"), ("another".into(), true));
    }

    #[test]
    fn what_cannot_be_shown_is_not_kept() {
        let rendered = Rendered::default();
        let refused = rendered.page(ID, &raw("draft"), || Err(Problem::new(Code::NotFound, "it is a draft")));
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
        assert_eq!(shown(&rendered, ID, "draft", "made"), ("made".into(), true));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let rendered = Rendered::limited_to(64 << 10);
        let body = "x".repeat(200);
        shown(&rendered, ID, "used", &body);
        for number in 0..5_000u128 {
            shown(&rendered, ProductId(number.to_be_bytes()), "record", &body);
            assert!(!shown(&rendered, ID, "used", &body).1, "{number}");
        }
        let count = |shard: &std::sync::Mutex<super::Shard>| {
            let shard = shard.lock().unwrap();
            shard.recent.len() + shard.earlier.len()
        };
        let entries: usize = rendered.shards.iter().map(count).sum();
        assert!((SHARDS..=(64 << 10) / 400 * 2).contains(&entries), "{entries}");
    }
}
