//! Profiles: named servers with their credentials, in a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The largest file of profiles that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// The most characters of a profile's name.
const MAX_NAME: usize = 64;

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// The profile that is used when the command line and the environment name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// One named shop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Base URLs of its nodes; the next is tried when one cannot be reached.
    pub servers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Profile").field("servers", &self.servers).field("token", &token).finish()
    }
}

impl Profiles {
    /// Reads the file; a missing one has no profiles. One that others may read is refused: it holds credentials.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let wrong = |what: String| Failure::Usage(format!("cannot use the profiles in {shown}: {what}"));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(wrong(format!(
                "its mode is {:03o}, others can read it; run `chmod 600 {shown}`",
                mode & 0o777
            )));
        }
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(wrong(format!("it is larger than {MAX_BYTES} bytes")));
        }
        // The parser's own message would quote the line, and the line may hold a token.
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            wrong(format!("line {line}: {}", error.message()))
        })
    }

    /// Writes the file whole: a reader sees the old one or the new one, and both are readable by their owner only.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let wrong = |error: String| Failure::Failed(format!("cannot write {}: {error}", path.display()));
        let text = toml::to_string_pretty(self).map_err(|error| wrong(error.to_string()))?;
        write_private(path, &text).map_err(|error| wrong(error.to_string()))
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut partial: PathBuf = path.to_owned();
    partial.set_extension(format!("toml.{}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, path)
        });
    if written.is_err() {
        // What was not renamed is of no use to anyone; the first error is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// A profile's name: what a shell needs no quotes for.
pub fn parse_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {MAX_NAME} letters, digits, `-`, `_` or `.`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Profiles {
        let profile =
            Profile { servers: vec!["https://shop.example".into()], token: Some("sk_secret".into()) };
        Profiles { default: Some("prod".into()), profiles: BTreeMap::from([("prod".into(), profile)]) }
    }

    #[test]
    fn what_is_saved_is_private_and_read_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("shopctl/config.toml");
        sample().save(&path).unwrap();
        sample().save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing partial is left");
        let read = Profiles::load(&path).unwrap();
        assert_eq!(read.default.as_deref(), Some("prod"));
        assert_eq!(read.profiles["prod"].token.as_deref(), Some("sk_secret"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        sample().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let failure = Profiles::load(&path).unwrap_err();
        assert!(failure.to_string().contains("chmod 600"), "{failure}");
    }

    #[test]
    fn a_broken_file_names_the_line_and_not_what_it_holds() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        let text = "[profiles.prod]\nservers = []\ntoken = \"sk_secret\nserver = 1\n";
        write_private(&path, text).unwrap();
        let failure = Profiles::load(&path).unwrap_err().to_string();
        assert!(failure.contains("line 3") && !failure.contains("sk_secret"), "{failure}");
    }

    #[test]
    fn debug_output_keeps_the_token() {
        assert!(!format!("{:?}", sample()).contains("sk_secret"));
    }

    #[test]
    fn names_need_no_quotes() {
        assert!(parse_name("prod-eu.1").is_ok());
        for wrong in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }
}
