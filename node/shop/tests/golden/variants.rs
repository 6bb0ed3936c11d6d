//! The variants of an enum, as its derived `Deserialize` names them: no list beside the enum that could be forgotten.

use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The variants of `T`, or, with the position of one of them, those of the enum that it holds. None if there is no enum.
pub fn variants<T: DeserializeOwned>(inside: Option<u32>) -> &'static [&'static str] {
    match T::deserialize(Probe { inside }) {
        Err(Found(variants)) => variants,
        Ok(_) => &[],
    }
}

/// The end of every probe: an error that carries what was found.
#[derive(Debug)]
struct Found(&'static [&'static str]);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Found {}

impl serde::de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

/// Has no data, and asks only which variants there could be.
struct Probe {
    inside: Option<u32>,
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        match self.inside {
            Some(position) => visitor.visit_enum(Inside(position)),
            None => Err(Found(variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The variant at this position.
struct Inside(u32);

impl<'de> EnumAccess<'de> for Inside {
    type Error = Found;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Found> {
        let position = U32Deserializer::<Found>::new(self.0);
        Ok((seed.deserialize(position)?, self))
    }
}

impl<'de> VariantAccess<'de> for Inside {
    type Error = Found;

    fn unit_variant(self) -> Result<(), Found> {
        Err(Found(&[]))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Found> {
        seed.deserialize(Probe { inside: None })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }
}
