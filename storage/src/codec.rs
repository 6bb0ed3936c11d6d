//! How values become bytes: a version, then bincode.
//!
//! bincode is positional: the order of fields and of enum variants is the format. Append only, never reorder; the serde
//! attributes `skip`, `default`, `flatten` and `untagged` break it. Every stored type has golden bytes in a test.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// The longest encoding of one value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// What decoding one value may allocate, in bytes: a hostile length cannot ask for more.
const MAX_DECODED_BYTES: usize = 16 << 20;

/// Varint, little-endian. On disk, in the log and between nodes: never change it.
const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<MAX_DECODED_BYTES>,
> = bincode::config::standard().with_limit::<MAX_DECODED_BYTES>();

/// A value as it is stored: `[version u8][bincode]`. Implement it with [`versioned!`](crate::versioned).
pub trait Value: Sized {
    /// The version that is written.
    const VERSION: u8;
    /// The stored bytes, at most [`MAX_VALUE_BYTES`].
    fn encode(&self) -> Result<Vec<u8>, Fault>;
    /// From the stored bytes; a version this program does not know is [`Fault::NewerVersion`].
    fn decode(bytes: &[u8]) -> Result<Self, Fault>;
}

/// Implements [`Value`] for a serde type, at the version it is now written in.
///
/// `versioned!(Order, 1)` for a first version. When the type changes, keep the old one under another name with
/// `impl From<OrderV1> for Order`, and write `versioned!(Order, 2, 1 => OrderV1)`: old records are read through it, new
/// ones are written as version 2.
#[macro_export]
macro_rules! versioned {
    ($type:ty, $version:literal $(, $old:literal => $old_type:ty)* $(,)?) => {
        impl $crate::Value for $type {
            const VERSION: u8 = $version;

            fn encode(&self) -> ::core::result::Result<::std::vec::Vec<u8>, $crate::Fault> {
                $crate::codec::encode_versioned($version, self)
            }

            fn decode(bytes: &[u8]) -> ::core::result::Result<Self, $crate::Fault> {
                match $crate::codec::split_version(bytes)? {
                    ($version, body) => $crate::decode(body),
                    $(($old, body) => $crate::decode::<$old_type>(body).map(::core::convert::Into::into),)*
                    (found, _) => ::core::result::Result::Err($crate::codec::unknown_version::<Self>(found, $version)),
                }
            }
        }
    };
}

/// bincode in the one configuration of this program; used for commands too. At most [`MAX_VALUE_BYTES`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    let bytes = bincode::serde::encode_to_vec(value, CONFIG).map_err(|error| encode_fault::<T>(&error))?;
    within_bounds::<T>(bytes)
}

/// The inverse of [`encode`]. Bytes left over are an error, as is a length that asks for more than 16 MiB.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let what = std::any::type_name::<T>();
    let (value, used) = bincode::serde::decode_from_slice::<T, _>(bytes, CONFIG)
        .map_err(|error| Fault::corrupt(what, error.to_string()))?;
    if used != bytes.len() {
        return Err(Fault::corrupt(what, format!("{} bytes are left over", bytes.len() - used)));
    }
    Ok(value)
}

/// As [`decode`], of bytes with something else behind the value, which is given back.
pub fn decode_front<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Fault> {
    let (value, used) = bincode::serde::decode_from_slice::<T, _>(bytes, CONFIG)
        .map_err(|error| Fault::corrupt(std::any::type_name::<T>(), error.to_string()))?;
    Ok((value, bytes.get(used..).unwrap_or_default()))
}

#[doc(hidden)]
pub fn encode_versioned<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, Fault> {
    encode_with_tail(version, value, &[])
}

/// For values that are written by hand: a version, a value, and bytes behind it that [`decode_front`] gives back.
pub fn encode_with_tail<T: Serialize>(version: u8, value: &T, tail: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(128 + tail.len());
    bytes.push(version);
    bincode::serde::encode_into_std_write(value, &mut bytes, CONFIG)
        .map_err(|error| encode_fault::<T>(&error))?;
    bytes.extend_from_slice(tail);
    within_bounds::<T>(bytes)
}

#[doc(hidden)]
pub fn split_version(bytes: &[u8]) -> Result<(u8, &[u8]), Fault> {
    bytes
        .split_first()
        .map(|(version, body)| (*version, body))
        .ok_or_else(|| Fault::corrupt("a value", "it is empty"))
}

#[doc(hidden)]
pub fn unknown_version<T>(found: u8, known: u8) -> Fault {
    let what = std::any::type_name::<T>();
    if found > known {
        Fault::NewerVersion { what, found, known }
    } else {
        Fault::corrupt(what, format!("version {found} was never written"))
    }
}

fn encode_fault<T>(error: &bincode::error::EncodeError) -> Fault {
    Fault::Encode { what: std::any::type_name::<T>(), detail: error.to_string() }
}

fn within_bounds<T>(bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if bytes.len() > MAX_VALUE_BYTES {
        let what = std::any::type_name::<T>();
        return Err(Fault::TooLarge { what, found: bytes.len(), limit: MAX_VALUE_BYTES });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde::{Deserialize, Serialize};

    use super::{Value, decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        amount: u32,
    }
    versioned!(Old, 1);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Plain,
        Named(String),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        amount: u64,
        kind: Kind,
        note: Option<i32>,
    }
    versioned!(New, 2, 1 => Old);

    impl From<Old> for New {
        fn from(old: Old) -> New {
            New { amount: old.amount.into(), kind: Kind::Plain, note: None }
        }
    }

    /// These bytes are on disk: a change here is a change of format.
    #[test]
    fn golden_bytes() {
        let new = New { amount: 300, kind: Kind::Named("tea".into()), note: Some(-2) };
        let expect = [2, 251, 0x2c, 1, 1, 3, b't', b'e', b'a', 1, 3];
        assert_eq!(new.encode().unwrap(), expect);
        assert_eq!(New::decode(&expect).unwrap(), new);
        assert_eq!(encode(&new).unwrap(), expect[1..]);
    }

    #[test]
    fn an_older_version_is_read() {
        let old = Old { amount: 7 }.encode().unwrap();
        assert_eq!(New::decode(&old).unwrap(), New { amount: 7, kind: Kind::Plain, note: None });
    }

    #[test]
    fn other_versions_are_refused() {
        assert_eq!(New::decode(&[3, 0]).unwrap_err().code(), "storage_newer_version");
        assert_eq!(New::decode(&[0, 0]).unwrap_err().code(), "storage_corrupt");
        assert_eq!(New::decode(&[]).unwrap_err().code(), "storage_corrupt");
    }

    #[test]
    fn left_over_bytes_are_refused() {
        assert_eq!(decode::<u8>(&[1, 2]).unwrap_err().code(), "storage_corrupt");
    }

    #[test]
    fn lengths_are_bounded() {
        // A vector that claims 2^40 elements in six bytes.
        let hostile = [253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(decode::<Vec<u64>>(&hostile).unwrap_err().code(), "storage_corrupt");
        assert_eq!(encode(&"x".repeat(2 << 20)).unwrap_err().code(), "storage_too_large");
    }

    proptest! {
        #[test]
        fn decoding_noise_never_panics(noise in any::<Vec<u8>>()) {
            let _ = New::decode(&noise);
        }
    }
}
