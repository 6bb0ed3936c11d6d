//! A minute of requests generated from the OpenAPI document finds no server error and no undocumented answer.

use std::process::Command;

use anyhow::Result;
use shopnode_tests::node::{counterpart, python};
use shopnode_tests::{Dev, orders};

#[tokio::test]
async fn a_minute_of_generated_requests_finds_nothing() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 1_000).await?;

    let report = Command::new(python()?)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(counterpart("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", dev.node().http)])
        .args(["--header", &format!("Authorization: Bearer {}", dev.file.admin_token)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--max-time", "60", "--seed", "7", "--workers", "2", "--request-timeout", "10", "--no-color"])
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .current_dir(dev.dir.path())
        .output()?;
    let told =
        String::from_utf8_lossy(&report.stdout).into_owned() + &String::from_utf8_lossy(&report.stderr);
    assert!(report.status.success(), "{told}");
    // A run that generated nothing would be green too.
    assert!(generated(&told) >= 1_000, "{told}");

    let alive = dev.guest().get("/readyz").await?;
    assert_eq!(alive.status, 200, "{}", dev.output());
    assert!(!dev.output().contains("panicked"), "{}", dev.output());
    Ok(())
}

/// How many requests the report's line `N generated, M passed` tells of.
fn generated(report: &str) -> u64 {
    let count = |line: &str| line.split_once(" generated")?.0.trim().parse().ok();
    report.lines().find_map(count).unwrap_or(0)
}
