//! The inventory's commands.

mod place;

crate::commands! { "inventory":
    "create_location" => create_location::CreateLocation,
    "set_stock" => set_stock::SetStock,
    "adjust_stock" => adjust_stock::AdjustStock,
    "transfer_stock" => transfer_stock::TransferStock,
    "set_thresholds" => set_thresholds::SetThresholds,
}
