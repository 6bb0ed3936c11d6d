use shop::Timestamp;
use shop::catalog::Sku;
use shop::ids::{LocationId, OrderId};
use shop::inventory::{
    AdjustStock, Alert, Command, CreateLocation, Event, Levels, Location, LocationBook, LocationCreated,
    Movement, Outcome, Reason, SetStock, SetThresholds, StockLevel, StockRow, TransferStock,
};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const MAIN: LocationId = LocationId([1; 16]);

fn sku() -> Sku {
    "TEA-1".parse().expect("a SKU")
}

fn moved(reason: Reason) -> shop::Event {
    shop::Event::Inventory(Event::Moved(Movement {
        sku: sku(),
        location_id: MAIN,
        change: Levels::new(-3, 2, 1),
        after: Levels::new(300, 2, 1),
        reason,
        order_id: Some(OrderId(sixteen(2))),
        note: Some("damaged".into()),
        previous: 70_000,
    }))
}

#[test]
fn inventory() {
    let location = Location { id: MAIN, name: "Main".into(), created_at: AT };
    let row = StockRow {
        levels: Levels::new(100, 2, 3),
        safety: 4,
        low_at: 5,
        opening: Levels::new(90, 1, 0),
        last_movement: 70_000,
    };
    let alert = || Alert { sku: sku(), location_id: MAIN, available: -2, on_hand: 3 };
    let tell = |told| event(shop::Event::Inventory(told));
    let level = StockLevel { sku: sku(), location: MAIN, row: row.clone() };
    let answer = |outcome| shop::Outcome::Inventory(outcome);
    let golden = vec![
        command(CreateLocation { name: "Main".into() }),
        command(SetStock { sku: sku(), location: Some(MAIN), on_hand: 300, if_on_hand: Some(-1) }),
        command(AdjustStock { sku: sku(), location: None, by: -3, reason: Some("damaged".into()) }),
        command(TransferStock { sku: sku(), from: MAIN, to: LocationId(sixteen(9)), quantity: 7 }),
        command(SetThresholds { sku: sku(), location: None, safety: Some(4), low_at: None }),
        tell(Event::LocationCreated(LocationCreated { location_id: MAIN })),
        event(moved(Reason::Held)),
        event(moved(Reason::Committed)),
        event(moved(Reason::Released)),
        event(moved(Reason::Expired)),
        event(moved(Reason::Fulfilled)),
        event(moved(Reason::Adjusted)),
        part("moved set", &moved(Reason::Set)),
        part("moved transferred", &moved(Reason::Transferred)),
        part("reason set", &Reason::Set),
        part("reason adjusted", &Reason::Adjusted),
        part("reason transferred", &Reason::Transferred),
        part("reason held", &Reason::Held),
        part("reason committed", &Reason::Committed),
        part("reason released", &Reason::Released),
        part("reason expired", &Reason::Expired),
        part("reason fulfilled", &Reason::Fulfilled),
        tell(Event::Low(alert())),
        tell(Event::Out(alert())),
        tell(Event::Back(alert())),
        part("outcome location", &answer(Outcome::LocationCreated(location.clone()))),
        part("outcome stock", &answer(Outcome::Stock(vec![level]))),
        value("LocationBook", &LocationBook { locations: vec![location] }),
        value("StockRow", &row),
    ];
    check("inventory", Command::NAMES, golden);
}
