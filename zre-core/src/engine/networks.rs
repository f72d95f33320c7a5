//! Which networks the node is on: what the machine has, what is wanted of it, and where sockets
//! could be opened.

use alloc::{string::ToString as _, vec::Vec};
use core::{net::IpAddr, num::NonZeroU16, time::Duration};

use zre_proto::Endpoint;

use super::{Engine, context::EngineTimer, output::Output};
use crate::{
    interfaces::{Choice, Interface, LocalAddress, NetworkId, OwnNetwork, choose},
    link::Connection,
    notice::Notice,
    time::Instant,
};

/// How long to wait before sockets are tried again that could not be opened.
const PAUSE: Duration = Duration::from_secs(1);

/// The addresses to be used, and how far each of them is.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Joining {
    wanted: Vec<Wanted>,
    choice: Choice,
    next: u32,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Wanted {
    id: NetworkId,
    address: LocalAddress,
    sockets: Sockets,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sockets {
    /// They have been asked for.
    Awaited,
    /// The node accepts connections there.
    Open(Endpoint),
    /// They could not be opened, and are tried again.
    Failed,
}

impl<C: Connection> Engine<C> {
    /// The network interfaces of this machine are these: decides which of their addresses are used,
    /// as [`Config::networks`](crate::Config#structfield.networks) says, and asks for sockets
    /// there. Without that setting, it does nothing. Call it before anything else, and when
    /// something has changed.
    pub fn handle_interfaces(&mut self, interfaces: &[Interface], now: Instant) {
        self.cx.advance(now);
        let config = self.node.config();
        let Some(settings) = config.networks.as_ref().filter(|_| !self.is_stopped()) else {
            return;
        };
        let current: Vec<_> = self.joining.addresses().cloned().collect();
        let (wanted, ip) = (&settings.interfaces, settings.ip);
        let choice = choose(interfaces, wanted, ip, &config.beacons, &current);
        let Joining { wanted, next, .. } = &mut self.joining;
        let gone = |it: &Wanted| !choice.used.iter().any(|used| is_same(used, &it.address));
        for gone in wanted.extract_if(.., |it| gone(it)) {
            self.cx.outputs.push(Output::Leave(gone.id));
        }
        for (place, used) in choice.used.iter().enumerate() {
            let known = wanted.iter().position(|it| is_same(used, &it.address));
            let it = match known {
                Some(known) => wanted.remove(known),
                None => {
                    let (id, address) = (NetworkId(*next), used.clone());
                    *next += 1;
                    self.cx.outputs.push(Output::Listen {
                        network: id,
                        address: address.clone(),
                    });
                    let sockets = Sockets::Awaited;
                    Wanted {
                        id,
                        address,
                        sockets,
                    }
                }
            };
            wanted.insert(place, it);
        }
        self.joining.choice = choice;
        self.tell_node();
        self.settle();
    }

    /// The node accepts connections on a network that was asked for with [`Output::Listen`], at
    /// this port, and its beacons can be sent and received there.
    pub fn handle_listening(&mut self, network: NetworkId, port: NonZeroU16, now: Instant) {
        self.cx.advance(now);
        let mut wanted = self.joining.wanted.iter_mut();
        if let Some(it) = wanted.find(|it| it.id == network) {
            it.sockets = Sockets::Open(Endpoint::new(it.address.address, port));
        }
        self.tell_node();
        self.settle();
    }

    /// The sockets for a network could not be opened. It is tried again a second later.
    pub fn handle_not_listening(&mut self, network: NetworkId, error: &str, now: Instant) {
        self.cx.advance(now);
        // It may have been asked for before the node was stopped.
        if self.is_stopped() {
            return;
        }
        let mut wanted = self.joining.wanted.iter_mut();
        if let Some(it) = wanted.find(|it| it.id == network) {
            // Once for each change, and not for each attempt.
            if it.sockets != Sockets::Failed {
                self.cx.notices.push(Notice::NotListening {
                    network: it.address.to_string(),
                    error: error.into(),
                });
            }
            it.sockets = Sockets::Failed;
            let at = self.cx.now + PAUSE;
            self.cx.deadlines.set_earlier(EngineTimer::Listen, at);
        }
        self.tell_node();
        self.settle();
    }

    /// A beacon was sent as [`Output::Datagram`] asked, or could not be.
    pub fn handle_beacon_sent(&mut self, network: NetworkId, sent: Result<(), &str>, now: Instant) {
        self.cx.advance(now);
        self.node.handle_beacon_sent(network, sent, self.cx.now);
    }

    /// What was chosen among the interfaces, and why others were passed over.
    pub fn choice(&self) -> &Choice {
        &self.joining.choice
    }

    /// Tries again what could not be opened.
    pub(super) fn listen_again(&mut self) {
        for it in &mut self.joining.wanted {
            if it.sockets == Sockets::Failed {
                self.cx.outputs.push(Output::Listen {
                    network: it.id,
                    address: it.address.clone(),
                });
            }
        }
    }

    /// The node hears of its networks when none is awaited any more, so that it is told once of one
    /// change.
    fn tell_node(&mut self) {
        let wanted = &self.joining.wanted;
        if wanted.iter().any(|it| it.sockets == Sockets::Awaited) {
            return;
        }
        let open = wanted.iter().filter_map(|it| match &it.sockets {
            Sockets::Open(endpoint) => Some(OwnNetwork {
                id: it.id,
                address: it.address.clone(),
                endpoint: endpoint.clone(),
            }),
            Sockets::Awaited | Sockets::Failed => None,
        });
        let before: Vec<_> = self.node.networks().collect();
        self.node.handle_networks(open.collect(), self.cx.now);
        let mut networks = self.node.networks();
        let has_joined = networks.any(|network| !before.contains(&network));
        drop(networks);
        if has_joined {
            self.try_all_fixed();
        }
        self.gossip_networks_changed(has_joined);
    }
}

impl Joining {
    fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.wanted.iter().map(|it| &it.address)
    }
}

/// Whether sockets that are open on the one serve for the other.
fn is_same(one: &LocalAddress, other: &LocalAddress) -> bool {
    let place =
        |it: &LocalAddress| -> (u32, IpAddr, Option<_>) { (it.index, it.address, it.broadcast) };
    place(one) == place(other)
}
