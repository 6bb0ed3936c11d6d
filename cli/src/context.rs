//! What a verb works with, and how a change is told.

use serde::de::DeserializeOwned;

use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::table::Table;

/// The shop, the streams, and what Ctrl-C means.
#[derive(Debug)]
pub struct Context {
    pub client: Client,
    pub output: Output,
    pub interrupt: Interrupt,
}

impl Context {
    /// Tells what a change made of the thing: a sentence on stderr, the thing itself on stdout.
    pub fn changed<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        view: impl FnOnce(&T) -> (String, Vec<Table>),
    ) -> Result<(), Failure> {
        if self.output.is_json() {
            return self.output.line(&answer.body);
        }
        match output::read(&answer.body) {
            Ok(thing) => {
                let (sentence, tables) = view(&thing);
                self.tell(answer, &sentence);
                self.output.tables(&tables)
            }
            // The change was made: the exit code must not say otherwise.
            Err(unreadable) => {
                self.tell(answer, &format!("done, but {unreadable}"));
                self.output.line(&answer.body)
            }
        }
    }

    /// Tells that a thing has ended: there may be nothing left to show of it.
    pub fn ended(&self, answer: &Answer, sentence: &str) -> Result<(), Failure> {
        if self.output.is_json() {
            return self.output.line(&answer.body);
        }
        self.tell(answer, sentence);
        Ok(())
    }

    fn tell(&self, answer: &Answer, sentence: &str) {
        let again = if answer.replayed { " (by an earlier request with the same key)" } else { "" };
        self.output.say(&format!("{sentence}{again}"));
    }
}
