//! The operator's tool, run as an operator runs it: the real program against a real shop.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::dev::binary;

/// How one run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What a program that ended by itself left.
    pub(crate) fn of(output: Output) -> Result<Ran> {
        Ok(Ran {
            code: output.status.code().context("it was ended by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Data, when it was done; else what it said.
    pub fn done(self) -> Result<String> {
        self.ended(0).map(|ran| ran.stdout)
    }

    /// As [`Ran::done`], read as JSON.
    pub fn json(self) -> Result<Value> {
        let text = self.done()?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// Itself, when it ended with this code.
    pub fn ended(self, code: i32) -> Result<Self> {
        anyhow::ensure!(self.code == code, "expected exit code {code}: {self:#?}");
        Ok(self)
    }
}

/// Runs `shopctl` with nothing in its environment but `environment`; `stdin` is what it can read.
pub fn shopctl(environment: &[(&str, &Path)], arguments: &[&str], stdin: &str) -> Result<Ran> {
    let mut child = Command::new(binary("shopctl")?)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("shopctl does not start")?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that reads nothing may be gone already.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    Ran::of(child.wait_with_output()?)
}
