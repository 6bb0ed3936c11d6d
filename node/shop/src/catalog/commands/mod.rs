//! The commands of the catalogue, one file each.

#[cfg(test)]
pub(crate) mod fixtures;

crate::commands! {
    "catalog":
    "create_product" => create_product::CreateProduct,
    "update_product" => update_product::UpdateProduct,
    "delete_product" => delete_product::DeleteProduct,
    "upsert_products" => upsert_products::UpsertProducts,
    "create_category" => create_category::CreateCategory,
    "update_category" => update_category::UpdateCategory,
}
