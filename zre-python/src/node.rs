//! A running node. What takes time gives an [`Operation`].

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use pyo3::{IntoPyObjectExt, prelude::*, types::PyDict};
use zre_blocking::{self as zre, Content, Delivery, Error, PeerId, Readiness, Tcp};
use zre_driver::{AskAll, Hub, Recipient, Recv, zre_core::Choice};

use crate::{
    content::{Given, frames},
    errors::{raised, timed_out},
    events::event,
    feeds::{Notices, Subscription},
    gil::{away, is_ending},
    operation::{Converted, Operation, deadline, duration, nothing, wait},
    peers::{self, Group, Id, NameOrId, PeerInfo, uuid, uuids},
    requests::{Requests, answered},
    settings,
};

/// Starts a node with these settings.
#[pyfunction]
pub(crate) fn start(
    py: Python<'_>,
    name: Option<String>,
    settings: &Bound<'_, PyDict>,
) -> PyResult<Node> {
    if is_ending() {
        // Nobody would stop it, and who waited in it would hold up the end.
        return Err(raised(&Error::Stopped));
    }
    let builder = settings::builder(name, settings)?;
    let node = away(py, || settings::start(builder))?;
    Ok(Node {
        node,
        readiness: OnceLock::new(),
    })
}

/// A running node.
#[pyclass(frozen, weakref)]
pub(crate) struct Node {
    node: zre::Node,
    readiness: OnceLock<Readiness>,
}

impl Node {
    /// An operation that borrows the hub.
    fn operation<F, T>(
        &self,
        work: impl FnOnce(Arc<Hub<Tcp>>) -> F,
        convert: fn(Python<'_>, T) -> Converted,
    ) -> Operation
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        Operation::new(&self.node, work(Arc::clone(self.node.hub())), convert)
    }

    fn ask(&self, to: Recipient, content: Content, timeout: Option<Duration>) -> Asking {
        let mut ask = self.node.hub().request(to, content, timeout);
        Box::pin(poll_fn(move |cx| ask.poll(cx)))
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<zre::Answer, Error>> + Send>>;

/// What the node is told at once.
#[pymethods]
impl Node {
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid(py, self.node.id())
    }

    #[getter]
    fn name(&self) -> String {
        self.node.name().to_string_lossy().into_owned()
    }

    #[getter]
    fn endpoint(&self) -> String {
        self.node.endpoint().to_string()
    }

    #[getter]
    fn key(&self) -> Option<String> {
        self.node.key().map(|key| key.to_string())
    }

    #[getter]
    fn is_stopped(&self) -> bool {
        self.node.is_stopped()
    }

    fn join(&self, group: Group) -> PyResult<()> {
        self.node.join(group.0).map_err(|error| raised(&error))
    }

    fn leave(&self, group: Group) -> PyResult<()> {
        self.node.leave(group.0).map_err(|error| raised(&error))
    }

    fn contest(&self, group: Group) -> PyResult<()> {
        self.node.contest(group.0).map_err(|error| raised(&error))
    }

    fn withdraw(&self, group: Group) -> PyResult<()> {
        self.node.withdraw(group.0).map_err(|error| raised(&error))
    }

    fn leader<'py>(&self, py: Python<'py>, group: Group) -> PyResult<Option<Bound<'py, PyAny>>> {
        let leader = self.node.leader(group.0).map_err(|error| raised(&error))?;
        leader.map(|peer| uuid(py, peer)).transpose()
    }

    fn peers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        uuids(py, self.node.peers())
    }

    fn peer(&self, peer: Id) -> Option<PeerInfo> {
        self.node.peer(peer.0).map(PeerInfo)
    }

    fn peer_infos(&self) -> Vec<PeerInfo> {
        self.node.peer_infos().into_iter().map(PeerInfo).collect()
    }

    fn peer_by_name<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.node
            .peer_by_name(name)
            .map(|peer| uuid(py, peer))
            .transpose()
    }

    fn peers_by_group<'py>(
        &self,
        py: Python<'py>,
        group: Group,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let peers = self.node.peers_by_group(group.0);
        uuids(py, peers.map_err(|error| raised(&error))?)
    }

    fn own_groups(&self) -> Vec<String> {
        shown(self.node.own_groups())
    }

    fn contested_groups(&self) -> Vec<String> {
        shown(self.node.contested_groups())
    }

    fn peer_groups(&self) -> Vec<String> {
        shown(self.node.peer_groups())
    }

    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        peers::headers(py, &self.node.headers())
    }

    fn set_header(&self, name: &str, value: &str) -> PyResult<()> {
        self.node
            .set_header(name, value)
            .map_err(|error| raised(&error))
    }

    fn remove_header(&self, name: &str) -> PyResult<bool> {
        self.node
            .remove_header(name)
            .map_err(|error| raised(&error))
    }

    fn networks(&self) -> Vec<String> {
        let network = self.node.network();
        let networks = network.networks.iter();
        networks
            .map(|network| format!("{} ({})", network.interface, network.endpoint))
            .collect()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.node.stats();
        let dict = PyDict::new(py);
        dict.set_item("peers", stats.peers)?;
        dict.set_item("connections", stats.connections)?;
        dict.set_item("bytes_waiting", stats.bytes_waiting)?;
        dict.set_item("events", stats.events)?;
        dict.set_item("messages_in", stats.messages_in)?;
        dict.set_item("messages_out", stats.messages_out)?;
        dict.set_item("beacons_sent", stats.beacons_sent)?;
        dict.set_item("notices", stats.notices)?;
        Ok(dict)
    }
}

/// Events.
#[pymethods]
impl Node {
    /// Takes the next event if there is one.
    fn try_recv(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.node.try_recv().map(|next| event(py, next)).transpose()
    }

    /// Waits for the next event; `None` when the node has stopped.
    #[pyo3(signature = (timeout=None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>) -> Converted {
        if let Some(next) = self.node.try_recv() {
            return event(py, next);
        }
        let deadline = deadline(timeout)?;
        let mut recv = Recv::owned(Arc::clone(self.node.hub()));
        let mut recv = poll_fn(move |cx| recv.poll(cx));
        match wait(py, &self.node, deadline, Pin::new(&mut recv))? {
            Some(Some(next)) => event(py, next),
            Some(None) => Ok(py.None()),
            None => Err(timed_out("no event came in time")),
        }
    }

    /// Waits for the next event; `None` when the node has stopped.
    fn begin_recv(&self) -> Operation {
        let mut recv = Recv::owned(Arc::clone(self.node.hub()));
        let recv = poll_fn(move |cx| recv.poll(cx));
        Operation::new(&self.node, recv, |py, next| match next {
            Some(next) => event(py, next),
            None => Ok(py.None()),
        })
    }

    fn subscribe(&self) -> Subscription {
        Subscription::new(&self.node)
    }

    fn notices(&self) -> Notices {
        Notices::new(&self.node)
    }

    /// A descriptor that is readable while events wait, and when the node has stopped.
    fn fileno(&self) -> PyResult<i64> {
        if self.readiness.get().is_none() {
            // If another thread was faster, this one's is closed again.
            let _ = self.readiness.set(self.node.readiness()?);
        }
        let readiness = self.readiness.get();
        Ok(readiness.map_or(-1, descriptor))
    }
}

/// Sending.
#[pymethods]
impl Node {
    fn try_whisper(&self, peer: Id, content: Given) -> PyResult<()> {
        self.node
            .try_whisper(peer.0, content.0)
            .map_err(|error| raised(&error))
    }

    fn try_shout(&self, group: Group, content: Given) -> PyResult<usize> {
        self.node
            .try_shout(group.0, content.0)
            .map_err(|error| raised(&error))
    }

    #[pyo3(signature = (peer, content, timeout=None))]
    fn whisper(
        &self,
        py: Python<'_>,
        peer: Id,
        content: Given,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let mut whisper = self.node.hub().whisper(peer.0, content.0);
        let whisper = pin!(poll_fn(|cx| whisper.poll(cx)));
        let sent = wait(py, &self.node, deadline(timeout)?, whisper)?;
        let sent = sent.ok_or_else(|| timed_out("the peer had no room in time"))?;
        sent.map_err(|error| raised(&error))
    }

    #[pyo3(signature = (group, content, timeout=None))]
    fn shout(
        &self,
        py: Python<'_>,
        group: Group,
        content: Given,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut shout = self.node.hub().shout(group.0, content.0);
        let shout = pin!(poll_fn(|cx| shout.poll(cx)));
        let reached = wait(py, &self.node, deadline(timeout)?, shout)?;
        let reached = reached.ok_or_else(|| timed_out("some members had no room in time"))?;
        reached.map_err(|error| raised(&error))
    }

    fn begin_whisper(&self, peer: Id, content: Given) -> Operation {
        let whisper = |hub: Arc<Hub<Tcp>>| async move {
            let mut whisper = hub.whisper(peer.0, content.0);
            poll_fn(|cx| whisper.poll(cx)).await
        };
        self.operation(whisper, nothing)
    }

    fn begin_shout(&self, group: Group, content: Given) -> Operation {
        let shout = |hub: Arc<Hub<Tcp>>| async move {
            let mut shout = hub.shout(group.0, content.0);
            poll_fn(|cx| shout.poll(cx)).await
        };
        self.operation(shout, |py, reached: Result<usize, Error>| {
            reached.map_err(|error| raised(&error))?.into_py_any(py)
        })
    }

    fn begin_whisper_confirmed(&self, peer: Id, content: Given) -> Operation {
        let whisper = |hub: Arc<Hub<Tcp>>| async move {
            let mut whisper = hub.whisper_confirmed(peer.0, content.0);
            poll_fn(|cx| whisper.poll(cx)).await
        };
        self.operation(whisper, nothing)
    }

    fn begin_shout_confirmed(&self, group: Group, content: Given) -> Operation {
        let shout = |hub: Arc<Hub<Tcp>>| async move {
            let mut shout = hub.shout_confirmed(group.0, content.0);
            poll_fn(|cx| shout.poll(cx)).await
        };
        self.operation(shout, deliveries)
    }

    fn begin_flush(&self, peer: Id) -> Operation {
        let flush = |hub: Arc<Hub<Tcp>>| async move {
            let mut flush = hub.flush(peer.0)?;
            poll_fn(|cx| flush.poll(cx)).await
        };
        self.operation(flush, nothing)
    }

    fn begin_ping(&self, peer: Id) -> Operation {
        let ping = |hub: Arc<Hub<Tcp>>| async move {
            let asked_at = Instant::now();
            let mut ping = hub.ping(peer.0)?;
            poll_fn(|cx| ping.poll(cx)).await?;
            Ok(asked_at.elapsed().as_secs_f64())
        };
        self.operation(ping, |py, took: Result<f64, Error>| {
            took.map_err(|error| raised(&error))?.into_py_any(py)
        })
    }
}

/// Requests.
#[pymethods]
impl Node {
    #[pyo3(signature = (peer, content, timeout))]
    fn begin_request(&self, peer: Id, content: Given, timeout: Option<f64>) -> PyResult<Operation> {
        let timeout = timeout.map(duration).transpose()?;
        let asking = self.ask(Recipient::Peer(peer.0), content.0, timeout);
        Ok(Operation::new(&self.node, asking, |py, answer| {
            answered(py, answer.map(|answer| answer.content))
        }))
    }

    #[pyo3(signature = (group, content, timeout, in_turn))]
    fn begin_request_any(
        &self,
        group: Group,
        content: Given,
        timeout: Option<f64>,
        in_turn: bool,
    ) -> PyResult<Operation> {
        let timeout = timeout.map(duration).transpose()?;
        let choice = match in_turn {
            true => Choice::RoundRobin,
            false => Choice::LeastBusy,
        };
        let asking = self.ask(Recipient::Any(group.0, choice), content.0, timeout);
        Ok(Operation::new(&self.node, asking, |py, answer| {
            let answer = answer.map_err(|error| raised(&error))?;
            (uuid(py, answer.peer)?, frames(py, &answer.content)?).into_py_any(py)
        }))
    }

    #[pyo3(signature = (group, content, timeout))]
    fn begin_request_all(
        &self,
        group: Group,
        content: Given,
        timeout: Option<f64>,
    ) -> PyResult<Answers> {
        let timeout = timeout.map(duration).transpose()?;
        let all = self.node.hub().request_all(group.0, content.0, timeout);
        Ok(Answers {
            node: self.node.clone(),
            all: Arc::new(Mutex::new(all.map_err(|error| raised(&error))?)),
        })
    }

    fn requests(&self) -> Requests {
        Requests::new(&self.node)
    }
}

/// Waiting for others, and for the end.
#[pymethods]
impl Node {
    fn begin_wait_for_peer(&self, peer: NameOrId) -> Operation {
        let found = |hub: Arc<Hub<Tcp>>| async move {
            let mut found = hub.wait_for_peer(peer.0)?;
            poll_fn(|cx| found.poll(cx)).await
        };
        self.operation(found, |py, peer: Result<PeerId, Error>| {
            uuid(py, peer.map_err(|error| raised(&error))?)?.into_py_any(py)
        })
    }

    fn begin_wait_for_group(&self, group: Group, count: usize) -> Operation {
        let found = |hub: Arc<Hub<Tcp>>| async move {
            let mut found = hub.wait_for_group(group.0, count);
            poll_fn(|cx| found.poll(cx)).await
        };
        self.operation(found, |py, peers: Result<Vec<PeerId>, Error>| {
            uuids(py, peers.map_err(|error| raised(&error))?)?.into_py_any(py)
        })
    }

    /// Stops the node, and waits until all sockets are closed.
    fn begin_stop(&self) -> Operation {
        self.node.hub().stop();
        let stopped = |hub: Arc<Hub<Tcp>>| async move {
            if hub.is_forked() {
                return;
            }
            let mut stopped = hub.stopped();
            poll_fn(|cx| stopped.poll(cx)).await;
        };
        self.operation(stopped, |py, ()| Ok(py.None()))
    }

    /// Stops the node, and waits until its thread has ended, too.
    fn stop(&self, py: Python<'_>) {
        away(py, || self.node.stop());
    }
}

/// What the members of a group answer, in the order in which it is known.
#[pyclass(frozen)]
pub(crate) struct Answers {
    node: zre::Node,
    all: Arc<Mutex<AskAll<Tcp>>>,
}

#[pymethods]
impl Answers {
    /// The next member with its answer or an exception; `None` when all are known.
    fn next(&self) -> Operation {
        let all = Arc::clone(&self.all);
        let next = poll_fn(move |cx| {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.poll_next(cx)
        });
        Operation::new(&self.node, next, |py, next| {
            let Some((peer, answer)) = next else {
                return Ok(py.None());
            };
            let answer = match answered(py, answer) {
                Ok(content) => content,
                Err(error) => error.into_value(py).into_any(),
            };
            (uuid(py, peer)?, answer).into_py_any(py)
        })
    }
}

fn shown(groups: Vec<zre::GroupName>) -> Vec<String> {
    let groups = groups.iter();
    groups
        .map(|group| group.to_string_lossy().into_owned())
        .collect()
}

/// What became of a shout, by member.
fn deliveries(py: Python<'_>, outcome: Result<Vec<(PeerId, Delivery)>, Error>) -> Converted {
    let by_peer = PyDict::new(py);
    for (peer, delivery) in outcome.map_err(|error| raised(&error))? {
        let word = match delivery {
            Delivery::Delivered => "delivered",
            Delivery::Skipped => "skipped",
            _ => "gone",
        };
        by_peer.set_item(uuid(py, peer)?, word)?;
    }
    by_peer.into_py_any(py)
}

fn descriptor(readiness: &Readiness) -> i64 {
    #[cfg(unix)]
    return std::os::fd::AsRawFd::as_raw_fd(readiness).into();
    #[cfg(windows)]
    {
        use std::os::windows::io::{AsRawSocket as _, AsSocket as _};
        readiness.as_socket().as_raw_socket() as i64
    }
}
