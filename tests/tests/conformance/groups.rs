//! Which nodes are in which group.

use zre_core::proto::GroupName;

use crate::scene::{
    Scene,
    Side::{Left, Right},
};

crate::behaviours![
    groups_from_the_start_are_told_after_the_enter,
    groups_joined_and_left_later_are_told_once,
    what_is_known_of_groups_is_what_was_told,
];

fn names(groups: &[GroupName]) -> Vec<String> {
    groups.iter().map(ToString::to_string).collect()
}

fn groups_from_the_start_are_told_after_the_enter(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| alice.groups = vec!["NEWS".into(), "CHAT".into(), "CHAT".into()],
        |_| {},
    );
    // As zyre, which knows a group without a name.
    bob.join("").unwrap();
    bob.sees(&["ENTER alice", "JOIN alice CHAT", "JOIN alice NEWS"]);
    alice.sees(&["ENTER bob", "JOIN bob "]);
    assert_eq!(names(&alice.own_groups()), ["CHAT", "NEWS"]);
    assert_eq!(names(&alice.peer_groups()), [""]);
    // Joining again what one is in is no news.
    alice.join("CHAT").unwrap();
    alice.join("LAST").unwrap();
    bob.sees(&["JOIN alice LAST"]);
}

fn groups_joined_and_left_later_are_told_once(scene: &Scene) {
    let (alice, bob) = scene.pair();
    alice.leave("NEVER JOINED").unwrap();
    alice.join("CHAT").unwrap();
    alice.join("CHAT").unwrap();
    alice.join("chat").unwrap();
    alice.leave("CHAT").unwrap();
    alice.leave("CHAT").unwrap();
    alice.join("CHAT").unwrap();
    bob.sees(&[
        "JOIN alice CHAT",
        "JOIN alice chat",
        "LEAVE alice CHAT",
        "JOIN alice CHAT",
    ]);
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
}

fn what_is_known_of_groups_is_what_was_told(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let carol = scene.start(Left, scene.options("carol"));
    carol.sees_in_any_order(&["ENTER alice", "ENTER bob"]);
    let dave = scene.start(Right, scene.options("dave"));
    dave.sees_in_any_order(&["ENTER alice", "ENTER bob", "ENTER carol"]);
    bob.sees_in_any_order(&["ENTER carol", "ENTER dave"]);
    for joining in [&alice, &carol, &dave] {
        joining.join("CHAT").unwrap();
    }
    carol.join("NEWS").unwrap();
    bob.sees_in_any_order(&[
        "JOIN alice CHAT",
        "JOIN carol CHAT",
        "JOIN carol NEWS",
        "JOIN dave CHAT",
    ]);
    let mut members = vec![alice.id(), carol.id(), dave.id()];
    members.sort();
    assert_eq!(bob.peers_by_group("CHAT").unwrap(), members);
    assert_eq!(bob.peers_by_group("NEWS").unwrap(), [carol.id()]);
    assert_eq!(bob.peers_by_group("NOBODY").unwrap(), []);
    assert_eq!(names(&bob.peer_groups()), ["CHAT", "NEWS"]);
    assert!(bob.own_groups().is_empty());
    let known = bob.peer(carol.id()).expect("carol is known").groups;
    assert_eq!(
        names(&known.into_iter().collect::<Vec<_>>()),
        ["CHAT", "NEWS"]
    );
    carol.leave("NEWS").unwrap();
    bob.sees(&["LEAVE carol NEWS"]);
    assert_eq!(names(&bob.peer_groups()), ["CHAT"]);
    dave.stop();
    bob.sees(&["EXIT dave: said goodbye"]);
    members.retain(|member| *member != dave.id());
    assert_eq!(bob.peers_by_group("CHAT").unwrap(), members);
}
