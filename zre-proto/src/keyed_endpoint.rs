//! An endpoint, and the key of whoever is there.

use alloc::string::String;
use core::{convert::Infallible, fmt, str::FromStr};

use thiserror::Error;

use crate::{
    curve::{KeyError, PublicKey},
    endpoint::{Endpoint, EndpointError},
};

/// An endpoint and, with CURVE, the public key of whoever is there, who cannot be connected to
/// without it.
///
/// It is written as zyre writes it in gossip: `tcp://10.0.0.1:5670|KEY`, the key in Z85.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyedEndpoint {
    /// Where.
    pub endpoint: Endpoint,
    /// Whose.
    pub key: Option<PublicKey>,
}

/// A text is not an endpoint, or what follows it is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyedEndpointError {
    /// The endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The key.
    #[error("behind {endpoint}|: {error}")]
    Key {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with the key.
        error: KeyError,
    },
}

impl From<Infallible> for KeyedEndpointError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Endpoint> for KeyedEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        let key = None;
        Self { endpoint, key }
    }
}

impl From<&Endpoint> for KeyedEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        endpoint.clone().into()
    }
}

impl From<(Endpoint, PublicKey)> for KeyedEndpoint {
    fn from((endpoint, key): (Endpoint, PublicKey)) -> Self {
        let key = Some(key);
        Self { endpoint, key }
    }
}

impl FromStr for KeyedEndpoint {
    type Err = KeyedEndpointError;

    fn from_str(text: &str) -> Result<Self, KeyedEndpointError> {
        let Some((endpoint, key)) = text.split_once('|') else {
            return Ok(text.parse::<Endpoint>()?.into());
        };
        let parsed = endpoint.parse()?;
        let key = key.parse().map_err(|error| KeyedEndpointError::Key {
            endpoint: endpoint.into(),
            error,
        })?;
        Ok(Self {
            endpoint: parsed,
            key: Some(key),
        })
    }
}

impl TryFrom<&str> for KeyedEndpoint {
    type Error = KeyedEndpointError;

    fn try_from(text: &str) -> Result<Self, KeyedEndpointError> {
        text.parse()
    }
}

impl TryFrom<String> for KeyedEndpoint {
    type Error = KeyedEndpointError;

    fn try_from(text: String) -> Result<Self, KeyedEndpointError> {
        text.parse()
    }
}

impl TryFrom<&String> for KeyedEndpoint {
    type Error = KeyedEndpointError;

    fn try_from(text: &String) -> Result<Self, KeyedEndpointError> {
        text.parse()
    }
}

impl fmt::Display for KeyedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}|{key}", self.endpoint),
            None => fmt::Display::fmt(&self.endpoint, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_key_follows_behind_a_bar() {
        let text = "tcp://10.0.0.1:5670|rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        let keyed: KeyedEndpoint = text.parse().unwrap();
        assert!(keyed.key.is_some());
        assert_eq!(keyed.to_string(), text);
        let open: KeyedEndpoint = "tcp://10.0.0.1:5670".parse().unwrap();
        assert_eq!(open.key, None);
        let error = "tcp://10.0.0.1:5670|short".parse::<KeyedEndpoint>();
        assert_eq!(
            error.unwrap_err().to_string(),
            "behind tcp://10.0.0.1:5670|: \"short\" is not a public key, which has 40 characters \
             of Z85"
        );
    }
}
