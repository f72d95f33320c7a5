//! What can be done at once, whatever the runtime.

/// The methods of a `Node` that need not wait; for an `impl` of a type with a method `hub`.
#[macro_export]
macro_rules! at_once_methods {
    () => {
        /// Joins a group; does nothing if the node is in it already.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn join<G>(&self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.hub().command(|engine, now| engine.join(&group, now))
        }

        /// Leaves a group; does nothing if the node is not in it.
        ///
        /// # Errors
        ///
        /// As [`join`](Node::join).
        pub fn leave<G>(&self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.hub().command(|engine, now| engine.leave(&group, now))
        }

        /// Wants to lead a group from now on, and stands in its elections whenever the node is in
        /// it. The contestant with the lowest identity wins, and [`Event::Leader`] tells all
        /// members who it is. One that is alone leads after three seconds.
        ///
        /// Zyre nodes take part, too. See [`Voters`] for who is told.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn contest<G>(&self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.hub()
                .command(|engine, now| engine.contest(&group, now))
        }

        /// Does not want to lead a group any more. If this node leads it and another member
        /// contests, that one is elected. If none does, this node leads until one does or it leaves
        /// the group.
        ///
        /// # Errors
        ///
        /// As [`contest`](Node::contest).
        pub fn withdraw<G>(&self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.hub()
                .command(|engine, now| engine.withdraw(&group, now))
        }

        /// Who leads a group that this node is in; `None` if nobody is known to.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes.
        pub fn leader<G>(&self, group: G) -> Result<Option<PeerId>, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            Ok(self.hub().read(|node| node.leader(&group)))
        }

        $crate::try_send_methods!();

        /// Takes the next event if there is one.
        pub fn try_recv(&self) -> Option<Event> {
            self.hub().try_recv()
        }

        /// The identity of this node.
        pub fn id(&self) -> PeerId {
            self.hub().local().id
        }

        /// The name of this node.
        pub fn name(&self) -> &ShortText {
            &self.hub().local().name
        }

        /// The public key of this node, which others have to trust; `None` if it has none.
        pub fn key(&self) -> Option<PublicKey> {
            self.hub().local().key
        }

        /// Where this node accepts connections, as it tells peers with which it shares no network.
        /// It changes when the node comes to another network; [`network`](Node::network) has the
        /// endpoint of each.
        pub fn endpoint(&self) -> Endpoint {
            self.hub().read(|node| node.endpoint().clone())
        }

        /// The peers that have entered, in the order of their identities.
        pub fn peers(&self) -> Vec<PeerId> {
            self.hub().read(|node| node.peers().collect())
        }

        /// What is known of all peers that have entered, at one moment, in the order of their
        /// identities.
        pub fn peer_infos(&self) -> Vec<PeerInfo> {
            self.hub().read(|node| node.peer_infos().collect())
        }

        /// The name, endpoint, headers and groups of a peer; `None` if it has not entered or is
        /// gone.
        pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
            self.hub().read(|node| node.peer(peer))
        }

        /// The peer with this name, if exactly one has it: names need not be unique, and nothing
        /// is guessed.
        pub fn peer_by_name(&self, name: impl AsRef<[u8]>) -> Option<PeerId> {
            // The caller's conversions may use the node, so they come before the lock.
            let name = name.as_ref();
            self.hub()
                .read(|node| $crate::private::only_named(node, name))
        }

        /// The peers in a group, in the order of their identities.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes.
        pub fn peers_by_group<G>(&self, group: G) -> Result<Vec<PeerId>, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            Ok(self
                .hub()
                .read(|node| node.peers_by_group(&group).collect()))
        }

        /// The groups that this node is in, in the order of their names.
        pub fn own_groups(&self) -> Vec<GroupName> {
            self.hub().read(|node| node.own_groups().cloned().collect())
        }

        /// The groups that this node wants to lead, in the order of their names.
        pub fn contested_groups(&self) -> Vec<GroupName> {
            self.hub()
                .read(|node| node.contested_groups().cloned().collect())
        }

        /// The groups that any peer is in, in the order of their names.
        pub fn peer_groups(&self) -> Vec<GroupName> {
            self.hub()
                .read(|node| node.peer_groups().cloned().collect())
        }

        /// The headers that peers see when they meet this node.
        pub fn headers(&self) -> Headers {
            self.hub().read(|node| node.headers().clone())
        }

        /// Sets a header while the node runs, in place of an older one of that name.
        ///
        /// Peers that are met from now on see it. Those that have been met keep what they saw:
        /// ZRE tells headers only once, when two nodes meet.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn set_header<N>(&self, name: N, value: impl Into<Text>) -> Result<(), Error>
        where
            N: TryInto<ShortText>,
            Error: From<N::Error>,
        {
            let (name, value): (ShortText, Text) = (name.try_into()?, value.into());
            let name = Text::clone(&name);
            self.hub()
                .command(|engine, now| engine.set_header(name, value, now))
        }

        /// Removes a header for peers that are met from now on, and says whether there was one.
        ///
        /// # Errors
        ///
        /// [`Error::Stopped`].
        pub fn remove_header(&self, name: impl AsRef<[u8]>) -> Result<bool, Error> {
            let name = name.as_ref();
            self.hub()
                .command(|engine, now| engine.remove_header(name, now))
        }

        /// Where the node is on the network, and whether others can find it.
        pub fn network(&self) -> Network {
            self.hub().network()
        }

        /// What the node has done since it began, and what it holds now.
        pub fn stats(&self) -> Stats {
            self.hub().stats()
        }

        /// Whether the node is over and its sockets are closed.
        pub fn is_stopped(&self) -> bool {
            self.hub().is_stopped()
        }
    };
}

/// Sending that does not wait, for a `Node` and for its `Sender`.
#[doc(hidden)]
#[macro_export]
macro_rules! try_send_methods {
    () => {
        /// Sends a message to one peer if it can be done at once.
        ///
        /// A message is one frame (text or bytes) or several; see [`Content`]. No frame at all is
        /// sent as one empty frame.
        ///
        /// # Errors
        ///
        /// [`Error::Full`] if too much waits for the peer already, [`Error::UnknownPeer`] if there
        /// is no such peer, [`Error::MessageTooLarge`], [`Error::Stopped`].
        pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
            self.hub().try_whisper(peer, content.into())
        }

        /// Sends a message to all members of a group if it can be done at once, and says how many
        /// they are.
        ///
        /// The node need not be in the group.
        ///
        /// # Errors
        ///
        /// [`Error::Full`] if too much waits for a member already; then nobody gets it.
        /// [`Error::TooLong`] for a group of more than 255 bytes, [`Error::MessageTooLarge`],
        /// [`Error::Stopped`].
        pub fn try_shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            self.hub().try_shout(&group.try_into()?, content.into())
        }
    };
}
