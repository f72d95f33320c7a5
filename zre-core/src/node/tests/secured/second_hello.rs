//! A zyre node that has been refused, or has refused, connects only after a second HELLO.

use super::*;

/// Bob is heard, and our connection to him is there.
fn is_reached(test: &mut SingleNode, bob: &FakePeer) {
    test.hears_key(bob, "10.0.0.2:49152", key("bob"));
    let place = (endpoint("10.0.0.2:49152"), key("bob")).into();
    test.node.handle_reached(bob.id, &place, test.now);
}

/// How many HELLOs we say in the next 9 seconds.
fn hellos(test: &mut SingleNode) -> usize {
    test.wait(Duration::from_secs(9));
    test.hellos_sent()
}

#[test]
fn who_was_refused_and_is_trusted_now_is_sent_a_second_hello_and_no_third() {
    let (mut test, bob) = (SingleNode::secured(&["carol"]), bob());
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    test.node.set_trust(trusting(&["bob"]), test.now).unwrap();
    is_reached(&mut test, &bob);
    assert_eq!(test.hellos_sent(), 1);
    test.wait(Duration::from_millis(1100));
    let expected = ("tcp://10.0.0.2:49152".into(), Some(key("bob")));
    assert_eq!(test.connected_to(), [expected]);
    is_reached(&mut test, &bob);
    assert_eq!(hellos(&mut test), 0);
}

#[test]
fn who_refused_us_and_does_not_any_more_is_sent_a_second_hello() {
    let (mut test, bob) = (SingleNode::secured(&["bob"]), bob());
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    test.node.handle_refused_key(bob.id, key("bob"), test.now);
    test.drain();
    is_reached(&mut test, &bob);
    assert_eq!(hellos(&mut test), 2);
}

#[test]
fn who_says_hello_within_a_second_is_sent_one() {
    let (mut test, mut bob) = (SingleNode::secured(&["bob"]), bob());
    test.node.handle_refused_key(bob.id, key("bob"), test.now);
    is_reached(&mut test, &bob);
    test.wait(Duration::from_millis(900));
    let _entered = test.gets_hello(&mut bob, Some(key("bob")));
    assert_eq!(hellos(&mut test), 1);
}

#[test]
fn who_was_never_refused_is_sent_one() {
    let (mut test, bob) = (SingleNode::secured(&["bob"]), bob());
    is_reached(&mut test, &bob);
    assert_eq!(hellos(&mut test), 1);
}
