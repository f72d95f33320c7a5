//! The room for messages that wait until their peers read on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zre_tokio::PeerId;

/// What may wait, in KiB of content. A full room stops the reading of commands.
pub(super) const ROOM: u32 = 64 * 1024;

/// What a message takes of the room at least, so that at most 1024 wait.
pub(super) const LEAST: u32 = 64;

/// How long a reply waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// The room, and the shares that replies have in it.
///
/// The replies that wait for a peer can take as much as is free beside them, which is half of the
/// room for the first peer. So peers that ask and do not read leave room for others.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// A part of the room, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    /// Whose reply has it, and how many KiB.
    owner: Option<(PeerId, u32)>,
    free: Arc<Semaphore>,
    shares: Arc<Shares>,
}

#[derive(Debug, Default)]
struct Shares {
    of_peers: Mutex<BTreeMap<PeerId, Share>>,
    freed: Condvar,
}

/// What the replies to one peer take.
#[derive(Debug, Default)]
struct Share {
    /// In KiB.
    taken: u32,
    /// Whether a reply has waited for room in vain, and none has got through since.
    is_stalled: bool,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(ROOM as usize)),
            shares: Arc::default(),
        }
    }

    /// Waits until there is room for a message with this many bytes.
    pub(super) async fn wait(&self, size: usize) -> Option<Place> {
        let permit = Arc::clone(&self.free).acquire_many_owned(wanted(size));
        // The semaphore is never closed.
        Some(self.place(permit.await.ok()?, None))
    }

    /// Blocks until there is room for a reply to a peer with this many bytes, but not for long;
    /// `None` if there is none. Until one of its replies has got through, none waits again.
    pub(super) fn wait_for_share(&self, peer: PeerId, size: usize) -> Option<Place> {
        let wanted = wanted(size);
        let shares = self.shares.of_peers();
        let patience = match shares.get(&peer) {
            Some(share) if share.is_stalled => Duration::ZERO,
            _ => PATIENCE,
        };
        let is_full = |shares: &mut BTreeMap<_, Share>| {
            let taken = shares.get(&peer).map_or(0, |share| share.taken);
            (taken + wanted) as usize > self.free.available_permits()
        };
        let waited = self
            .shares
            .freed
            .wait_timeout_while(shares, patience, is_full);
        let (mut shares, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(peer).or_default();
        share.is_stalled = waited.timed_out();
        if share.is_stalled {
            return None;
        }
        let permit = Arc::clone(&self.free).try_acquire_many_owned(wanted).ok()?;
        share.taken += wanted;
        Some(self.place(permit, Some((peer, wanted))))
    }

    /// Waits until nothing has a place.
    pub(super) async fn idle(&self) {
        // The semaphore is never closed.
        let _ = self.free.acquire_many(ROOM).await;
    }

    pub(super) fn is_empty(&self) -> bool {
        is_empty(&self.free)
    }

    /// In KiB.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }

    fn place(&self, permit: OwnedSemaphorePermit, owner: Option<(PeerId, u32)>) -> Place {
        Place {
            permit: Some(permit),
            owner,
            free: Arc::clone(&self.free),
            shares: Arc::clone(&self.shares),
        }
    }
}

impl Shares {
    fn of_peers(&self) -> MutexGuard<'_, BTreeMap<PeerId, Share>> {
        self.of_peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.shares.of_peers();
        self.permit = None;
        if let Some((peer, size)) = self.owner
            && let Some(share) = shares.get_mut(&peer)
        {
            share.taken = share.taken.saturating_sub(size);
            share.is_stalled = false;
            if share.taken == 0 {
                shares.remove(&peer);
            }
        }
        if is_empty(&self.free) {
            shares.clear();
        }
        self.shares.freed.notify_all();
    }
}

/// What a message with this many bytes takes, in KiB.
fn wanted(size: usize) -> u32 {
    let size = u32::try_from(size / 1024).unwrap_or(ROOM);
    size.clamp(LEAST, ROOM)
}

fn is_empty(free: &Semaphore) -> bool {
    free.available_permits() == ROOM as usize
}

#[cfg(test)]
mod tests {
    use std::iter::from_fn;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn peer(id: u8) -> PeerId {
        [id; 16].into()
    }

    #[test]
    fn replies_to_a_peer_that_does_not_read_leave_room_for_others() {
        let room = Room::new();
        let fill = |id| from_fn(|| room.wait_for_share(peer(id), MIB)).collect::<Vec<_>>();
        let mut first = fill(1);
        assert_eq!(first.len(), 32);
        let second = fill(2);
        assert_eq!(second.len(), 16);
        let others = room.wait_for_share(peer(3), MIB).unwrap();
        assert!(room.wait_for_share(peer(1), MIB).is_none());
        // One that has got through counts.
        first.pop();
        assert!(!room.shares.of_peers()[&peer(1)].is_stalled);
        drop((first, second, others));
        assert!(room.is_empty());
        assert!(room.shares.of_peers().is_empty());
        assert!(room.wait_for_share(peer(1), 100 * MIB).is_some());
    }

    #[test]
    fn a_reply_waits_until_there_is_room() {
        let room = Room::new();
        let first = room.wait_for_share(peer(1), 64 * MIB);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| room.wait_for_share(peer(1), MIB));
            drop(first);
            assert!(second.join().unwrap().is_some());
        });
    }
}
