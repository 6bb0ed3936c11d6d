//! Errors as clients see them: problem details (RFC 9457), media type `application/problem+json`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codes::Code;
use crate::rejection::Rejection;

/// What went wrong. Codes are texts here, so that an older client can read a newer server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A page about this code, relative to the server.
    #[serde(rename = "type")]
    #[schema(example = "/errors/out_of_stock")]
    pub kind: String,
    /// The same for every problem with this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, on which object.
    pub detail: String,
    /// Stable.
    #[schema(example = "out_of_stock")]
    pub code: String,
    /// The places in the request that it is about; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemAt>,
    /// Say it when you ask for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One place in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemAt {
    /// A JSON Pointer (RFC 6901) into the body.
    #[schema(example = "/lines/0/sku")]
    pub pointer: String,
    pub code: String,
    pub detail: String,
}

impl Problem {
    /// A problem with this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/errors/{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.to_string(),
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// The same, as the answer to a request.
    pub fn for_request(mut self, request_id: impl ToString) -> Self {
        self.request_id = Some(request_id.to_string());
        self
    }
}

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        let at = |error: &crate::rejection::At| ProblemAt {
            pointer: error.pointer.clone(),
            code: error.code.to_string(),
            detail: error.detail.clone(),
        };
        let errors = rejection.errors.iter().take(100).map(at).collect();
        Self { errors, ..Self::new(rejection.code, rejection.detail.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::codes::Code;
    use crate::rejection::Rejection;

    #[test]
    fn a_rejection_becomes_a_problem() {
        let rejection = Rejection::at(Code::OutOfStock, "/lines/0", "TEA-1: 2 wanted, 1 available");
        let problem = serde_json::to_value(Problem::from(&rejection).for_request("req_1")).unwrap();
        let expected = serde_json::json!({
            "type": "/errors/out_of_stock", "title": "There is not enough stock", "status": 409,
            "detail": "TEA-1: 2 wanted, 1 available", "code": "out_of_stock", "request_id": "req_1",
            "errors": [{"pointer": "/lines/0", "code": "out_of_stock", "detail": "TEA-1: 2 wanted, 1 available"}],
        });
        assert_eq!(problem, expected);
    }

    #[test]
    fn every_code_is_found_by_its_text() {
        for code in Code::ALL {
            assert_eq!(Code::find(code.as_str()), Some(*code));
        }
    }
}
