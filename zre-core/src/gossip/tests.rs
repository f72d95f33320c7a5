//! What one side of gossip sees of the other.

use alloc::{format, string::ToString as _};
use core::{net::IpAddr, time::Duration};

use super::*;
use crate::config::Limits;

/// A machine whose engine finds every peer, or none.
struct Hub {
    gossip: Gossip,
    now: Instant,
    /// The peers that have been sought.
    sought: Vec<String>,
    sought_is: Sought,
}

impl Hub {
    fn new(limits: Limits) -> Self {
        let mut config = Config::new("tcp://10.0.0.1:1".parse().unwrap());
        config.limits = limits;
        let now = Instant::from_micros(1_000_000);
        Self {
            gossip: Gossip::new([0xEE; 16].into(), &config, &Seed::predictable([1; 32]), now),
            now,
            sought: Vec::new(),
            sought_is: Sought::Begun,
        }
    }

    /// A client connects and says nothing yet.
    fn client(&mut self, number: u64) -> LinkId {
        self.client_at(number, [10, 0, 1, u8::try_from(number % 256).unwrap()])
    }

    fn client_at(&mut self, number: u64, address: [u8; 4]) -> LinkId {
        let link = LinkId::from_number(number);
        let remote = IpAddr::from(address);
        self.gossip
            .handle_open(link, Side::Client, Some(remote), self.now);
        link
    }

    fn greeted_client(&mut self, number: u64) -> LinkId {
        let link = self.client(number);
        assert_eq!(self.says(link, GossipMessage::Hello), [""; 0]);
        link
    }

    fn hub(&mut self, number: u64) -> LinkId {
        let link = LinkId::from_number(number);
        let remote = IpAddr::from([10, 0, 2, 1]);
        let side = Side::Hub(0);
        self.gossip.handle_open(link, side, Some(remote), self.now);
        self.gossip
            .set_own(link, Some("tcp://10.0.0.1:1".parse().unwrap()));
        link
    }

    /// The other side of a connection says something; gives the answer, in words.
    fn says(&mut self, link: LinkId, message: GossipMessage) -> Vec<String> {
        self.gossip.handle_message(link, message, None, self.now);
        self.carry_out();
        self.hears(link)
    }

    /// What is said over a connection, in words.
    fn hears(&mut self, link: LinkId) -> Vec<String> {
        let messages = core::iter::from_fn(|| self.gossip.next_message(link, self.now));
        let words = |message: GossipMessage| match message {
            GossipMessage::Publish { key, value, .. } => {
                format!("{} {value}", &key.to_string()[..4])
            }
            message => message.kind().into(),
        };
        messages.map(words).collect()
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.gossip.poll_output() {
            if let GossipOutput::Seek { peer, .. } = output {
                self.sought.push(peer.to_string()[..4].into());
                self.gossip.handle_sought(peer, self.sought_is, self.now);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.gossip.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(next);
            self.gossip.handle_timeout(self.now);
            self.carry_out();
            assert!(
                self.gossip.poll_timeout().is_none_or(|at| at > self.now),
                "a timer spins"
            );
        }
        self.now = end;
    }

    fn enters(&mut self, number: u32) {
        let peer = peer(number);
        self.gossip
            .handle_standing(peer, Standing::Ready, false, self.now);
    }

    fn is_gone(&mut self, number: u32, is_final: bool) {
        let peer = peer(number);
        self.gossip
            .handle_standing(peer, Standing::Gone, is_final, self.now);
        self.carry_out();
    }

    fn noted(&mut self) -> Vec<&'static str> {
        let notices = self.gossip.take_notices();
        notices.iter().map(Notice::kind).collect()
    }
}

fn peer(number: u32) -> PeerId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes()[2..]);
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn tuple(number: u32) -> GossipMessage {
    tuple_at(number, &format!("tcp://10.0.3.1:{}", 1 + number % 60_000))
}

fn tuple_at(number: u32, value: &str) -> GossipMessage {
    GossipMessage::Publish {
        key: GossipTuple::key_of(peer(number)),
        value: value.into(),
        ttl: 0,
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_client_that_has_not_said_hello_is_answered_as_by_zyre() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.client(1);
    assert_eq!(hub.says(client, GossipMessage::Ping), ["PONG"]);
    for message in [tuple(1), GossipMessage::Pong, GossipMessage::Invalid] {
        assert_eq!(hub.says(client, message), ["INVALID"]);
    }
    assert_eq!(hub.sought, NOTHING);
    assert_eq!(hub.says(client, GossipMessage::Hello), NOTHING);
    assert_eq!(hub.says(client, tuple(1)), NOTHING);
    assert_eq!(hub.says(client, GossipMessage::Ping), ["PONG"]);
    assert_eq!(hub.sought, ["0001"]);
}

#[test]
fn a_tuple_is_told_to_all_others_once_and_to_those_that_come_later() {
    let mut hub = Hub::new(Limits::default());
    let [first, second] = [1, 2].map(|number| hub.greeted_client(number));
    let upper = hub.hub(3);
    assert_eq!(hub.hears(upper)[0], "HELLO");
    assert_eq!(hub.says(first, tuple(1)), NOTHING);
    assert_eq!(hub.hears(second), ["0001 tcp://10.0.3.1:2"]);
    assert_eq!(hub.hears(upper), ["0001 tcp://10.0.3.1:2"]);
    // The same from elsewhere is no news.
    assert_eq!(hub.says(second, tuple(1)), NOTHING);
    assert_eq!(hub.says(upper, tuple(1)), NOTHING);
    assert_eq!(hub.hears(first), NOTHING);
    let third = hub.client(4);
    let told = hub.says(third, GossipMessage::Hello);
    assert_eq!(told, ["0001 tcp://10.0.3.1:2"]);
    assert_eq!(hub.sought, ["0001"]);
}

/// Looking at all connections for each message would let one client burden a hub with many.
#[test]
fn a_message_that_changes_nothing_for_others_is_no_news_for_them() {
    let mut hub = Hub::new(Limits::default());
    let (a, b) = (hub.client(1), hub.client(2));
    hub.says(b, GossipMessage::Hello);
    hub.gossip.take_news();
    let to_a = [
        (GossipMessage::Ping, "PONG"),
        (tuple(1), "INVALID"),
        (GossipMessage::Hello, ""),
        (GossipMessage::Ping, "PONG"),
    ];
    for (message, answer) in to_a {
        assert_eq!(hub.says(a, message).join(" "), answer);
        assert!(!hub.gossip.take_news());
    }
    hub.says(a, tuple(1));
    assert!(hub.gossip.take_news());
    hub.says(a, tuple(1));
    assert!(!hub.gossip.take_news(), "it is known");
    hub.client(3);
    assert!(!hub.gossip.take_news());
    assert_eq!(hub.hears(b).len(), 1);
}

#[test]
fn hello_and_invalid_without_end_bring_no_more_than_one_answer_a_second() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    let other = hub.greeted_client(2);
    hub.says(other, tuple(1));
    assert_eq!(hub.hears(client).len(), 1);
    let answers = (0..1000).map(|_| hub.says(client, GossipMessage::Hello).len());
    assert_eq!(answers.sum::<usize>(), 0);
    hub.wait(Duration::from_secs(1));
    assert_eq!(hub.says(client, GossipMessage::Hello).len(), 1);

    let upper = hub.hub(3);
    assert_eq!(hub.hears(upper)[0], "HELLO");
    let mut hellos = 0;
    for _ in 0..100 {
        for _ in 0..10 {
            let answer = hub.says(upper, GossipMessage::Invalid);
            hellos += answer.iter().filter(|it| **it == "HELLO").count();
        }
        hub.wait(Duration::from_millis(100));
        let said = hub.hears(upper);
        hellos += said.iter().filter(|it| **it == "HELLO").count();
    }
    assert!((9..=10).contains(&hellos), "{hellos}");
}

#[test]
fn a_hub_that_answers_nothing_is_closed_and_one_that_does_is_not() {
    let mut hub = Hub::new(Limits::default());
    let upper = hub.hub(1);
    for answers in [true, false] {
        let mut closed = false;
        for _ in 0..20 {
            hub.now = hub.now + Duration::from_millis(400);
            hub.gossip.handle_timeout(hub.now);
            while let Some(output) = hub.gossip.poll_output() {
                closed |= matches!(output, GossipOutput::Close { .. });
            }
            assert!(hub.hears(upper).contains(&"PING".into()) || closed || answers);
            if answers {
                hub.says(upper, GossipMessage::Pong);
            }
        }
        assert_eq!(closed, !answers);
    }
}

#[test]
fn one_source_fills_half_of_the_table_and_others_have_the_rest() {
    let mut hub = Hub::new(Limits::default().gossip_tuples(100));
    let [flooder, honest] = [1, 2].map(|number| hub.greeted_client(number));
    hub.sought_is = Sought::There;
    for number in 0..1000 {
        hub.says(flooder, tuple(number));
    }
    assert_eq!(hub.sought.len(), 50);
    assert_eq!(hub.noted(), ["tuple_limit"]);
    for number in 2000..2050 {
        hub.says(honest, tuple(number));
    }
    assert_eq!(hub.sought.len(), 100);
    assert_eq!(hub.noted(), NOTHING);
    assert_eq!(hub.gossip.table.len(), 100);
}

/// Nothing is gained by connecting again, or twice.
#[test]
fn the_clients_of_one_address_have_one_share_and_those_on_loopback_one_each() {
    for (address, most) in [([10, 0, 9, 9], 50), ([127, 0, 0, 1], 100)] {
        let mut hub = Hub::new(Limits::default().gossip_tuples(100));
        let connect = |hub: &mut Hub, number| {
            let client = hub.client_at(number, address);
            hub.says(client, GossipMessage::Hello);
            client
        };
        let one = connect(&mut hub, 1);
        (0..1000).for_each(|number| drop(hub.says(one, tuple(number))));
        hub.gossip.handle_ended(one, hub.now);
        let two = connect(&mut hub, 2);
        (1000..2000).for_each(|number| drop(hub.says(two, tuple(number))));
        assert_eq!(hub.gossip.table.len(), most);
        assert_eq!(hub.sought.len(), most);
    }
}

/// The tuples of the flood are under way, or wait for their turn.
#[test]
fn a_table_that_two_sources_have_filled_has_room_for_new_tuples_of_a_third() {
    let mut hub = Hub::new(Limits::default().gossip_tuples(1000));
    let [one, other, honest] = [1, 2, 3].map(|number| hub.greeted_client(number));
    let flood = |hub: &mut Hub, from: u32| {
        for number in from..from + 500 {
            hub.says(one, tuple(number));
            hub.says(other, tuple(5000 + number));
        }
    };
    flood(&mut hub, 0);
    assert_eq!(hub.gossip.table.len(), 1000);
    for number in 20_000..20_100 {
        hub.says(honest, tuple(number));
    }
    hub.wait(Duration::from_secs(20));
    flood(&mut hub, 1000);
    assert_eq!(hub.gossip.table.len(), 1000);
    for number in 20_000..20_100 {
        assert!(hub.gossip.table.source(peer(number)).is_some(), "{number}");
    }
}

#[test]
fn bytes_are_bounded_as_tuples_are() {
    let mut hub = Hub::new(Limits::default().gossip_bytes(10_000));
    let flooder = hub.greeted_client(1);
    hub.sought_is = Sought::There;
    for number in 0..1000 {
        let name = "h".repeat(200);
        hub.says(flooder, tuple_at(number, &format!("tcp://{name}:1")));
    }
    let taken = hub.sought.len();
    assert!((15..=25).contains(&taken), "{taken}");
    assert!(hub.gossip.table.bytes() <= 5000);
}

#[test]
fn new_tuples_take_the_places_of_those_whose_peers_are_not_there() {
    let mut hub = Hub::new(Limits::default().gossip_tuples(20));
    let client = hub.greeted_client(1);
    for number in 0..10 {
        hub.says(client, tuple(number));
    }
    hub.enters(3);
    for number in (0..10).filter(|number| *number != 3) {
        hub.is_gone(number, false);
    }
    hub.wait(Duration::from_secs(1));
    for number in 100..109 {
        hub.says(client, tuple(number));
    }
    assert_eq!(hub.noted(), NOTHING);
    assert!(hub.gossip.table.source(peer(3)).is_some(), "it is there");
    assert!(hub.gossip.table.source(peer(108)).is_some());
    assert_eq!(hub.gossip.table.len(), 10);
}

#[test]
fn ever_new_tuples_are_taken_at_a_bounded_rate() {
    let mut hub = Hub::new(Limits::default());
    let flooder = hub.greeted_client(1);
    hub.sought_is = Sought::NotNow;
    let mut number = 0;
    for _ in 0..60 {
        for _ in 0..1000 {
            number += 1;
            hub.says(flooder, tuple(number));
        }
        hub.wait(Duration::from_secs(1));
    }
    let news: alloc::collections::BTreeSet<_> = hub.sought.iter().collect();
    // As many as one source may have, and 20 more each second.
    assert!(news.len() <= 2048 + 60 * 20 + 20, "{}", news.len());
    assert!(hub.gossip.table.len() <= 2048);
}

#[test]
fn hubs_that_contradict_each_other_do_not_go_on_for_ever() {
    let mut hub = Hub::new(Limits::default());
    let [one, other] = [1, 2].map(|number| hub.greeted_client(number));
    let mut told = 0;
    for round in 0..1000 {
        told += hub.says(one, tuple_at(1, "tcp://10.0.3.1:1")).len();
        told += hub.says(other, tuple_at(1, "tcp://10.0.3.1:2")).len();
        told += hub.hears(one).len();
        hub.wait(Duration::from_millis(10));
        assert!(told <= 6 || round > 900, "{told}");
    }
    assert!(told <= 12, "{told}");
}

#[test]
fn so_many_are_sought_at_once_and_the_others_when_these_are_found() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    for number in 0..1000 {
        hub.says(client, tuple(number));
    }
    assert_eq!(hub.sought.len(), 256);
    hub.wait(Duration::from_secs(60));
    assert_eq!(hub.sought.len(), 256, "none of them has come to an end");
    hub.enters(0);
    hub.is_gone(1, false);
    hub.wait(Duration::ZERO);
    assert_eq!(hub.sought.len(), 258);
}

#[test]
fn a_peer_that_is_not_found_is_sought_ever_less_often_and_told_of_no_more() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    let upper = hub.hub(2);
    hub.sought_is = Sought::NotNow;
    hub.says(upper, tuple(1));
    assert_eq!(hub.hears(client), ["0001 tcp://10.0.3.1:2"]);
    hub.wait(Duration::from_secs(20));
    let late = hub.greeted_late(3);
    assert_eq!(
        late,
        ["0001 tcp://10.0.3.1:2"],
        "it may be there for others"
    );
    hub.wait(Duration::from_secs(40));
    assert_eq!(hub.greeted_late(4), NOTHING);
    let mut counts = Vec::new();
    for _ in 0..4 {
        hub.sought.clear();
        hub.wait(Duration::from_secs(600));
        counts.push(hub.sought.len());
    }
    let [first, later @ ..] = &counts[..] else {
        panic!("nothing was counted")
    };
    assert!((8..=20).contains(first), "{counts:?}");
    assert!(
        later.iter().all(|count| (2..=5).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn a_tuple_that_nobody_tells_any_more_is_forgotten_when_its_peer_is_gone() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    hub.says(client, tuple(1));
    hub.enters(1);
    hub.is_gone(1, false);
    hub.gossip.handle_ended(client, hub.now);
    hub.sought_is = Sought::NotNow;
    hub.wait(Duration::from_secs(590));
    assert_eq!(hub.gossip.table.len(), 1);
    hub.wait(Duration::from_secs(40));
    assert_eq!(hub.gossip.table.len(), 0);
    assert_eq!(hub.gossip.poll_timeout(), None);
}

#[test]
fn a_dropped_tuple_that_comes_again_and_again_brings_few_attempts() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    hub.says(client, tuple(1));
    hub.enters(1);
    hub.is_gone(1, true);
    hub.sought.clear();
    hub.sought_is = Sought::NotNow;
    assert_eq!(hub.greeted_late(2), NOTHING);
    for _ in 0..3600 {
        hub.says(client, tuple(1));
        hub.wait(Duration::from_secs(1));
    }
    let tries = hub.sought.len();
    assert!((3..=70).contains(&tries), "{tries}");
    // Another place is news.
    hub.sought.clear();
    hub.says(client, tuple_at(1, "tcp://10.0.3.9:9"));
    assert_eq!(hub.sought, ["0001"]);
}

#[test]
fn what_only_another_host_can_mean_is_not_sought() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    hub.hub(2);
    for (number, place) in (1..).zip([
        "tcp://127.0.0.1:80",
        "tcp://localhost:80",
        "tcp://[::1]:80",
        "tcp://[::ffff:127.0.0.1]:80",
        "tcp://10.0.0.1:1",
    ]) {
        hub.says(client, tuple_at(number, place));
    }
    assert_eq!(hub.sought, NOTHING);
    assert_eq!(hub.gossip.table.len(), 0);
}

#[test]
fn a_node_at_a_former_address_of_this_one_is_sought() {
    let mut hub = Hub::new(Limits::default());
    let upper = hub.hub(1);
    let [old, new] = ["tcp://10.0.0.1:1", "tcp://10.0.0.7:1"];
    hub.says(upper, tuple_at(1, old));
    assert_eq!(hub.sought, NOTHING);
    hub.gossip.set_own(upper, Some(new.parse().unwrap()));
    hub.gossip.forget_former_places();
    hub.says(upper, tuple_at(2, old));
    hub.says(upper, tuple_at(3, new));
    assert_eq!(hub.sought, ["0002"]);
}

#[test]
fn what_is_no_tuple_of_a_node_is_noted_once_for_each_source() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    for _ in 0..10 {
        hub.says(client, tuple_at(1, "red"));
        let key = "color".try_into().unwrap();
        let value = "tcp://10.0.0.1:1".into();
        hub.says(client, GossipMessage::Publish { key, value, ttl: 0 });
    }
    assert_eq!(hub.noted(), ["bad_tuple"]);
    assert_eq!(hub.sought, NOTHING);
}

#[test]
fn the_own_tuple_is_told_anew_when_it_changes_and_never_taken_from_others() {
    let mut hub = Hub::new(Limits::default());
    let upper = hub.hub(1);
    assert_eq!(hub.hears(upper), ["HELLO", "EEEE tcp://10.0.0.1:1"]);
    hub.gossip
        .set_own(upper, Some("tcp://10.0.0.7:1".parse().unwrap()));
    assert_eq!(hub.hears(upper), ["EEEE tcp://10.0.0.7:1"]);
    // What it was before is no other node, and what a hub tells before it knows is the past.
    let own = |place: &str| GossipMessage::Publish {
        key: GossipTuple::key_of([0xEE; 16].into()),
        value: place.into(),
        ttl: 0,
    };
    hub.says(upper, own("tcp://10.0.0.1:1"));
    hub.says(upper, own("tcp://10.0.0.8:1"));
    assert_eq!(hub.noted(), NOTHING);
    hub.says(upper, GossipMessage::Pong);
    hub.wait(Duration::from_secs(20));
    hub.hears(upper);
    for _ in 0..3 {
        hub.says(upper, own("tcp://10.0.0.8:1"));
    }
    assert_eq!(hub.noted(), ["own_identity"]);
    assert_eq!(hub.sought, NOTHING);
}

impl Hub {
    /// What a client that comes now is told.
    fn greeted_late(&mut self, number: u64) -> Vec<String> {
        let client = self.client(number);
        self.says(client, GossipMessage::Hello)
    }
}

/// A peer with a key is not sought, so nothing but its going tells that it is not there.
#[test]
fn a_tuple_that_gets_a_key_while_its_peer_is_there_is_told_no_more_when_it_has_gone() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.greeted_client(1);
    hub.says(client, tuple(1));
    hub.enters(1);
    let with_key = format!("tcp://10.0.3.1:2|{}", "k".repeat(40));
    hub.says(client, tuple_at(1, &with_key));
    assert_eq!(hub.noted(), ["secured_peer"]);
    hub.is_gone(1, false);
    let late = hub.client(2);
    assert_eq!(hub.says(late, GossipMessage::Hello), NOTHING);
}
