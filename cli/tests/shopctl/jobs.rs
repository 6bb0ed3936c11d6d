//! Imports: the file is sent once, the job is watched to its end, errors are told by row and column.

use crate::support::{Canned, FakeShop, Ran, User, json, problem};

const JOB: &str = "job_06fzz5q2ks5j8v1mcd0p8qf1w2";
const CSV: &str = "Handle,Title,Variant SKU,Variant Price\ngreen-tea,Green tea,TEA-1,9.99\n";

fn accepted() -> Canned {
    json(202, &format!(r#"{{"id":"{JOB}"}}"#))
}

fn job_text(status: &str, failed: u32, errors: &str) -> String {
    format!(
        r#"{{"id":"{JOB}","kind":"product_import","status":"{status}","dry_run":false,"progress":{{"total":3,"done":3,"created":2,"updated":0,"unchanged":1,"failed":{failed}}},"errors":[{errors}],"detail":null,"created_at":"2026-01-31T12:00:00.000Z","updated_at":"2026-01-31T12:00:00.000Z","finished_at":null}}"#
    )
}

fn job(status: &str) -> Canned {
    json(200, &job_text(status, 0, ""))
}

fn import(shop: &FakeShop, options: &[&str]) -> Ran {
    let user = User::new();
    let file = user.home.path().join("products.csv");
    std::fs::write(&file, CSV).unwrap();
    user.run(&[&["--server", &shop.url(), "product", "import", file.to_str().unwrap()], options].concat())
}

#[test]
fn a_file_is_sent_once_and_its_job_watched_to_the_end() {
    let shop = FakeShop::start(vec![
        Canned::Drop,
        accepted(),
        job("running"),
        Canned::Drop,
        problem(503, "not_ready"),
        job("completed"),
    ]);
    let ran = import(&shop, &["--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("3 of 3") && ran.stdout.contains("completed"), "{ran:?}");
    let received = shop.received();
    assert_eq!(received[0].target, "/admin/v1/imports?dry_run=true");
    assert_eq!((received[1].header("content-type"), received[1].body.as_str()), (Some("text/csv"), CSV));
    assert_eq!(shop.keys().len(), 2);
    assert_eq!(shop.keys()[0], shop.keys()[1]);
    assert_eq!(received.len(), 6);
    assert_eq!(received[5].target, format!("/admin/v1/jobs/{JOB}"));
    // Not a terminal: nothing moves.
    assert!(!ran.stderr.contains('\r') && !ran.stderr.contains('\x1b'), "{ran:?}");
}

#[test]
fn json_is_the_job_as_the_api_says() {
    let shop = FakeShop::start(vec![accepted(), job("completed")]);
    let ran = import(&shop, &["-o", "json"]);
    assert_eq!((ran.code, ran.stdout), (0, format!("{}\n", job_text("completed", 0, ""))));
    assert_eq!(shop.received()[0].target, "/admin/v1/imports");
}

#[test]
fn errors_are_told_by_row_and_column_and_end_with_1() {
    let errors = r#"{"row":3,"column":"Variant Price","detail":"9,99 is no price"},{"row":0,"column":"","detail":"x"}"#;
    let shop = FakeShop::start(vec![accepted(), json(200, &job_text("completed", 7, errors))]);
    let ran = import(&shop, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let row = ran.stdout.lines().find(|line| line.contains("9,99 is no price")).unwrap();
    assert!(row.contains('3') && row.contains("Variant Price"), "{row}");
    assert!(ran.stderr.contains("7 errors in the file (the first 2 are listed)"), "{ran:?}");
}

#[test]
fn a_failed_job_ends_with_1() {
    let shop = FakeShop::start(vec![accepted(), job("failed")]);
    assert_eq!(import(&shop, &[]).code, 1);
}

#[test]
fn without_waiting_the_job_is_named() {
    let shop = FakeShop::start(vec![accepted()]);
    let ran = import(&shop, &["--wait", "0"]);
    assert!(ran.code == 0 && ran.stderr.contains(JOB), "{ran:?}");
    assert_eq!(shop.received().len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_usage() {
    let shop = FakeShop::start(vec![accepted()]);
    let ran = User::new().run(&["--server", &shop.url(), "product", "import", "/nonexistent.csv"]);
    assert!(ran.code == 2 && ran.stderr.contains("/nonexistent.csv"), "{ran:?}");
    assert!(shop.received().is_empty());
}
