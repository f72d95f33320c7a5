//! Requests of peers that are to be replied to.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zre_tokio::{PeerId, Request, Requests};

/// How many may be open. Then no further one is taken from the node.
const MOST: usize = 1024;

/// Requests of peers that have been told, and not been replied to.
#[derive(Debug)]
pub(super) struct Serving {
    open: Mutex<Numbered>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Numbered {
    last: u64,
    requests: BTreeMap<u64, Open>,
}

/// A request of a peer.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) request: Request,
    /// It has its place until it is replied to.
    _place: OwnedSemaphorePermit,
    /// Whether a session of the peer has ended since it was told.
    is_left: bool,
}

impl Serving {
    pub(super) fn new() -> Self {
        Self {
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
        }
    }

    /// Waits for the next request, and for a place for it; `None` when the node has stopped.
    /// Dropping the future loses nothing.
    pub(super) async fn next(&self, requests: &mut Requests) -> Option<Open> {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let request = requests.next().await?;
        Some(Open::new(request, place))
    }

    /// The next request, if there is one, and a place for it.
    pub(super) fn try_next(&self, requests: &mut Requests) -> Option<Open> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let request = requests.try_next()?;
        Some(Open::new(request, place))
    }

    /// Keeps a request until it is replied to, and gives its number.
    pub(super) fn keep(&self, open: Open) -> u64 {
        let mut numbered = self.open();
        numbered.last += 1;
        let number = numbered.last;
        numbered.requests.insert(number, open);
        number
    }

    /// Takes a request to reply to it or to refuse it. Its place is free then.
    pub(super) fn take(&self, number: u64) -> Result<Request, String> {
        let taken = self.open().requests.remove(&number);
        taken.map(|open| open.request).ok_or_else(|| {
            format!(
                "there is no open request {number}: it has been replied to or refused, or who \
                 asked is gone"
            )
        })
    }

    /// Forgets what a peer asked in a session that is over.
    ///
    /// If it has begun another, what is open may be of either session, as requests can overtake
    /// events. It is forgotten then when that one ends, too.
    pub(super) fn forget(&self, peer: PeerId, is_back: bool) {
        let is_over = |open: &mut Open| {
            open.request.peer() == peer && (!is_back || mem::replace(&mut open.is_left, true))
        };
        let mut numbered = self.open();
        let all = mem::take(&mut numbered.requests).into_iter();
        let (forgotten, kept): (Vec<_>, Vec<_>) = all
            .map(|(number, mut open)| (is_over(&mut open), (number, open)))
            .partition(|(is_over, _)| *is_over);
        numbered.requests = kept.into_iter().map(|(_, entry)| entry).collect();
        drop(numbered);
        // Dropped, they are refused, when the lock is free.
        drop(forgotten);
    }

    /// Refuses all that are open.
    pub(super) fn refuse_all(&self) {
        let open = mem::take(&mut self.open().requests);
        // Dropped, they are refused, when the lock is free.
        drop(open);
    }

    fn open(&self) -> MutexGuard<'_, Numbered> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(request: Request, place: OwnedSemaphorePermit) -> Self {
        Self {
            request,
            _place: place,
            is_left: false,
        }
    }
}
