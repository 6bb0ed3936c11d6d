//! `s3://BUCKET/KEY`: a bucket and what is in it.

use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "s3://";
/// S3 takes keys of 1,024 bytes; the name of a backup comes after this.
const MAX_KEY_BYTES: usize = 512;

/// A bucket and a prefix of keys, or one key. Keys are of the characters that need no escaping anywhere.
///
/// Source: "Bucket naming rules" and "Naming Amazon S3 objects" of the S3 user guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    pub bucket: String,
    /// Without a slash at either end; may be empty.
    pub key: String,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotABucketUrl {
    #[error("expected s3://BUCKET or s3://BUCKET/PREFIX")]
    Scheme,
    #[error(
        "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a letter or digit"
    )]
    Bucket,
    #[error("a prefix has at most {MAX_KEY_BYTES} letters, digits, and _ - . between slashes")]
    Key,
}

impl FromStr for BucketUrl {
    type Err = NotABucketUrl;

    fn from_str(text: &str) -> Result<BucketUrl, NotABucketUrl> {
        let rest = text.strip_prefix(SCHEME).ok_or(NotABucketUrl::Scheme)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = |at: Option<&u8>| at.is_some_and(|byte| word(*byte));
        let inner = bucket.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
        let ends = ends(bucket.as_bytes().first()) && ends(bucket.as_bytes().last());
        if !(3..=63).contains(&bucket.len()) || !inner || !ends || bucket.contains("..") {
            return Err(NotABucketUrl::Bucket);
        }
        let key = key.strip_suffix('/').unwrap_or(key);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let segment = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
        if key.len() > MAX_KEY_BYTES || !(key.is_empty() || key.split('/').all(segment)) {
            return Err(NotABucketUrl::Key);
        }
        Ok(BucketUrl { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.bucket)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, "/{}", self.key) }
    }
}

impl BucketUrl {
    /// Whether a text means one of these and not a path.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// What is called `name` below this.
    pub fn below(&self, name: &str) -> BucketUrl {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}/{name}", self.key) };
        BucketUrl { bucket: self.bucket.clone(), key }
    }
}

#[cfg(test)]
mod tests {
    use super::{BucketUrl, NotABucketUrl};

    #[test]
    fn a_bucket_and_plain_keys() {
        fn check(text: &str, expect: Result<(&str, &str), NotABucketUrl>) {
            let got = text.parse::<BucketUrl>();
            let got = got.as_ref().map(|url| (url.bucket.as_str(), url.key.as_str())).map_err(|error| *error);
            assert_eq!(got, expect, "{text}");
        }
        check("s3://shop", Ok(("shop", "")));
        check("s3://shop/", Ok(("shop", "")));
        check("s3://shop.example-1/a/B_c.d-e/", Ok(("shop.example-1", "a/B_c.d-e")));
        check("/var/backups", Err(NotABucketUrl::Scheme));
        check("S3://shop", Err(NotABucketUrl::Scheme));
        for bucket in
            ["", "ab", "-shop", "shop-", "Shop", "sh op", "a..b", "user:secret@shop", &"x".repeat(64)]
        {
            check(&format!("s3://{bucket}/x"), Err(NotABucketUrl::Bucket));
        }
        for key in ["a//b", "../x", "a/.", "a b", "a%2f", "a?x=1", "ä", &"x".repeat(513)] {
            check(&format!("s3://shop/{key}"), Err(NotABucketUrl::Key));
        }
        let url: BucketUrl = "s3://shop/a".parse().unwrap();
        assert_eq!(url.below("b").to_string(), "s3://shop/a/b");
        assert_eq!("s3://shop".parse::<BucketUrl>().unwrap().below("b").to_string(), "s3://shop/b");
    }
}
