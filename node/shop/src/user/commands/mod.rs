//! The commands of users, one file each.

#[cfg(test)]
pub(crate) mod fixtures;

crate::commands! {
    "user":
    "create_customer" => create_customer::CreateCustomer,
    "update_customer" => update_customer::UpdateCustomer,
    "erase_customer" => erase_customer::EraseCustomer,
    "create_client" => create_client::CreateClient,
    "revoke_client" => revoke_client::RevokeClient,
    "create_api_key" => create_api_key::CreateApiKey,
    "revoke_api_key" => revoke_api_key::RevokeApiKey,
    "add_signing_key" => add_signing_key::AddSigningKey,
    "retire_signing_key" => retire_signing_key::RetireSigningKey,
}
