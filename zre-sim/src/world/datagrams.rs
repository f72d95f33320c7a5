//! How datagrams are sent and received.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Pending, ProcessIndex, SimEvent, World};
use crate::trace::Note;

/// How many datagrams the system keeps for a stopped process: about Linux's 200 KiB.
const MOST_PENDING: usize = 256;

impl World {
    pub(super) fn broadcast(&mut self, from: ProcessIndex, datagram: Bytes) {
        self.trace.note(self.now, from, Note::Sends(&datagram));
        let sender = &mut self.processes[from];
        sender.metrics.datagrams_sent += 1;
        sender.metrics.datagram_bytes += datagram.len() as u64;
        let (host, mut lost) = (sender.host, 0);
        let lan = self.network.hosts[host].lan;
        // A node hears itself, as with a real broadcast.
        for to in 0..self.processes.len() {
            let receiver = self.processes[to].host;
            if !self.is_running(to) || self.network.hosts[receiver].lan != lan {
                continue;
            }
            let copies = self.network.datagram(host, receiver);
            lost += u64::from(copies == [None, None]);
            for delay in copies.into_iter().flatten() {
                let datagram = datagram.clone();
                let at = self.now + delay;
                self.schedule
                    .put(at, SimEvent::Datagram { from, to, datagram });
            }
        }
        self.processes[from].metrics.datagrams_lost += lost;
    }

    pub(super) fn receive(&mut self, from: ProcessIndex, to: ProcessIndex, datagram: Bytes) {
        let sender = self.network.hosts[self.processes[from].host].address;
        // The port of ZRE's beacons; a node listens on it and sends from it.
        let sender = SocketAddr::from((sender, 5670));
        let host = &self.network.hosts[self.processes[to].host];
        if !self.is_running(to) || !host.on {
            return;
        }
        if host.frozen {
            let pending = &mut self.processes[to].pending;
            // A full buffer drops what comes, as a UDP socket does.
            if pending.len() < MOST_PENDING {
                pending.push_back(Pending::Datagram(sender, datagram));
            }
            return;
        }
        let datagram = &datagram;
        self.trace
            .note(self.now, to, Note::Hears { from, datagram });
        self.take_datagram(to, sender, datagram);
        self.drain(to);
    }

    pub(super) fn take_datagram(&mut self, to: ProcessIndex, from: SocketAddr, datagram: &[u8]) {
        let now = self.local(to);
        let receiver = &mut self.processes[to];
        receiver.metrics.datagrams_received += 1;
        receiver.machine.handle_datagram(from, datagram, now);
    }
}
