//! What a node tells its program, as frozen classes.

use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};
use zre_blocking as zre;

use crate::{
    content::{frames, joined, text},
    operation::Converted,
    peers::{headers, uuid},
};

/// Something that has happened on the network.
#[pyclass(frozen, subclass, module = "zre")]
pub(crate) struct Event(zre::Event);

#[pymethods]
impl Event {
    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> bool {
        slf.get().0 == other.get().0
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.0.peer().hash(&mut hasher);
        self.0.group().hash(&mut hasher);
        hasher.finish()
    }

    /// The class, and each field that patterns can name.
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type();
        let names: Vec<String> = class.getattr("__match_args__")?.extract()?;
        let fields = names.iter().map(|name| {
            let value = slf.getattr(name)?.repr()?;
            Ok(format!("{name}={value}"))
        });
        let fields: Vec<String> = fields.collect::<PyResult<_>>()?;
        Ok(format!("{}({})", class.name()?, fields.join(", ")))
    }
}

/// A class for each event: its fields in the order of patterns, and what else it has.
macro_rules! event_classes {
    ($(
        $(#[$doc:meta])+
        $class:ident($($field:ident: $kind:ty),*) $(and $also:ident: $other:ty)*;
    )+) => {
        $(
            $(#[$doc])+
            #[pyclass(frozen, extends = Event, module = "zre")]
            pub(crate) struct $class;

            #[pymethods]
            impl $class {
                #[classattr]
                fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                    let names: &[&str] = &[$(stringify!($field)),*];
                    PyTuple::new(py, names)
                }

                $(
                    #[getter]
                    fn $field<'py>(slf: PyRef<'py, Self>) -> PyResult<$kind> {
                        let py = slf.py();
                        fields::$field(py, &slf.as_super().0)
                    }
                )*

                $(
                    #[getter]
                    fn $also<'py>(slf: PyRef<'py, Self>) -> PyResult<$other> {
                        let py = slf.py();
                        fields::$also(py, &slf.as_super().0)
                    }
                )*
            }
        )+

        /// An event as the object of its class.
        pub(crate) fn event(py: Python<'_>, event: zre::Event) -> Converted {
            match event {
                $(zre::Event::$class { .. } => {
                    let class = PyClassInitializer::from(Event(event)).add_subclass($class);
                    Ok(Py::new(py, class)?.into_any())
                })+
                // One that this package does not know.
                _ => Ok(Py::new(py, Event(event))?.into_any()),
            }
        }
    };
}

event_classes! {
    /// A peer is there: it can be sent messages, and its groups follow.
    Enter(
        peer: Bound<'py, PyAny>, name: String, endpoint: String, headers: Bound<'py, PyDict>,
        key: Option<String>
    );
    /// A peer whose key is not trusted, or that does not trust ours.
    Refused(peer: Bound<'py, PyAny>, key: Option<String>, by: &'static str);
    /// A peer has gone, and why. So many messages to it have not been confirmed.
    Exit(
        peer: Bound<'py, PyAny>, name: String, reason: &'static str, unconfirmed: Bound<'py, PyAny>
    )
    and detail: String;
    /// A peer has joined a group.
    Join(peer: Bound<'py, PyAny>, name: String, group: String);
    /// A peer has left a group.
    Leave(peer: Bound<'py, PyAny>, name: String, group: String);
    /// A message to this node alone.
    Whisper(peer: Bound<'py, PyAny>, name: String, content: Bound<'py, PyTuple>)
        and text: String and data: Bound<'py, PyBytes>;
    /// A message to a group.
    Shout(
        peer: Bound<'py, PyAny>, name: String, group: String, content: Bound<'py, PyTuple>
    ) and text: String and data: Bound<'py, PyBytes>;
    /// A peer has been silent for a while.
    Evasive(peer: Bound<'py, PyAny>, name: String);
    /// A peer has been silent for so long that it will be given up soon.
    Silent(peer: Bound<'py, PyAny>, name: String);
    /// Shouts have passed over a member that does not keep up: so many messages.
    Skipped(peer: Bound<'py, PyAny>, name: String, group: String, messages: u64);
    /// A group has another leader.
    Leader(group: String, peer: Bound<'py, PyAny>, name: String, is_self: bool);
    /// The node is on other networks than before.
    Network(networks: Vec<String>, joined: Vec<String>, left: Vec<String>);
    /// The node has stopped. So many messages have not been confirmed, by peer.
    Stop(unconfirmed: Bound<'py, PyAny>);
}

/// The fields of all classes. One is only asked of an event that has it.
mod fields {
    use super::*;

    pub(super) fn peer<'py>(py: Python<'py>, event: &zre::Event) -> PyResult<Bound<'py, PyAny>> {
        match event.peer() {
            Some(peer) => uuid(py, peer),
            None => py.None().into_bound_py_any(py),
        }
    }

    pub(super) fn name(_: Python<'_>, event: &zre::Event) -> PyResult<String> {
        let name = event.name().map(|name| name.to_string_lossy());
        Ok(name.unwrap_or_default().into_owned())
    }

    pub(super) fn group(_: Python<'_>, event: &zre::Event) -> PyResult<String> {
        let group = event.group().map(|group| group.to_string_lossy());
        Ok(group.unwrap_or_default().into_owned())
    }

    pub(super) fn endpoint(_: Python<'_>, event: &zre::Event) -> PyResult<String> {
        Ok(match event {
            zre::Event::Enter { endpoint, .. } => endpoint.to_string(),
            _ => String::new(),
        })
    }

    pub(super) fn headers<'py>(
        py: Python<'py>,
        event: &zre::Event,
    ) -> PyResult<Bound<'py, PyDict>> {
        match event {
            zre::Event::Enter { headers, .. } => super::headers(py, headers),
            _ => Ok(PyDict::new(py)),
        }
    }

    pub(super) fn key(_: Python<'_>, event: &zre::Event) -> PyResult<Option<String>> {
        Ok(match event {
            zre::Event::Enter { key, .. } => key.as_ref().map(|key| key.public.to_string()),
            zre::Event::Refused { key, .. } => Some(key.to_string()),
            _ => None,
        })
    }

    pub(super) fn by(_: Python<'_>, event: &zre::Event) -> PyResult<&'static str> {
        Ok(match event {
            zre::Event::Refused { by, .. } => by.as_str(),
            _ => "",
        })
    }

    pub(super) fn reason(_: Python<'_>, event: &zre::Event) -> PyResult<&'static str> {
        Ok(match event {
            zre::Event::Exit { reason, .. } => reason.as_str(),
            _ => "",
        })
    }

    /// What the reason says beyond its word.
    pub(super) fn detail(_: Python<'_>, event: &zre::Event) -> PyResult<String> {
        Ok(match event {
            zre::Event::Exit { reason, .. } => reason.to_string(),
            _ => String::new(),
        })
    }

    pub(super) fn unconfirmed<'py>(
        py: Python<'py>,
        event: &zre::Event,
    ) -> PyResult<Bound<'py, PyAny>> {
        match event {
            zre::Event::Exit { unconfirmed, .. } => unconfirmed.into_bound_py_any(py),
            zre::Event::Stop { unconfirmed } => {
                let by_peer = PyDict::new(py);
                for each in unconfirmed {
                    by_peer.set_item(uuid(py, each.peer)?, each.messages)?;
                }
                by_peer.into_bound_py_any(py)
            }
            _ => 0.into_bound_py_any(py),
        }
    }

    pub(super) fn content<'py>(
        py: Python<'py>,
        event: &zre::Event,
    ) -> PyResult<Bound<'py, PyTuple>> {
        event
            .content()
            .map_or_else(|| Ok(PyTuple::empty(py)), |content| frames(py, content))
    }

    pub(super) fn text(_: Python<'_>, event: &zre::Event) -> PyResult<String> {
        Ok(event.content().map(super::text).unwrap_or_default())
    }

    pub(super) fn data<'py>(py: Python<'py>, event: &zre::Event) -> PyResult<Bound<'py, PyBytes>> {
        event.content().map_or_else(
            || Ok(PyBytes::new(py, b"")),
            |content| super::joined(py, content),
        )
    }

    pub(super) fn messages(_: Python<'_>, event: &zre::Event) -> PyResult<u64> {
        Ok(match event {
            zre::Event::Skipped { messages, .. } => *messages,
            _ => 0,
        })
    }

    pub(super) fn is_self(_: Python<'_>, event: &zre::Event) -> PyResult<bool> {
        Ok(matches!(event, zre::Event::Leader { is_self: true, .. }))
    }

    pub(super) fn networks(_: Python<'_>, event: &zre::Event) -> PyResult<Vec<String>> {
        Ok(match event {
            zre::Event::Network { networks, .. } => shown(networks),
            _ => Vec::new(),
        })
    }

    pub(super) fn joined(_: Python<'_>, event: &zre::Event) -> PyResult<Vec<String>> {
        Ok(match event {
            zre::Event::Network { joined, .. } => shown(joined),
            _ => Vec::new(),
        })
    }

    pub(super) fn left(_: Python<'_>, event: &zre::Event) -> PyResult<Vec<String>> {
        Ok(match event {
            zre::Event::Network { left, .. } => shown(left),
            _ => Vec::new(),
        })
    }

    fn shown(networks: &[zre::NetworkInfo]) -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    }
}
