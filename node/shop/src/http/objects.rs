//! A type with named members is an object. What serde derives reads it from an array of the members' values as well, which is
//! for formats without names: in JSON the first member of another version would be somebody else's.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Reads as `D` does, at any depth, but never an array where a type has names for its members.
pub struct ObjectsOnly<D>(pub D);

/// Forwards to the deserializer below with a visitor of ours around that of the type.
macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) with $around:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* $around(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectsOnly<D> {
    type Error = D::Error;

    forward! {
        deserialize_any() with Within;
        deserialize_bool() with Within;
        deserialize_i8() with Within;
        deserialize_i16() with Within;
        deserialize_i32() with Within;
        deserialize_i64() with Within;
        deserialize_i128() with Within;
        deserialize_u8() with Within;
        deserialize_u16() with Within;
        deserialize_u32() with Within;
        deserialize_u64() with Within;
        deserialize_u128() with Within;
        deserialize_f32() with Within;
        deserialize_f64() with Within;
        deserialize_char() with Within;
        deserialize_str() with Within;
        deserialize_string() with Within;
        deserialize_bytes() with Within;
        deserialize_byte_buf() with Within;
        deserialize_option() with Within;
        deserialize_unit() with Within;
        deserialize_unit_struct(name: &'static str) with Within;
        deserialize_newtype_struct(name: &'static str) with Within;
        deserialize_seq() with Within;
        deserialize_tuple(length: usize) with Within;
        deserialize_tuple_struct(name: &'static str, length: usize) with Within;
        deserialize_map() with Within;
        deserialize_struct(name: &'static str, members: &'static [&'static str]) with Members;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) with Within;
        deserialize_identifier() with Within;
        deserialize_ignored_any() with Within;
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Takes members with their names, and nothing else.
struct Members<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(members))
    }
}

/// Carries the rule on to what is inside.
struct Within<T>(T);

macro_rules! visit {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool: bool,
        visit_i8: i8,
        visit_i16: i16,
        visit_i32: i32,
        visit_i64: i64,
        visit_i128: i128,
        visit_u8: u8,
        visit_u16: u16,
        visit_u32: u32,
        visit_u64: u64,
        visit_u128: u128,
        visit_f32: f32,
        visit_f64: f64,
        visit_char: char,
        visit_str: &str,
        visit_borrowed_str: &'de str,
        visit_string: String,
        visit_bytes: &[u8],
        visit_borrowed_bytes: &'de [u8],
        visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inside: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(ObjectsOnly(inside))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inside: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(ObjectsOnly(inside))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Within(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Within(choice))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inside: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(ObjectsOnly(inside))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Within<A> {
    type Error = A::Error;
    type Variant = Within<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(name, inside)| (name, Within(inside)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Within<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Within(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Within(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        members: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(members, Members(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::ObjectsOnly;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Price {
        #[serde(default)]
        amount: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Price);

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Nothing,
        One(Price),
        Two(Price, u8),
        Named { price: Price },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Everything {
        bare: Price,
        maybe: Option<Price>,
        many: Vec<Price>,
        by_name: BTreeMap<String, Price>,
        wrapped: Wrapped,
        pair: (Price, String),
        choices: Vec<Choice>,
    }

    fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
        T::deserialize(ObjectsOnly(&mut serde_json::Deserializer::from_str(text)))
    }

    const WHOLE: &str = r#"{"bare": {"amount": 1}, "maybe": {"amount": 2}, "many": [{"amount": 3}],
        "by_name": {"a": {"amount": 4}}, "wrapped": {"amount": 5}, "pair": [{"amount": 6}, "b"],
        "choices": ["Nothing", {"One": {"amount": 7}}, {"Two": [{"amount": 8}, 1]}, {"Named": {"price": {"amount": 9}}}]}"#;

    #[test]
    fn what_has_its_names_is_read_as_ever() {
        let expect: Everything = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(read::<Everything>(WHOLE).unwrap(), expect);
        let value: serde_json::Value = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(read::<serde_json::Value>(WHOLE).unwrap(), value);
    }

    #[test]
    fn an_array_is_no_object_wherever_it_stands() {
        for amount in 1..=9 {
            for array in [format!("[{amount}]"), "[]".to_owned()] {
                let text = WHOLE.replace(&format!(r#"{{"amount": {amount}}}"#), &array);
                assert!(serde_json::from_str::<Everything>(&text).is_ok(), "the test is vacuous: {text}");
                let told = read::<Everything>(&text).unwrap_err().to_string();
                assert!(told.starts_with("invalid type: sequence, expected struct Price"), "{told}: {text}");
            }
        }
        let text = WHOLE.replace(r#"{"price": {"amount": 9}}"#, r#"[{"amount": 9}]"#);
        assert!(serde_json::from_str::<Everything>(&text).is_ok() && read::<Everything>(&text).is_err());
    }
}
