//! Where a request's head and body end (RFC 9112, section 6), stricter than the standard: one way to say a length.

use bytes::BytesMut;
use shop::Code;

/// The longest line that announces a chunk, its extensions included.
const CHUNK_LINE_BYTES: usize = 1024;
/// All trailer fields together.
const TRAILER_BYTES: usize = 8 * 1024;

/// How a body's length is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Framing {
    Sized(u64),
    Chunked,
}

type Refusal = (Code, &'static str);

const fn bad(detail: &'static str) -> Refusal {
    (Code::BadRequest, detail)
}

/// Reads a complete head, and says how long its body is.
///
/// # Errors
/// `headers_too_large` for more than `fields` fields, `bad_request` for whatever two readers could understand in two ways.
pub fn inspect(head: &[u8], fields: usize) -> Result<Framing, Refusal> {
    if head.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r')) {
        return Err(bad("a line of the head ends without a carriage return"));
    }
    let mut space = vec![httparse::EMPTY_HEADER; fields];
    let mut request = httparse::Request::new(&mut space);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("the head is empty")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err((Code::HeadersTooLarge, "there are too many header fields"));
        }
        Err(_) => return Err(bad("the head is not HTTP/1.1")),
    }
    let is_http_11 = request.version == Some(1);
    if request.path.is_none_or(|path| http::Uri::try_from(path).is_err()) {
        return Err(bad("the request target is not a URI"));
    }
    if request.method.is_none_or(|method| method.len() > 32 || method == "CONNECT") {
        return Err(bad("this method is not served"));
    }
    let values = |name: &str| {
        let name = name.to_owned();
        request
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(&name))
            .map(|field| field.value)
    };
    let hosts = values("host").count();
    if hosts > 1 || (is_http_11 && hosts == 0) {
        return Err(bad("there must be one Host"));
    }
    let mut lengths = values("content-length");
    let mut codings = values("transfer-encoding");
    match (lengths.next(), lengths.next(), codings.next(), codings.next()) {
        (None, _, None, _) => Ok(Framing::Sized(0)),
        (Some(length), None, None, _) => content_length(length).map(Framing::Sized),
        (None, _, Some(coding), None) if is_http_11 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (Some(_), Some(_), _, _) => Err(bad("there are several Content-Length fields")),
        (Some(_), _, Some(_), _) => Err(bad("there are both Content-Length and Transfer-Encoding")),
        _ => Err(bad("the only Transfer-Encoding is one `chunked`, in HTTP/1.1")),
    }
}

fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or(bad("Content-Length is not one decimal number"))
}

/// Follows a chunked body to its end (RFC 9112, section 7.1).
#[derive(Debug, Default)]
pub struct Chunks {
    at: At,
    trailer_bytes: usize,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

impl Chunks {
    /// Moves what is decided from `inbox` to `outbox`. True at the body's end, false when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are not a chunked body.
    pub fn follow(&mut self, inbox: &mut BytesMut, outbox: &mut BytesMut) -> Result<bool, ()> {
        loop {
            match &mut self.at {
                At::Data(0) => self.at = At::DataEnd,
                At::Data(left) => {
                    if inbox.is_empty() {
                        return Ok(false);
                    }
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                    *left -= take as u64;
                    outbox.unsplit(inbox.split_to(take));
                }
                At::DataEnd => {
                    let Some(line) = take_line(inbox, outbox, 2)? else { return Ok(false) };
                    if line != 2 {
                        return Err(());
                    }
                    self.at = At::Size;
                }
                At::Size => {
                    let Some(line) = take_line(inbox, outbox, CHUNK_LINE_BYTES)? else { return Ok(false) };
                    let size = chunk_size(&outbox[outbox.len() - line..])?;
                    self.at = if size == 0 { At::Trailer } else { At::Data(size) };
                }
                At::Trailer => {
                    let Some(line) = take_line(inbox, outbox, TRAILER_BYTES)? else { return Ok(false) };
                    self.trailer_bytes += line;
                    if line == 2 {
                        return Ok(true);
                    }
                    if self.trailer_bytes > TRAILER_BYTES {
                        return Err(());
                    }
                }
            }
        }
    }
}

/// Moves one line that ends in CRLF; its length with CRLF, or `None` when it is incomplete.
fn take_line(inbox: &mut BytesMut, outbox: &mut BytesMut, most: usize) -> Result<Option<usize>, ()> {
    match inbox.iter().take(most).position(|byte| *byte == b'\n') {
        Some(end) if end >= 1 && inbox[end - 1] == b'\r' => {
            outbox.unsplit(inbox.split_to(end + 1));
            Ok(Some(end + 1))
        }
        Some(_) => Err(()),
        None if inbox.len() >= most => Err(()),
        None => Ok(None),
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, ()> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let ends = matches!(line.get(digits), Some(b';' | b'\r'));
    if !(1..=15).contains(&digits) || !ends {
        return Err(());
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| ())?;
    u64::from_str_radix(text, 16).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use shop::Code;

    use super::{Chunks, Framing, inspect};

    fn check(fields: &str, expect: Result<Framing, Code>) {
        let head = format!("POST / HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
        assert_eq!(inspect(head.as_bytes(), 8).map_err(|(code, _)| code), expect, "{fields:?}");
    }

    #[test]
    fn only_one_way_to_say_a_length_is_understood() {
        check("", Ok(Framing::Sized(0)));
        check("Content-Length: 7\r\n", Ok(Framing::Sized(7)));
        check("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked));
        for fields in [
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            "Content-Length: 7, 7\r\n",
            "Content-Length: +7\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Host: other\r\n",
            "A: 1\r\n folded\r\n",
            "A: 1\nB: 2\r\n",
        ] {
            check(fields, Err(Code::BadRequest));
        }
        check(&"A: 1\r\n".repeat(8), Err(Code::HeadersTooLarge));
    }

    #[test]
    fn the_request_line_is_read_strictly() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: shop\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            assert_eq!(
                inspect(head.as_bytes(), 8).map_err(|(code, _)| code),
                Err(Code::BadRequest),
                "{head:?}"
            );
        }
    }

    #[test]
    fn a_chunked_body_ends_where_it_says() {
        let body = b"5;x=1\r\nhello\r\n0\r\nA: b\r\n\r\nGET /";
        // Byte by byte and at once: the same end.
        for step in [1, 3, body.len()] {
            let (mut inbox, mut outbox, mut chunks) = (BytesMut::new(), BytesMut::new(), Chunks::default());
            let mut ended = false;
            for piece in body.chunks(step) {
                inbox.extend_from_slice(piece);
                if !ended {
                    ended = chunks.follow(&mut inbox, &mut outbox).unwrap();
                }
            }
            assert!(ended);
            assert_eq!((&outbox[..], &inbox[..]), (&body[..body.len() - 5], &b"GET /"[..]), "step {step}");
        }
    }

    #[test]
    fn a_broken_chunked_body_is_found() {
        for body in [
            "5\nhello",
            "g\r\n",
            "\r\n",
            "5\r\nhelloXX",
            "5 \r\nhello\r\n",
            "-1\r\n",
            "ffffffffffffffffff\r\n",
        ] {
            let (mut inbox, mut outbox) = (BytesMut::from(body), BytesMut::new());
            assert_eq!(Chunks::default().follow(&mut inbox, &mut outbox), Err(()), "{body:?}");
        }
    }
}
