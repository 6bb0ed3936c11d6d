//! An error answer of the server, as its operator sees it: code, detail, places, advice, request id.

use std::fmt::{self, Write};

use shop::Code;
use shop::http::Problem;

use crate::output::{Format, clean};

/// The most places of one problem that are told; the rest is counted.
const PLACES_TOLD: usize = 20;
/// The most characters of an answer that is no problem that are quoted.
const QUOTED_CHARS: usize = 200;

/// An answer of status 400 or above.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// `METHOD /path` of the request.
    pub request: String,
    pub status: u16,
    /// What the server says about it; a proxy on the way may say nothing of the kind.
    pub problem: Option<Problem>,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
    /// The body as it came.
    pub body: String,
    /// Seconds that `Retry-After` asks to wait.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// Reads an error answer. A body that is no problem+json leaves the problem empty.
    pub fn read(
        request: String,
        status: u16,
        body: String,
        request_id: Option<String>,
        retry_after: Option<u64>,
    ) -> Self {
        let problem: Option<Problem> = serde_json::from_str(&body).ok();
        let request_id = problem.as_ref().and_then(|problem| problem.request_id.clone()).or(request_id);
        Self { request, status, problem, request_id, body, retry_after }
    }

    /// The stable code, if the answer has one that is known here.
    pub fn code(&self) -> Option<Code> {
        self.problem.as_ref().and_then(|problem| Code::find(&problem.code))
    }

    /// What stderr says: the problem untouched for scripts, in sentences for people.
    pub fn tell(&self, format: Format) -> String {
        if format == Format::Json && self.problem.is_some() {
            return format!("{}\n", self.body.trim_end());
        }
        let mut text = format!("error: {}\n", clean(&self.to_string()));
        if let Some(problem) = &self.problem {
            places(&mut text, problem);
        }
        if let Some(code) = self.code() {
            let _ = writeln!(text, "  what to do: {}", code.advice());
        }
        if let Some(seconds) = self.retry_after {
            let _ = writeln!(text, "  retry after: {seconds} s");
        }
        let _ = write!(text, "  request: {}", clean(&self.request));
        if let Some(id) = &self.request_id {
            let _ = write!(text, " ({})", clean(id));
        }
        text.push('\n');
        text
    }
}

/// A line for each place in the body that the problem points at.
fn places(text: &mut String, problem: &Problem) {
    for place in problem.errors.iter().take(PLACES_TOLD) {
        let pointer = if place.pointer.is_empty() { "(the whole body)" } else { &place.pointer };
        let _ = write!(text, "  at {}: {}", clean(pointer), clean(&place.detail));
        if place.code != problem.code {
            let _ = write!(text, " ({})", clean(&place.code));
        }
        text.push('\n');
    }
    if problem.errors.len() > PLACES_TOLD {
        let _ = writeln!(text, "  and {} more places", problem.errors.len() - PLACES_TOLD);
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => write!(f, "{}: {}", problem.code, problem.detail),
            None => {
                write!(f, "the server answered {}", self.status)?;
                let quoted: String = self.body.trim().chars().take(QUOTED_CHARS).collect();
                if quoted.is_empty() { Ok(()) } else { write!(f, ": {quoted}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::read("POST /store/v1/orders".into(), status, body.into(), Some("req_header".into()), None)
    }

    #[test]
    fn a_problem_is_told_with_places_advice_and_request() {
        let body = r#"{"type":"x","title":"There is not enough stock","status":409,"code":"out_of_stock",
            "detail":"TEA-1: 2 wanted, 1 available",
            "errors":[{"pointer":"/lines/0","code":"out_of_stock","detail":"1 available"}],"request_id":"req_1"}"#;
        let told = refusal(409, body).tell(Format::Table);
        assert_eq!(
            told,
            "error: out_of_stock: TEA-1: 2 wanted, 1 available\n  at /lines/0: 1 available\n  \
             what to do: Reduce or remove the lines that the pointers name.\n  \
             request: POST /store/v1/orders (req_1)\n"
        );
        assert_eq!(refusal(409, body).tell(Format::Json).trim_end(), body);
    }

    #[test]
    fn an_answer_that_is_no_problem_is_quoted_in_part_and_made_harmless() {
        let told = refusal(502, "<h1>\x1b[31mBad gateway</h1>").tell(Format::Json);
        assert!(
            told.starts_with("error: the server answered 502: <h1>\u{fffd}[31mBad gateway</h1>\n"),
            "{told}"
        );
        assert!(told.contains("(req_header)"), "{told}");
        assert!(refusal(500, &"x".repeat(10_000)).tell(Format::Table).len() < 400);
    }

    #[test]
    fn a_code_of_a_newer_server_is_still_told() {
        let told =
            refusal(409, r#"{"type":"x","title":"t","status":409,"code":"moon_phase","detail":"not today"}"#)
                .tell(Format::Table);
        assert!(told.starts_with("error: moon_phase: not today\n"), "{told}");
    }
}
