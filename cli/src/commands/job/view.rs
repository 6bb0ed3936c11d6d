//! Jobs as tables.

use shop::broker::http::JobView;
use shop::broker::{JobKind, JobStatus};

use crate::table::{Cell, Table, Tone, format_time};

/// One line a job.
pub fn list(jobs: &[JobView]) -> Table {
    let mut table = Table::new(&["ID", "KIND", "STATUS", "DONE", "TOTAL", "ERRORS", "CREATED"]);
    for job in jobs {
        table.row(vec![
            Cell::of(job.id),
            Cell::word(&job.kind),
            Cell::word(&job.status),
            Cell::number(job.progress.done),
            Cell::number(job.progress.total),
            errors_told(job.progress.failed),
            Cell::time(job.created_at),
        ]);
    }
    table
}

/// One job, and what went wrong by row and column.
pub fn one(job: &JobView) -> Vec<Table> {
    let progress = job.progress;
    let counted = |what: &str| Cell::text(format!("{} of {} {what}", progress.done, progress.total));
    let mut lines =
        vec![("job", Cell::of(job.id)), ("kind", Cell::word(&job.kind)), ("status", Cell::word(&job.status))];
    match job.kind {
        JobKind::ProductImport => lines.extend([
            ("dry run", Cell::text(if job.dry_run { "yes: nothing was written" } else { "no" })),
            ("done", counted("products and rows of stock")),
            (if job.dry_run { "to create" } else { "created" }, Cell::number(progress.created)),
            (if job.dry_run { "to update" } else { "updated" }, Cell::number(progress.updated)),
            ("unchanged", Cell::number(progress.unchanged)),
            ("errors", errors_told(progress.failed)),
        ]),
        JobKind::Backup | JobKind::BackupVerification => lines.push(("done", counted("records"))),
    }
    let detail = if job.status == JobStatus::Completed { "result" } else { "why" };
    lines.extend([
        (detail, Cell::maybe(job.detail.as_ref())),
        ("started", Cell::time(job.created_at)),
        ("finished", Cell::maybe(job.finished_at.map(format_time))),
    ]);
    let details = Table::details(lines);
    let mut errors = Table::new(&["ROW", "COLUMN", "WHAT IS WRONG"]);
    for error in &job.errors {
        let row = if error.row == 0 { Cell::text("-") } else { Cell::number(error.row) };
        let column = if error.column.is_empty() { "(the whole row)" } else { &error.column };
        errors.row(vec![row, Cell::text(column), Cell::text(&error.detail)]);
    }
    if errors.is_empty() { vec![details] } else { vec![details, errors] }
}

fn errors_told(count: u32) -> Cell {
    let cell = Cell::number(count);
    if count == 0 { cell } else { cell.tone(Tone::Bad) }
}
