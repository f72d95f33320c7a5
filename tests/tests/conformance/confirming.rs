//! Messages whose arrival is confirmed.

use zre_core::{Error, proto::PeerId};
use zre_tests::any_node::Delivery;

use crate::scene::{Scene, Side::Left};

crate::behaviours![
    a_whisper_that_is_confirmed_is_there,
    each_of_a_thousand_whispers_is_confirmed,
    a_shout_is_confirmed_by_each_member,
    a_flush_ends_behind_all_that_was_sent,
    nobody_confirms_for_a_peer_that_is_not_there,
];

fn a_whisper_that_is_confirmed_is_there(scene: &Scene) {
    let (alice, bob) = scene.pair();
    for number in 0..10 {
        let text = format!("number {number}");
        assert_eq!(alice.whisper_confirmed(bob.id(), text.as_str()), Ok(()));
        bob.sees(&[&format!("WHISPER alice {text}")]);
    }
    let large = vec![7; 1 << 20];
    assert_eq!(alice.whisper_confirmed(bob.id(), large), Ok(()));
}

fn each_of_a_thousand_whispers_is_confirmed(scene: &Scene) {
    let (alice, bob) = scene.pair();
    // Alike, as they come in any order.
    let begun: Vec<_> = (0..1000)
        .map(|_| alice.begin_whisper_confirmed(bob.id(), "hello"))
        .collect();
    for confirmed in begun {
        assert_eq!(confirmed.wait(), Ok(()));
    }
    (0..1000).for_each(|_| bob.sees(&["WHISPER alice hello"]));
}

fn a_shout_is_confirmed_by_each_member(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let carol = scene.start(Left, scene.options("carol"));
    alice.sees(&["ENTER carol"]);
    for member in [&bob, &carol] {
        member.join("CHAT").unwrap();
    }
    let members = alice.begin_wait_for_group("CHAT", 2);
    members.wait().unwrap();
    let mut delivered = alice.shout_confirmed("CHAT", "hello").unwrap();
    delivered.sort_by_key(|(member, _)| *member);
    let mut expected = [bob.id(), carol.id()];
    expected.sort();
    assert_eq!(
        delivered,
        expected.map(|member| (member, Delivery::Delivered))
    );
    assert_eq!(alice.shout_confirmed("NOBODY", "hello"), Ok(vec![]));
}

fn a_flush_ends_behind_all_that_was_sent(scene: &Scene) {
    let (alice, bob) = scene.pair();
    assert_eq!(alice.flush(bob.id()), Ok(()), "nothing has been sent");
    for number in 0..100 {
        alice.whisper(bob.id(), number.to_string()).unwrap();
    }
    assert_eq!(alice.flush(bob.id()), Ok(()));
    assert_eq!(alice.flush(bob.id()), Ok(()), "all is confirmed");
    for number in 0..100 {
        bob.sees(&[&format!("WHISPER alice {number}")]);
    }
}

fn nobody_confirms_for_a_peer_that_is_not_there(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let nobody = PeerId::from([7; 16]);
    let unknown = |peer| Err(Error::UnknownPeer(peer));
    assert_eq!(alice.whisper_confirmed(nobody, "hello"), unknown(nobody));
    assert_eq!(alice.flush(nobody), unknown(nobody));
    bob.stop();
    alice.sees(&["EXIT bob: said goodbye"]);
    assert_eq!(
        alice.whisper_confirmed(bob.id(), "hello"),
        unknown(bob.id())
    );
    alice.stop();
    assert_eq!(alice.flush(bob.id()), Err(Error::Stopped));
}
