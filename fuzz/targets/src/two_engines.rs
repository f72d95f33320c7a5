/// x
pub fn two_engines(_: &[u8]) {}
pub(crate) const DATAGRAM: u8 = 0;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const OCTETS: u8 = 2;
