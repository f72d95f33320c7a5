//! Requests of peers that are to be replied to.

use std::{
    collections::BTreeMap,
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
    pub(super) place: OwnedSemaphorePermit,
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
        Some(Open { request, place })
    }

    /// The next request, if there is one, and a place for it.
    pub(super) fn try_next(&self, requests: &mut Requests) -> Option<Open> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let request = requests.try_next()?;
        Some(Open { request, place })
    }

    /// Keeps a request until it is replied to, and gives its number.
    pub(super) fn keep(&self, open: Open) -> u64 {
        let mut numbered = self.open();
        numbered.last += 1;
        let number = numbered.last;
        numbered.requests.insert(number, open);
        number
    }

    /// Takes a request to reply to it or to refuse it.
    pub(super) fn take(&self, number: u64) -> Result<Open, String> {
        self.open().requests.remove(&number).ok_or_else(|| {
            format!(
                "there is no open request {number}: it has been replied to or refused, or who \
                 asked is gone"
            )
        })
    }

    /// Forgets what a peer has asked that is gone.
    pub(super) fn forget(&self, peer: PeerId) {
        let mut numbered = self.open();
        numbered
            .requests
            .retain(|_, open| open.request.peer() != peer);
    }

    /// Refuses all that are open.
    pub(super) fn refuse_all(&self) {
        let open = std::mem::take(&mut self.open().requests);
        // Dropped, they are refused, when the lock is free.
        drop(open);
    }

    fn open(&self) -> MutexGuard<'_, Numbered> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
