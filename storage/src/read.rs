//! Typed reading, the same over a view of the store and over a transaction.

use std::marker::PhantomData;

use crate::codec::Value;
use crate::engine::{Direction, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::key::{Key, Scope, record_key};
use crate::table::{Span, Table};

/// Bytes of whole keys: what [`Read`] is built on, usable as an object.
pub trait ReadBytes {
    /// The scope in which typed reads look.
    fn scope(&self) -> Scope;
    /// The value of a whole key.
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Raw>, Fault>;
    /// Whether a key that begins with `prefix` may end with `tail`: `false` only if none does.
    fn may_hold_bytes(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault>;
    /// A lazy walk over whole keys.
    fn scan_bytes<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a>;
}

/// A record as it is stored: whoever made something of the same bytes before need not decode them again.
pub struct Stored<T: Table> {
    bytes: Raw,
    of: PhantomData<fn() -> T>,
}

impl<T: Table> Stored<T> {
    /// The version and the encoded value.
    pub fn bytes(&self) -> &Raw {
        &self.bytes
    }

    /// The value.
    ///
    /// # Errors
    /// When the bytes are none that this program can have written.
    pub fn value(&self) -> Result<T::Value, Fault> {
        T::Value::decode(&self.bytes)
    }
}

/// Typed reads in the reader's scope. Implemented by whatever reads bytes: take `&impl Read`.
pub trait Read: ReadBytes {
    /// One record.
    fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Fault> {
        match self.get_bytes(&table_key::<T>(self.scope(), key)?)? {
            Some(bytes) => T::Value::decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// One record, not decoded yet.
    fn stored<T: Table>(&self, key: &T::Key) -> Result<Option<Stored<T>>, Fault> {
        let bytes = self.get_bytes(&table_key::<T>(self.scope(), key)?)?;
        Ok(bytes.map(|bytes| Stored { bytes, of: PhantomData }))
    }

    /// Whether a record is there.
    fn contains<T: Table>(&self, key: &T::Key) -> Result<bool, Fault> {
        Ok(self.get_bytes(&table_key::<T>(self.scope(), key)?)?.is_some())
    }

    /// Whether a record may be there whose key ends with `tail`, which has [`Table::SOUGHT_TAIL`] bytes: `false` only if no
    /// scope has one. Most often that is known without the engine.
    fn may_hold<T: Table>(&self, tail: &[u8]) -> Result<bool, Fault> {
        if tail.len() != T::SOUGHT_TAIL {
            return Ok(true);
        }
        self.may_hold_bytes(T::PREFIX, tail)
    }

    /// The records of a span, lazily: take what you need and drop the rest. After a fault it ends.
    fn scan<T: Table>(&self, span: Span<T>) -> impl Iterator<Item = Result<(T::Key, T::Value), Fault>> {
        let (records, refused) = match span.resolve(self.scope()) {
            Ok((range, direction)) => (Some(self.scan_bytes(range, direction)), None),
            Err(fault) => (None, Some(Err(fault))),
        };
        let decoded = records.into_iter().flatten().map(|record| {
            let (key, value) = record?;
            Ok((decode_key::<T>(&key)?, T::Value::decode(&value)?))
        });
        refused.into_iter().chain(decoded)
    }
}

impl<R: ReadBytes + ?Sized> Read for R {}

/// The whole key of a record of `T`.
pub(crate) fn table_key<T: Table>(scope: Scope, key: &T::Key) -> Result<Vec<u8>, Fault> {
    const { assert!(T::PREFIX > 0 && T::PREFIX < 0xf0, "this prefix belongs to no table") };
    record_key(T::PREFIX, scope, key)
}

fn decode_key<T: Table>(bytes: &[u8]) -> Result<T::Key, Fault> {
    // Prefix and scope are those of the span.
    let mut rest = bytes.get(5..).ok_or_else(|| Fault::corrupt(T::NAME, "a key without its scope"))?;
    let key = T::Key::decode(&mut rest)?;
    if rest.is_empty() { Ok(key) } else { Err(Fault::corrupt(T::NAME, "a key is longer than its type")) }
}
