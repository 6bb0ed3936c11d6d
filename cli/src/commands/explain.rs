//! `shopctl explain CODE`: what an error code means, without asking a server.

use serde_json::json;
use shop::Code;
use shop::cluster::{JOIN_CODES, JoinCode};

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

/// What is to be said of one code.
#[derive(Debug, Clone, Copy)]
struct Page {
    code: &'static str,
    /// Of the HTTP API; what a program says on its own machine has none.
    status: Option<u16>,
    title: &'static str,
    advice: &'static str,
}

impl Page {
    fn all() -> impl Iterator<Item = Page> {
        let of_api = |code: &Code| Page {
            code: code.as_str(),
            status: Some(code.status()),
            title: code.title(),
            advice: code.advice(),
        };
        let of_join =
            |JoinCode { code, title, advice }: &JoinCode| Page { code, status: None, title, advice };
        Code::ALL.iter().map(of_api).chain(JOIN_CODES.iter().map(of_join))
    }

    fn text(self) -> String {
        let Page { code, title, advice, .. } = self;
        let said_by = self.status.map_or("`shopnode join`".to_owned(), |status| format!("HTTP {status}"));
        format!("{code} ({said_by})\n\n{title}.\n\nWhat to do: {advice}")
    }

    fn object(self) -> serde_json::Value {
        json!({"code": self.code, "status": self.status, "title": self.title, "advice": self.advice})
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        let all: Vec<_> = Page::all().map(Page::object).collect();
        return output.line(&serde_json::Value::from(all).to_string());
    }
    let mut table = Table::new(&["CODE", "HTTP", "WHAT HAPPENED"]);
    for page in Page::all() {
        let status = Cell::maybe(page.status.map(|status| status.to_string()));
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
