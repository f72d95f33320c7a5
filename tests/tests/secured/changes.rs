//! A directory of certificates that changes while nodes run.

use std::{path::Path, time::Duration};

use zre_tests::{
    Namespace, Peer, PeerOptions,
    any_node::Flavour,
    scene::{Clock, all_meet, assert_one_session, converse, meet, on_each_adapter, told},
};

use crate::people::{People, public_key};

const SECOND: Duration = Duration::from_secs(1);
/// The directory is looked at once a second, and a beacon comes once a second.
const SOON: Duration = Duration::from_secs(3);

/// A node of ours with a directory of friends.
struct Keeper {
    people: People,
    node: Peer,
    network: Namespace,
    flavour: Flavour,
}

impl Keeper {
    fn start(network: Namespace, flavour: Flavour, friends: &[&str]) -> Self {
        let people = People::new();
        let options = PeerOptions::new("keeper").key(&people.key("keeper"));
        let options = options.trust(&people.list("friends", friends));
        let node = Peer::ours(&network, flavour, &options);
        Self {
            people,
            node,
            network,
            flavour,
        }
    }

    /// A node that lets in whoever has a key.
    fn start_other(&self, name: &str, is_zyre: bool) -> Peer {
        let options = PeerOptions::new(name)
            .key(&self.people.key(name))
            .trust_any();
        match is_zyre {
            true => Peer::zyre(&self.network, &options),
            false => Peer::ours(&self.network, self.flavour, &options),
        }
    }

    fn remove(&self, owner: &str) {
        People::remove(&self.friends(), owner);
    }

    fn add(&self, owner: &str) {
        self.people.add(&self.friends(), owner);
    }

    fn friends(&self) -> std::path::PathBuf {
        self.people.path("friends")
    }
}

#[test]
fn a_key_that_is_removed_ends_its_session_and_one_that_is_added_enters() {
    on_each_adapter(|rig, flavour| {
        let keeper = Keeper::start(rig.namespace(), flavour, &["one", "two"]);
        let one = keeper.start_other("one", false);
        let two = keeper.start_other("two", false);
        all_meet(&[&keeper.node, &one, &two]);
        for _ in 0..2 {
            let clock = Clock::start(format!("{flavour}: a certificate was removed"));
            keeper.remove("one");
            let exit = keeper.node.wait_event("EXIT", one.uuid());
            clock.stop("its session ended", SOON);
            assert_eq!(exit["reason"], "REFUSED");
            one.wait_event("EXIT", keeper.node.uuid());
            clock.stop("its owner saw that", SOON);
            let refused = keeper.node.wait_event("REFUSED", one.uuid());
            assert_eq!(
                (&refused["by"], &refused["key"]),
                (&"us".into(), &public_key("one").into())
            );
            assert_eq!(one.wait_event("REFUSED", keeper.node.uuid())["by"], "them");
            let clock = Clock::start(format!("{flavour}: a certificate was added"));
            keeper.add("one");
            meet(&keeper.node, &one);
            clock.stop("both entered", SOON);
        }
        converse(&[&keeper.node, &one, &two]);
        // Nobody else has noticed anything.
        for (here, there) in [(&keeper.node, &two), (&two, &keeper.node), (&one, &two)] {
            assert_eq!(
                ["ENTER", "EXIT"].map(|event| told(here, event, there)),
                [1, 0]
            );
        }
    });
}

#[test]
fn a_node_that_was_refused_enters_when_its_key_is_added() {
    on_each_adapter(|rig, flavour| {
        let keeper = Keeper::start(rig.namespace(), flavour, &[]);
        let stranger = keeper.start_other("stranger", false);
        assert_eq!(
            keeper.node.wait_event("REFUSED", stranger.uuid())["by"],
            "us"
        );
        assert_eq!(
            stranger.wait_event("REFUSED", keeper.node.uuid())["by"],
            "them"
        );
        let clock = Clock::start(format!(
            "{flavour}: the certificate of a refused node was added"
        ));
        keeper.add("stranger");
        meet(&keeper.node, &stranger);
        clock.stop("both entered", SOON);
        converse(&[&keeper.node, &stranger]);
        assert_one_session(&[&keeper.node, &stranger]);
    });
}

#[test]
fn a_zyre_node_whose_key_is_removed_goes_and_comes_again_with_its_key() {
    on_each_adapter(|rig, flavour| {
        let keeper = Keeper::start(rig.namespace(), flavour, &["zyre"]);
        let zyre = keeper.start_other("zyre", true);
        meet(&keeper.node, &zyre);
        let clock = Clock::start(format!("{flavour}: the certificate of zyre was removed"));
        keeper.remove("zyre");
        let exit = keeper.node.wait_event("EXIT", zyre.uuid());
        clock.stop("its session ended", SOON);
        assert_eq!(exit["reason"], "REFUSED");
        assert_eq!(keeper.node.wait_event("REFUSED", zyre.uuid())["by"], "us");
        let clock = Clock::start(format!("{flavour}: the certificate of zyre was added"));
        keeper.add("zyre");
        keeper.node.wait_event("ENTER", zyre.uuid());
        clock.stop("it entered", SOON);
        converse(&[&keeper.node, &zyre]);
    });
}

#[test]
fn a_zyre_node_that_was_refused_enters_when_its_key_is_added() {
    on_each_adapter(|rig, flavour| {
        let keeper = Keeper::start(rig.namespace(), flavour, &[]);
        let zyre = keeper.start_other("zyre", true);
        assert_eq!(keeper.node.wait_event("REFUSED", zyre.uuid())["by"], "us");
        // It has tried, and does not try again on its own.
        zyre.try_wait_for(SECOND, |_| false);
        let clock = Clock::start(format!(
            "{flavour}: the certificate of a refused zyre was added"
        ));
        keeper.add("zyre");
        meet(&keeper.node, &zyre);
        clock.stop("both entered", SOON);
        converse(&[&keeper.node, &zyre]);
    });
}

#[test]
fn a_zyre_node_whose_own_directory_gets_our_key_enters() {
    on_each_adapter(|rig, flavour| {
        let (people, network) = (People::new(), rig.namespace());
        let friends = people.list("friends", &[]);
        let options = PeerOptions::new("zyre").key(&people.key("zyre"));
        let zyre = Peer::zyre(&network, &options.trust(&friends));
        let options = PeerOptions::new("ours").key(&people.key("ours"));
        let ours = Peer::ours(&network, flavour, &options.trust_any());
        assert_eq!(ours.wait_event("REFUSED", zyre.uuid())["by"], "them");
        let clock = Clock::start(format!("{flavour}: zyre was given the certificate of ours"));
        people.add(&friends, "ours");
        meet(&ours, &zyre);
        // Until the next attempt, which comes two seconds after the second refusal.
        clock.stop("both entered", SOON + SECOND);
        converse(&[&ours, &zyre]);
    });
}

/// A file in place of a directory: it is looked at, too.
#[test]
fn a_single_certificate_that_is_removed_ends_the_session() {
    on_each_adapter(|rig, flavour| {
        let (people, network) = (People::new(), rig.namespace());
        let friends = people.list("friends", &["other"]);
        let file: &Path = &friends.join("other");
        let options = PeerOptions::new("keeper").key(&people.key("keeper"));
        let keeper = Peer::ours(&network, flavour, &options.trust(file));
        let options = PeerOptions::new("other").key(&people.key("other"));
        let other = Peer::ours(&network, flavour, &options.trust_any());
        meet(&keeper, &other);
        People::remove(&friends, "other");
        assert_eq!(keeper.wait_event("EXIT", other.uuid())["reason"], "REFUSED");
    });
}
