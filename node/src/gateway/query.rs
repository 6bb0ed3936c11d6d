//! Query parameters: decoded once, each at most once, read into a type.

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use shop::Code;

use super::problem::Problem;

/// The names of all parameters, decoded.
pub fn names(uri: &Uri) -> Vec<String> {
    form_pairs(uri.query().unwrap_or_default()).into_iter().map(|(name, _)| name).collect()
}

/// Names and values of `application/x-www-form-urlencoded`, decoded, in order.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// `+` is a space, `%XX` a byte (WHATWG URL, application/x-www-form-urlencoded).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters as a type; unknown ones were refused before.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(Problem::new(Code::InvalidParameter, detail))
            }
        }
    }
}

/// One parameter of the path, parsed. One that cannot be an id of the kind is the id of nothing: 404.
#[derive(Debug)]
pub struct PathId<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let parsed = path.ok().and_then(|axum::extract::Path(text)| text.parse().ok());
        parsed.map(Self).ok_or_else(|| Problem::new(Code::NotFound, "no object has such an id"))
    }
}

/// Two parameters of the path, parsed.
#[derive(Debug)]
pub struct PathIds<A, B>(pub A, pub B);

impl<S: Send + Sync, A: std::str::FromStr, B: std::str::FromStr> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await;
        let parsed =
            path.ok().and_then(|axum::extract::Path((a, b))| Some((a.parse().ok()?, b.parse().ok()?)));
        parsed
            .map(|(a, b)| Self(a, b))
            .ok_or_else(|| Problem::new(Code::NotFound, "no object has such an id"))
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_decoded_before_they_are_compared() {
        let uri = "/x?limit=1&created_at%5Bgte%5D=2&&a+b&%6cimit=3&%zz".parse().unwrap();
        assert_eq!(names(&uri), ["limit", "created_at[gte]", "a b", "limit", "%zz"]);
    }
}
