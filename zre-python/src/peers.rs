//! Identities, and what is known of peers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyDict, PyString, PyType},
};
use zre_blocking::{self as zre, GroupName, Headers, PeerId, PeerRef};

use crate::errors::invalid;

static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// To make a UUID takes longer than all else of an event, so those of the last peers are kept.
static RECENT: Mutex<BTreeMap<PeerId, Py<PyAny>>> = Mutex::new(BTreeMap::new());

const MAX_RECENT: usize = 1024;

/// A peer as `uuid.UUID`.
pub(crate) fn uuid(py: Python<'_>, peer: PeerId) -> PyResult<Bound<'_, PyAny>> {
    if let Some(known) = recent().get(&peer) {
        return Ok(known.bind(py).clone());
    }
    let class = UUID.import(py, "uuid", "UUID")?;
    let bytes = PyBytes::new(py, &peer.to_bytes());
    let uuid = class.call1((py.None(), bytes))?;
    let mut recent = recent();
    if recent.len() >= MAX_RECENT {
        recent.clear();
    }
    recent.insert(peer, uuid.clone().unbind());
    Ok(uuid)
}

fn recent() -> MutexGuard<'static, BTreeMap<PeerId, Py<PyAny>>> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Peers as a list of `uuid.UUID`.
pub(crate) fn uuids(py: Python<'_>, peers: Vec<PeerId>) -> PyResult<Vec<Bound<'_, PyAny>>> {
    peers.into_iter().map(|peer| uuid(py, peer)).collect()
}

/// A peer from Python: a `uuid.UUID`, its digits, or 16 bytes.
pub(crate) struct Id(pub(crate) PeerId);

impl<'py> FromPyObject<'py> for Id {
    fn extract_bound(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            let id = text.to_cow()?.parse();
            return id
                .map(Self)
                .map_err(|error: zre::PeerIdError| invalid(&error.to_string()));
        }
        let class = UUID.import(value.py(), "uuid", "UUID")?;
        let bytes = match value.is_instance(class)? {
            true => value.getattr("bytes")?,
            false => value.clone(),
        };
        let bytes = bytes.cast::<PyBytes>().ok();
        let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes.as_bytes()).ok());
        let bytes = bytes.ok_or_else(|| {
            invalid(&format!(
                "{value} is no identity: it is a uuid.UUID, 32 hexadecimal digits, or 16 bytes"
            ))
        })?;
        Ok(Self(bytes.into()))
    }
}

/// A peer from Python by its identity, or by its name.
pub(crate) struct NameOrId(pub(crate) PeerRef);

impl<'py> FromPyObject<'py> for NameOrId {
    fn extract_bound(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        match value.cast::<PyString>() {
            Ok(name) => Ok(Self(PeerRef::from(name.to_cow()?.as_ref()))),
            Err(_) => Ok(Self(value.extract::<Id>()?.0.into())),
        }
    }
}

/// A group's name from Python.
pub(crate) struct Group(pub(crate) GroupName);

impl<'py> FromPyObject<'py> for Group {
    fn extract_bound(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let name: std::borrow::Cow<'_, str> = value.extract()?;
        let group = name.parse();
        group
            .map(Self)
            .map_err(|error: zre::TooLong| invalid(&error.to_string()))
    }
}

/// Headers as a dictionary of text.
pub(crate) fn headers<'py>(py: Python<'py>, headers: &Headers) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in headers.iter() {
        dict.set_item(name.to_string_lossy(), value.to_string_lossy())?;
    }
    Ok(dict)
}

/// What is known of a peer.
#[pyclass(frozen, module = "zre")]
pub(crate) struct PeerInfo(pub(crate) zre::PeerInfo);

#[pymethods]
impl PeerInfo {
    /// The identity of the peer.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid(py, self.0.id)
    }

    /// The name of the peer.
    #[getter]
    fn name(&self) -> String {
        self.0.name.to_string_lossy().into_owned()
    }

    /// Where the peer accepts connections.
    #[getter]
    fn endpoint(&self) -> String {
        self.0.endpoint.to_string()
    }

    /// What the peer has said of itself.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        headers(py, &self.0.headers)
    }

    /// The groups that the peer is in.
    #[getter]
    fn groups(&self) -> Vec<String> {
        let groups = self.0.groups.iter();
        groups
            .map(|group| group.to_string_lossy().into_owned())
            .collect()
    }

    /// The public key that the peer has proved to have.
    #[getter]
    fn key(&self) -> Option<String> {
        self.0.key.as_ref().map(|key| key.public.to_string())
    }

    fn __repr__(&self) -> String {
        let zre::PeerInfo {
            id, name, endpoint, ..
        } = &self.0;
        format!("<PeerInfo {name:?} {id} at {endpoint}>")
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
