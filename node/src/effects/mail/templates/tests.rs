use shop::Currency;

use super::{Address, Line, Occasion, OrderMail, Tracking, render};

fn order(occasion: Occasion) -> OrderMail {
    OrderMail {
        occasion,
        shop_name: "Tea & Co".to_owned(),
        order_number: "1042".to_owned(),
        currency: Currency::EUR,
        lines: vec![
            Line { title: "Green tea".to_owned(), sku: "TEA-1".to_owned(), quantity: 2, total_minor: 1998 },
            Line { title: "Cup <large>".to_owned(), sku: "CUP-9".to_owned(), quantity: 1, total_minor: 1250 },
        ],
        subtotal_minor: 3248,
        discount_minor: 248,
        shipping_minor: 490,
        tax_minor: 0,
        total_minor: 3490,
        address: Some(Address {
            name: "Ada Lovelace".to_owned(),
            line1: "1 Main St".to_owned(),
            line2: None,
            city: "Berlin".to_owned(),
            region: None,
            postal_code: "10115".to_owned(),
            country: "DE".to_owned(),
        }),
    }
}

fn shipped(url: &str) -> Occasion {
    Occasion::Shipped {
        tracking: Some(Tracking {
            carrier: "DHL".to_owned(),
            number: "JD0123".to_owned(),
            url: Some(url.to_owned()),
        }),
    }
}

/// To accept a deliberate change of a template, run the tests with `GOLDEN=write` and read the diff.
fn check(name: &str, occasion: Occasion, subject: &str) {
    let rendered = render(&order(occasion));
    assert_eq!(rendered.subject, subject);
    for (kind, content) in [("txt", &rendered.text), ("html", &rendered.html)] {
        let path = format!("{}/src/effects/mail/templates/golden/{name}.{kind}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&path, content).unwrap();
        }
        assert_eq!(content, &std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

#[test]
fn the_mails_read_as_they_should() {
    check("confirmed", Occasion::Confirmed, "Tea & Co: order 1042 confirmed");
    check("shipped", shipped("https://dhl.example/?a=1&b=2"), "Tea & Co: order 1042 shipped");
    check("refunded", Occasion::Refunded { amount_minor: 1250 }, "Tea & Co: order 1042 refunded");
}

#[test]
fn amounts_have_the_digits_of_their_currency() {
    let check = |currency: &str, expect: &str| {
        let mail = OrderMail { currency: currency.parse().unwrap(), ..order(Occasion::Confirmed) };
        let text = render(&mail).text;
        assert!(text.contains(&format!("  {expect}\n")), "{expect} in {text}");
    };
    check("EUR", "34.90 EUR");
    check("JPY", "3490 JPY");
    check("KWD", "3.490 KWD");
}

#[test]
fn a_value_stays_a_value() {
    let attack = "x\r\nBcc: eve@example.com\n\n<script>alert('1')</script>\u{202e}\"";
    let mut mail = order(shipped("javascript:alert(1)"));
    mail.shop_name = attack.to_owned();
    mail.order_number = attack.to_owned();
    mail.lines[0].title = attack.to_owned();
    mail.lines[0].sku = attack.to_owned();
    if let Some(address) = &mut mail.address {
        address.name = attack.to_owned();
        address.line2 = Some(attack.to_owned());
    }
    let rendered = render(&mail);
    assert!(!rendered.subject.chars().any(char::is_control), "{:?}", rendered.subject);
    assert!(!rendered.text.lines().any(|line| line.starts_with("Bcc:")), "{}", rendered.text);
    assert!(!rendered.html.contains("<script"), "{}", rendered.html);
    assert!(!rendered.html.contains("javascript"), "{}", rendered.html);
    for part in [&rendered.subject, &rendered.text, &rendered.html] {
        assert!(!part.contains('\u{202e}') && !part.contains('\r'));
    }
}

#[test]
fn only_https_links_are_links() {
    let link = |url: &str| render(&order(shipped(url))).html.contains("<a ");
    assert!(link("https://dhl.example/x"));
    assert!(!link("http://dhl.example/x"));
    assert!(!link("https://dhl.example/\"onclick=\"x y"));
    assert!(!link("data:text/html,x"));
}

#[test]
fn a_mail_is_bounded() {
    let mut mail = order(Occasion::Confirmed);
    mail.lines = vec![mail.lines[0].clone(); 5000];
    mail.lines[0].title = "x".repeat(1_000_000);
    let rendered = render(&mail);
    assert!(rendered.text.contains("and 4900 more"));
    assert!(rendered.html.len() < 100_000, "{}", rendered.html.len());
}
