//! As much of an S3 server as backups need, in memory, with faults on demand.
//!
//! It believes any signature, but the hash of a body must be the body's: whether signatures are right is for a real
//! server to say.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// So few that any list has pages.
const PAGE: usize = 2;

#[derive(Default)]
pub struct Stored {
    pub objects: BTreeMap<String, Bytes>,
    pub uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    /// What these many of the next calls of a kind are answered with.
    pub faults: Vec<Fault>,
    pub calls: Vec<String>,
    begun: u32,
}

pub struct Fault {
    pub kind: &'static str,
    pub times: u32,
    pub status: u16,
    pub code: &'static str,
    /// It is done, and the answer says that it was not.
    pub done_all_the_same: bool,
}

#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<Stored>>);

impl Server {
    /// Serves on a free port of this machine until the test ends; returns the port.
    pub async fn start() -> (Server, u16) {
        let server = Server::default();
        let routes = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = routes.with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, port)
    }

    pub fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap()
    }

    pub fn fail(&self, kind: &'static str, times: u32, status: u16, code: &'static str) {
        self.stored().faults.push(Fault { kind, times, status, code, done_all_the_same: false });
    }
}

async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut stored = server.stored();
    let path = uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let has = |name: &str| query.contains_key(name);
    let kind = match method {
        Method::GET if key.is_empty() => "list",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT => "part",
        Method::DELETE if has("uploadId") => "abort",
        Method::DELETE => "delete",
        _ if has("uploads") => "begin",
        _ => "complete",
    };
    stored.calls.push(kind.to_owned());
    let signed = headers
        .get("authorization")
        .is_some_and(|text| text.to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIA1/"));
    let hash: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let told = headers.get("x-amz-content-sha256").map(|text| text.to_str().unwrap().to_owned());
    if !signed || told.is_none_or(|told| told != hash) {
        return refusal(400, "XAmzContentSHA256Mismatch");
    }
    if bucket != "shop" {
        return refusal(404, "NoSuchBucket");
    }
    let mut fault = None;
    if let Some(found) = stored.faults.iter_mut().find(|fault| fault.kind == kind && fault.times > 0) {
        found.times -= 1;
        let refused = refusal(found.status, found.code);
        if !found.done_all_the_same {
            return refused;
        }
        fault = Some(refused);
    }
    let done = stored.carry_out(kind, key, &query, &headers, body);
    fault.unwrap_or(done)
}

impl Stored {
    fn carry_out(
        &mut self,
        kind: &str,
        key: &str,
        query: &HashMap<String, String>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let upload = query.get("uploadId").cloned().unwrap_or_default();
        match kind {
            "list" => self.list(query),
            "begin" => {
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                self.uploads.insert(id.clone(), BTreeMap::new());
                xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "part" => {
                let Some(parts) = self.uploads.get_mut(&upload) else { return refusal(404, "NoSuchUpload") };
                let number = query["partNumber"].parse().unwrap();
                let etag = etag(&body);
                parts.insert(number, body);
                ([("etag", etag)], "").into_response()
            }
            "complete" => {
                let Some(parts) = self.uploads.remove(&upload) else { return refusal(404, "NoSuchUpload") };
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                let etag = etag(&whole);
                self.objects.insert(key.to_owned(), whole.into());
                xml(format!(
                    "<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
                ))
            }
            "abort" => {
                self.uploads.remove(&upload);
                StatusCode::NO_CONTENT.into_response()
            }
            "delete" => {
                self.objects.remove(key);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => self.get(key, headers),
        }
    }

    fn list(&self, query: &HashMap<String, String>) -> Response {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let after = query.get("continuation-token").cloned().unwrap_or_default();
        let found = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && **key > after);
        let found: Vec<_> = found.take(PAGE + 1).collect();
        let more = found.len() > PAGE;
        let mut text = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>");
        for (key, bytes) in found.iter().take(PAGE) {
            write!(
                text,
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>x</ETag>\
                 <LastModified>2027-01-31T00:00:00.000Z</LastModified></Contents>",
                bytes.len()
            )
            .unwrap();
        }
        if more {
            let last = found[PAGE - 1].0;
            write!(text, "<NextContinuationToken>{last}</NextContinuationToken>").unwrap();
        }
        xml(text + "</ListBucketResult>")
    }

    fn get(&self, key: &str, headers: &HeaderMap) -> Response {
        let Some(object) = self.objects.get(key) else { return refusal(404, "NoSuchKey") };
        let etag = etag(object);
        if headers.get("if-match").is_some_and(|wanted| wanted != etag.as_str()) {
            return refusal(412, "PreconditionFailed");
        }
        let modified = ("last-modified", "Sun, 31 Jan 2027 00:00:00 GMT".to_owned());
        let Some(range) = headers.get("range").map(|range| range.to_str().unwrap()) else {
            return ([("etag", etag), modified], object.clone()).into_response();
        };
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let last = last.min(object.len() - 1);
        let told = ("content-range", format!("bytes {first}-{last}/{}", object.len()));
        let part = object.slice(first..=last);
        (StatusCode::PARTIAL_CONTENT, [("etag", etag), modified, told], part).into_response()
    }
}

fn etag(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], text).into_response()
}

fn refusal(status: u16, code: &str) -> Response {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), text).into_response()
}
