use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::LocationId;
use crate::inventory::{self, Location, LocationCreated, Locations, MAX_LOCATIONS};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Creates a location. The first one is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLocation {
    /// Unique, 1 to 100 characters.
    pub name: String,
}

impl Execute for CreateLocation {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut book = ctx.tx.get::<Locations>(&())?.unwrap_or_default();
        if book.locations.iter().any(|location| location.name == self.name) {
            let detail = format!("there is a location named {:?}", self.name);
            return Err(Rejection::at(Code::AlreadyExists, "/name", detail).into());
        }
        if book.locations.len() >= MAX_LOCATIONS {
            let detail = format!("a shop has at most {MAX_LOCATIONS} locations");
            return Err(Rejection::new(Code::LimitReached, detail).into());
        }
        let id = LocationId::fresh(&mut ctx.ids);
        let location = Location { id, name: self.name.clone(), created_at: ctx.now };
        book.locations.push(location.clone());
        ctx.tx.put::<Locations>(&(), &book)?;
        ctx.emit(Event::Inventory(inventory::Event::LocationCreated(LocationCreated { location_id: id })));
        Ok(Outcome::Inventory(inventory::Outcome::LocationCreated(location)))
    }
}
