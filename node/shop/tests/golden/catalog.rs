use shop::catalog::{
    Backorder, Category, Change, Command, Content, CreateCategory, CreateProduct, DeleteProduct, Event,
    Outcome, Product, Sku, SkuRecord, Slug, Status, UpdateCategory, UpdateProduct, UpsertProducts, Upserted,
    Variant, VariantContent,
};
use shop::ids::{ProductId, VariantId};
use shop::{Currency, Money, Timestamp};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const PRODUCT: ProductId = ProductId([1; 16]);

fn sku() -> Sku {
    "TEA-1".parse().expect("a SKU")
}

fn slug() -> Slug {
    "green-tea".parse().expect("a slug")
}

fn content() -> Content {
    Content {
        title: "Green tea".into(),
        slug: slug(),
        description: "Fresh".into(),
        status: Status::Published,
        category: Some("tea".parse().expect("a slug")),
        category_title: Some("Tea".into()),
        vendor: Some("Acme".into()),
        tags: vec!["fresh".into()],
        options: vec!["size".into()],
        variants: vec![VariantContent {
            sku: sku(),
            options: vec!["100 g".into()],
            prices: vec![Money::new(999, Currency::EUR)],
            backorder: Backorder::Allow,
        }],
        images: vec!["https://x.example/1.jpg".into()],
    }
}

fn product() -> Product {
    let content = content();
    Product {
        title: content.title,
        slug: content.slug,
        description: content.description,
        status: Status::Archived,
        category: None,
        vendor: None,
        tags: content.tags,
        options: content.options,
        variants: vec![Variant {
            id: VariantId(sixteen(2)),
            sku: sku(),
            options: vec!["100 g".into()],
            prices: vec![Money::new(999, Currency::EUR)],
            backorder: Backorder::Refuse,
        }],
        images: content.images,
        created_at: AT,
        updated_at: AT.plus_millis(1),
        revision: 3,
    }
}

fn category() -> Category {
    Category { title: "Tea".into(), created_at: AT, updated_at: AT, revision: 1 }
}

#[test]
fn catalog() {
    let (revision, status) = (2, Status::Draft);
    let upserted = |change| Upserted { product: PRODUCT, change };
    let products = [Change::Created, Change::Updated, Change::Unchanged].map(upserted).to_vec();
    let record = SkuRecord {
        product: PRODUCT,
        variant: VariantId(sixteen(2)),
        title: "Green tea".into(),
        options: "100 g".into(),
        sellable: true,
        prices: vec![Money::new(999, Currency::EUR)],
        backorder: Backorder::Allow,
    };
    let golden = vec![
        command(CreateProduct { content: content() }),
        command(UpdateProduct { id: PRODUCT, if_revision: 7, content: content() }),
        command(DeleteProduct { id: PRODUCT, if_revision: Some(7) }),
        command(UpsertProducts { products: vec![content()] }),
        command(CreateCategory { slug: slug(), title: "Tea".into() }),
        command(UpdateCategory { slug: slug(), if_revision: None, title: "Teas".into() }),
        event(shop::Event::Catalog(Event::ProductCreated { product: PRODUCT, revision, status })),
        event(shop::Event::Catalog(Event::ProductUpdated { product: PRODUCT, revision, status })),
        event(shop::Event::Catalog(Event::ProductDeleted { product: PRODUCT })),
        event(shop::Event::Catalog(Event::PriceChanged {
            product: PRODUCT,
            variant: VariantId(sixteen(2)),
            sku: sku(),
            before: None,
            after: Some(Money::new(999, Currency::EUR)),
        })),
        event(shop::Event::Catalog(Event::CategoryCreated { category: slug() })),
        event(shop::Event::Catalog(Event::CategoryUpdated { category: slug(), revision })),
        part("outcome product", &shop::Outcome::from(Outcome::Product { id: PRODUCT, product: product() })),
        part(
            "outcome category",
            &shop::Outcome::from(Outcome::Category { slug: slug(), category: category() }),
        ),
        part("outcome upserted", &shop::Outcome::from(Outcome::Upserted { products })),
        value("Product", &product()),
        value("Category", &category()),
        value("SkuRecord", &record),
    ];
    check("catalog", Command::NAMES, golden);
}
