//! The directory of a development shop: `DIR/{dev.json, secrets/, node-1/}`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::file::DevFile;
use crate::clock::random;
use crate::config::SecretFile;
use crate::data_dir::{DataDir, lock, make_directory, write_private};

const DEV_FILE: &str = "dev.json";
const ADMIN_TOKEN: &str = "secrets/admin-token";

/// The directory, locked for this process.
pub struct Home {
    root: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl Home {
    /// Opens the directory that is given, making it if need be, or makes a temporary one.
    pub fn open(given: Option<&Path>) -> Result<Home> {
        let (root, is_temporary) = match given {
            Some(root) => (std::path::absolute(root)?, false),
            None => (temporary()?, true),
        };
        make_directory(&root)?;
        let lock = lock(&root)?;
        make_directory(&root.join("secrets"))?;
        // Scripts wait for this file: one of an earlier time would tell them of ports that are gone.
        remove_if_there(&root.join(DEV_FILE))
            .with_context(|| format!("cannot remove {DEV_FILE} in {}", root.display()))?;
        Ok(Home { root, is_temporary, _lock: lock })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// A node's directory, and whether it is still to be made.
    pub fn node(&self, id: u64) -> (PathBuf, bool) {
        let data = self.root.join(format!("node-{id}"));
        let is_new = !DataDir::is_initialised(&data);
        (data, is_new)
    }

    /// How many nodes an earlier start has made.
    pub fn nodes(&self) -> u8 {
        (1..=u8::MAX).take_while(|id| !self.node(u64::from(*id)).1).last().unwrap_or(0)
    }

    /// The state has a hash of it only, so it is kept here for the next start.
    pub fn keep_admin_token(&self, token: &str) -> Result<()> {
        Ok(write_private(&self.root.join(ADMIN_TOKEN), token.as_bytes())?)
    }

    pub fn admin_token(&self) -> Result<String> {
        let file = SecretFile::new(self.root.join(ADMIN_TOKEN).to_string_lossy());
        Ok(file.read_line()?.to_string())
    }

    /// Where `dev.json` is while the shop is ready.
    pub fn dev_file(&self) -> PathBuf {
        self.root.join(DEV_FILE)
    }

    /// Says that the shop is ready.
    pub fn write_dev_file(&self, file: &DevFile) -> Result<()> {
        let text = serde_json::to_string_pretty(file)? + "\n";
        Ok(write_private(&self.dev_file(), text.as_bytes())?)
    }
}

impl Drop for Home {
    /// Removes a temporary directory. One that was given is kept; only what says that the shop runs goes.
    fn drop(&mut self) {
        let removed = match self.is_temporary {
            true => std::fs::remove_dir_all(&self.root),
            false => remove_if_there(&self.dev_file()),
        };
        if let Err(error) = removed {
            eprintln!("shopnode dev: cannot clean up {}: {error}", self.root.display());
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn temporary() -> Result<PathBuf> {
    let tag = u64::from_be_bytes(random()?);
    Ok(std::env::temp_dir().join(format!("shopnode-dev-{tag:016x}")))
}

/// What nodes share with the card processor and the catcher of text messages, in files that the node's configuration names.
pub struct Secrets {
    pub card_processor: Zeroizing<String>,
    pub card_processor_file: PathBuf,
    pub webhook: Zeroizing<String>,
    pub webhook_file: PathBuf,
    pub sms: Zeroizing<String>,
    pub sms_file: PathBuf,
}

impl Secrets {
    /// Those of an earlier start, or new ones.
    pub fn load_or_make(root: &Path) -> Result<Secrets> {
        let card_processor_file = root.join("secrets/sandbox-key");
        let webhook_file = root.join("secrets/sandbox-webhook");
        let sms_file = root.join("secrets/sms-token");
        Ok(Secrets {
            card_processor: load_or_make(&card_processor_file, "sk_test_")?,
            card_processor_file,
            webhook: load_or_make(&webhook_file, "whsec_")?,
            webhook_file,
            sms: load_or_make(&sms_file, "")?,
            sms_file,
        })
    }
}

fn load_or_make(path: &Path, prefix: &str) -> Result<Zeroizing<String>> {
    if !path.exists() {
        let secret = Zeroizing::new(u128::from_be_bytes(random()?));
        write_private(path, format!("{prefix}{:032x}\n", *secret).as_bytes())?;
    }
    Ok(SecretFile::new(path.to_string_lossy()).read_line()?)
}
