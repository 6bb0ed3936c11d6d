//! What went wrong with a bucket, and what to do about it.

use std::error::Error;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};

use crate::config::BucketUrl;

/// Servers explain themselves at length; this much is passed on.
const MAX_DETAIL_CHARS: usize = 240;
/// How deep causes are followed.
const MOST_CAUSES: usize = 16;

/// What was being done, with what, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {what}: {why}")]
pub struct BucketError {
    doing: &'static str,
    what: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error(
        "access denied: these credentials need s3:ListBucket, s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and, unless backup.keep is 0, s3:DeleteObject"
    )]
    Denied,
    #[error("the server does not know these credentials ({0}): see the file with the credentials")]
    Credentials(String),
    #[error(
        "the clock of this machine and the server's differ too much: set it, for example with systemd-timesyncd"
    )]
    Clock,
    #[error("there is no such bucket: make it, or correct the URL or the endpoint")]
    NoSuchBucket,
    #[error("it is not there")]
    Missing,
    #[error("the bucket is in another region ({0}): set the region")]
    Region(String),
    #[error(
        "the server's certificate is not trusted ({0}): name its authority's certificate with ca_file, or correct the endpoint"
    )]
    Tls(String),
    #[error("the server cannot be reached ({0}): see the endpoint, its name and the network")]
    Unreachable(String),
    #[error("the server is busy or failing ({0}), also when asked again: try later")]
    Busy(String),
    #[error("there was no answer within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("it was changed while it was read")]
    Changed,
    #[error("a backup larger than {0} bytes does not fit into one object: use a directory")]
    TooLarge(usize),
    #[error("there are more than {0} objects: give the backups a prefix of their own")]
    TooManyObjects(usize),
    #[error("{0}")]
    Other(String),
}

impl BucketError {
    pub(super) fn new(doing: &'static str, what: &BucketUrl, why: Why) -> BucketError {
        BucketError { doing, what: what.to_string(), why }
    }

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self.why {
            Why::Denied => "backup_bucket_denied",
            Why::Credentials(_) => "backup_bucket_credentials",
            Why::Clock => "backup_bucket_clock",
            Why::NoSuchBucket => "backup_bucket_unknown",
            Why::Missing => "backup_unknown",
            Why::Region(_) => "backup_bucket_region",
            Why::Tls(_) => "backup_bucket_tls",
            Why::Unreachable(_) | Why::Deadline(_) => "backup_bucket_unreachable",
            Why::Busy(_) => "backup_bucket_busy",
            Why::Changed => "backup_bucket_changed",
            Why::TooLarge(_) => "backup_bucket_too_large",
            Why::TooManyObjects(_) | Why::Other(_) => "backup_bucket_failed",
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self.why, Why::Missing)
    }
}

impl Why {
    /// Reads an error: the code that the server answered with, else what the connection died of.
    pub(super) fn of(error: &object_store::Error) -> Why {
        let causes = Causes::of(error);
        if let Some(why) = causes.code().and_then(|code| Why::of_code(&code, &causes)) {
            return why;
        }
        match error {
            object_store::Error::NotFound { .. } => return Why::Missing,
            object_store::Error::Precondition { .. } => return Why::Changed,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                return Why::Denied;
            }
            _ => {}
        }
        let innermost = causes.innermost();
        if causes.say("redirect without LOCATION") {
            return Why::Region("the server names another".to_owned());
        }
        if causes.say("certificate") || causes.say("tls handshake") || causes.say("corrupt message") {
            return Why::Tls(innermost);
        }
        match causes.kind {
            Some(HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted) => {
                Why::Unreachable(innermost)
            }
            Some(HttpErrorKind::Timeout) => Why::Unreachable("it does not answer in time".to_owned()),
            _ if causes.say("non-2xx status code: 5") => Why::Busy(innermost),
            _ => Why::Other(innermost),
        }
    }

    /// Source: "Error responses" of the Amazon S3 API reference.
    fn of_code(code: &str, causes: &Causes) -> Option<Why> {
        Some(match code {
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => Why::Denied,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "TokenRefreshRequired" => Why::Credentials(code.to_owned()),
            "RequestTimeTooSkewed" => Why::Clock,
            "NoSuchBucket" => Why::NoSuchBucket,
            "NoSuchKey" => Why::Missing,
            "PreconditionFailed" => Why::Changed,
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
                Why::Region(causes.message().unwrap_or_else(|| code.to_owned()))
            }
            "SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout" | "Throttling" => {
                Why::Busy(code.to_owned())
            }
            // Not a code of S3: something else answered.
            other if other.is_empty() || !other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return None;
            }
            other => Why::Other(match causes.message() {
                Some(message) => format!("{other}: {message}"),
                None => other.to_owned(),
            }),
        })
    }
}

/// An error with everything behind it.
struct Causes {
    texts: Vec<String>,
    kind: Option<HttpErrorKind>,
}

impl Causes {
    fn of(error: &object_store::Error) -> Causes {
        let mut causes = Causes { texts: Vec::new(), kind: None };
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next.filter(|_| causes.texts.len() < MOST_CAUSES) {
            causes.texts.push(error.to_string());
            let kind = error.downcast_ref::<HttpError>().map(HttpError::kind);
            causes.kind = causes.kind.or(kind);
            next = error.source();
        }
        causes
    }

    fn say(&self, words: &str) -> bool {
        self.texts.iter().any(|text| text.contains(words))
    }

    fn code(&self) -> Option<String> {
        self.element("Code")
    }

    fn message(&self) -> Option<String> {
        self.element("Message").map(|text| brief(&text))
    }

    /// The text of an element of the answer, which is XML that has it once.
    fn element(&self, name: &str) -> Option<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inside = |text: &String| {
            let (_, rest) = text.split_once(&open)?;
            Some(rest.split_once(&close)?.0.trim().to_owned())
        };
        self.texts.iter().find_map(inside)
    }

    fn innermost(&self) -> String {
        brief(self.texts.last().map_or("", String::as_str))
    }
}

/// One line of printable text.
fn brief(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|char| !char.is_control()).take(MAX_DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::{BucketError, Why};

    #[test]
    fn an_answer_becomes_advice() {
        fn check(answer: &str, code: &str, advice: &str) {
            let error = object_store::Error::Generic { store: "S3", source: answer.into() };
            let url = "s3://shop/x".parse().unwrap();
            let error = BucketError::new("list", &url, Why::of(&error));
            assert_eq!(error.code(), code, "{answer}: {error}");
            assert!(error.to_string().starts_with("cannot list s3://shop/x: "), "{error}");
            assert!(error.to_string().contains(advice), "{error}");
        }
        let answer = |status: u16, code: &str| {
            format!(
                "Server returned non-2xx status code: {status}: <Error><Code>{code}</Code>\n<Message>why it is</Message></Error>"
            )
        };
        check(&answer(403, "AccessDenied"), "backup_bucket_denied", "s3:PutObject");
        check(&answer(403, "SignatureDoesNotMatch"), "backup_bucket_credentials", "credentials");
        check(&answer(403, "RequestTimeTooSkewed"), "backup_bucket_clock", "clock");
        check(&answer(404, "NoSuchBucket"), "backup_bucket_unknown", "make it");
        check(&answer(301, "PermanentRedirect"), "backup_bucket_region", "why it is");
        check(&answer(503, "SlowDown"), "backup_bucket_busy", "SlowDown");
        check(&answer(400, "EntityTooSmall"), "backup_bucket_failed", "EntityTooSmall: why it is");
        check("status code: 502: <html>", "backup_bucket_failed", "502");
        check("Server returned non-2xx status code: 502 Bad Gateway: ", "backup_bucket_busy", "try later");
        check("invalid peer certificate: UnknownIssuer", "backup_bucket_tls", "ca_file");
        let long = "x".repeat(10_000) + "\n\u{7}y";
        check(&long, "backup_bucket_failed", "xxx");
        assert!(super::brief(&long).chars().count() <= 240);
    }
}
