//! The conversions and comparisons that programs write, as they write them.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]
#![allow(
    clippy::cmp_owned,
    clippy::needless_borrows_for_generic_args,
    reason = "the point is that it compiles, also in longer ways than needed"
)]

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::SocketAddr,
};

use bytes::{Bytes, BytesMut};
use uuid::Uuid;
use zre_proto::{
    Content, Endpoint, EndpointError, GroupName, Headers, PeerId, PeerIdError, RoutingId,
    ShortText, Text, ToStrError, TooLong,
};

/// Takes what `whisper` takes.
fn content(content: impl Into<Content>) -> Content {
    content.into()
}

/// Takes what `shout` and `join` take.
fn group<G: TryInto<GroupName, Error: Into<TooLong>>>(name: G) -> GroupName {
    let name = name.try_into().map_err(Into::into);
    name.unwrap()
}

fn short<T: TryInto<ShortText, Error: Into<TooLong>>>(text: T) -> ShortText {
    let text = text.try_into().map_err(Into::into);
    text.unwrap()
}

fn text(text: impl Into<Text>) -> Text {
    text.into()
}

/// Takes what a setting for an endpoint takes.
fn endpoint<E: TryInto<Endpoint, Error: Into<EndpointError>>>(
    endpoint: E,
) -> Result<Endpoint, EndpointError> {
    endpoint.try_into().map_err(Into::into)
}

fn peer<P: TryInto<PeerId, Error: Into<PeerIdError>>>(peer: P) -> Result<PeerId, PeerIdError> {
    peer.try_into().map_err(Into::into)
}

/// Takes what a setting for headers takes.
fn headers<N: Into<Text>, V: Into<Text>>(pairs: impl IntoIterator<Item = (N, V)>) -> Headers {
    Headers::try_from_iter(pairs).unwrap()
}

#[test]
fn text_and_bytes_of_every_kind_are_one_frame() {
    let string = String::from("hello");
    let bytes = b"hello".to_vec();
    for content in [
        content("hello"),
        content(&string),
        content(string.clone()),
        content(string.clone().into_boxed_str()),
        content(Cow::Borrowed("hello")),
        content(format!("hel{}", "lo")),
        content(&bytes),
        content(&bytes[..]),
        content(bytes.clone()),
        content(bytes.clone().into_boxed_slice()),
        content(Cow::Borrowed(&bytes[..])),
        content(b"hello"),
        content(*b"hello"),
        content(Bytes::from_static(b"hello")),
        content(&Bytes::from_static(b"hello")),
        content(BytesMut::from("hello")),
    ] {
        assert_eq!(content.len(), 1);
        assert_eq!(content, "hello");
    }
}

#[test]
fn lists_arrays_and_tuples_are_a_frame_of_each() {
    let strings = vec![String::from("a"), String::from("b")];
    let strs = ["a", "b"];
    for content in [
        content(["a", "b"]),
        content(&["a", "b"]),
        content(&strs[..]),
        content(vec!["a", "b"]),
        content(&vec!["a", "b"]),
        content(strings.clone()),
        content(&strings),
        content(&strings[..]),
        content([String::from("a"), String::from("b")]),
        content(vec![b"a".to_vec(), b"b".to_vec()]),
        content(vec![&b"a"[..], b"b"]),
        content([Bytes::from("a"), Bytes::from("b")]),
        content(vec![Bytes::from("a"), Bytes::from("b")]),
        content(("a", "b")),
        content(("a", b"b")),
        content((&strings[0], vec![b'b'])),
        content((Bytes::from("a"), &b"b"[..])),
        strs.iter().collect(),
        strings.iter().collect(),
        strings.into_iter().collect(),
    ] {
        assert_eq!(content, ["a", "b"]);
    }
    let three = content(("a", String::from("b"), Bytes::from("c")));
    assert_eq!(three, ["a", "b", "c"]);
    assert_eq!(content(("a", "b", "c", vec![b'd'])), ["a", "b", "c", "d"]);
    assert_eq!(content(Vec::<String>::new()).len(), 0);
}

#[test]
fn a_content_equals_its_only_frame() {
    let hello = content("hello");
    assert_eq!(hello, *"hello");
    assert_eq!(hello, String::from("hello"));
    assert_eq!(hello, Cow::Borrowed("hello"));
    assert_eq!(hello, b"hello");
    assert_eq!(hello, *b"hello");
    assert_eq!(hello, b"hello"[..]);
    assert_eq!(hello, b"hello".to_vec());
    assert_eq!(hello, Bytes::from("hello"));
    assert_eq!("hello", hello);
    assert_eq!(String::from("hello"), hello);
    assert_ne!(hello, "hell");
    assert_ne!(content(["hello", ""]), "hello");
    assert_ne!(content(["hel", "lo"]), "hello");
    assert_ne!(Content::default(), "");
    assert_eq!(content(""), "");
    assert_ne!(hello, ["hello", ""]);
    assert!(matches!(Some(&hello), Some(content) if *content == "hello"));
}

#[test]
fn frames_are_read_in_the_ways_of_a_list() -> Result<(), ToStrError> {
    let mut both = content(["a", "b"]);
    assert_eq!(both[0], "a");
    assert_eq!(&both[1][..], b"b");
    assert_eq!(both.frame(2), None);
    let mut total = 0;
    for frame in &both {
        total += frame.len();
    }
    assert_eq!((total, both.byte_len()), (2, 2));
    both.extend(["c"]);
    both.push(String::from("d"));
    let owned: Vec<Bytes> = both.clone().into_iter().collect();
    assert_eq!(both.into_vec(), owned);
    assert_eq!(content(b"text").to_str()?, "text");
    assert_eq!(content("é").to_string_lossy(), "é");
    assert_eq!(format!("{:>5}", content("text")), " text");
    Ok(())
}

#[test]
fn names_are_made_from_whatever_holds_text() {
    let string = String::from("CHAT");
    let cow: Cow<'_, str> = Cow::Borrowed("CHAT");
    let name = group("CHAT");
    for name in [
        group(name.clone()),
        group(&name),
        group(&string),
        group(string.clone()),
        group(cow.clone()),
        group(string.clone().into_boxed_str()),
        group(b"CHAT"),
        group(&b"CHAT"[..]),
        group(Text::from("CHAT")),
        group(short("CHAT")),
        group(&short("CHAT")),
        "CHAT".parse().unwrap(),
    ] {
        assert_eq!(name, "CHAT");
    }
    for name in [
        short(&string),
        short(&&string[..]),
        short(cow.clone()),
        short(&name),
        short(name.clone()),
        "CHAT".parse().unwrap(),
    ] {
        assert_eq!(name, "CHAT");
    }
    for text in [
        text(&string),
        text(cow),
        text(string.clone().into_boxed_str()),
        text(&name),
        text(short("CHAT")),
        text(b"CHAT"),
        text(b"CHAT".to_vec()),
        text(&text("CHAT")),
        "CHAT".parse().unwrap(),
    ] {
        assert_eq!(text, string);
    }
    assert_eq!(text('é'), "é");
    assert_eq!(group('é'), "é");
    assert!("x".repeat(256).parse::<GroupName>().is_err());
}

#[test]
fn names_compare_with_strings_from_either_side() {
    let name = group("CHAT");
    assert_eq!(name, "CHAT");
    assert_eq!("CHAT", name);
    assert_eq!(name, *"CHAT");
    assert_eq!(*"CHAT", name);
    assert_eq!(name, String::from("CHAT"));
    assert_eq!(String::from("CHAT"), name);
    assert_eq!(name, Cow::Borrowed("CHAT"));
    assert_eq!(Cow::Borrowed("CHAT"), name);
    assert_eq!(name, b"CHAT"[..]);
    assert_ne!(name, "chat");
    assert_eq!(short("CHAT"), *"CHAT");
    assert_eq!(text("CHAT"), String::from("CHAT"));
    assert_eq!(name.as_str(), Some("CHAT"));
    assert_eq!(text(b"\xFF").as_str(), None);
}

#[test]
fn maps_and_sets_of_names_are_searched_by_bytes() {
    let by_group: BTreeMap<GroupName, u8> = BTreeMap::from([(group("CHAT"), 1)]);
    assert_eq!(by_group.get("CHAT".as_bytes()), Some(&1));
    let by_name: HashMap<ShortText, u8> = HashMap::from([(short("alice"), 2)]);
    assert_eq!(by_name.get("alice".as_bytes()), Some(&2));
    assert!(HashSet::from([text("x")]).contains(&b"x"[..]));
    assert!(BTreeSet::from([group("CHAT")]).contains("CHAT".as_bytes()));
}

#[test]
fn headers_come_from_any_collection_of_pairs() {
    let map = HashMap::from([(String::from("K"), String::from("v"))]);
    let tree: BTreeMap<&str, &str> = BTreeMap::from([("K", "v")]);
    let same = headers([("K", "v")]);
    for headers in [
        headers(&map),
        headers(map),
        headers(&tree),
        headers(tree),
        headers(vec![("K", String::from("v"))]),
        headers(&same),
        headers(same.clone()),
        same.clone().into_iter().collect(),
    ] {
        assert_eq!(headers, same);
        assert_eq!(headers["K"], "v");
        assert_eq!(headers[&String::from("K")], "v");
    }
    let mut more = same.clone();
    more.extend([(short("L"), text("w"))]);
    more.try_extend([("M", "x")]).unwrap();
    let names: Vec<ShortText> = more.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["K", "L", "M"]);
}

#[test]
fn endpoints_come_from_text_and_addresses() -> Result<(), EndpointError> {
    let expected: Endpoint = "tcp://10.0.0.1:5671".parse()?;
    let address: SocketAddr = "10.0.0.1:5671".parse().unwrap();
    let string = expected.to_string();
    assert_eq!(endpoint("tcp://10.0.0.1:5671")?, expected);
    assert_eq!(endpoint(&string)?, expected);
    assert_eq!(endpoint(string)?, expected);
    assert_eq!(endpoint(address)?, expected);
    assert_eq!(endpoint(&expected)?, expected);
    assert_eq!(endpoint(expected.clone())?, expected);
    assert!(endpoint("10.0.0.1:5671").is_err());
    Ok(())
}

#[test]
fn identities_come_from_text_bytes_and_uuids() -> Result<(), PeerIdError> {
    let expected = PeerId::from([7; 16]);
    let uuid = Uuid::from(expected);
    let bytes: [u8; 16] = expected.into();
    assert_eq!(peer(uuid)?, expected);
    assert_eq!(peer(expected)?, expected);
    assert_eq!(peer(&expected)?, expected);
    assert_eq!(peer(expected.to_string())?, expected);
    assert_eq!(peer(&*uuid.to_string())?, expected);
    assert_eq!(peer(&bytes[..])?, expected);
    assert_eq!(peer(bytes)?, expected);
    let routing_id = RoutingId::from(expected);
    assert_eq!(
        RoutingId::try_from(&routing_id.to_bytes()[..]),
        Ok(routing_id)
    );
    assert_eq!(PeerId::from(routing_id), expected);
    Ok(())
}
