//! Requests at the gateway.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGauge};

use super::{REQUEST_SECONDS, Register};

#[derive(Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    problems: IntCounterVec,
    /// Requests that are being answered.
    pub in_flight: IntGauge,
}

impl HttpMetrics {
    pub(super) fn new(register: &Register) -> Result<HttpMetrics, Error> {
        Ok(HttpMetrics {
            requests: register.counters(
                "http_requests_total",
                "HTTP requests answered, by route template, method and class of status.",
                &["route", "method", "status"],
            )?,
            duration: register.histograms(
                "http_request_duration_seconds",
                "Time from a request's headers to its answer.",
                &["route", "method"],
                &REQUEST_SECONDS,
            )?,
            problems: register.counters(
                "http_problems_total",
                "Answers that told of a problem, by its stable code.",
                &["code"],
            )?,
            in_flight: register.gauge("http_requests_in_flight", "HTTP requests that are being answered.")?,
        })
    }

    /// Counts one answer. `route` is the template (`/store/v1/orders/{id}`), or a constant when no route matched.
    pub fn answered(&self, route: &str, method: &http::Method, status: http::StatusCode, took: Duration) {
        let method = method_label(method);
        self.requests.with_label_values(&[route, method, status_class(status)]).inc();
        self.duration.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// Counts one problem. `code` is one of the catalogue, never what a caller sent.
    pub fn problem(&self, code: &'static str) {
        self.problems.with_label_values(&[code]).inc();
    }
}

/// A method that HTTP does not define is one value, or a caller could make as many time series as it likes.
fn method_label(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::HEAD => "HEAD",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::PATCH => "PATCH",
        http::Method::DELETE => "DELETE",
        http::Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn status_class(status: http::StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
