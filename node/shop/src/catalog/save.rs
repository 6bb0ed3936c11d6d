//! Writing a product: the record, its SKUs, its indexes, its category, its events. The one place that keeps them in
//! step.

use crate::catalog::{
    Categories, Category, Content, Event, Product, Products, ProductsByCategory, ProductsBySlug,
    ProductsByStatus, Skus, Slug, Variant, VariantContent,
};
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::{ProductId, VariantId};
use crate::money::{MAX_AMOUNT_MINOR, Money};
use crate::rejection::{Halt, Rejection};
use crate::tables::Present;
use storage::Read;

/// Writes a new product, or a new revision of `before`. `pointer` is where the content is in the request's body.
pub fn save(
    ctx: &mut Ctx<'_, '_>,
    id: ProductId,
    before: Option<&Product>,
    content: &Content,
    pointer: &str,
) -> Result<Product, Halt> {
    check_variants(content, pointer)?;
    claim_slug(ctx, id, before, content, pointer)?;
    ensure_category(ctx, content, pointer)?;
    let product = build(ctx, before, content);
    index(ctx, id, before, &product)?;
    write_skus(ctx, id, before, &product, pointer)?;
    ctx.tx.put::<Products>(&id, &product)?;
    let (revision, status) = (product.revision, product.status);
    ctx.emit(crate::Event::Catalog(match before {
        None => Event::ProductCreated { product: id, revision, status },
        Some(_) => Event::ProductUpdated { product: id, revision, status },
    }));
    emit_price_changes(ctx, id, before, &product);
    Ok(product)
}

/// Removes a product with its SKUs and indexes.
pub fn remove(ctx: &mut Ctx<'_, '_>, id: ProductId, product: &Product) -> Result<(), Halt> {
    ctx.tx.delete::<Products>(&id)?;
    ctx.tx.delete::<ProductsBySlug>(&product.slug)?;
    ctx.tx.delete::<ProductsByStatus>(&(product.status, id))?;
    if let Some(category) = &product.category {
        ctx.tx.delete::<ProductsByCategory>(&(category.clone(), product.status, id))?;
    }
    for variant in &product.variants {
        ctx.tx.delete::<Skus>(&variant.sku)?;
    }
    ctx.emit(crate::Event::Catalog(Event::ProductDeleted { product: id }));
    Ok(())
}

/// Adds a category that is not there yet.
pub fn add_category(ctx: &mut Ctx<'_, '_>, slug: &Slug, title: &str) -> Result<Category, Halt> {
    let category =
        Category { title: title.to_owned(), created_at: ctx.now, updated_at: ctx.now, revision: 1 };
    ctx.tx.put::<Categories>(slug, &category)?;
    ctx.emit(crate::Event::Catalog(Event::CategoryCreated { category: slug.clone() }));
    Ok(category)
}

/// What orders rely on, whoever proposed it: prices are amounts, and a SKU names one variant with one price.
fn check_variants(content: &Content, pointer: &str) -> Result<(), Rejection> {
    for (at, variant) in content.variants.iter().enumerate() {
        let pointer = format!("{pointer}/variants/{at}");
        if content.variants[..at].iter().any(|other| other.sku == variant.sku) {
            let detail = format!("SKU {} is there twice", variant.sku);
            return Err(Rejection::at(Code::InvalidValue, format!("{pointer}/sku"), detail));
        }
        for (number, price) in variant.prices.iter().enumerate() {
            let twice = variant.prices[..number].iter().any(|other| other.currency == price.currency);
            if twice || !(0..=MAX_AMOUNT_MINOR).contains(&price.amount) {
                let detail = format!("SKU {}: one price per currency, 0 to {MAX_AMOUNT_MINOR}", variant.sku);
                return Err(Rejection::at(Code::InvalidValue, format!("{pointer}/prices/{number}"), detail));
            }
        }
    }
    Ok(())
}

fn claim_slug(
    ctx: &mut Ctx<'_, '_>,
    id: ProductId,
    before: Option<&Product>,
    content: &Content,
    pointer: &str,
) -> Result<(), Halt> {
    if before.is_some_and(|before| before.slug == content.slug) {
        return Ok(());
    }
    if ctx.tx.contains::<ProductsBySlug>(&content.slug)? {
        let detail = format!("another product has the slug {}", content.slug);
        return Err(Rejection::at(Code::AlreadyExists, format!("{pointer}/slug"), detail).into());
    }
    if let Some(before) = before {
        ctx.tx.delete::<ProductsBySlug>(&before.slug)?;
    }
    ctx.tx.put::<ProductsBySlug>(&content.slug, &id)?;
    Ok(())
}

fn ensure_category(ctx: &mut Ctx<'_, '_>, content: &Content, pointer: &str) -> Result<(), Halt> {
    let Some(slug) = &content.category else { return Ok(()) };
    if ctx.tx.contains::<Categories>(slug)? {
        return Ok(());
    }
    let Some(title) = &content.category_title else {
        let detail = format!("there is no category {slug}");
        return Err(Rejection::at(Code::InvalidValue, format!("{pointer}/category"), detail).into());
    };
    add_category(ctx, slug, title)?;
    Ok(())
}

fn build(ctx: &mut Ctx<'_, '_>, before: Option<&Product>, content: &Content) -> Product {
    let known = before.map_or(&[][..], |before| &before.variants);
    let variant = |content: &VariantContent| {
        let same = known.iter().find(|variant| variant.sku == content.sku);
        Variant {
            id: same.map_or_else(|| VariantId::fresh(&mut ctx.ids), |variant| variant.id),
            sku: content.sku.clone(),
            options: content.options.clone(),
            prices: content.prices.clone(),
            backorder: content.backorder,
        }
    };
    Product {
        title: content.title.clone(),
        slug: content.slug.clone(),
        description: content.description.clone(),
        status: content.status,
        category: content.category.clone(),
        vendor: content.vendor.clone(),
        tags: content.tags.clone(),
        options: content.options.clone(),
        variants: content.variants.iter().map(variant).collect(),
        images: content.images.clone(),
        created_at: before.map_or(ctx.now, |before| before.created_at),
        updated_at: ctx.now,
        revision: before.map_or(0, |before| before.revision) + 1,
    }
}

fn index(
    ctx: &mut Ctx<'_, '_>,
    id: ProductId,
    before: Option<&Product>,
    product: &Product,
) -> Result<(), Halt> {
    if before.map(|before| before.status) != Some(product.status) {
        if let Some(before) = before {
            ctx.tx.delete::<ProductsByStatus>(&(before.status, id))?;
        }
        ctx.tx.put::<ProductsByStatus>(&(product.status, id), &Present)?;
    }
    let key = |product: &Product| product.category.clone().map(|category| (category, product.status, id));
    let (old, new) = (before.and_then(key), key(product));
    if old != new {
        if let Some(old) = old {
            ctx.tx.delete::<ProductsByCategory>(&old)?;
        }
        if let Some(new) = new {
            ctx.tx.put::<ProductsByCategory>(&new, &Present)?;
        }
    }
    Ok(())
}

fn write_skus(
    ctx: &mut Ctx<'_, '_>,
    id: ProductId,
    before: Option<&Product>,
    product: &Product,
    pointer: &str,
) -> Result<(), Halt> {
    for (at, variant) in product.variants.iter().enumerate() {
        let record = product.sku_record(id, variant);
        match ctx.tx.get::<Skus>(&variant.sku)? {
            Some(old) if old.product != id => {
                let detail = format!("SKU {} is a variant of product {}", variant.sku, old.product);
                let pointer = format!("{pointer}/variants/{at}/sku");
                return Err(Rejection::at(Code::AlreadyExists, pointer, detail).into());
            }
            Some(old) if old == record => {}
            _ => ctx.tx.put::<Skus>(&variant.sku, &record)?,
        }
    }
    for gone in before.map_or(&[][..], |before| &before.variants) {
        if !product.variants.iter().any(|variant| variant.sku == gone.sku) {
            ctx.tx.delete::<Skus>(&gone.sku)?;
        }
    }
    Ok(())
}

/// One event per SKU and currency, for variants that were there before.
fn emit_price_changes(ctx: &mut Ctx<'_, '_>, id: ProductId, before: Option<&Product>, product: &Product) {
    let Some(before) = before else { return };
    for variant in &product.variants {
        let Some(old) = before.variants.iter().find(|old| old.id == variant.id) else { continue };
        let change = |before: Option<Money>, after: Option<Money>| {
            let (variant, sku) = (variant.id, variant.sku.clone());
            crate::Event::Catalog(Event::PriceChanged { product: id, variant, sku, before, after })
        };
        for price in &variant.prices {
            let earlier = old.prices.iter().copied().find(|old| old.currency == price.currency);
            if earlier != Some(*price) {
                ctx.emit(change(earlier, Some(*price)));
            }
        }
        for gone in &old.prices {
            if !variant.prices.iter().any(|price| price.currency == gone.currency) {
                ctx.emit(change(Some(*gone), None));
            }
        }
    }
}
