use proptest::prelude::{any, proptest};

use super::{Import, parse};
use crate::catalog::{Backorder, Status, UpsertProducts};
use crate::money::{Currency, Money};
use crate::testing::Bench;

const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,\
Option2 Value,Variant SKU,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Status\n";

const SHOP: &str = "green-tea,Green tea,\"<p>Fresh,\n\"\"first\"\" flush</p>\",Acme,Green Tea,\"tea, fresh,tea\",TRUE,Size,100 g,Form,Loose,TEA-1,12,deny,9.99,https://x.example/1.jpg,active\n\
green-tea,,,,,,,,250 g,,Loose,,0,continue,19.9,https://x.example/2.jpg,\n\
green-tea,,,,,,,,,,,,,,,https://x.example/3.jpg,\n\
pot,Tea pot,,,,,FALSE,Title,Default Title,,,'0042,,,45,,active\n\
old,Old,,,,,TRUE,Title,Default Title,,,,-3,,,,archived\n";

fn file(rows: &str) -> Vec<u8> {
    format!("{HEADER}{rows}").into_bytes()
}

fn read(rows: &str) -> Import {
    parse(&file(rows), Currency::EUR)
}

fn places(import: &Import) -> Vec<(u32, &str)> {
    import.errors.iter().map(|error| (error.row, error.column.as_str())).collect()
}

#[test]
fn a_shop_is_read() {
    let import = read(SHOP);
    assert_eq!(places(&import), [(7, "Variant Inventory Qty")]);
    assert_eq!((import.products.len(), import.refused), (2, 1));
    let tea = &import.products[0];
    assert_eq!(
        (tea.title.as_str(), tea.slug.as_str(), tea.status),
        ("Green tea", "green-tea", Status::Published)
    );
    assert_eq!(tea.description, "<p>Fresh,\n\"first\" flush</p>");
    assert_eq!(tea.category.as_ref().map(|slug| slug.as_str()), Some("green-tea"));
    assert_eq!((tea.category_title.as_deref(), tea.vendor.as_deref()), (Some("Green Tea"), Some("Acme")));
    assert_eq!((tea.tags.join("|"), tea.options.join("|")), ("tea|fresh".into(), "Size|Form".into()));
    assert_eq!(tea.images.len(), 3);
    let skus: Vec<&str> = tea.variants.iter().map(|variant| variant.sku.as_str()).collect();
    assert_eq!(skus, ["TEA-1", "green-tea-250-g-Loose"]);
    assert_eq!(tea.variants[1].prices, [Money::new(1_990, Currency::EUR)]);
    assert_eq!(
        tea.variants.iter().map(|v| v.backorder).collect::<Vec<_>>(),
        [Backorder::Refuse, Backorder::Allow]
    );
    let pot = &import.products[1];
    assert_eq!((pot.status, pot.options.len(), pot.variants[0].sku.as_str()), (Status::Draft, 0, "0042"));
    let stock: Vec<(&str, i64)> =
        import.stock.iter().map(|counted| (counted.sku.as_str(), counted.on_hand)).collect();
    assert_eq!(stock, [("TEA-1", 12), ("green-tea-250-g-Loose", 0)]);
}

#[test]
fn errors_are_told_by_row_and_column() {
    let check = |rows: &str, expect: &[(u32, &str)]| {
        let import = read(rows);
        assert_eq!(places(&import), expect, "{rows}");
        assert_eq!(import.products.len(), 0, "{rows}");
    };
    check("a,,,,,,,,,,,A,,,1,,\n", &[(2, "Title")]);
    check(",A,,,,,,,,,,A,,,1,,\n", &[(2, "Handle")]);
    check("a,A,,,,,,,,,,A,,,9;99,,\n", &[(2, "Variant Price")]);
    check("a,A,,,,,,,,,,A,,,9.999,,\n", &[(2, "Variant Price")]);
    check("a,A,,,,,,,,,,\"A,B\",,,9,,\n", &[(2, "Variant SKU")]);
    check("a,A,,,,,,,,,,A,x,,9,,\n", &[(2, "Variant Inventory Qty")]);
    check("a,A,,,,,,,,,,A,,maybe,9,,\n", &[(2, "Variant Inventory Policy")]);
    check("a,A,,,,,maybe,,,,,A,,,9,,gone\n", &[(2, "Published"), (2, "Status")]);
    check("a,A,,,,,,Size,1,,,A,,,9,,\na,,,,,,,,,,,B,,,9,,\n", &[(3, "Option1 Value")]);
    check("a,A,,,,,,Size,1,,,A,,,9,,\na,,,,,,,,1,,,B,,,9,,\n", &[(3, "Option1 Value")]);
    check("a,A,,,,,,,,,,A,,,9,ftp://x,\n", &[(2, "Image Src")]);
    let long = format!("a,{},,,,,,,,,,A,,,9,,\n", "x".repeat(256));
    check(&long, &[(2, "Title")]);
}

#[test]
fn one_bad_product_leaves_the_others() {
    let import = read("a,A,,,,,,,,,,A,,,1,,\nb,B,,,,,,,,,,A,,,1,,\n\nc,C,,,,,,,,,,C,,,1,,\n");
    assert_eq!(places(&import), [(3, "Variant SKU")]);
    assert!(import.errors[0].detail.contains("line 2"));
    let slugs: Vec<&str> = import.products.iter().map(|product| product.slug.as_str()).collect();
    assert_eq!((slugs, import.refused), (vec!["a", "c"], 1));
}

#[test]
fn broken_files_are_told() {
    let at = |bytes: &[u8]| {
        let import = parse(bytes, Currency::EUR);
        import.errors.iter().map(|error| (error.row, error.column.clone())).collect::<Vec<_>>()
    };
    assert_eq!(at(b""), [(1, "Handle".into()), (1, "Title".into())]);
    assert_eq!(at(b"name,price\nTea,1\n"), [(1, "Handle".into()), (1, "Title".into())]);
    assert_eq!(at(b"\xef\xbb\xbfhandle,TITLE,Variant SKU\na,A,A\n"), []);
    assert_eq!(at(b"Handle,Title,Vendor\na,A,\xff\xfe\n"), [(2, "Vendor".into())]);
    assert_eq!(at(b"Handle,Title\r\na,A\r\nb\r\n"), [(3, "Title".into())]);
    assert_eq!(at(b"Handle,Title\n\na,\"A\n\nA\"\n\nb,\n"), [(3, "Title".into()), (7, "Title".into())]);
    assert_eq!(at(b"Handle,Title\na,A,B\n"), [(2, String::new())]);
    assert_eq!(at(b"Handle,Title\na,\"A"), []);
}

#[test]
fn too_many_variants_are_one_error() {
    let mut rows = String::from("a,A,,,,,,Size,0,,,A-0,,,1,,\n");
    for number in 1..150 {
        rows.push_str(&format!("a,,,,,,,,{number},,,A-{number},,,1,,\n"));
    }
    assert_eq!(places(&read(&rows)), [(2, "Handle")]);
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let mut bench = Bench::new();
    let mut import = || {
        for chunk in UpsertProducts::chunks(read(SHOP).products) {
            bench.ok(chunk);
        }
        bench.store.digest()
    };
    assert_eq!(import(), import());
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
        parse(&bytes, Currency::EUR);
        parse(&[HEADER.as_bytes(), &bytes].concat(), Currency::EUR);
    }

    /// What is accepted goes through the log: no error of the bounds is left for later.
    #[test]
    fn what_is_accepted_is_within_bounds(rows in proptest::collection::vec("[ab]?,[A-Z]{0,3},[x\"]{0,2},V?,T?,[a,]{0,3},(TRUE|FALSE|)?,(Size)?,[12]?,,,[A-C]?,-?[0-9]{0,3},(deny|continue)?,[0-9]{0,3}(\\.[0-9]{1,3})?,(http://x)?,(active|draft)?", 0..12)) {
        let import = read(&rows.join("\n"));
        let mut bench = Bench::new();
        for chunk in UpsertProducts::chunks(import.products) {
            bench.ok(chunk);
        }
    }
}
