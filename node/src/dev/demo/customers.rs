//! The demo's customers.

use shop::private::Private;
use shop::user::{Address, CreateCustomer, Personal};

/// Name, street, city, postal code, country.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const PEOPLE: [Row; 12] = [
    ("Ada Lovelace", "1 Engine Street", "Berlin", "10115", "DE"),
    ("Grace Hopper", "2 Compiler Lane", "Hamburg", "20095", "DE"),
    ("Alan Turing", "3 Halting Close", "Manchester", "M13 9PL", "GB"),
    ("Katherine Johnson", "4 Orbit Road", "Vienna", "1010", "AT"),
    ("Edsger Dijkstra", "5 Shortest Path", "Rotterdam", "3011", "NL"),
    ("Barbara Liskov", "6 Substitution Square", "Zurich", "8001", "CH"),
    ("Donald Knuth", "7 Volume Terrace", "Copenhagen", "1050", "DK"),
    ("Hedy Lamarr", "8 Hopping Alley", "Salzburg", "5020", "AT"),
    ("Konrad Zuse", "9 Relay Yard", "Munich", "80331", "DE"),
    ("Radia Perlman", "10 Spanning Tree Walk", "Paris", "75001", "FR"),
    ("John Backus", "11 Grammar Hill", "Brussels", "1000", "BE"),
    ("Frances Allen", "12 Optimal Avenue", "Milan", "20121", "IT"),
];

/// The commands that make them. Their mail goes to `example.com`, which nobody owns (RFC 2606).
pub fn customers() -> Vec<CreateCustomer> {
    PEOPLE.iter().map(|person| CreateCustomer { owner: None, personal: Private(personal(person)) }).collect()
}

fn personal((name, line1, city, postal_code, country): &Row) -> Personal {
    let local = name.to_lowercase().replace(' ', ".");
    Personal {
        email: format!("{local}@example.com"),
        name: Some((*name).to_owned()),
        phone: None,
        addresses: vec![Address {
            name: (*name).to_owned(),
            line1: (*line1).to_owned(),
            line2: None,
            city: (*city).to_owned(),
            region: None,
            postal_code: Some((*postal_code).to_owned()),
            country: (*country).to_owned(),
            phone: None,
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::customers;

    #[test]
    fn each_has_an_address_of_their_own() {
        let customers = customers();
        let emails: BTreeSet<_> =
            customers.iter().map(|customer| customer.personal.reveal().email.clone()).collect();
        assert_eq!(emails.len(), customers.len());
        assert!(emails.contains("ada.lovelace@example.com"));
    }
}
