//! Images that the shop itself keeps: what they may be, and under which URL a product names one. Their bytes are no
//! business of the log: a record has the hash.

use storage::BlobHash;

/// What the URL of such an image begins with; the hash follows.
const URL: &str = "/store/v1/images/";

/// The formats that browsers show. SVG is none of them: it may hold scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageType {
    Png,
    Jpeg,
    Webp,
    Gif,
    Avif,
}

impl ImageType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Png, Self::Jpeg, Self::Webp, Self::Gif, Self::Avif];

    /// Its media type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
        }
    }

    /// The format of that media type.
    pub fn parse(media: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == media)
    }

    /// What the first bytes of a file say: 64 of them suffice.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let at = |from: usize, mark: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(mark));
        if at(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if at(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Some(Self::Gif)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Some(Self::Webp)
        } else if at(4, b"ftyp") && brands(bytes).any(|brand| brand == b"avif" || brand == b"avis") {
            Some(Self::Avif)
        } else {
            None
        }
    }
}

/// The brands of a file of the ISO base media format (ISO/IEC 14496-12, section 4.3): the major one, then, behind its
/// version, the compatible ones.
fn brands(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = bytes.get(8..length.min(64).min(bytes.len())).unwrap_or_default();
    brands.chunks_exact(4).enumerate().filter(|(at, _)| *at != 1).map(|(_, brand)| brand)
}

/// Where an image that the shop keeps is.
pub fn image_url(hash: BlobHash) -> String {
    format!("{URL}{hash}")
}

/// Whether this URL is one of the shop's own images, and which.
pub fn image_in(url: &str) -> Option<Result<BlobHash, storage::ParseBlobHashError>> {
    url.strip_prefix(URL).map(str::parse)
}

#[cfg(test)]
mod tests {
    use storage::BlobHash;

    use super::{ImageType, image_in, image_url};

    fn check(bytes: &[u8], expect: Option<ImageType>) {
        assert_eq!(ImageType::of(bytes), expect, "{bytes:?}");
    }

    #[test]
    fn a_format_is_known_by_its_first_bytes() {
        check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(ImageType::Png));
        check(b"\xff\xd8\xff\xe0\0\x10JFIF", Some(ImageType::Jpeg));
        check(b"GIF89a\x01\0", Some(ImageType::Gif));
        check(b"RIFF\x24\0\0\0WEBPVP8 ", Some(ImageType::Webp));
        check(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", Some(ImageType::Avif));
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Some(ImageType::Avif));
        // A version that reads like a brand, and a brand behind the end of the box.
        check(b"\0\0\0\x14ftypheicavifmif1", None);
        check(b"\0\0\0\x14ftypheic\0\0\0\0mif1avif", None);
        check(b"RIFF\x24\0\0\0WAVEfmt ", None);
        check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", None);
        check(b"<html>", None);
        check(b"", None);
        for format in ImageType::ALL {
            assert_eq!(ImageType::parse(format.as_str()), Some(format));
        }
    }

    #[test]
    fn the_url_names_the_hash() {
        let hash = BlobHash([0xab; 32]);
        assert_eq!(image_in(&image_url(hash)), Some(Ok(hash)));
        assert!(matches!(image_in("/store/v1/images/x.png"), Some(Err(_))));
        assert_eq!(image_in("https://cdn.example/x.png"), None);
    }
}
