//! Members of a group that do not keep up.

use alloc::{format, string::String, vec, vec::Vec};

use bytes::Bytes;
use zre_proto::{Body, GroupName};

use super::{
    network::{group, millis, secs},
    single_engine::{FakePeer, SingleEngine},
};
use crate::link::Link;

/// Fills what may wait for a member.
const LARGE: usize = 10_000;

struct Chat {
    test: SingleEngine<Link>,
    group: GroupName,
    slow: FakePeer<Link>,
    quick: FakePeer<Link>,
}

/// Two members, one of which does not read.
fn chat() -> Chat {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.outbound = LARGE);
    let group = group("CHAT");
    let [mut slow, quick] = [1, 2].map(|number| {
        let mut peer = test.add_peer(number);
        let (group, status) = (group.clone(), 1);
        peer.say(&mut test, Body::Join { group, status });
        test.told();
        peer
    });
    slow.from.reads = false;
    Chat {
        test,
        group,
        slow,
        quick,
    }
}

impl Chat {
    /// Shouts a message that fills; gives how many it reached and how many are full.
    fn shout(&mut self) -> (usize, usize) {
        let content = Bytes::from(vec![1; LARGE]);
        let now = self.test.now;
        let shouted = self.test.engine.shout(&self.group, content.into(), now);
        self.quick.from.exchange(&mut self.test);
        self.slow.from.exchange(&mut self.test);
        let shouted = shouted.unwrap();
        (shouted.reached, shouted.full.len())
    }

    fn skip(&mut self) {
        let (peers, now) = ([self.slow.id], self.test.now);
        self.test.engine.skip(&peers, &self.group, now);
    }

    fn told(&mut self) -> Vec<String> {
        self.test.told()
    }
}

#[test]
fn a_member_that_was_skipped_is_passed_over_at_once_until_half_of_its_queue_has_gone() {
    let mut chat = chat();
    assert_eq!(chat.shout(), (2, 0));
    assert_eq!(chat.shout(), (1, 1), "now it is waited for");
    chat.skip();
    for _ in 0..3 {
        assert_eq!(chat.shout(), (1, 0), "and now no more");
    }
    // It takes some, but more than half still waits.
    chat.test.write(chat.slow.from.at, LARGE / 4);
    assert_eq!(chat.shout(), (2, 0), "what it has room for it gets");
    assert_eq!(chat.shout(), (1, 0), "and it is not waited for");
    chat.test.write_all(chat.slow.from.at);
    assert_eq!(chat.shout(), (2, 0));
    assert_eq!(chat.shout(), (1, 1), "it is waited for again");
}

#[test]
fn how_many_shouts_a_member_has_missed_is_told_once_a_second_and_to_the_last() {
    let mut chat = chat();
    assert_eq!(chat.shout(), (2, 0));
    assert_eq!(chat.shout(), (1, 1));
    chat.skip();
    let missed = |count| [format!("peer1 misses {count} in CHAT")];
    assert_eq!(chat.told(), missed(1));
    for _ in 0..7 {
        chat.shout();
        chat.test.run(millis(100));
    }
    assert_eq!(chat.told(), Vec::<String>::new());
    chat.test.run(millis(300));
    assert_eq!(chat.told(), missed(7));
    chat.shout();
    chat.test.run(secs(1));
    assert_eq!(chat.told(), missed(1), "though no further shout comes");
    chat.test.run(millis(2500));
    assert_eq!(chat.told(), Vec::<String>::new());
    chat.shout();
    assert_eq!(chat.told(), missed(1), "at once after a pause");
}

#[test]
fn a_member_that_is_gone_is_not_told_to_have_missed_anything() {
    let mut chat = chat();
    chat.shout();
    chat.shout();
    chat.skip();
    chat.told();
    chat.shout();
    let now = chat.test.now;
    chat.test
        .engine
        .handle_closed(chat.slow.to.at, "reset", now);
    chat.test.run(millis(500));
    assert_eq!(chat.told(), ["peer1 exits: connection lost"]);
    chat.skip();
    chat.test.run(secs(3));
    assert_eq!(chat.told(), Vec::<String>::new());
}
