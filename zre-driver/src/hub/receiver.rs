//! A receiver of its own for whoever asks, of events or of notices.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use zre_core::{Event, Notice};

use super::{
    Hub, Stream,
    feed::{Feeds, Lagged},
    watch::Watch,
};

impl<S: Stream> Hub<S> {
    /// A further receiver of all events from now on.
    pub fn subscribe(self: &Arc<Self>) -> EventReceiver<S> {
        EventReceiver(Receiver::new(self, |watch| &mut watch.events))
    }

    /// A receiver of all notices from now on.
    pub fn notices(self: &Arc<Self>) -> NoticeReceiver<S> {
        NoticeReceiver(Receiver::new(self, |watch| &mut watch.notices))
    }
}

/// Receives copies of all events; see [`Hub::subscribe`].
#[derive(Debug)]
pub struct EventReceiver<S: Stream>(Receiver<S, Event>);

impl<S: Stream> EventReceiver<S> {
    /// Takes the next event; `None` when the node is over.
    pub fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Event, Lagged>>> {
        self.0.poll_recv(cx)
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&mut self) -> Option<Result<Event, Lagged>> {
        self.0.try_recv()
    }
}

/// Receives copies of all notices; see [`Hub::notices`].
#[derive(Debug)]
pub struct NoticeReceiver<S: Stream>(Receiver<S, Notice>);

impl<S: Stream> NoticeReceiver<S> {
    /// Takes the next notice; `None` when the node is over.
    pub fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Notice>> {
        self.0.poll_recv(cx).map(|notice| notice.map(or_dropped))
    }

    /// Takes the next notice if there is one.
    pub fn try_recv(&mut self) -> Option<Notice> {
        self.0.try_recv().map(or_dropped)
    }
}

/// A notice that says that there were more.
fn or_dropped(notice: Result<Notice, Lagged>) -> Notice {
    notice.unwrap_or_else(|Lagged(count)| Notice::Dropped(count))
}

/// It does not hold the node: when all handles are gone, the node stops.
struct Receiver<S: Stream, T: Clone> {
    hub: Arc<Hub<S>>,
    feeds: fn(&mut Watch) -> &mut Feeds<T>,
    id: u64,
}

impl<S: Stream, T: Clone> Receiver<S, T> {
    fn new(hub: &Arc<Hub<S>>, feeds: fn(&mut Watch) -> &mut Feeds<T>) -> Self {
        let id = feeds(&mut hub.lock().watch).add();
        let hub = Arc::clone(hub);
        Self { hub, feeds, id }
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        self.hub.with(|state, now| {
            let feeds = (self.feeds)(&mut state.watch);
            let item = feeds.poll(self.id, cx, &mut state.aftermath);
            if item.is_pending() {
                // This thread may be the one that has written messages, and sends no more now.
                state.write_own(now);
            }
            item
        })
    }

    fn try_recv(&mut self) -> Option<Result<T, Lagged>> {
        (self.feeds)(&mut self.hub.lock().watch).pop(self.id)
    }
}

impl<S: Stream, T: Clone> Drop for Receiver<S, T> {
    fn drop(&mut self) {
        let removed = (self.feeds)(&mut self.hub.lock().watch).remove(self.id);
        // Its waker is the runtime's, so it is dropped when the lock is free again.
        drop(removed);
    }
}

impl<S: Stream, T: Clone> fmt::Debug for Receiver<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
