//! The exceptions of `zre.errors`, and which error of a node is which.

use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyModule, PyType},
};
use zre_blocking::{Error, PeerId, StartError};

use crate::peers::uuid;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// What a node refuses, as an exception.
pub(crate) fn raised(error: &Error) -> PyErr {
    let (name, peer) = match error {
        Error::UnknownPeer(peer) => ("UnknownPeer", Some(*peer)),
        Error::Unconfirmed(peer) => ("Unconfirmed", Some(*peer)),
        Error::Gone(peer) => ("Gone", Some(*peer)),
        Error::Refused(peer) => ("RequestRefused", Some(*peer)),
        Error::TimedOut(peer) => ("TimedOut", Some(*peer)),
        Error::Full(peer) => ("Full", Some(*peer)),
        Error::NoMembers(_) => ("NoMembers", None),
        Error::MessageTooLarge { .. } => ("MessageTooLarge", None),
        Error::Stopped => ("Stopped", None),
        Error::Forked => ("Forked", None),
        _ => ("InvalidValue", None),
    };
    new(name, &error.to_string(), peer)
}

/// Why a node does not start.
pub(crate) fn not_started(error: &StartError) -> PyErr {
    new("StartError", &error.to_string(), None)
}

/// A value that cannot be used.
pub(crate) fn invalid(message: &str) -> PyErr {
    new("InvalidValue", message, None)
}

/// The time is over.
pub(crate) fn timed_out(message: &str) -> PyErr {
    new("TimedOut", message, None)
}

fn new(name: &str, message: &str, peer: Option<PeerId>) -> PyErr {
    Python::attach(|py| {
        let class = class(py, name)?;
        let peer = peer.map(|peer| uuid(py, peer)).transpose()?;
        Ok(PyErr::from_value(class.call1((message, peer))?))
    })
    .unwrap_or_else(|error| error)
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    let import = || Ok::<_, PyErr>(PyModule::import(py, "zre.errors")?.unbind());
    let errors = ERRORS.get_or_try_init(py, import)?.bind(py);
    Ok(errors.getattr(name)?.cast_into()?)
}
