//! What the values look like in a text format and in a binary one, and that they come back.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

mod values;

use std::fmt::Debug;

use proptest::prelude::*;
use serde_json::json;
use zre_proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text};

proptest! {
    #[test]
    fn a_peer_id_comes_back(peer in values::peer()) {
        comes_back(&peer);
    }

    #[test]
    fn an_endpoint_comes_back(endpoint in values::endpoint()) {
        comes_back(&endpoint);
    }

    #[test]
    fn texts_come_back(text in values::text(), short in values::short_text()) {
        comes_back(&text);
        comes_back(&short);
    }

    #[test]
    fn a_group_comes_back(group in values::group()) {
        comes_back(&group);
    }

    #[test]
    fn a_content_comes_back(content in values::content()) {
        comes_back(&content);
    }

    #[test]
    fn headers_come_back(headers in values::headers()) {
        comes_back(&headers);
    }
}

#[test]
fn values_are_plain_in_json() {
    let peer = PeerId::from([0xA7; 16]);
    assert_eq!(json!(peer), json!("A7".repeat(16)));
    let endpoint: Endpoint = "tcp://[fe80::1%eth0]:49152".parse().unwrap();
    assert_eq!(json!(endpoint), json!("tcp://[fe80::1%eth0]:49152"));
    assert_eq!(json!(Text::from("é")), json!("é"));
    assert_eq!(
        json!(ShortText::try_from(b"\xFFa").unwrap()),
        json!([255, 97])
    );
    assert_eq!(
        json!(Content::from(("é", b"\xFF", ""))),
        json!(["é", [255], ""])
    );
    let mut headers = Headers::try_from_iter([("K", &b"\xFF"[..]), ("L", b"v")]).unwrap();
    assert_eq!(json!(headers), json!({"K": [255], "L": "v"}));
    headers.set(b"\xFF", "v").unwrap();
    let pairs = json!([["K", [255]], ["L", "v"], [[255], "v"]]);
    assert_eq!(json!(headers), pairs);
}

#[test]
fn a_peer_id_takes_16_bytes_in_a_binary_format() {
    let bytes = postcard::to_allocvec(&PeerId::from([7; 16])).unwrap();
    assert_eq!(bytes, [&[16][..], &[7; 16]].concat());
}

#[test]
fn what_is_not_a_value_is_refused_with_the_reason() {
    fn why<T: serde::de::DeserializeOwned + Debug>(value: serde_json::Value) -> String {
        serde_json::from_value::<T>(value).unwrap_err().to_string()
    }
    let long = json!("g".repeat(256));
    assert!(why::<GroupName>(long.clone()).starts_with("group name has 256 bytes"));
    assert!(why::<Headers>(json!({"g".repeat(256): "v"})).starts_with("text has 256 bytes"));
    assert!(why::<PeerId>(json!("bob")).starts_with("\"bob\" is not a UUID"));
    assert!(why::<PeerId>(json!(1)).contains("expected a UUID"));
    assert!(why::<Endpoint>(json!("udp://x")).contains("does not begin with \"tcp://\""));
    assert!(why::<Text>(json!([256])).contains("256"));
    assert!(why::<Text>(json!(true)).contains("expected a text or bytes"));
    assert!(why::<Headers>(json!("K=v")).contains("expected headers"));
}

/// Through JSON, and through a binary format that does not say what follows.
fn comes_back<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
{
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(*value, serde_json::from_str(&json).unwrap(), "{json}");
    let binary = postcard::to_allocvec(value).unwrap();
    assert_eq!(*value, postcard::from_bytes(&binary).unwrap());
}
