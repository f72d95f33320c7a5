//! Requests of peers.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
};

use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    types::{PyBytes, PyTuple},
};
use zre_blocking::{self as zre, Tcp};
use zre_driver::{Incoming, RequestReceiver};

use crate::{
    content::{Given, frames, joined, text},
    errors::raised,
    operation::{Converted, Operation, nothing},
    peers::uuid,
};

/// The requests of peers to a node, from when this was made.
#[pyclass(frozen)]
pub(crate) struct Requests {
    node: zre::Node,
    receiver: Arc<Mutex<RequestReceiver<Tcp>>>,
}

impl Requests {
    pub(crate) fn new(node: &zre::Node) -> Self {
        Self {
            node: node.clone(),
            receiver: Arc::new(Mutex::new(node.hub().requests())),
        }
    }
}

#[pymethods]
impl Requests {
    /// Takes the next request; `None` when the node has stopped.
    fn next(&self) -> Operation {
        let (receiver, node) = (Arc::clone(&self.receiver), self.node.clone());
        let next = poll_fn(move |cx| {
            let mut receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.poll_next(cx)
        });
        let next = async move { (next.await, node) };
        Operation::new(&self.node, next, |py, (incoming, node)| {
            incoming
                .map(|incoming| Request::new(node, incoming))
                .into_py_any(py)
        })
    }
}

/// A request of a peer, to be answered or refused once. Dropped, it is refused.
#[pyclass(frozen, module = "zre")]
pub(crate) struct Request {
    node: zre::Node,
    peer: zre::PeerId,
    name: String,
    content: zre::Content,
    incoming: Mutex<Option<Incoming<Tcp>>>,
}

impl Request {
    fn new(node: zre::Node, mut incoming: Incoming<Tcp>) -> Self {
        Self {
            node,
            peer: incoming.peer(),
            name: incoming.name().to_string_lossy().into_owned(),
            content: incoming.take_content(),
            incoming: Mutex::new(Some(incoming)),
        }
    }

    fn take(&self) -> Option<Incoming<Tcp>> {
        self.incoming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[pymethods]
impl Request {
    /// Who asks.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid(py, self.peer)
    }

    /// The name of who asks.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// What is asked: the frames.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        frames(py, &self.content)
    }

    /// What is asked, as text.
    #[getter]
    fn text(&self) -> String {
        text(&self.content)
    }

    /// What is asked, all frames as one.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        joined(py, &self.content)
    }

    /// Begins to answer.
    fn begin_answer(&self, content: Given) -> PyResult<Operation> {
        let unknown = || raised(&zre::Error::UnknownPeer(self.peer));
        let mut answering = self.take().ok_or_else(unknown)?.answer(content.0);
        let answering = poll_fn(move |cx| answering.poll(cx));
        Ok(Operation::new(&self.node, answering, nothing))
    }

    /// Says that it will not be answered.
    fn refuse(&self) {
        drop(self.take());
    }

    fn __repr__(&self) -> String {
        format!("<Request of {:?} {}>", self.name, self.peer)
    }
}

/// An answer, or what became of the request.
pub(crate) fn answered(py: Python<'_>, answer: Result<zre::Content, zre::Error>) -> Converted {
    let content = answer.map_err(|error| raised(&error))?;
    frames(py, &content)?.into_py_any(py)
}
