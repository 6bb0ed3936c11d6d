//! One block: some records that follow each other, in bytes.
//!
//! ```text
//! block = version u8 (1), entry*, keys strictly ascending
//! entry = shared varint, rest length varint, value length varint, rest, value
//! ```
//!
//! A key is the first `shared` bytes of the key before it, and `rest`. Lengths are unsigned LEB128.

use crate::fault::Fault;

const VERSION: u8 = 1;

/// What the three lengths of an entry take, about.
const LENGTHS: usize = 4;

/// A record to put into a block.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// How many bytes its key begins like the one before.
    shared: usize,
}

impl<'a> Entry<'a> {
    /// Behind the key of the entry before it, in ascending order.
    pub(super) fn behind(before: &[u8], key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        let shared = before.iter().zip(key).take_while(|(before, byte)| before == byte).count();
        Entry { key, value, shared }
    }

    /// What it takes in a block, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() - self.shared + self.value.len() + LENGTHS
    }

    /// The same, if its block begins with it.
    pub(super) fn bytes_as_first(&self) -> usize {
        self.bytes() + self.shared
    }

    /// The shortest key that is above the entry before, and not above this one.
    pub(super) fn separator(&self) -> &'a [u8] {
        &self.key[..(self.shared + 1).min(self.key.len())]
    }
}

/// The bytes of a block.
pub(super) fn encode(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes =
        Vec::with_capacity(1 + entries.iter().map(|entry| entry.bytes() + LENGTHS).sum::<usize>());
    bytes.push(VERSION);
    for (number, Entry { key, value, shared }) in entries.iter().enumerate() {
        let shared = if number == 0 { 0 } else { *shared };
        let rest = &key[shared..];
        for length in [shared, rest.len(), value.len()] {
            put_varint(&mut bytes, length);
        }
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Reads a block from its first entry to its last.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Result<Reader<'a>, Fault> {
        match block.split_first() {
            Some((&VERSION, rest)) => Ok(Reader { rest, key: Vec::new() }),
            Some((version, _)) => Err(damaged(format!("it is of version {version}"))),
            None => Err(damaged("it is empty".to_owned())),
        }
    }

    /// The key of the entry that was read last.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Goes to the next entry, and returns its value.
    pub(super) fn next_value(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.entry() {
            Some(value) => Ok(Some(value)),
            None => Err(damaged("it ends within an entry".to_owned())),
        }
    }

    fn entry(&mut self) -> Option<&'a [u8]> {
        let shared = self.varint()?;
        let (rest, value) = (self.varint()?, self.varint()?);
        let (rest, behind) = self.rest.split_at_checked(rest)?;
        let (value, behind) = behind.split_at_checked(value)?;
        self.rest = behind;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        Some(value)
    }

    fn varint(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let (byte, behind) = self.rest.split_first()?;
            self.rest = behind;
            number |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn damaged(detail: String) -> Fault {
    Fault::corrupt("a block of the state", detail)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Reader, encode};

    const RECORDS: [(&str, &str); 4] =
        [("order/17", "paid"), ("order/18", ""), ("order/181", "x"), ("sku", "9")];

    fn block() -> Vec<u8> {
        let mut before: &[u8] = b"";
        let entry = |(key, value): &(&'static str, &'static str)| {
            let entry = Entry::behind(before, key.as_bytes(), value.as_bytes());
            before = key.as_bytes();
            entry
        };
        encode(&RECORDS.iter().map(entry).collect::<Vec<_>>())
    }

    fn read(block: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let (mut reader, mut found) = (Reader::new(block).ok()?, Vec::new());
        while let Some(value) = reader.next_value().ok()? {
            found.push((reader.key().to_vec(), value.to_vec()));
        }
        Some(found)
    }

    #[test]
    fn its_bytes_stay_as_they_are() {
        let mut golden = vec![1, 0, 8, 4];
        golden.extend(b"order/17paid");
        golden.extend([7, 1, 0, b'8', 8, 1, 1, b'1', b'x', 0, 3, 1]);
        golden.extend(b"sku9");
        assert_eq!(block(), golden);
        let expected = RECORDS.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(read(&golden).unwrap(), expected);
    }

    #[test]
    fn long_ones_have_long_lengths() {
        let (key, value) = ([7; 300], vec![8; 1 << 20]);
        let block = encode(&[Entry::behind(b"", &key, &value)]);
        assert_eq!(read(&block).unwrap(), [(key.to_vec(), value)]);
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_not_read() {
        let block = block();
        let ends = [1, 16, 20, 25, 32];
        for at in 0..block.len() {
            assert_eq!(read(&block[..at]).is_some(), ends.contains(&at), "cut at {at}");
        }
        assert!(read(&[&[2], &block[1..]].concat()).is_none());
        // A length beyond all bounds, and one that never ends.
        assert!(read(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]).is_none());
        assert!(read(&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]).is_none());
        // More shared than there was.
        assert!(read(&[1, 1, 0, 0]).is_none());
    }

    #[test]
    fn a_separator_is_short_and_between() {
        for (before, key, separator) in
            [("a", "b", "b"), ("abc", "abd1", "abd"), ("ab", "abc9", "abc"), ("", "abc", "a")]
        {
            let entry = Entry::behind(before.as_bytes(), key.as_bytes(), b"");
            assert_eq!(entry.separator(), separator.as_bytes());
        }
    }
}
