//! Typed identifiers: a prefix and 26 characters of Crockford base32 of a UUIDv7 (RFC 9562, section 5.7) made from the
//! command's stamp, so that keys of new things are time-ordered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 26;

/// Makes the ids of one command: every replica derives the same ones from the leader's seed.
#[derive(Debug)]
pub struct IdSource {
    now: Timestamp,
    seed: [u8; 16],
    count: u32,
}

impl IdSource {
    pub fn new(now: Timestamp, seed: [u8; 16]) -> Self {
        Self { now, seed, count: 0 }
    }

    /// A UUIDv7: 48 bits of Unix milliseconds, 74 bits drawn from the seed and a per-command counter.
    pub fn next_uuid(&mut self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.count.to_be_bytes());
        self.count += 1;
        let digest = hash.finalize();
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest[..16]);
        uuid[..6].copy_from_slice(&self.now.millis().to_be_bytes()[2..]);
        uuid[6] = 0x70 | (uuid[6] & 0x0f);
        uuid[8] = 0x80 | (uuid[8] & 0x3f);
        uuid
    }
}

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}` and 26 characters of lower-case Crockford base32")]
pub struct ParseIdError {
    prefix: &'static str,
}

/// Writes the 26 characters behind the prefix in `text`, which is that much longer than the prefix.
fn encode<'a>(prefix: &str, bytes: &[u8; 16], text: &'a mut [u8]) -> &'a str {
    let (head, digits) = text.split_at_mut(prefix.len());
    head.copy_from_slice(prefix.as_bytes());
    let mut value = u128::from_be_bytes(*bytes);
    for slot in digits.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    // Prefix and alphabet are ASCII.
    std::str::from_utf8(text).unwrap_or_default()
}

fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != ENCODED_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (position, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|candidate| *candidate == byte)? as u128;
        // 26 characters carry 130 bits: the first may only be 0..=7.
        if position == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value.to_be_bytes())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "http", schema(value_type = String, pattern = "^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$"))]
        pub struct $name(pub [u8; 16]);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// The least id that can be made at `at`: where a span of time begins in a table under these ids.
            pub fn least_at(at: Timestamp) -> Self {
                let mut bytes = [0; 16];
                bytes[..6].copy_from_slice(&at.millis().to_be_bytes()[2..]);
                Self(bytes)
            }

            /// When it was made: the stamp inside.
            pub fn created_at(&self) -> Timestamp {
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&self.0[..6]);
                Timestamp::from_millis(u64::from_be_bytes(millis))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(encode($prefix, &self.0, &mut [0; $prefix.len() + ENCODED_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(ParseIdError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    let mut text = [0; $prefix.len() + ENCODED_LEN];
                    serializer.serialize_str(encode($prefix, &self.0, &mut text))
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self)
                }
            }
        }

        // As the value of an index.
        storage::versioned!($name, 1);

        impl storage::Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out)
            }
            fn decode(input: &mut &[u8]) -> Result<Self, storage::Fault> {
                <[u8; 16] as storage::Key>::decode(input).map(Self)
            }
        }
    };
}

macro_rules! fresh {
    ($($name:ident),*) => {
        $(impl $name {
            pub fn fresh(source: &mut IdSource) -> Self {
                Self(source.next_uuid())
            }
        })*
    };
}

/// The last byte of an order's id is 0; its payment attempts and refunds share the other fifteen and count from 1 in
/// the last, so that either leads back to its order without an index. An order has at most 255 of each.
macro_rules! of_order {
    ($($name:ident),*) => {
        $(impl $name {
            pub fn of(order: OrderId, ordinal: u8) -> Self {
                let mut bytes = order.0;
                bytes[15] = ordinal;
                Self(bytes)
            }
            pub fn order(&self) -> OrderId {
                let mut bytes = self.0;
                bytes[15] = 0;
                OrderId(bytes)
            }
            pub fn ordinal(&self) -> u8 {
                self.0[15]
            }
        })*
    };
}

id!(/// An order.
    OrderId, "ord_");
id!(/// A payment attempt of an order.
    PaymentId, "pay_");
id!(/// A refund of an order.
    RefundId, "ref_");
id!(/// A fulfilment (shipment) of an order.
    FulfilmentId, "ful_");
id!(/// A product.
    ProductId, "prd_");
id!(/// A variant of a product: the thing with a SKU.
    VariantId, "var_");
id!(/// A cart.
    CartId, "car_");
id!(/// A line of a cart.
    CartItemId, "itm_");
id!(/// A customer.
    CustomerId, "cus_");
id!(/// An API client (OAuth 2 client).
    ClientId, "cli_");
id!(/// An API key.
    ApiKeyId, "key_");
id!(/// A stock location.
    LocationId, "loc_");
id!(/// A long-running job.
    JobId, "job_");
id!(/// A request to the API; also the dedupe key of commands without an idempotency key.
    RequestId, "req_");
id!(/// A provider's event or object that no order claims.
    UnmatchedId, "unm_");
id!(/// A notification (mail).
    NotificationId, "ntf_");
id!(/// A token that lets a machine join the cluster.
    JoinTokenId, "tok_");
id!(/// An event, as the outside knows it.
    EventId, "evt_");

impl EventId {
    /// Made from the event's place in the feed, so that it need not be stored.
    pub fn of(at: Timestamp, seq: u64) -> Self {
        let mut bytes = Self::least_at(at).0;
        bytes[8..].copy_from_slice(&seq.to_be_bytes());
        bytes[6] = 0x70;
        // The two variant bits; 2^62 events are never reached.
        bytes[8] |= 0x80;
        Self(bytes)
    }
}

fresh!(
    ProductId,
    VariantId,
    CartId,
    CartItemId,
    CustomerId,
    ClientId,
    ApiKeyId,
    LocationId,
    JobId,
    UnmatchedId,
    NotificationId,
    JoinTokenId
);
of_order!(PaymentId, RefundId, FulfilmentId);

impl OrderId {
    pub fn fresh(source: &mut IdSource) -> Self {
        let mut uuid = source.next_uuid();
        uuid[15] = 0;
        Self(uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_sorts_by_time() {
        let mut early = IdSource::new(Timestamp::from_millis(1_000), [7; 16]);
        let mut late = IdSource::new(Timestamp::from_millis(1_001), [0; 16]);
        let (a, b) = (OrderId::fresh(&mut early), OrderId::fresh(&mut late));
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.to_string().parse::<OrderId>(), Ok(a));
        assert_eq!(a.created_at().millis(), 1_000);
        assert!(a.to_string().parse::<PaymentId>().is_err());
        assert!("ord_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<OrderId>().is_err());
    }

    #[test]
    fn a_payment_leads_to_its_order() {
        let order = OrderId::fresh(&mut IdSource::new(Timestamp::from_millis(5), [1; 16]));
        let payment = PaymentId::of(order, 3);
        assert_eq!((payment.order(), payment.ordinal()), (order, 3));
    }

    #[test]
    fn ids_are_uuid_version_7_and_differ_within_a_command() {
        let mut source = IdSource::new(Timestamp::from_millis(9), [3; 16]);
        let (a, b) = (source.next_uuid(), source.next_uuid());
        assert_ne!(a, b);
        assert_eq!((a[6] >> 4, a[8] >> 6), (7, 2));
    }
}
