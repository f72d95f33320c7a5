//! Copies of all events, and what the node writes to its log.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pyo3::{IntoPyObjectExt, prelude::*};
use zre_blocking::{self as zre, Tcp};
use zre_driver::{EventReceiver, NoticeReceiver};

use crate::{events::event, operation::Operation, peers::uuid};

/// Copies of all events, from when this was made.
#[pyclass(frozen)]
pub(crate) struct Subscription {
    node: zre::Node,
    receiver: Arc<Mutex<EventReceiver<Tcp>>>,
}

/// What the node writes to its log, from when this was made.
#[pyclass(frozen)]
pub(crate) struct Notices {
    node: zre::Node,
    receiver: Arc<Mutex<NoticeReceiver<Tcp>>>,
}

impl Subscription {
    pub(crate) fn new(node: &zre::Node) -> Self {
        Self {
            node: node.clone(),
            receiver: Arc::new(Mutex::new(node.hub().subscribe())),
        }
    }
}

#[pymethods]
impl Subscription {
    /// The next event, or how many it has missed; `None` when the node has stopped.
    fn next(&self) -> Operation {
        let receiver = Arc::clone(&self.receiver);
        let next = poll_fn(move |cx| locked(&receiver).poll_recv(cx));
        Operation::new(&self.node, next, |py, next| match next {
            Some(Ok(next)) => event(py, next),
            Some(Err(lagged)) => lagged.0.into_py_any(py),
            None => Ok(py.None()),
        })
    }
}

impl Notices {
    pub(crate) fn new(node: &zre::Node) -> Self {
        Self {
            node: node.clone(),
            receiver: Arc::new(Mutex::new(node.hub().notices())),
        }
    }
}

#[pymethods]
impl Notices {
    /// The kind of the next notice, its peer and its text; `None` when the node has stopped.
    fn next(&self) -> Operation {
        let receiver = Arc::clone(&self.receiver);
        let next = poll_fn(move |cx| locked(&receiver).poll_recv(cx));
        Operation::new(&self.node, next, |py, next| {
            let Some(notice) = next else {
                return Ok(py.None());
            };
            let peer = notice.peer().map(|peer| uuid(py, peer)).transpose()?;
            (notice.kind(), peer, notice.to_string()).into_py_any(py)
        })
    }
}

fn locked<T>(receiver: &Mutex<T>) -> MutexGuard<'_, T> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner)
}
