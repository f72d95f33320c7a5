//! What can be done with a simulated node, with the names that a real one has.

/// The methods of a simulated node, for an `impl` of a type with two methods: `node`, which gives
/// the [`Node`](zre_core::Node), and `act`, which lends the [`Handle`](crate::Handle).
macro_rules! node_methods {
    () => {
        /// Joins a group; does nothing if the node is in it already.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn join<G>(&mut self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.act(|it| with_engine!(it.machine, engine => engine.join(&group, it.now)))
        }

        /// Leaves a group; does nothing if the node is not in it.
        ///
        /// # Errors
        ///
        /// As [`join`](Self::join).
        pub fn leave<G>(&mut self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.act(|it| with_engine!(it.machine, engine => engine.leave(&group, it.now)))
        }

        /// Wants to lead a group from now on, and stands in its elections whenever the node is in
        /// it. The contestant with the lowest identity wins, and
        /// [`Event::Leader`](zre_core::Event::Leader) tells all members who it is. One that is
        /// alone leads after three seconds.
        ///
        /// Zyre nodes take part, too. See [`Voters`](zre_core::Voters) for who is told.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn contest<G>(&mut self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.act(|it| with_engine!(it.machine, engine => engine.contest(&group, it.now)))
        }

        /// Does not want to lead a group any more. If this node leads it and another member
        /// contests, that one is elected. If none does, this node leads until one does or it leaves
        /// the group.
        ///
        /// # Errors
        ///
        /// As [`contest`](Self::contest).
        pub fn withdraw<G>(&mut self, group: G) -> Result<(), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into()?;
            self.act(|it| with_engine!(it.machine, engine => engine.withdraw(&group, it.now)))
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
            Ok(self.node().leader(&group))
        }

        /// Sends a message to one peer. Where a real node would wait, this fails with
        /// [`Error::Full`], so it is the same as [`try_whisper`](Self::try_whisper).
        ///
        /// # Errors
        ///
        /// [`Error::Full`] if too much waits for the peer already, [`Error::UnknownPeer`] if there
        /// is no such peer, [`Error::MessageTooLarge`], [`Error::Stopped`].
        pub fn whisper(&mut self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
            self.try_whisper(peer, content)
        }

        /// Sends a message to one peer if it can be done at once.
        ///
        /// # Errors
        ///
        /// As [`whisper`](Self::whisper).
        pub fn try_whisper(
            &mut self,
            peer: PeerId,
            content: impl Into<Content>,
        ) -> Result<(), Error> {
            let content = content.into();
            self.act(|it| it.send_to(peer, content))
        }

        /// Sends a message to the members of a group that have room for it, and says how many they
        /// are. A real node would wait for the others, as long as its setting
        /// [`slow_members`](zre_core::Config#structfield.slow_members) says; here they do not get
        /// it. Unless the setting is to wait, [`Event::Skipped`](zre_core::Event::Skipped) tells.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a group of more than 255 bytes, [`Error::MessageTooLarge`],
        /// [`Error::Stopped`].
        pub fn shout<G>(&mut self, group: G, content: impl Into<Content>) -> Result<usize, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let (group, content) = (group.try_into()?, content.into());
            self.act(|it| it.send_to_group(&group, &content))
        }

        /// Sends a message to all members of a group if it can be done at once, and says how many
        /// they are.
        ///
        /// # Errors
        ///
        /// [`Error::Full`] if too much waits for a member already; then nobody gets it. Otherwise
        /// as [`shout`](Self::shout).
        pub fn try_shout<G>(
            &mut self,
            group: G,
            content: impl Into<Content>,
        ) -> Result<usize, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let (group, content) = (group.try_into()?, content.into());
            self.act(|it| {
                let full = with_engine!(it.machine, engine => engine.full_member(&group));
                match full {
                    Some(peer) => Err(Error::Full(peer)),
                    None => it.send_to_group(&group, &content),
                }
            })
        }

        /// Asks a peer for an answer. A real node waits for it and gives the time that it took;
        /// this gives the question's number for [`is_answered`](Self::is_answered).
        ///
        /// # Errors
        ///
        /// [`Error::UnknownPeer`] or [`Error::Stopped`].
        pub fn ping(&mut self, peer: PeerId) -> Result<u64, Error> {
            self.act(|it| with_engine!(it.machine, engine => engine.ping(peer, it.now)))
        }

        /// Whether a peer has answered a [`ping`](Self::ping), and so handled all that was sent to
        /// it before; `None` if it will not, because it is gone.
        pub fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
            self.node().is_answered(peer, number)
        }

        /// Asks one peer, which has this long to answer; without a time, until it is gone. A real
        /// node waits for the answer; here it goes to [`App::handle_outcome`], or to
        /// [`Sim::outcomes`], with the number that this gives.
        ///
        /// [`App::handle_outcome`]: crate::App::handle_outcome
        /// [`Sim::outcomes`]: crate::Sim::outcomes
        ///
        /// # Errors
        ///
        /// As [`whisper`](Self::whisper).
        pub fn request(
            &mut self,
            peer: PeerId,
            content: impl Into<Content>,
            timeout: Option<Duration>,
        ) -> Result<RequestId, Error> {
            let content = content.into();
            self.act(|it| {
                with_engine!(it.machine, engine => engine.request(peer, content, timeout, it.now))
            })
        }

        /// Asks one member of a group, as [`request`](Self::request), and says whom.
        ///
        /// # Errors
        ///
        /// [`Error::NoMembers`] if there is none; as [`shout`](Self::shout).
        pub fn request_any<G>(
            &mut self,
            group: G,
            content: impl Into<Content>,
            choice: Choice,
            timeout: Option<Duration>,
        ) -> Result<(PeerId, RequestId), Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let (group, mut content) = (group.try_into()?, content.into());
            self.act(|it| {
                with_engine!(it.machine, engine => {
                    engine.request_any(&group, &mut content, choice, timeout, it.now)
                })
            })
        }

        /// From now on requests of peers go to [`App::handle_request`], or to [`Sim::requests`].
        /// Before, they are whispers. It lasts until the node is restarted. It is `requests` of a
        /// real node.
        ///
        /// [`App::handle_request`]: crate::App::handle_request
        /// [`Sim::requests`]: crate::Sim::requests
        pub fn serve_requests(&mut self) {
            self.act(|it| with_engine!(it.machine, engine => engine.serve_requests()));
        }

        /// Answers a request of a peer, once. Where a real node would wait, this fails with
        /// [`Error::Full`].
        ///
        /// # Errors
        ///
        /// [`Error::UnknownPeer`] if the peer has gone since it asked, or the request has been
        /// answered; as [`whisper`](Self::whisper).
        pub fn answer(
            &mut self,
            request: &IncomingRequest,
            content: impl Into<Content>,
        ) -> Result<(), Error> {
            let mut content = content.into();
            self.act(|it| {
                with_engine!(it.machine, engine => engine.answer(request, &mut content, it.now))
            })
        }

        /// Tells a peer that its request will not be answered.
        ///
        /// # Errors
        ///
        /// As [`answer`](Self::answer).
        pub fn refuse(&mut self, request: &IncomingRequest) -> Result<(), Error> {
            self.act(|it| with_engine!(it.machine, engine => engine.refuse(request, it.now)))
        }

        /// Says goodbye, once peers have taken what was sent; the last event is [`Event::Stop`]. A
        /// real node waits until that is done.
        ///
        /// [`Event::Stop`]: zre_core::Event::Stop
        pub fn stop(&mut self) {
            self.act(|it| with_engine!(it.machine, engine => engine.stop(it.now)));
        }

        /// The identity of this node.
        pub fn id(&self) -> PeerId {
            self.node().id()
        }

        /// The name of this node.
        pub fn name(&self) -> &ShortText {
            self.node().name()
        }

        /// Where this node accepts connections.
        pub fn endpoint(&self) -> &Endpoint {
            self.node().endpoint()
        }

        /// The public key of this node; `None` if it talks in the open.
        pub fn key(&self) -> Option<PublicKey> {
            let security = self.node().security()?;
            Some(security.keypair.public())
        }

        /// From now on the node talks with these. A peer whose key is not trusted any more exits at
        /// once. Lasts until the node is restarted.
        ///
        /// # Errors
        ///
        /// [`Error::NoSecurity`] if the node has no key, [`Error::Stopped`].
        pub fn set_trust(&mut self, trust: Trust) -> Result<(), Error> {
            self.act(|it| with_engine!(it.machine, engine => engine.set_trust(trust, it.now)))
        }

        /// The peers that have entered, in the order of their identities.
        pub fn peers(&self) -> Vec<PeerId> {
            self.node().peers().collect()
        }

        /// What is known of all peers that have entered, in the order of their identities.
        pub fn peer_infos(&self) -> Vec<PeerInfo> {
            self.node().peer_infos().collect()
        }

        /// The name, endpoint, headers and groups of a peer; `None` if it has not entered or is
        /// gone.
        pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
            self.node().peer(peer)
        }

        /// The peer with this name, if exactly one has it.
        pub fn peer_by_name(&self, name: impl AsRef<[u8]>) -> Option<PeerId> {
            let mut named = self.node().peers_by_name(name);
            let first = named.next()?;
            named.next().is_none().then_some(first)
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
            Ok(self.node().peers_by_group(&group).collect())
        }

        /// The groups that any peer is in, in the order of their names.
        pub fn peer_groups(&self) -> Vec<GroupName> {
            self.node().peer_groups().cloned().collect()
        }

        /// The groups that this node is in, in the order of their names.
        pub fn own_groups(&self) -> Vec<GroupName> {
            self.node().own_groups().cloned().collect()
        }

        /// The groups that this node wants to lead, in the order of their names.
        pub fn contested_groups(&self) -> Vec<GroupName> {
            self.node().contested_groups().cloned().collect()
        }

        /// The headers that peers see when they meet this node.
        pub fn headers(&self) -> Headers {
            self.node().headers().clone()
        }

        /// Sets a header, in place of an older one of that name. Only peers that are met from now
        /// on see it.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a name of more than 255 bytes, [`Error::Stopped`].
        pub fn set_header<N>(&mut self, name: N, value: impl Into<Text>) -> Result<(), Error>
        where
            N: TryInto<ShortText>,
            Error: From<N::Error>,
        {
            let (name, value): (ShortText, Text) = (name.try_into()?, value.into());
            let name = Text::clone(&name);
            self.act(|it| {
                with_engine!(it.machine, engine => engine.set_header(name, value, it.now))
            })
        }

        /// Removes a header for peers that are met from now on, and says whether there was one.
        ///
        /// # Errors
        ///
        /// [`Error::Stopped`].
        pub fn remove_header(&mut self, name: impl AsRef<[u8]>) -> Result<bool, Error> {
            self.act(|it| with_engine!(it.machine, engine => engine.remove_header(name, it.now)))
        }
    };
}

pub(crate) use node_methods;
