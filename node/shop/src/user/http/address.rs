use crate::http::Checks;
use crate::user::Address;

/// The bounds of a postal address. The country is looked at as letters only: which countries there are changes.
pub fn check_address(checks: &mut Checks, pointer: &str, address: &Address) {
    let at = |name: &str| format!("{pointer}/{name}");
    checks.line(&at("name"), &address.name, 1..=200);
    checks.line(&at("line1"), &address.line1, 1..=200);
    checks.optional_line(&at("line2"), address.line2.as_deref(), 0..=200);
    checks.line(&at("city"), &address.city, 1..=200);
    checks.optional_line(&at("region"), address.region.as_deref(), 0..=200);
    checks.optional_line(&at("postal_code"), address.postal_code.as_deref(), 0..=32);
    checks.optional_line(&at("phone"), address.phone.as_deref(), 0..=32);
    if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        checks.fail(at("country"), "expected an ISO 3166-1 alpha-2 code in capitals, like DE");
    }
}

#[cfg(test)]
mod tests {
    use super::check_address;
    use crate::http::Checks;
    use crate::user::Address;

    #[test]
    fn each_member_is_checked() {
        let json = r#"{"name": "", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "de"}"#;
        let address: Address = serde_json::from_str(json).unwrap();
        let mut checks = Checks::new();
        check_address(&mut checks, "/shipping_address", &address);
        let errors = checks.finish().unwrap_err().errors;
        let pointers: Vec<&str> = errors.iter().map(|at| at.pointer.as_str()).collect();
        assert_eq!(pointers, ["/shipping_address/name", "/shipping_address/country"]);
    }
}
