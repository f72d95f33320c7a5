//! The node of the asynchronous adapters.

/// Defines the types of an asynchronous adapter whose connections are of the type `$stream`:
/// `Node`, `Sender`, `Events`, `Subscription` and `Notices`.
#[macro_export]
macro_rules! async_node {
    ($stream:ty) => {
        /// A running ZRE node.
        ///
        /// It is a handle: clones are cheap, can be used from any task or thread, and are the same
        /// node. Dropping the last one stops the node in the background; [`stop`](Node::stop) does
        /// so and waits.
        ///
        /// # Forking
        ///
        /// A node belongs to the process that started it. In a forked child each call fails with
        /// [`Error::Forked`], or says that there is nothing, such as an event or a peer. There,
        /// [`stop`](Node::stop) and dropping the node close what can be closed of the child's
        /// copies of the sockets, and do nothing else: the node goes on in the parent. A child must
        /// not go on with the parent's runtime either.
        #[derive(Debug, Clone)]
        pub struct Node(::std::sync::Arc<$crate::Handle<$stream>>);

        impl Node {
            /// Begins a node with a name of 1 to 255 bytes; see [`Builder`] for what else can be
            /// set.
            pub fn builder(name: impl Into<Text>) -> Builder {
                Builder::new(name)
            }

            fn new(hub: ::std::sync::Arc<$crate::Hub<$stream>>) -> Self {
                Self(::std::sync::Arc::new($crate::Handle::new(hub)))
            }

            fn hub(&self) -> &::std::sync::Arc<$crate::Hub<$stream>> {
                self.0.hub()
            }

            $crate::at_once_methods!();

            $crate::async_send_methods!();

            $crate::request_methods!();

            fn asker(&self) -> Asker {
                ::std::sync::Arc::clone(self.hub())
            }

            /// The requests of peers from now on, which are [`Event::Whisper`] before. Each goes to
            /// one caller. They are no events: neither [`recv`](Node::recv) nor
            /// [`subscribe`](Node::subscribe) shows them any more, nor the answers to requests of
            /// this node.
            ///
            /// The peers that have sent some take turns. If a program does not take its requests,
            /// its peers have to wait, as with events: both count in [`Limits::events`] and
            /// [`Limits::event_bytes`]. When all [`Requests`] have been dropped, those that come
            /// are refused.
            ///
            /// ```no_run
            #[doc = concat!("# async fn example(node: ", env!("CARGO_CRATE_NAME"), "::Node)")]
            #[doc = concat!("# -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            /// let mut requests = node.requests();
            /// while let Some(request) = requests.next().await {
            ///     let answer = format!("{} bytes", request.content().byte_len());
            ///     request.answer(answer).await?;
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn requests(&self) -> Requests {
                Requests(self.hub().requests())
            }

            /// Waits for the next event; `None` when the node has stopped. Each event goes to one
            /// caller; who wants all of them as well can [`subscribe`](Node::subscribe).
            ///
            /// If an application does not take its events, its peers have to wait: no message is
            /// dropped. Only `Evasive` and `Silent` are left out then. Dropping the future loses
            /// nothing.
            pub async fn recv(&self) -> Option<Event> {
                let mut recv = self.hub().recv();
                ::std::future::poll_fn(|cx| recv.poll(cx)).await
            }

            /// The events as a stream that ends when the node has stopped. It holds the node like a
            /// clone.
            pub fn events(&self) -> Events {
                Events::of(self.clone())
            }

            /// A further receiver of all events from now on, independent of [`recv`](Node::recv)
            /// and of other subscriptions.
            ///
            /// It does not hold up anybody: if it is slower than the events come, the oldest go
            /// past it, and it is told how many; see [`Subscription`].
            pub fn subscribe(&self) -> Subscription {
                Subscription {
                    receiver: self.hub().subscribe(),
                }
            }

            /// What the node writes to its log, as values, from now on.
            pub fn notices(&self) -> Notices {
                Notices {
                    receiver: self.hub().notices(),
                }
            }

            /// A handle that can only send, for another task. It does not keep the node running.
            pub fn sender(&self) -> Sender {
                Sender {
                    hub: ::std::sync::Arc::clone(self.hub()),
                }
            }

            /// Asks a peer for an answer and says how long it took. When the answer is there, the
            /// peer has handled all that was sent to it before.
            ///
            /// # Errors
            ///
            /// [`Error::UnknownPeer`] if there is no such peer, also when it goes before it
            /// answers; [`Error::Stopped`].
            pub async fn ping(&self, peer: PeerId) -> Result<::std::time::Duration, Error> {
                let asked_at = ::std::time::Instant::now();
                let mut ping = self.hub().ping(peer)?;
                ::std::future::poll_fn(|cx| ping.poll(cx)).await?;
                Ok(asked_at.elapsed())
            }

            /// Waits until a peer has entered, by its identity or by its name, and gives its
            /// identity; at once if it is there. It takes no event.
            ///
            /// By name it waits until exactly one peer has that name, as
            /// [`peer_by_name`](Node::peer_by_name) does.
            ///
            /// # Errors
            ///
            /// [`Error::TooLong`] for a name of more than 255 bytes; [`Error::Stopped`], also when
            /// the node stops meanwhile.
            pub async fn wait_for_peer(&self, peer: impl Into<PeerRef>) -> Result<PeerId, Error> {
                let mut wait = self.hub().wait_for_peer(peer.into())?;
                ::std::future::poll_fn(|cx| wait.poll(cx)).await
            }

            /// Waits until at least so many peers are in a group, and gives those that are; at once
            /// if they are there. It takes no event. This node itself does not count.
            ///
            /// # Errors
            ///
            /// [`Error::TooLong`] for a group of more than 255 bytes; [`Error::Stopped`], also when
            /// the node stops meanwhile.
            pub async fn wait_for_group<G>(
                &self,
                group: G,
                count: usize,
            ) -> Result<Vec<PeerId>, Error>
            where
                G: TryInto<GroupName>,
                Error: From<G::Error>,
            {
                let mut wait = self.hub().wait_for_group(group.try_into()?, count);
                ::std::future::poll_fn(|cx| wait.poll(cx)).await
            }

            /// Says goodbye, waits until what was sent is written and all sockets are closed.
            ///
            /// Peers that do not read are waited for no longer than the builder's `linger`. Events
            /// that have not been taken can still be; the last is [`Event::Stop`].
            pub async fn stop(&self) {
                self.hub().stop();
                let mut stopped = self.hub().stopped();
                ::std::future::poll_fn(|cx| stopped.poll(cx)).await;
            }
        }

        /// A handle of a node that can only send; see [`Node::sender`].
        ///
        /// Clones are cheap. It does not keep the node running: when the node has stopped, sending
        /// fails with [`Error::Stopped`].
        #[derive(Debug, Clone)]
        pub struct Sender {
            hub: ::std::sync::Arc<$crate::Hub<$stream>>,
        }

        impl Sender {
            fn hub(&self) -> &::std::sync::Arc<$crate::Hub<$stream>> {
                &self.hub
            }

            $crate::try_send_methods!();

            $crate::async_send_methods!();

            $crate::request_methods!();

            fn asker(&self) -> Asker {
                ::std::sync::Arc::clone(&self.hub)
            }
        }

        /// A whisper whose arrival is waited for; see [`Node::whisper_confirmed`].
        ///
        /// It is a future, which does nothing until it is polled.
        #[derive(Debug)]
        #[must_use = "the message is not sent until this is awaited"]
        pub struct ConfirmedWhisper<'n>($crate::ConfirmedWhisper<'n, $stream>);

        impl ConfirmedWhisper<'_> {
            /// Whether the message is on its way: what is sent from now on comes behind it, and
            /// whoever gives up waiting does not take it back.
            pub fn is_sent(&self) -> bool {
                self.0.is_sent()
            }
        }

        impl Future for ConfirmedWhisper<'_> {
            type Output = Result<(), Error>;

            fn poll(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Self::Output> {
                self.get_mut().0.poll(cx)
            }
        }

        /// A shout whose arrival is waited for; see [`Node::shout_confirmed`].
        ///
        /// It is a future, which does nothing until it is polled.
        #[derive(Debug)]
        #[must_use = "the message is not sent until this is awaited"]
        pub struct ConfirmedShout<'n>(Result<$crate::ConfirmedShout<'n, $stream>, Error>);

        impl ConfirmedShout<'_> {
            /// Whether the message is on its way to each member that gets it: what is sent from
            /// now on comes behind it, and whoever gives up waiting does not take it back.
            pub fn is_sent(&self) -> bool {
                self.0.as_ref().is_ok_and($crate::ConfirmedShout::is_sent)
            }
        }

        impl Future for ConfirmedShout<'_> {
            type Output = Result<Vec<(PeerId, Delivery)>, Error>;

            fn poll(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Self::Output> {
                match &mut self.get_mut().0 {
                    Ok(shout) => shout.poll(cx),
                    Err(error) => ::std::task::Poll::Ready(Err(error.clone())),
                }
            }
        }

        $crate::async_requests!($stream);

        /// The events of a node, as a stream; see [`Node::events`].
        #[derive(Debug)]
        pub struct Events {
            node: Node,
            recv: $crate::Recv<::std::sync::Arc<$crate::Hub<$stream>>, $stream>,
        }

        impl Events {
            fn of(node: Node) -> Self {
                let recv = $crate::Recv::owned(::std::sync::Arc::clone(node.hub()));
                Self { node, recv }
            }
        }

        impl Clone for Events {
            fn clone(&self) -> Self {
                Self::of(self.node.clone())
            }
        }

        impl $crate::private::futures_core::Stream for Events {
            type Item = Event;

            fn poll_next(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Event>> {
                self.get_mut().recv.poll(cx)
            }
        }

        /// Receives copies of all events from when it was made; see [`Node::subscribe`].
        ///
        /// At most as many events wait for it, and as many bytes, as [`Limits::events`] and
        /// [`Limits::event_bytes`] allow. Beyond that the oldest go past it. Then the next thing
        /// that it gives is [`Lagged`] with how many it missed;
        /// [`peer_infos`](Node::peer_infos) tells what is the case now. It does not keep the node
        /// running. It is also a stream.
        #[derive(Debug)]
        pub struct Subscription {
            receiver: $crate::EventReceiver<$stream>,
        }

        impl Subscription {
            /// Waits for the next event; `None` when the node has stopped.
            pub async fn recv(&mut self) -> Option<Result<Event, Lagged>> {
                ::std::future::poll_fn(|cx| self.receiver.poll_recv(cx)).await
            }

            /// Takes the next event if there is one.
            pub fn try_recv(&mut self) -> Option<Result<Event, Lagged>> {
                self.receiver.try_recv()
            }
        }

        impl $crate::private::futures_core::Stream for Subscription {
            type Item = Result<Event, Lagged>;

            fn poll_next(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Self::Item>> {
                self.get_mut().receiver.poll_recv(cx)
            }
        }

        /// What a node writes to its log, as values, from when this was made; see
        /// [`Node::notices`].
        ///
        /// At most 256 wait. If it is slower, it is told by [`Notice::Dropped`] how many it missed.
        /// It does not keep the node running. It is also a stream.
        #[derive(Debug)]
        pub struct Notices {
            receiver: $crate::NoticeReceiver<$stream>,
        }

        impl Notices {
            /// Waits for the next notice; `None` when the node has stopped.
            pub async fn recv(&mut self) -> Option<Notice> {
                ::std::future::poll_fn(|cx| self.receiver.poll_recv(cx)).await
            }

            /// Takes the next notice if there is one.
            pub fn try_recv(&mut self) -> Option<Notice> {
                self.receiver.try_recv()
            }
        }

        impl $crate::private::futures_core::Stream for Notices {
            type Item = Notice;

            fn poll_next(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Notice>> {
                self.get_mut().receiver.poll_recv(cx)
            }
        }
    };
}

/// Sending that waits, for a `Node` and for its `Sender`.
#[doc(hidden)]
#[macro_export]
macro_rules! async_send_methods {
    () => {
        /// Sends a message to one peer. When too much waits for it already, this waits, until the
        /// peer reads on or is given up.
        ///
        /// A message is one frame (text or bytes) or several; see [`Content`]. No frame at all is
        /// sent as one empty frame. Dropped while it waits, the message is not sent.
        ///
        /// # Errors
        ///
        /// [`Error::UnknownPeer`] if there is no such peer, also when it goes while this waits;
        /// [`Error::MessageTooLarge`], [`Error::Stopped`].
        pub async fn whisper(
            &self,
            peer: PeerId,
            content: impl Into<Content>,
        ) -> Result<(), Error> {
            let mut whisper = self.hub().whisper(peer, content.into());
            ::std::future::poll_fn(|cx| whisper.poll(cx)).await
        }

        /// Sends a message to all members of a group, and says how many they are. When too much
        /// waits for some of them already, the others get it at once, and this waits for those: as
        /// long as [`slow_members`](Builder::slow_members) says, 50 ms unless set. Then it passes
        /// over them, and they do not count; [`Event::Skipped`] tells.
        ///
        /// The node need not be in the group. Dropped while it waits, some members have the
        /// message.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a group of more than 255 bytes, [`Error::MessageTooLarge`],
        /// [`Error::Stopped`].
        pub async fn shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let mut shout = self.hub().shout(group.try_into()?, content.into());
            ::std::future::poll_fn(|cx| shout.poll(cx)).await
        }

        /// Sends a message to one peer, as [`whisper`](Self::whisper), and waits until the peer
        /// confirms that it has it. Every ZRE implementation does: the node asks it (PING) behind
        /// the message. Messages that are under way together share questions.
        ///
        /// It says that the peer's node has the message, not that its program has taken it.
        /// Dropped while it waits for the confirmation, the message arrives all the same.
        ///
        /// Awaited one after the other, each message takes a round trip. To confirm many, poll
        /// many of these futures together (as tasks, or with `FuturesUnordered`), or send a number
        /// of messages with [`whisper`](Self::whisper) and await one [`flush`](Self::flush) behind
        /// them, which confirms all of them.
        ///
        /// # Errors
        ///
        /// [`Error::Unconfirmed`] if the peer goes or begins a new session, or this node stops,
        /// before it confirms;
        /// as [`whisper`](Self::whisper).
        pub fn whisper_confirmed(
            &self,
            peer: PeerId,
            content: impl Into<Content>,
        ) -> ConfirmedWhisper<'_> {
            ConfirmedWhisper(self.hub().whisper_confirmed(peer, content.into()))
        }

        /// Sends a message to all members of a group, as [`shout`](Self::shout), and waits until
        /// each has confirmed that it has it, or is gone. Gives what has become of it for each
        /// member, in the order in which that was known.
        ///
        /// # Errors
        ///
        /// As [`shout`](Self::shout).
        pub fn shout_confirmed<G>(
            &self,
            group: G,
            content: impl Into<Content>,
        ) -> ConfirmedShout<'_>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into().map_err(Error::from);
            ConfirmedShout(group.map(|group| self.hub().shout_confirmed(group, content.into())))
        }

        /// Waits until a peer has confirmed all that has been sent to it so far, whispers and
        /// shouts.
        ///
        /// # Errors
        ///
        /// [`Error::UnknownPeer`] if there is no such peer; [`Error::Unconfirmed`] if it goes, or
        /// begins a new session, or this node stops, before it confirms; [`Error::Stopped`].
        pub async fn flush(&self, peer: PeerId) -> Result<(), Error> {
            let mut flush = self.hub().flush(peer)?;
            ::std::future::poll_fn(|cx| flush.poll(cx)).await
        }
    };
}
