//! What Ctrl-C means at the moment: nothing lost, a change in doubt, or the way to end.

use std::cell::RefCell;
use std::rc::Rc;

use crate::failure::Failure;

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing that matters: shopctl stops.
    Stop,
    /// A change was sent (with this key) and not answered yet.
    InDoubt(Option<String>),
    /// It is how this verb is ended.
    End,
    /// Something goes on at the server; this says what.
    GoesOn(String),
}

/// The present meaning, shared by whoever sends and whoever waits for the signal.
#[derive(Debug, Clone)]
pub struct Interrupt(Rc<RefCell<Meaning>>);

impl Default for Interrupt {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Meaning::Stop)))
    }
}

impl Interrupt {
    pub fn means(&self, meaning: Meaning) {
        *self.0.borrow_mut() = meaning;
    }

    /// How the verb ends when Ctrl-C comes now.
    pub fn end(&self) -> Result<(), Failure> {
        match self.0.borrow().clone() {
            Meaning::End => Ok(()),
            Meaning::Stop => Err(Failure::Failed("interrupted".into())),
            Meaning::GoesOn(what) => Err(Failure::Failed(format!("interrupted; {what}"))),
            Meaning::InDoubt(key) => {
                Err(Failure::Unknown { key, reason: "it was interrupted before the answer came".into() })
            }
        }
    }
}
