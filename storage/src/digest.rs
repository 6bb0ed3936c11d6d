//! A running fingerprint of each replicated table, cheap enough to be kept in every commit.
//!
//! A table's digest is the sum, modulo 2^128, of one 128-bit hash per record: a multiset hash, so that the order of
//! writes does not matter, and adding a record and removing it again leaves nothing. The hash is XXH3-128 (xxHash
//! specification 0.8) over `[key length u32 BE][key][value]`. It shows divergence and damage; it does not resist
//! somebody who makes collisions on purpose.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::fault::Fault;

/// The version of the encoding below. It is stored, exported and compared between nodes.
const FORMAT: u8 = 1;
const TABLE_BYTES: usize = 1 + 8 + 16;

/// Number and fingerprint of the records of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableDigest {
    /// How many records there are.
    pub count: u64,
    /// The sum of their hashes.
    pub sum: u128,
}

/// The digests of all replicated tables that have records, by prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digests {
    tables: Vec<(u8, TableDigest)>,
}

impl Digests {
    /// The digest of the table with this prefix; zero for one without records.
    pub fn table(&self, prefix: u8) -> TableDigest {
        match self.tables.binary_search_by_key(&prefix, |(at, _)| *at) {
            Ok(at) => self.tables[at].1,
            Err(_) => TableDigest::default(),
        }
    }

    /// Prefix and digest of every table that has records, in order of prefix.
    pub fn tables(&self) -> impl Iterator<Item = (u8, TableDigest)> {
        self.tables.iter().copied()
    }

    /// How many records there are in all replicated tables.
    pub fn count(&self) -> u64 {
        self.tables.iter().map(|(_, table)| table.count).sum()
    }

    /// The digests of the tables whose prefixes `keep` says yes to.
    pub fn only(&self, keep: impl Fn(u8) -> bool) -> Digests {
        Digests { tables: self.tables.iter().copied().filter(|(prefix, _)| keep(*prefix)).collect() }
    }

    /// The prefixes of the tables that differ, in order.
    pub fn differing(&self, other: &Digests) -> Vec<u8> {
        let prefixes = self.tables().chain(other.tables()).map(|(prefix, _)| prefix);
        let mut differing: Vec<u8> =
            prefixes.filter(|prefix| self.table(*prefix) != other.table(*prefix)).collect();
        differing.sort_unstable();
        differing.dedup();
        differing
    }

    /// One fingerprint of everything: equal on two nodes exactly when all tables are (but for a chance of 2^-128).
    pub fn overall(&self) -> u128 {
        xxh3_128(&self.encode())
    }

    /// `[format u8]`, then per table `[prefix u8][count u64 BE][sum u128 BE]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.tables.len() * TABLE_BYTES);
        bytes.push(FORMAT);
        for (prefix, table) in &self.tables {
            bytes.push(*prefix);
            bytes.extend_from_slice(&table.count.to_be_bytes());
            bytes.extend_from_slice(&table.sum.to_be_bytes());
        }
        bytes
    }

    /// The inverse of [`encode`](Digests::encode).
    pub fn decode(bytes: &[u8]) -> Result<Digests, Fault> {
        let damaged = |detail: &str| Fault::corrupt("a digest", detail);
        let (&format, mut rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if format != FORMAT {
            return Err(Fault::NewerVersion { what: "a digest", found: format, known: FORMAT });
        }
        let mut tables: Vec<(u8, TableDigest)> = Vec::with_capacity(rest.len() / TABLE_BYTES);
        while let Some((&prefix, after)) = rest.split_first() {
            let (count, after) = after.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
            let (sum, after) = after.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
            if tables.last().is_some_and(|(last, _)| *last >= prefix) {
                return Err(damaged("its tables are not in order"));
            }
            let table = TableDigest { count: u64::from_be_bytes(*count), sum: u128::from_be_bytes(*sum) };
            tables.push((prefix, table));
            rest = after;
        }
        Ok(Digests { tables })
    }

    fn entry(&mut self, prefix: u8) -> &mut TableDigest {
        let at = match self.tables.binary_search_by_key(&prefix, |(at, _)| *at) {
            Ok(at) => at,
            Err(at) => {
                self.tables.insert(at, (prefix, TableDigest::default()));
                at
            }
        };
        &mut self.tables[at].1
    }

    /// Forgets tables without records, so that equal states have equal digests.
    fn drop_empty(&mut self) {
        self.tables.retain(|(_, table)| *table != TableDigest::default());
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.overall())
    }
}

/// Adds records to digests and takes them away, with one buffer for all of them.
pub(crate) struct Tally {
    digests: Digests,
    buffer: Vec<u8>,
}

impl Tally {
    pub(crate) fn new(digests: Digests) -> Tally {
        Tally { digests, buffer: Vec::with_capacity(1024) }
    }

    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        let hash = self.hash(key, value);
        let table = self.digests.entry(key[0]);
        table.count = table.count.wrapping_add(1);
        table.sum = table.sum.wrapping_add(hash);
    }

    pub(crate) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        let hash = self.hash(key, value);
        let table = self.digests.entry(key[0]);
        table.count = table.count.wrapping_sub(1);
        table.sum = table.sum.wrapping_sub(hash);
    }

    pub(crate) fn finish(mut self) -> Digests {
        self.digests.drop_empty();
        self.digests
    }

    fn hash(&mut self, key: &[u8], value: &[u8]) -> u128 {
        self.buffer.clear();
        self.buffer.extend_from_slice(&(key.len() as u32).to_be_bytes());
        self.buffer.extend_from_slice(key);
        self.buffer.extend_from_slice(value);
        xxh3_128(&self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digests, Tally};

    fn sample() -> Digests {
        let mut tally = Tally::new(Digests::default());
        tally.add(b"\x20\0\0\0\x01key", b"value");
        tally.add(b"\x20\0\0\0\x01other", b"");
        tally.add(b"\x10\0\0\0\0", b"x");
        tally.finish()
    }

    /// Nodes compare these numbers: a change here is a change of format.
    #[test]
    fn golden_bytes() {
        let bytes: String = sample().encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            bytes,
            "01\
             1000000000000000015e9750238ece97fbc2d488254141d7ca\
             200000000000000002e5bb2f86e29f3f740735a1fcc70e483a"
        );
        assert_eq!(sample().to_string(), "8bc12dd42c2d068aad13a7f30a433196");
        assert_eq!(Digests::decode(&sample().encode()).unwrap(), sample());
    }

    #[test]
    fn order_does_not_matter_and_removal_leaves_nothing() {
        let mut tally = Tally::new(Digests::default());
        tally.add(b"\x10\0\0\0\0", b"x");
        tally.add(b"\x30\0\0\0\0", b"gone");
        tally.add(b"\x20\0\0\0\x01other", b"");
        tally.add(b"\x20\0\0\0\x01key", b"value");
        tally.subtract(b"\x30\0\0\0\0", b"gone");
        assert_eq!(tally.finish(), sample());
    }

    #[test]
    fn where_key_ends_and_value_begins_matters() {
        let digest = |key: &[u8], value: &[u8]| {
            let mut tally = Tally::new(Digests::default());
            tally.add(key, value);
            tally.finish().overall()
        };
        assert_ne!(digest(b"\x20ab", b"c"), digest(b"\x20a", b"bc"));
    }

    #[test]
    fn damaged_digests_are_faults() {
        let good = sample().encode();
        assert_eq!(Digests::decode(&good[..good.len() - 1]).unwrap_err().code(), "storage_corrupt");
        assert_eq!(Digests::decode(&[]).unwrap_err().code(), "storage_corrupt");
        assert_eq!(Digests::decode(&[9]).unwrap_err().code(), "storage_newer_version");
        let mut twice = good.clone();
        twice.extend_from_slice(&good[1..]);
        assert_eq!(Digests::decode(&twice).unwrap_err().code(), "storage_corrupt");
    }
}
