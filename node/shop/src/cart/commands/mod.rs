//! The commands of carts.

crate::commands! { "cart":
    "create" => create::CreateCart,
    "add_item" => add_item::AddItem,
    "change_item" => change_item::ChangeItem,
    "remove_item" => remove_item::RemoveItem,
    "replace_items" => replace_items::ReplaceItems,
    "trim" => trim::TrimCarts,
}
