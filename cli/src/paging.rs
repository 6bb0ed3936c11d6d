//! Lists: one page, or all of them by following cursors, within a bound.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use shop::http::{Cursor, DEFAULT_LIMIT, Limit, Page};

use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::table::Table;

/// The most rows of one page: the API's own bound.
const PAGE_ROWS: u16 = 100;
/// The most pages that `--all` follows.
const MAX_PAGES: u32 = 1_000;

/// How much of a list is wanted.
#[derive(Debug, clap::Args)]
pub struct Paging {
    /// The most rows of one answer, up to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u16).range(1..=100), conflicts_with = "all")]
    limit: u16,

    /// Follow the list to its end (at most 100,000 rows); with `-o json` one answer a line
    #[arg(long)]
    all: bool,

    /// Go on where an earlier answer ended: its `next_cursor`
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Prints the list at `path`; `query` makes the query of one page.
pub async fn list<T: DeserializeOwned, Q: Serialize>(
    context: &Context,
    path: &[&str],
    paging: Paging,
    query: impl Fn(Option<Limit>, Option<Cursor>) -> Q,
    table: impl Fn(&[T]) -> Table,
) -> Result<(), Failure> {
    let limit = Limit::new(if paging.all { PAGE_ROWS } else { paging.limit });
    let mut cursor = paging.cursor.map(Cursor::from_text);
    let mut rows: Vec<T> = Vec::new();
    for page in 1.. {
        let answer = context.client.get(path, &query(limit, cursor.take())).await?;
        cursor = if context.output.is_json() {
            context.output.line(&answer.body)?;
            output::read::<Page<IgnoredAny>>(&answer.body)?.next_cursor
        } else {
            let page: Page<T> = output::read(&answer.body)?;
            rows.extend(page.data);
            page.next_cursor
        };
        if cursor.is_none() || !paging.all || page >= MAX_PAGES {
            break;
        }
    }
    if context.output.is_json() {
        return Ok(());
    }
    if rows.is_empty() {
        // A page of a filtered list may be empty and have more behind it.
        context.output.say(if cursor.is_some() { "nothing found so far" } else { "nothing found" });
    } else {
        context.output.tables(&[table(&rows)])?;
    }
    if let Some(cursor) = cursor {
        let all = if paging.all { "" } else { ", or --all" };
        context.output.say(&format!("there is more: --cursor {}{all}", cursor.as_str()));
    }
    Ok(())
}
