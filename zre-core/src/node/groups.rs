//! The groups that this node is in, and messages to groups.

use zre_proto::{Body, Content, GroupName, PeerId};

use super::{context::NodeContext, peers::Peers};

/// Enters this node into a group, if it is not in it.
pub(super) fn join(group: &GroupName, peers: &mut Peers, context: &mut NodeContext) {
    if context.own.groups.insert(group.clone()) {
        let (group, status) = (group.clone(), next_status(context));
        let body = Body::Join {
            group: group.clone(),
            status,
        };
        send_to_all(&body, peers, context);
        // Behind JOIN: what is said in elections counts for members only.
        peers.hold_election(&group, context);
    }
}

/// Takes this node out of a group, if it is in it.
pub(super) fn leave(group: &GroupName, peers: &mut Peers, context: &mut NodeContext) {
    if context.own.groups.remove(group) {
        peers.end_election(group, context);
        let (group, status) = (group.clone(), next_status(context));
        send_to_all(&Body::Leave { group, status }, peers, context);
    }
}

/// Sends a message to those of `ids` that are in the group, and says how many they are.
pub(super) fn shout(
    ids: &[PeerId],
    group: &GroupName,
    content: &Content,
    peers: &mut Peers,
    context: &mut NodeContext,
) -> usize {
    let mut reached = 0;
    for id in ids {
        let peer = peers.get_mut(id).filter(|peer| peer.is_in(group));
        if let Some(peer) = peer.filter(|peer| peer.channel.is_usable()) {
            // Both are reference-counted: the bytes are not copied for each peer.
            let (group, content) = (group.clone(), content.clone());
            peer.channel.send(Body::Shout { group, content }, context);
            peer.channel.pings.count_message();
            context.await_confirmation();
            reached += 1;
        }
    }
    reached
}

/// Counts that this node joins or leaves a group (RFC 36, `status`), and gives the new count.
fn next_status(context: &mut NodeContext) -> u8 {
    context.own.status = context.own.status.wrapping_add(1);
    context.own.status
}

/// Sends to all peers, pending ones too: whoever has our HELLO counts our joins and leaves, even if
/// its own HELLO has not come yet.
fn send_to_all(body: &Body, peers: &mut Peers, context: &mut NodeContext) {
    for peer in peers.iter_mut() {
        peer.channel.send(body.clone(), context);
    }
}
