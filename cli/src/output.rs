//! Where words go: data to stdout, talk to stderr; the API's own JSON for scripts, tables for people.

use std::io::{self, IsTerminal, Write};

use console::Term;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::table::Table;

/// What stdout carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables for people.
    Table,
    /// The JSON that the API answered, untouched.
    Json,
}

/// The two streams, and what they can show.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub format: Format,
    /// Columns of the terminal behind stdout; `None` if it is none.
    width: Option<u16>,
    /// Whether stdout may be coloured.
    colour: bool,
    /// Whether stderr is a terminal: whether moving things (progress) make sense there.
    pub lively: bool,
}

impl Output {
    /// What the process was given. Colour only on a terminal, and not if `NO_COLOR` is set (no-color.org).
    pub fn of_process(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format,
            width: terminal.then(|| Term::stdout().size_checked().map(|(_, columns)| columns)).flatten(),
            colour: terminal && !no_colour && !dumb,
            lively: io::stderr().is_terminal() && !dumb,
        }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes one answer of the API to stdout: as it came for scripts, otherwise what `tables` makes of it.
    pub fn answer<T: DeserializeOwned>(
        &self,
        body: &str,
        tables: impl FnOnce(&T) -> Vec<Table>,
    ) -> Result<(), Failure> {
        if self.is_json() {
            return self.line(body);
        }
        self.tables(&tables(&read(body)?))
    }

    /// Writes tables to stdout, an empty line between two.
    pub fn tables(&self, tables: &[Table]) -> Result<(), Failure> {
        let texts: Vec<String> = tables
            .iter()
            .map(|table| table.render(self.width, self.colour))
            .filter(|text| !text.is_empty())
            .collect();
        if texts.is_empty() { Ok(()) } else { self.line(&texts.join("\n\n")) }
    }

    /// Writes one line (or a block that lacks its last line end) to stdout.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
        Ok(())
    }

    /// Says something to the person: stderr, never part of the data. A closed stderr is nobody's failure.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", clean(text));
    }
}

/// Reads an answer of the API as the type that server and shopctl share.
pub fn read<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    read_borrowed(body)
}

/// The same, for a type that keeps parts of the answer as they came.
pub fn read_borrowed<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| {
        Failure::Unreadable(format!(
            "the answer is not what this shopctl ({}) reads: {error}; with `-o json` it is printed as it came",
            env!("CARGO_PKG_VERSION")
        ))
    })
}

/// The text without what could steer a terminal: control characters become U+FFFD, line ends stay.
pub fn clean(text: &str) -> String {
    // Bidirectional overrides (U+202A..E, U+2066..9) can make a line read as another one.
    let hides = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if (c.is_control() && c != '\n') || hides(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_terminals_is_made_visible() {
        assert_eq!(clean("a\x1b[2Jb\rc\nd\u{202e}e"), "a\u{fffd}[2Jb\u{fffd}c\nd\u{fffd}e");
    }

    #[test]
    fn an_answer_of_another_shape_says_what_to_do() {
        let failure = read::<Vec<u8>>("{}").unwrap_err();
        assert!(failure.to_string().contains("-o json"), "{failure}");
    }
}
