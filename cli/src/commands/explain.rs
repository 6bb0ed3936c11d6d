//! `shopctl explain CODE`: what an error code means, without asking a server.

use serde_json::json;
use shop::Code;
use shop::cluster::{FAULT_CODES, JOIN_CODES, LocalCode};

use crate::failure::Failure;
use crate::output::Output;
use crate::table::{Cell, Table};

/// Below this Jaro-Winkler similarity a suggestion would mislead more than it helps.
const SIMILAR_ENOUGH: f64 = 0.75;

/// Explain an error code, or list all of them
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Code as in an error's `code`, like out_of_stock; all are listed without one
    code: Option<String>,
}

impl Explain {
    pub fn run(self, output: &Output) -> Result<(), Failure> {
        let Some(name) = self.code else { return list(output) };
        let Some(page) = Page::all().find(|page| page.code == name) else {
            let known: Vec<&str> = Page::all().map(|page| page.code).collect();
            output.say(&format!("known codes: {}", known.join(", ")));
            let hint = nearest(&name).map_or(String::new(), |code| format!("; did you mean `{code}`?"));
            return Err(Failure::Usage(format!("there is no code `{name}`{hint}")));
        };
        if output.is_json() {
            return output.line(&page.object().to_string());
        }
        output.line(&page.text())
    }
}

/// Where a code is met.
#[derive(Debug, Clone, Copy)]
enum Said {
    /// In an answer of the HTTP API, with this status.
    Http(u16),
    /// By `shopnode join`, on the machine that wants to join.
    Joining,
    /// In a node's log.
    InLog,
}

impl Said {
    fn status(self) -> Option<u16> {
        match self {
            Said::Http(status) => Some(status),
            Said::Joining | Said::InLog => None,
        }
    }
}

/// What is to be said of one code.
#[derive(Debug, Clone, Copy)]
struct Page {
    code: &'static str,
    said: Said,
    title: &'static str,
    advice: &'static str,
}

impl Page {
    fn all() -> impl Iterator<Item = Page> {
        let of_api = |code: &Code| Page {
            code: code.as_str(),
            said: Said::Http(code.status()),
            title: code.title(),
            advice: code.advice(),
        };
        let local = |said: Said| {
            move |LocalCode { code, title, advice }: &LocalCode| Page { code, said, title, advice }
        };
        let of_nodes =
            JOIN_CODES.iter().map(local(Said::Joining)).chain(FAULT_CODES.iter().map(local(Said::InLog)));
        Code::ALL.iter().map(of_api).chain(of_nodes)
    }

    fn text(self) -> String {
        let Page { code, title, advice, .. } = self;
        let said_by = match self.said {
            Said::Http(status) => format!("HTTP {status}"),
            Said::Joining => "`shopnode join`".to_owned(),
            Said::InLog => "a node's log".to_owned(),
        };
        format!("{code} ({said_by})\n\n{title}.\n\nWhat to do: {advice}")
    }

    fn object(self) -> serde_json::Value {
        json!({"code": self.code, "status": self.said.status(), "title": self.title, "advice": self.advice})
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        let all: Vec<_> = Page::all().map(Page::object).collect();
        return output.line(&serde_json::Value::from(all).to_string());
    }
    let mut table = Table::new(&["CODE", "HTTP", "WHAT HAPPENED"]);
    for page in Page::all() {
        let status = Cell::maybe(page.said.status().map(|status| status.to_string()));
        table.row(vec![Cell::text(page.code), status, Cell::text(page.title)]);
    }
    output.tables(&[table])
}

/// The code most similar to what was typed, if any is similar enough to be what was meant.
fn nearest(name: &str) -> Option<&'static str> {
    let similarity = |code: &&str| strsim::jaro_winkler(name, code);
    Page::all()
        .map(|page| page.code)
        .max_by(|left, right| similarity(left).total_cmp(&similarity(right)))
        .filter(|code| similarity(code) >= SIMILAR_ENOUGH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_code_finds_its_neighbour() {
        assert_eq!(nearest("out_of_stok"), Some("out_of_stock"));
        assert_eq!(nearest("idempotency_key_resued"), Some("idempotency_key_reused"));
        assert_eq!(nearest("zzz"), None);
    }

    #[test]
    fn every_code_has_a_page() {
        for page in Page::all() {
            let text = page.text();
            assert!(text.starts_with(page.code) && text.contains("What to do: "), "{text}");
        }
    }
}
