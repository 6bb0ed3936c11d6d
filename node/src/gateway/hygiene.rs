//! Step 2: what a request may not say. Refuses what is ambiguous, strips what only a hop or a proxy may say, and finds
//! out whose request it is.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Version};
use shop::Code;

use super::app::App;
use super::head_guard::REFUSED;
use super::problem::Problem;
use super::serve::Peer;
use crate::config::Cidr;

/// Whose request it is: the peer's address, or what trusted proxies say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Fields that mean something between two hops only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authorization"),
];
/// The most addresses of `X-Forwarded-For` that are walked.
const MOST_PROXIES: usize = 16;

/// Refuses or cleans a request.
///
/// # Errors
/// `bad_request` and its like for what two readers could understand in two ways.
pub fn clean(app: &App, request: &mut Request) -> Result<(), Problem> {
    refuse(request)?;
    let peer =
        request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let address = client_address(peer.to_canonical(), request.headers(), &app.http.trusted_proxies);
    request.extensions_mut().insert(ClientAddress(address));
    strip(request.headers_mut());
    Ok(())
}

fn refuse(request: &Request) -> Result<(), Problem> {
    let bad = |detail: &str| Err(Problem::new(Code::BadRequest, detail));
    let headers = request.headers();
    if let Some(refused) = headers.get(REFUSED) {
        let (code, detail) = refused.to_str().ok().and_then(|text| text.split_once("; ")).unwrap_or_default();
        return Err(Problem::new(Code::parse(code).unwrap_or(Code::BadRequest), detail));
    }
    // Over a socket the guard has seen to these; they hold for every way into the pipeline.
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return bad("there are both Content-Length and Transfer-Encoding");
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return bad("there are several Content-Length fields");
    }
    check_host(request)?;
    check_path(request.uri().path()).or_else(bad)
}

fn check_host(request: &Request) -> Result<(), Problem> {
    let bad = |detail: &str| Err(Problem::new(Code::BadRequest, detail));
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => bad("there are several Host fields"),
        (None, _) if authority.is_none() && request.version() >= Version::HTTP_11 => bad("there is no Host"),
        (Some(host), None) => {
            let host = host.to_str().unwrap_or_default();
            let sound = host.parse::<http::uri::Authority>().is_ok() && !host.contains('@');
            match authority {
                _ if !sound => bad("the Host is not a host and port"),
                Some(authority) if !authority.eq_ignore_ascii_case(host) => {
                    bad("the Host differs from the request target")
                }
                _ => Ok(()),
            }
        }
        (None, _) => Ok(()),
    }
}

/// One path, one meaning: no segment that a proxy might resolve, no separator in disguise, no control character.
fn check_path(path: &str) -> Result<(), &'static str> {
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'%') {
        at += found + 1;
        let decoded = bytes.get(at..at + 2).and_then(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            pair.iter().all(u8::is_ascii_hexdigit).then(|| u8::from_str_radix(text, 16).ok())?
        });
        match decoded {
            None => return Err("the path has a percent sign that encodes nothing"),
            Some(b'/' | b'\\' | b'.' | b'%') => {
                return Err("the path has an encoded separator, dot or percent sign");
            }
            Some(control) if control < 0x20 || control == 0x7f => {
                return Err("the path has an encoded control character");
            }
            Some(_) => {}
        }
    }
    if path.contains('\\') || path.contains("//") {
        return Err("the path has an empty segment or a backslash");
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("the path has a `.` or `..` segment");
    }
    Ok(())
}

/// The peer, or, as long as that is a trusted proxy, whom it speaks for: the last address that is no trusted proxy.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut address = peer;
    let fields = headers.get_all(FORWARDED_FOR);
    let told: Vec<&str> =
        fields.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).collect();
    for text in told.iter().rev().take(MOST_PROXIES) {
        let Ok(next) = text.trim().parse::<IpAddr>() else { break };
        address = next.to_canonical();
        if !is_trusted(address) {
            break;
        }
    }
    address
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // `Connection` may not take away what the rest of the pipeline decides by.
    let spared = [HOST, CONTENT_LENGTH, http::header::AUTHORIZATION, http::header::CONTENT_TYPE];
    for name in named.iter().filter(|name| !spared.contains(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    let spoofable: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-forwarded-")
                || matches!(name, "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url")
        })
        .cloned()
        .collect();
    for name in spoofable {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{check_path, client_address, strip};

    #[test]
    fn a_path_has_one_meaning() {
        for path in ["/", "/store/v1/products/green-tea", "/store/v1/products/caf%C3%A9", "/a..b/.c"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "/a/../b",
            "/..",
            "/.",
            "/a/./b",
            "/a//b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0a",
            "/%2e%2e/b",
            "/a%",
            "/a%zz",
            "/a%2",
            "/a%252f",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let check = |peer: &str, told: &[&str], trusted: &[&str], expect: &str| {
            let mut headers = HeaderMap::new();
            for text in told {
                headers.append("x-forwarded-for", text.parse().unwrap());
            }
            let trusted: Vec<_> = trusted.iter().map(|range| range.parse().unwrap()).collect();
            let address = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(address.to_string(), expect, "{peer} {told:?} {trusted:?}");
        };
        check("192.0.2.1", &["203.0.113.9"], &[], "192.0.2.1");
        check("192.0.2.1", &["203.0.113.9"], &["192.0.2.0/24"], "203.0.113.9");
        check("192.0.2.1", &["1.1.1.1, 203.0.113.9, 192.0.2.7"], &["192.0.2.0/24"], "203.0.113.9");
        check("192.0.2.1", &["1.1.1.1", "203.0.113.9"], &["192.0.2.0/24"], "203.0.113.9");
        check("192.0.2.1", &["nonsense"], &["192.0.2.0/24"], "192.0.2.1");
    }

    #[test]
    fn what_a_hop_says_is_stripped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-inner, authorization"),
            ("keep-alive", "timeout=5"),
            ("x-inner", "1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("te", "trailers"),
            ("authorization", "Bearer x"),
            ("idempotency-key", "k"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "idempotency-key"]);
    }
}
