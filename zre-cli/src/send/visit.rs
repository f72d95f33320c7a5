//! A node that is on the network for one message.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use zre_tokio::{Error, Event, GroupName, Node, PeerId};

use super::Sending;
use crate::{
    failure::Failure,
    log,
    options::user_name,
    recipient::Recipient,
    shutdown::Shutdown,
    stderr,
    text::{self, quoted},
    unreached::{self, Unreached},
};

/// How long no further peer must have come before all are taken to be there.
const SETTLED: Duration = Duration::from_millis(300);

/// A node that is on the network for one message.
pub(super) struct Visit {
    pub(super) node: Node,
    shutdown: Shutdown,
    unreached: Unreached,
    port: u16,
    wait: Duration,
}

/// What was done, or why not, for the user.
pub(super) type Told<T> = Result<T, String>;

impl Visit {
    /// Starts the node.
    pub(super) async fn begin(options: &Sending) -> Result<Self, Failure> {
        let common = &options.common;
        log::to_standard_error(common.verbose)?;
        let port = common.port()?;
        let builder = common.builder(user_name().as_deref(), &[])?;
        // What fails is to be told in time.
        let builder = builder.handshake_timeout(unreached::patience(options.wait));
        let node = builder.start().await?;
        let shutdown = common.listen_for_shutdown()?;
        let unreached = Unreached::of(&node);
        tokio::spawn(tell_refused(node.clone()));
        Ok(Self {
            node,
            shutdown,
            unreached,
            port,
            wait: options.wait,
        })
    }

    /// Leaves the network.
    pub(super) async fn end(self) {
        self.node.stop().await;
    }

    /// Waits for a peer. Who has a name is known when all that are there have been met.
    pub(super) async fn peer(&mut self, recipient: &Recipient) -> Told<PeerId> {
        let node = self.node.clone();
        let found = self.seek(node.wait_for_peer(recipient.clone())).await?;
        if let (Some(found), Recipient::Id(_)) = (&found, recipient) {
            return found.clone().map_err(told);
        }
        if found.is_some() {
            self.settle().await?;
        }
        match recipient.find(&node)? {
            Some(id) => Ok(id),
            None => Err(self.missing(&recipient.missing())),
        }
    }

    /// Waits until so many members are in a group; else for one, and for all others that are there.
    pub(super) async fn members(
        &mut self,
        group: &GroupName,
        wanted: Option<usize>,
    ) -> Told<Vec<PeerId>> {
        let node = self.node.clone();
        let least = wanted.unwrap_or(1);
        let found = self.seek(node.wait_for_group(group, least)).await?;
        if found.is_some() && wanted.is_none() {
            self.settle().await?;
        }
        match node.peers_by_group(group).map_err(told)? {
            members if members.len() >= least => Ok(members),
            members => Err(self.missing(&too_few(group, members.len(), least))),
        }
    }

    /// Waits until no further peers come: all that hear the first beacon come at once.
    async fn settle(&self) -> Told<()> {
        let end = Instant::now() + self.wait;
        let count = || self.node.peers().len();
        let mut before = 0;
        while before != count() && Instant::now() < end {
            before = count();
            tokio::select! {
                () = sleep(SETTLED) => {}
                () = self.shutdown.requested() => return Err(interrupted(false)),
            }
        }
        Ok(())
    }

    /// Waits for what is sought; `None` if it is not there in time.
    async fn seek<T>(&mut self, sought: impl Future<Output = T>) -> Told<Option<T>> {
        let Self {
            node,
            shutdown,
            unreached,
            wait,
            ..
        } = self;
        let found = tokio::select! {
            found = timeout(*wait, sought) => found.ok(),
            () = unreached.collect() => None,
            () = shutdown.requested() => return Err(interrupted(false)),
        };
        if found.is_none() {
            unreached
                .settle(node, unreached::patience(*wait), shutdown)
                .await;
        }
        Ok(found)
    }

    /// Waits for a confirmation.
    pub(super) async fn confirmed<T, F>(&self, mut confirmed: F, is_sent: fn(&F) -> bool) -> Told<T>
    where
        F: Future<Output = Result<T, Error>> + Unpin,
    {
        tokio::select! {
            outcome = &mut confirmed => outcome.map_err(told),
            () = self.shutdown.requested() => Err(interrupted(is_sent(&confirmed))),
        }
    }

    /// Waits for an answer.
    pub(super) async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Told<T> {
        tokio::select! {
            done = work => Ok(done),
            () = self.shutdown.requested() => Err("interrupted before the answer came".to_owned()),
        }
    }

    /// The name of a peer; its identity when it is gone.
    pub(super) fn name(&self, peer: PeerId) -> String {
        match self.node.peer(peer) {
            Some(info) => info.name.to_string(),
            None => peer.to_string(),
        }
    }

    /// That somebody is not there, who is, and what can be done.
    fn missing(&mut self, who: &str) -> String {
        let (network, port, wait) = (self.node.network(), self.port, self.wait);
        const LONGER: &str = "--wait waits longer";
        let infos = self.node.peer_infos();
        let names = infos.iter().map(|info| info.name.to_string());
        let (there, remedy) = match infos.len() {
            0 => ("nobody is there".to_owned(), "`zre doctor` finds out why"),
            1 => (format!("{} is there", text::names(names)), LONGER),
            _ => (format!("{} are there", text::names(names)), LONGER),
        };
        let unreached = self.unreached.summary(&self.node);
        let remedy = unreached.as_deref().unwrap_or(remedy);
        format!("{who} on {network}, port {port}, within {wait:?}: {there}; {remedy}")
    }
}

/// Takes all events, as a node whose events are not taken stops reading from its peers, and tells
/// with whom no session begins because of a key.
pub(crate) async fn tell_refused(node: Node) {
    while let Some(event) = node.recv().await {
        if let Event::Refused { peer, key, by } = event {
            stderr::print(&text::refused(peer, key, by));
        }
    }
}

fn too_few(group: &GroupName, members: usize, least: usize) -> String {
    let group = quoted(&group.to_string());
    match members {
        0 => format!("nobody is in the group {group}"),
        members => format!("only {members} of {least} members are in the group {group}"),
    }
}

fn interrupted(is_sent: bool) -> String {
    match is_sent {
        true => "interrupted before the message was confirmed: it may have arrived or not",
        false => "interrupted before the message was sent",
    }
    .to_owned()
}

fn told(error: Error) -> String {
    error.to_string()
}
