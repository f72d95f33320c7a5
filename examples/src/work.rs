//! The work of the dealer programs: what is asked, and what is answered.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zre_core::{
    Event,
    proto::{Content, PeerId},
};

/// The group of the clients.
pub const GROUP: &str = "ADDERS";

/// The header by which clients recognise a dealer.
pub const ROLE: (&str, &str) = ("X-ROLE", "dealer");

/// Numbers to add. A dealer asks a client for their sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The numbers to add.
    pub numbers: Vec<i64>,
}

impl Request {
    /// The request of this number: to add the numbers up to it.
    pub fn new(number: i64) -> Self {
        Self {
            numbers: (0..=number).collect(),
        }
    }

    /// What is sent to a client: one frame of JSON.
    pub fn to_content(&self) -> Content {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads what a dealer has sent; `None` if it is none of these. Any peer can send anything.
    pub fn from_content(content: &Content) -> Option<Self> {
        serde_json::from_slice(content.frame(0)?).ok()
    }

    /// Does the work.
    pub fn sum(&self) -> i64 {
        let sum = |sum: i64, number: &i64| sum.saturating_add(*number);
        self.numbers.iter().fold(0, sum)
    }
}

/// The clients that a dealer has seen come.
#[derive(Debug, Default)]
pub struct Clients(BTreeSet<PeerId>);

impl Clients {
    /// What the dealer says about an event; `None` if it is not about a client.
    pub fn tell(&mut self, event: &Event) -> Option<String> {
        let (peer, name) = (event.peer()?, event.name()?);
        match event {
            Event::Join { group, .. } if *group == GROUP => {
                self.0.insert(peer);
                Some(format!("{name} has come"))
            }
            Event::Leave { group, .. } if *group == GROUP => {
                self.0.remove(&peer);
                Some(format!("{name} has left"))
            }
            Event::Exit { reason, .. } if self.0.remove(&peer) => {
                Some(format!("{name} is gone: {reason}"))
            }
            _ => None,
        }
    }
}

/// The dealer that has entered, and its name.
pub fn entered_dealer(event: &Event) -> Option<(PeerId, String)> {
    match event {
        Event::Enter {
            peer,
            name,
            headers,
            ..
        } if headers.get(ROLE.0).is_some_and(|role| role == ROLE.1) => {
            Some((*peer, name.to_string()))
        }
        _ => None,
    }
}

/// Whether another client may answer what one did not.
pub fn is_worth_another(error: &zre_core::Error) -> bool {
    use zre_core::Error::{Full, Gone, NoMembers, Refused, TimedOut, UnknownPeer};
    matches!(
        error,
        Full(_) | Gone(_) | Refused(_) | TimedOut(_) | UnknownPeer(_) | NoMembers(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_as_json() {
        let request = Request {
            numbers: vec![1, -2],
        };
        let content = request.to_content();
        assert_eq!(content.to_string_lossy(), r#"{"numbers":[1,-2]}"#);
        assert_eq!(request.sum(), -1);
        assert_eq!(Request::from_content(&content), Some(request));
        assert_eq!(Request::from_content(&"hello".into()), None);
        assert_eq!(Request::new(3).sum(), 6);
    }
}
