//! How many unclaimed connections come from each address.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

/// The addresses that unclaimed connections come from, and how many from each.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Places(BTreeMap<IpAddr, usize>);

impl Places {
    pub(super) fn add(&mut self, address: IpAddr) {
        *self.0.entry(address).or_default() += 1;
    }

    pub(super) fn remove(&mut self, address: IpAddr) {
        if let Some(places) = self.0.get_mut(&address) {
            *places -= 1;
            if *places == 0 {
                self.0.remove(&address);
            }
        }
    }

    pub(super) fn of(&self, address: IpAddr) -> usize {
        self.0.get(&address).copied().unwrap_or_default()
    }

    /// The most that come from one address.
    pub(super) fn most(&self) -> usize {
        self.0.values().copied().max().unwrap_or_default()
    }
}
