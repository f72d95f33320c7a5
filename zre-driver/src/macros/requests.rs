//! Requests and answers, as far as they are the same for each adapter.

/// Asking, for a `Node` and for its `Sender`; for an `impl` of a type with a method `ask`, which
/// gives what a builder needs.
#[doc(hidden)]
#[macro_export]
macro_rules! request_methods {
    () => {
        /// Asks one peer something, whose program is to answer; see [`RequestBuilder`].
        ///
        /// [`Node::requests`] is the other side. A program with zyre or pyre can answer, too: a
        /// request is a whisper with one leading frame.
        pub fn request(&self, peer: PeerId, content: impl Into<Content>) -> RequestBuilder {
            RequestBuilder::new(self.asker(), peer, content.into())
        }

        /// Asks one member of a group: the one with the fewest open requests of this node, unless
        /// told otherwise; see [`RequestAnyBuilder`].
        pub fn request_any<G>(&self, group: G, content: impl Into<Content>) -> RequestAnyBuilder
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into().map_err(Into::into);
            RequestAnyBuilder::new(self.asker(), group, content.into())
        }

        /// Asks all members of a group; see [`RequestAllBuilder`].
        pub fn request_all<G>(&self, group: G, content: impl Into<Content>) -> RequestAllBuilder
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let group = group.try_into().map_err(Into::into);
            RequestAllBuilder::new(self.asker(), group, content.into())
        }
    };
}

/// The builders of requests, for a crate that has a type `Asker`.
#[doc(hidden)]
#[macro_export]
macro_rules! request_builders {
    () => {
        /// A request to one peer that has not been sent yet; see [`Node::request`].
        ///
        /// It has exactly one outcome: the answer, or an error that says why there is none.
        ///
        /// # Errors
        ///
        /// * [`Error::UnknownPeer`] if there is no such peer, also when it goes while this waits
        ///   for room; [`Error::Full`] if there is no room until the time is over. Then the request
        ///   has not been sent.
        /// * [`Error::Gone`] if the peer goes, or begins a new session, before it answers.
        /// * [`Error::Refused`] if its program refuses the request or drops it.
        /// * [`Error::TimedOut`] if the time is over.
        /// * [`Error::MessageTooLarge`], [`Error::Stopped`], also if this node stops meanwhile.
        ///
        /// Nothing is tried again by itself: after `Gone` and `TimedOut`, the peer may have done
        /// what was asked.
        #[derive(Debug)]
        #[must_use = "a request is sent when its answer is waited for"]
        pub struct RequestBuilder {
            asker: Asker,
            peer: PeerId,
            content: Content,
            timeout: Option<::std::time::Duration>,
        }

        impl RequestBuilder {
            pub(crate) fn new(asker: Asker, peer: PeerId, content: Content) -> Self {
                Self {
                    asker,
                    peer,
                    content,
                    timeout: None,
                }
            }

            /// How long to wait, for room and for the answer; unless set, until the peer is gone.
            pub fn timeout(mut self, time: ::std::time::Duration) -> Self {
                self.timeout = Some(time);
                self
            }
        }

        /// A request to one member of a group that has not been sent yet; see
        /// [`Node::request_any`].
        ///
        /// Only members that are there are asked, and those for which too much waits already are
        /// passed over, as long as there are others. The outcomes are those of a
        /// [`RequestBuilder`], and the errors name the member.
        ///
        /// # Errors
        ///
        /// [`Error::NoMembers`] if no peer is in the group, [`Error::TooLong`] for a group of more
        /// than 255 bytes; as [`RequestBuilder`].
        #[derive(Debug)]
        #[must_use = "a request is sent when its answer is waited for"]
        pub struct RequestAnyBuilder {
            asker: Asker,
            group: Result<GroupName, Error>,
            content: Content,
            choice: $crate::zre_core::Choice,
            timeout: Option<::std::time::Duration>,
        }

        impl RequestAnyBuilder {
            pub(crate) fn new(
                asker: Asker,
                group: Result<GroupName, Error>,
                content: Content,
            ) -> Self {
                Self {
                    asker,
                    group,
                    content,
                    choice: Default::default(),
                    timeout: None,
                }
            }

            /// Asks the member with the fewest open requests of this node, and of several the next
            /// in turn. This is so unless set.
            ///
            /// Work of others is not seen. A member that refuses at once has few open requests.
            pub fn least_busy(mut self) -> Self {
                self.choice = $crate::zre_core::Choice::LeastBusy;
                self
            }

            /// Asks one member after the other, in the order of their identities.
            pub fn round_robin(mut self) -> Self {
                self.choice = $crate::zre_core::Choice::RoundRobin;
                self
            }

            /// How long to wait, for room and for the answer; unless set, until the peer is gone.
            pub fn timeout(mut self, time: ::std::time::Duration) -> Self {
                self.timeout = Some(time);
                self
            }
        }

        /// A request to all members of a group that has not been sent yet; see
        /// [`Node::request_all`].
        #[derive(Debug)]
        #[must_use = "a request to all members is sent by `start`"]
        pub struct RequestAllBuilder {
            asker: Asker,
            group: Result<GroupName, Error>,
            content: Content,
            timeout: Option<::std::time::Duration>,
        }

        impl RequestAllBuilder {
            pub(crate) fn new(
                asker: Asker,
                group: Result<GroupName, Error>,
                content: Content,
            ) -> Self {
                Self {
                    asker,
                    group,
                    content,
                    timeout: None,
                }
            }

            /// How long to wait, for room and for the answers; unless set, until the members are
            /// gone.
            pub fn timeout(mut self, time: ::std::time::Duration) -> Self {
                self.timeout = Some(time);
                self
            }
        }
    };
}

/// What both kinds of adapters say of a request of a peer, for an `impl` of a type that holds the
/// hub's [`Incoming`](crate::Incoming) as `incoming`.
#[doc(hidden)]
#[macro_export]
macro_rules! incoming_methods {
    () => {
        /// Who asks.
        pub fn peer(&self) -> PeerId {
            self.incoming.peer()
        }

        /// The name of who asks.
        pub fn name(&self) -> &ShortText {
            self.incoming.name()
        }

        /// What is asked.
        pub fn content(&self) -> &Content {
            self.incoming.content()
        }

        /// What is asked, by value; [`content`](Self::content) is empty afterwards.
        pub fn take_content(&mut self) -> Content {
            self.incoming.take_content()
        }

        /// Tells who asks that there will be no answer. Dropping the request does the same.
        pub fn refuse(self) {}
    };
}

/// The types of requests in an asynchronous adapter whose connections are of the type `$stream`.
#[doc(hidden)]
#[macro_export]
macro_rules! async_requests {
    ($stream:ty) => {
        type Asker = ::std::sync::Arc<$crate::Hub<$stream>>;

        $crate::request_builders!();

        /// Sends the request, and waits for the answer.
        impl ::std::future::IntoFuture for RequestBuilder {
            type Output = Result<Content, Error>;
            type IntoFuture = PendingRequest;

            fn into_future(self) -> PendingRequest {
                let to = $crate::Recipient::Peer(self.peer);
                PendingRequest(self.asker.request(to, self.content, self.timeout))
            }
        }

        /// Sends the request, and waits for the answer.
        impl ::std::future::IntoFuture for RequestAnyBuilder {
            type Output = Result<Answer, Error>;
            type IntoFuture = PendingAnyRequest;

            fn into_future(self) -> PendingAnyRequest {
                let Self {
                    asker,
                    group,
                    content,
                    choice,
                    timeout,
                } = self;
                PendingAnyRequest(group.map(|group| {
                    let to = $crate::Recipient::Any(group, choice);
                    asker.request(to, content, timeout)
                }))
            }
        }

        impl RequestAllBuilder {
            /// Sends the request to all members, and gives their outcomes as they come.
            ///
            /// # Errors
            ///
            /// [`Error::NoMembers`] if no peer is in the group, [`Error::TooLong`] for a group of
            /// more than 255 bytes, [`Error::MessageTooLarge`], [`Error::Stopped`].
            pub fn start(self) -> Result<Answers, Error> {
                let Self {
                    asker,
                    group,
                    content,
                    timeout,
                } = self;
                Ok(Answers(asker.request_all(group?, content, timeout)?))
            }
        }

        /// A request to one peer under way; see [`RequestBuilder`].
        ///
        /// It is sent when this is first polled. Dropped, nobody waits for the answer, which is
        /// dropped when it comes. It does not keep the node running.
        #[derive(Debug)]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct PendingRequest($crate::Ask<$stream>);

        impl PendingRequest {
            /// Whether the request is on its way, so that what is sent from now on comes behind it.
            pub fn is_sent(&self) -> bool {
                self.0.is_sent()
            }
        }

        impl ::std::future::Future for PendingRequest {
            type Output = Result<Content, Error>;

            fn poll(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Self::Output> {
                let polled = self.get_mut().0.poll(cx);
                polled.map_ok(|answer| answer.content)
            }
        }

        /// A request to one member of a group under way; see [`RequestAnyBuilder`].
        ///
        /// It is sent when this is first polled. Dropped, nobody waits for the answer, which is
        /// dropped when it comes. It does not keep the node running.
        #[derive(Debug)]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct PendingAnyRequest(Result<$crate::Ask<$stream>, Error>);

        impl PendingAnyRequest {
            /// Whether the request is on its way, so that what is sent from now on comes behind it.
            pub fn is_sent(&self) -> bool {
                self.0.as_ref().is_ok_and($crate::Ask::is_sent)
            }
        }

        impl ::std::future::Future for PendingAnyRequest {
            type Output = Result<Answer, Error>;

            fn poll(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Self::Output> {
                match &mut self.get_mut().0 {
                    Ok(ask) => ask.poll(cx),
                    Err(error) => ::std::task::Poll::Ready(Err(error.clone())),
                }
            }
        }

        /// The outcomes of a request to all members of a group, in the order in which they are
        /// known; see [`Node::request_all`].
        ///
        /// It ends when each member that was there at the start has its outcome. Dropped, nobody
        /// waits for the others. It does not keep the node running. It is also a stream.
        #[derive(Debug)]
        pub struct Answers($crate::AskAll<$stream>);

        impl Answers {
            /// Whether the request is on its way to each member that gets it, so that what is sent
            /// from now on comes behind it.
            pub fn is_sent(&self) -> bool {
                self.0.is_sent()
            }

            /// Waits for the next outcome; `None` when each member has one. The errors are those of
            /// a [`RequestBuilder`].
            pub async fn next(&mut self) -> Option<(PeerId, Result<Content, Error>)> {
                ::std::future::poll_fn(|cx| self.0.poll_next(cx)).await
            }
        }

        impl $crate::private::futures_core::Stream for Answers {
            type Item = (PeerId, Result<Content, Error>);

            fn poll_next(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Self::Item>> {
                self.get_mut().0.poll_next(cx)
            }
        }

        /// The requests of peers to this node; see [`Node::requests`].
        ///
        /// It does not keep the node running. It is also a stream.
        #[derive(Debug)]
        pub struct Requests($crate::RequestReceiver<$stream>);

        impl Requests {
            /// Waits for the next request; `None` when the node has stopped. Dropping the future
            /// loses nothing.
            pub async fn next(&mut self) -> Option<Request> {
                let incoming = ::std::future::poll_fn(|cx| self.0.poll_next(cx)).await?;
                Some(Request { incoming })
            }

            /// Takes the next request if there is one.
            pub fn try_next(&mut self) -> Option<Request> {
                let incoming = self.0.try_next()?;
                Some(Request { incoming })
            }
        }

        impl $crate::private::futures_core::Stream for Requests {
            type Item = Request;

            fn poll_next(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Option<Request>> {
                let polled = self.get_mut().0.poll_next(cx);
                polled.map(|incoming| {
                    Some(Request {
                        incoming: incoming?,
                    })
                })
            }
        }

        /// A request of a peer, to be answered or refused once; see [`Node::requests`].
        ///
        /// Dropped without an answer, it is refused, so that who asks need not wait.
        #[derive(Debug)]
        pub struct Request {
            incoming: $crate::Incoming<$stream>,
        }

        impl Request {
            $crate::incoming_methods!();

            /// Answers. When too much waits for the peer already, this waits, until it reads on or
            /// is given up. Dropped while it waits, the answer is not sent.
            ///
            /// # Errors
            ///
            /// [`Error::UnknownPeer`] if the peer has gone, or has begun a new session, since it
            /// asked; [`Error::MessageTooLarge`], and the request is refused;
            /// [`Error::Stopped`].
            pub async fn answer(self, content: impl Into<Content>) -> Result<(), Error> {
                let mut answer = self.incoming.answer(content.into());
                ::std::future::poll_fn(|cx| answer.poll(cx)).await
            }
        }
    };
}
