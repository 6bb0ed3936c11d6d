//! The commands of the cluster, one file each.

#[cfg(test)]
mod fixtures;

crate::commands! {
    "cluster":
    "register_node" => register_node::RegisterNode,
    "create_join_token" => create_join_token::CreateJoinToken,
    "revoke_join_token" => revoke_join_token::RevokeJoinToken,
    "redeem_join_token" => redeem_join_token::RedeemJoinToken,
    "add_authority" => add_authority::AddAuthority,
    "retire_authority" => retire_authority::RetireAuthority,
    "update_node" => update_node::UpdateNode,
    "set_node_standing" => set_node_standing::SetNodeStanding,
    "set_autopilot" => set_autopilot::SetAutopilot,
    "raise_active_version" => raise_active_version::RaiseActiveVersion,
}
