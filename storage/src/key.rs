//! Keys whose bytes sort as their values do.
//!
//! Every key in the engine is `[table prefix u8][scope u32 big-endian][key]`. The encodings below are on disk:
//! changing one breaks every store. Each encoding is prefix-free, so that components can simply follow each other
//! and a tuple sorts by its components in turn.
//!
//! Table prefixes, listed in ranges (each owner lists its own tables once; a retired prefix is never reused):
//!
//! | range | owner | digested and exported |
//! | --- | --- | --- |
//! | `0x00` | this crate's own records | no |
//! | `0x01..=0x0f` | local records of a node | no |
//! | `0x10..=0x1f` | replicated, the log's machinery | yes |
//! | `0x20..=0xef` | replicated, the machine's | yes |
//! | `0xf0..=0xff` | reserved: no table may use it | |

use crate::fault::Fault;

/// The longest key, with prefix and scope, in bytes.
pub const MAX_KEY_BYTES: usize = 4096;

/// The first prefix of a replicated table.
pub const FIRST_REPLICATED_PREFIX: u8 = 0x10;
/// The last prefix of a replicated table.
pub const LAST_REPLICATED_PREFIX: u8 = 0xef;

/// Whether records under `prefix` are digested and exported.
pub const fn is_replicated(prefix: u8) -> bool {
    prefix >= FIRST_REPLICATED_PREFIX && prefix <= LAST_REPLICATED_PREFIX
}

/// A tenant: every key of every table begins with one. Scope 0 is the node's and the log's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub u32);

impl Scope {
    /// The node's own scope.
    pub const NODE: Scope = Scope(0);
}

/// Something that can be (part of) a key. Encoding preserves order: `a < b` exactly when `a`'s bytes sort before `b`'s.
pub trait Key: Sized {
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);
    /// Takes the encoding off the front of `input`; damaged bytes are a [`Fault::Corrupt`].
    fn decode(input: &mut &[u8]) -> Result<Self, Fault>;
}

impl Key for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_input: &mut &[u8]) -> Result<Self, Fault> {
        Ok(())
    }
}

impl Key for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        match take::<1>(input)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Fault::corrupt("a key", format!("{other:#04x} where a bool should be"))),
        }
    }
}

macro_rules! unsigned_keys {
    ($($number:ty),*) => {$(
        impl Key for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
                Ok(<$number>::from_be_bytes(take(input)?))
            }
        }
    )*};
}

unsigned_keys!(u8, u16, u32, u64, u128);

/// Two's complement with the sign bit flipped: negative numbers sort first.
impl Key for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        Ok((u64::from_be_bytes(take(input)?) ^ (1 << 63)).cast_signed())
    }
}

impl<const N: usize> Key for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        take(input)
    }
}

/// Escaped: `0x00` becomes `0x00 0xff`, and `0x00 0x00` ends it.
impl Key for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self, out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        unescape(input)
    }
}

/// The UTF-8 bytes, escaped as those of a `Vec<u8>` are.
impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self.as_bytes(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        String::from_utf8(unescape(input)?).map_err(|_| Fault::corrupt("a key", "text that is not UTF-8"))
    }
}

/// `None` sorts before every `Some`.
impl<K: Key> Key for Option<K> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(key) => {
                out.push(1);
                key.encode(out);
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
        match take::<1>(input)? {
            [0] => Ok(None),
            [1] => Ok(Some(K::decode(input)?)),
            [other] => Err(Fault::corrupt("a key", format!("{other:#04x} where an option should be"))),
        }
    }
}

macro_rules! tuple_keys {
    ($($part:ident $at:tt),*) => {
        impl<$($part: Key),*> Key for ($($part,)*) {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$at.encode(out);)*
            }

            fn decode(input: &mut &[u8]) -> Result<Self, Fault> {
                Ok(($($part::decode(input)?,)*))
            }
        }
    };
}

tuple_keys!(A 0);
tuple_keys!(A 0, B 1);
tuple_keys!(A 0, B 1, C 2);
tuple_keys!(A 0, B 1, C 2, D 3);

/// The whole key of a record: prefix, scope, key.
pub(crate) fn record_key(prefix: u8, scope: Scope, key: &impl Key) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(48);
    bytes.push(prefix);
    bytes.extend_from_slice(&scope.0.to_be_bytes());
    key.encode(&mut bytes);
    if bytes.len() > MAX_KEY_BYTES {
        return Err(Fault::TooLarge { what: "a key", found: bytes.len(), limit: MAX_KEY_BYTES });
    }
    Ok(bytes)
}

/// The smallest bytes that sort after everything that begins with `prefix`; `None` if there are none.
pub(crate) fn successor(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < 0xff {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (taken, rest) =
        input.split_first_chunk::<N>().ok_or_else(|| Fault::corrupt("a key", "it ends too early"))?;
    *input = rest;
    Ok(*taken)
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn unescape(input: &mut &[u8]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    loop {
        match take::<1>(input)? {
            [0] => match take::<1>(input)? {
                [0] => return Ok(bytes),
                [0xff] => bytes.push(0),
                [other] => {
                    return Err(Fault::corrupt("a key", format!("escape 0x00 {other:#04x} in a text")));
                }
            },
            [byte] => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Key, Scope, record_key, successor};

    fn bytes(key: &impl Key) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    fn check(key: impl Key + PartialEq + std::fmt::Debug, expect: &[u8]) {
        assert_eq!(bytes(&key), expect, "{key:?}");
        let mut rest = expect;
        let back = Key::decode(&mut rest);
        assert_eq!(back.ok().as_ref(), Some(&key));
        assert!(rest.is_empty(), "{key:?} left {rest:?}");
    }

    /// These bytes are on disk: a change here is a change of format.
    #[test]
    fn golden_bytes() {
        check((), &[]);
        check(false, &[0]);
        check(true, &[1]);
        check(7u8, &[7]);
        check(0x0102u16, &[1, 2]);
        check(0x0102_0304u32, &[1, 2, 3, 4]);
        check(1u64 << 32, &[0, 0, 0, 1, 0, 0, 0, 0]);
        check(3u128, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
        check(-1i64, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        check(1i64, &[0x80, 0, 0, 0, 0, 0, 0, 1]);
        check([9u8, 0, 9], &[9, 0, 9]);
        check("a\0b".to_owned(), b"a\0\xffb\0\0");
        check(vec![0u8, 255], &[0, 0xff, 255, 0, 0]);
        check(None::<u8>, &[0]);
        check(Some(5u8), &[1, 5]);
        check((1u8, "x".to_owned(), true, Some(2u16)), &[1, b'x', 0, 0, 1, 1, 0, 2]);
        let whole = record_key(0x21, Scope(1), &(2u16, "k".to_owned())).unwrap();
        assert_eq!(whole, [0x21, 0, 0, 0, 1, 0, 2, b'k', 0, 0]);
    }

    #[test]
    fn damaged_keys_are_faults() {
        fn refused<K: Key>(mut input: &[u8]) {
            assert!(K::decode(&mut input).is_err_and(|fault| fault.code() == "storage_corrupt"));
        }
        refused::<bool>(&[2]);
        refused::<u32>(&[1, 2, 3]);
        refused::<Option<u8>>(&[3, 1]);
        refused::<String>(b"no end");
        refused::<String>(&[0xff, 0xfe, 0, 0]);
        refused::<Vec<u8>>(&[0, 7]);
    }

    #[test]
    fn keys_are_bounded() {
        let fault = record_key(0x20, Scope(1), &"x".repeat(5000)).unwrap_err();
        assert_eq!(fault.code(), "storage_too_large");
    }

    #[test]
    fn successors() {
        assert_eq!(successor(vec![1, 2]), Some(vec![1, 3]));
        assert_eq!(successor(vec![1, 0xff]), Some(vec![2]));
        assert_eq!(successor(vec![0xff, 0xff]), None);
        assert_eq!(successor(vec![]), None);
    }

    type Mixed = (Option<i64>, String, Vec<u8>, u64);

    proptest! {
        #[test]
        fn byte_order_is_tuple_order(a in any::<Mixed>(), b in any::<Mixed>()) {
            prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        }

        #[test]
        fn byte_order_holds_for_near_keys(
            a in (proptest::collection::vec(0u8..2, 0..5), 0u8..2),
            b in (proptest::collection::vec(0u8..2, 0..5), 0u8..2),
        ) {
            prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        }

        #[test]
        fn keys_come_back(a in any::<Mixed>(), b in any::<(bool, u8, [u8; 3], u128)>()) {
            let key = (a.clone(), b);
            let encoded = bytes(&key);
            let mut rest = encoded.as_slice();
            prop_assert_eq!(<(Mixed, (bool, u8, [u8; 3], u128))>::decode(&mut rest).ok(), Some(key));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn decoding_noise_never_panics(noise in any::<Vec<u8>>()) {
            let _ = Mixed::decode(&mut noise.as_slice());
        }
    }
}
