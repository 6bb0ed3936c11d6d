//! Secrets are never in the configuration: it names a file, or a systemd credential, that holds one.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

/// More than any secret here needs; a larger file is some other file.
const SECRET_LIMIT_BYTES: u64 = 64 * 1024;
/// Read or write for everybody.
const WORLD_BITS: u32 = 0o006;
const CREDENTIAL: &str = "credential:";

/// A path, or `credential:NAME` for a file in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(String);

/// Why a secret could not be had. The text never contains what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("{named} needs $CREDENTIALS_DIRECTORY: start the service with LoadCredential= in its unit")]
    NoCredentials { named: String },
    #[error("cannot read the secret {named}: {source}")]
    Unreadable { named: String, source: std::io::Error },
    #[error("the secret {named} is open to everybody (mode {mode:04o}): chmod 600 it")]
    WorldReadable { named: String, mode: u32 },
    #[error("the secret {named} is {found}, which no secret is")]
    Shape { named: String, found: &'static str },
}

impl SecretFile {
    pub fn new(path: impl Into<String>) -> SecretFile {
        SecretFile(path.into())
    }

    /// The file behind the name.
    ///
    /// # Errors
    /// [`SecretFileError::NoCredentials`] when a credential is named outside a service that has any.
    pub fn path(&self) -> Result<PathBuf, SecretFileError> {
        match self.0.strip_prefix(CREDENTIAL) {
            Some(name) => std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|directory| PathBuf::from(directory).join(name))
                .ok_or_else(|| SecretFileError::NoCredentials { named: self.0.clone() }),
            None => Ok(PathBuf::from(&self.0)),
        }
    }

    /// The bytes of the file as they are.
    ///
    /// # Errors
    /// When it cannot be read, is open to everybody, is no regular file, or is larger than 64 KiB.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
        let named = self.0.clone();
        let path = self.path()?;
        let unreadable = |source| SecretFileError::Unreadable { named: self.0.clone(), source };
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SecretFileError::Shape { named, found: "not a file" });
        }
        if metadata.mode() & WORLD_BITS != 0 {
            return Err(SecretFileError::WorldReadable { named, mode: metadata.mode() & 0o7777 });
        }
        if metadata.len() > SECRET_LIMIT_BYTES {
            return Err(SecretFileError::Shape { named, found: "larger than 64 KiB" });
        }
        std::fs::read(&path).map(Zeroizing::new).map_err(unreadable)
    }

    /// The file as one line of text, without the line end that editors add.
    ///
    /// # Errors
    /// As [`SecretFile::read`], and when it is empty or not UTF-8.
    pub fn read_line(&self) -> Result<Zeroizing<String>, SecretFileError> {
        let bytes = self.read()?;
        let shape = |found| SecretFileError::Shape { named: self.0.clone(), found };
        let text = std::str::from_utf8(&bytes).map_err(|_| shape("not text"))?.trim_end();
        match text.lines().count() {
            0 => Err(shape("empty")),
            1 => Ok(Zeroizing::new(text.to_owned())),
            _ => Err(shape("more than one line")),
        }
    }
}

impl FromStr for SecretFile {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<SecretFile, Infallible> {
        Ok(SecretFile::new(text))
    }
}

impl Display for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{SecretFile, SecretFileError};

    fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, SecretFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, SecretFile::new(path.to_str().unwrap()))
    }

    #[test]
    fn reads_one_line_without_its_end() {
        let (_directory, secret) = file(0o600, b"sk_test_1\n");
        assert_eq!(secret.read_line().unwrap().as_str(), "sk_test_1");
    }

    #[test]
    fn refuses_what_everybody_can_read() {
        let (_directory, secret) = file(0o644, b"sk_test_1");
        let error = secret.read_line().unwrap_err();
        assert!(matches!(error, SecretFileError::WorldReadable { mode: 0o644, .. }), "{error}");
        assert!(!error.to_string().contains("sk_test_1"));
    }

    #[test]
    fn refuses_what_is_no_secret() {
        for content in [b"".as_slice(), b"one\ntwo\n", &[0xff, 0xfe], &[b'x'; 70_000]] {
            let (_directory, secret) = file(0o600, content);
            assert!(secret.read_line().is_err());
        }
        assert!(SecretFile::new("/").read().is_err());
        assert!(SecretFile::new("/no/such/file").read().is_err());
    }
}
