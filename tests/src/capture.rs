//! Reads the recorded conversations in `tests/captures`: datagrams, and reassembled TCP
//! connections.
//!
//! It reads only what those files contain: classic pcap with microseconds, Ethernet, and IPv4
//! without fragments. That takes less code than the use of a crate for all captures.

use std::{
    collections::BTreeMap,
    fs, mem,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use bytes::{Buf, Bytes};

const ETHERNET: u32 = 1;
const IPV4: u16 = 0x0800;
const TCP: u8 = 6;
const UDP: u8 = 17;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One recorded conversation.
#[derive(Debug, Default)]
pub struct Capture {
    datagrams: Vec<Datagram>,
    connections: Vec<Connection>,
}

/// A UDP datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// When it was seen, counted from the capture's first packet.
    pub at: Duration,
    /// The address that it was sent from.
    pub from: SocketAddr,
    /// The address that it was sent to.
    pub to: SocketAddr,
    /// What it carries.
    pub payload: Bytes,
}

/// A TCP connection; one that was refused has no bytes.
#[derive(Debug)]
pub struct Connection {
    /// When the client asked for it, counted from the capture's first packet.
    pub opened_at: Duration,
    /// When the first side closed or reset it, if the capture has that.
    pub closed_at: Option<Duration>,
    /// The address of the side that connects.
    pub client: SocketAddr,
    /// The address of the side that accepts.
    pub server: SocketAddr,
    chunks: Vec<Chunk>,
    from_client: Reassembly,
    from_server: Reassembly,
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that connects.
    Client,
    /// The side that accepts.
    Server,
}

/// Bytes that one side of a connection sent in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// When they were complete, counted from the capture's first packet.
    pub at: Duration,
    /// Who sent them.
    pub from: Side,
    /// The bytes, none of them seen before.
    pub bytes: Bytes,
}

impl Capture {
    /// Reads a file of `tests/captures` by its name.
    ///
    /// # Panics
    ///
    /// If there is no such file or it is not a capture that this module can read.
    pub fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("captures")
            .join(name);
        let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(file.into())
            .unwrap_or_else(|| panic!("{} is not a capture as expected", path.display()))
    }

    /// The datagrams in the order in which they were seen.
    pub fn datagrams(&self) -> &[Datagram] {
        &self.datagrams
    }

    /// The connections in the order in which they were opened.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    fn parse(mut file: Bytes) -> Option<Self> {
        let mut global = take(&mut file, 24)?;
        let magic = global.get_u32_le();
        global.advance(16);
        if magic != 0xA1B2_C3D4 || global.get_u32_le() != ETHERNET {
            return None;
        }
        let mut capture = Self::default();
        let mut start = None;
        while !file.is_empty() {
            let (time, packet) = take_record(&mut file)?;
            let at = time.saturating_sub(*start.get_or_insert(time));
            capture.handle_packet(at, packet)?;
        }
        Some(capture)
    }

    /// Takes note of an IPv4 packet and passes over others; `None` if it is cut short.
    fn handle_packet(&mut self, at: Duration, mut packet: Bytes) -> Option<()> {
        let mut ethernet = take(&mut packet, 14)?;
        ethernet.advance(12);
        if ethernet.get_u16() != IPV4 {
            return Some(());
        }
        let header_length = usize::from(packet.first()? & 0x0F) * 4;
        let total_length = packet.get(2..4)?.get_u16();
        let mut packet = take(&mut packet, total_length.into())?;
        let mut ip = take(&mut packet, header_length.max(20))?;
        ip.advance(9);
        let protocol = ip.get_u8();
        ip.advance(2);
        let (from, to) = (Ipv4Addr::from(ip.get_u32()), Ipv4Addr::from(ip.get_u32()));
        match protocol {
            UDP => self.handle_udp(at, from, to, packet),
            TCP => self.handle_segment(at, Segment::parse(from, to, packet)?),
            _ => Some(()),
        }
    }

    fn handle_udp(
        &mut self,
        at: Duration,
        from: Ipv4Addr,
        to: Ipv4Addr,
        mut packet: Bytes,
    ) -> Option<()> {
        let mut udp = take(&mut packet, 8)?;
        self.datagrams.push(Datagram {
            at,
            from: (from, udp.get_u16()).into(),
            to: (to, udp.get_u16()).into(),
            payload: packet,
        });
        Some(())
    }

    /// `None` for a segment of a connection whose beginning was not recorded.
    fn handle_segment(&mut self, at: Duration, segment: Segment) -> Option<()> {
        if segment.flags & (SYN | ACK) == SYN {
            let (client, server) = (segment.from, segment.to);
            self.connections.push(Connection::new(at, client, server));
        }
        let newest_first = self.connections.iter_mut().rev();
        newest_first
            .filter_map(|connection| Some((connection.side(&segment)?, connection)))
            .next()
            .map(|(from, connection)| connection.handle_segment(at, from, &segment))
    }
}

impl Connection {
    /// What both sides sent, segment by segment, in the order in which it was seen.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// All bytes that one side sent.
    pub fn bytes(&self, from: Side) -> Bytes {
        let chunks = self.chunks.iter().filter(|chunk| chunk.from == from);
        chunks.flat_map(|chunk| chunk.bytes.clone()).collect()
    }

    fn new(opened_at: Duration, client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            opened_at,
            closed_at: None,
            client,
            server,
            chunks: Vec::new(),
            from_client: Reassembly::default(),
            from_server: Reassembly::default(),
        }
    }

    /// Who sent the segment; `None` if it belongs to another connection.
    fn side(&self, segment: &Segment) -> Option<Side> {
        match (segment.from, segment.to) {
            ends if ends == (self.client, self.server) => Some(Side::Client),
            ends if ends == (self.server, self.client) => Some(Side::Server),
            _ => None,
        }
    }

    fn handle_segment(&mut self, at: Duration, from: Side, segment: &Segment) {
        if segment.flags & (FIN | RST) != 0 {
            self.closed_at.get_or_insert(at);
        }
        let stream = match from {
            Side::Client => &mut self.from_client,
            Side::Server => &mut self.from_server,
        };
        let fresh = stream.add(segment);
        let chunk = |bytes| Chunk { at, from, bytes };
        self.chunks.extend(fresh.into_iter().map(chunk));
    }
}

/// A TCP segment, as far as putting a stream together needs it.
struct Segment {
    from: SocketAddr,
    to: SocketAddr,
    sequence: u32,
    flags: u8,
    bytes: Bytes,
}

impl Segment {
    fn parse(from: Ipv4Addr, to: Ipv4Addr, mut packet: Bytes) -> Option<Self> {
        let header_length = usize::from(packet.get(12)? >> 4) * 4;
        let mut header = take(&mut packet, header_length.max(20))?;
        let from = (from, header.get_u16()).into();
        let to = (to, header.get_u16()).into();
        let sequence = header.get_u32();
        header.advance(5);
        Some(Self {
            from,
            to,
            sequence,
            flags: header.get_u8(),
            bytes: packet,
        })
    }
}

/// Puts the bytes of one direction in order; sequence numbers become positions in the stream.
///
/// A recorded stream is far shorter than the 2^31 bytes from which positions would be ambiguous.
#[derive(Debug, Default)]
struct Reassembly {
    first: u32,
    complete: u32,
    early: BTreeMap<u32, Bytes>,
}

impl Reassembly {
    /// The bytes that this segment completes, without those that were there already.
    fn add(&mut self, segment: &Segment) -> Vec<Bytes> {
        if segment.flags & SYN != 0 {
            self.first = segment.sequence.wrapping_add(1);
            return Vec::new();
        }
        let position = segment.sequence.wrapping_sub(self.first);
        // A keep-alive repeats the byte before the position that comes next, also at the very
        // start.
        if segment.bytes.is_empty() || position > u32::MAX / 2 {
            return Vec::new();
        }
        let waiting = self.early.entry(position).or_default();
        if waiting.len() < segment.bytes.len() {
            *waiting = segment.bytes.clone();
        }
        self.take_complete()
    }

    fn take_complete(&mut self) -> Vec<Bytes> {
        let mut fresh = Vec::new();
        for (position, mut bytes) in mem::take(&mut self.early) {
            let Some(repeated) = self.complete.checked_sub(position) else {
                self.early.insert(position, bytes);
                continue;
            };
            let repeated = bytes.len().min(repeated as usize);
            bytes.advance(repeated);
            self.complete += u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            fresh.extend((!bytes.is_empty()).then_some(bytes));
        }
        fresh
    }
}

/// The time of the next packet, and its bytes; `None` if the file or the packet is cut short.
fn take_record(file: &mut Bytes) -> Option<(Duration, Bytes)> {
    let mut header = take(file, 16)?;
    let seconds = header.get_u32_le();
    let micros = header.get_u32_le();
    let captured = header.get_u32_le();
    if captured != header.get_u32_le() {
        return None;
    }
    let time = Duration::from_secs(seconds.into()) + Duration::from_micros(micros.into());
    Some((time, take(file, captured as usize)?))
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (count <= bytes.len()).then(|| bytes.split_to(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = u32::MAX - 2;

    fn segment(position: u32, bytes: &'static [u8], flags: u8) -> Segment {
        let address = SocketAddr::from(([10, 90, 0, 1], 1));
        Segment {
            from: address,
            to: address,
            sequence: FIRST.wrapping_add(position),
            flags,
            bytes: Bytes::from_static(bytes),
        }
    }

    fn reassemble(segments: &[(u32, &'static [u8])]) -> Vec<Bytes> {
        let mut stream = Reassembly::default();
        stream.add(&segment(u32::MAX, b"", SYN));
        let add = |(position, bytes): &(u32, &'static [u8])| segment(*position, bytes, ACK);
        segments
            .iter()
            .flat_map(|parts| stream.add(&add(parts)))
            .collect()
    }

    #[test]
    fn segments_in_order_are_chunks_also_where_the_sequence_number_wraps() {
        assert_eq!(reassemble(&[(0, b"ab"), (2, b"cd")]), ["ab", "cd"]);
    }

    #[test]
    fn repeated_bytes_are_given_once() {
        let segments: [(u32, &[u8]); 4] = [(0, b"ab"), (0, b"ab"), (1, b"bcd"), (u32::MAX, b"x")];
        assert_eq!(reassemble(&segments), ["ab", "cd"]);
    }

    #[test]
    fn an_early_segment_waits_for_the_gap_to_close() {
        let segments: [(u32, &[u8]); 3] = [(4, b"ef"), (2, b"cd"), (0, b"ab")];
        assert_eq!(reassemble(&segments), ["ab", "cd", "ef"]);
    }

    #[test]
    fn a_file_that_ends_inside_a_packet_is_refused() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/zyre-zyre-null.pcap");
        let file = Bytes::from(fs::read(path).unwrap());
        assert!(Capture::parse(file.clone()).is_some());
        assert!(Capture::parse(file.slice(..file.len() - 1)).is_none());
    }
}
