//! What takes time: a thread waits for it, or an event loop polls it.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use pyo3::{IntoPyObjectExt, exceptions::PyRuntimeError, prelude::*, types::PyTuple};
use zre_blocking as zre;

use crate::{
    errors::{invalid, timed_out},
    gil::away,
    wakeups::Wakeups,
};

/// How long a main thread waits at most before it looks for signals, such as that of Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(40);

/// The outcome of an operation, which becomes an object of Python when it is taken.
pub(crate) type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Something that a node has been asked to do, and that takes time. Dropped, it is given up.
#[pyclass(frozen)]
pub(crate) struct Operation {
    node: zre::Node,
    work: Mutex<Option<Work>>,
}

impl Operation {
    /// Begins an operation, whose outcome is turned into what Python gets.
    pub(crate) fn new<F, T>(
        node: &zre::Node,
        work: F,
        convert: fn(Python<'_>, T) -> Converted,
    ) -> Self
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let work = async move {
            let outcome = work.await;
            let convert: Outcome = Box::new(move |py| convert(py, outcome));
            convert
        };
        Self {
            node: node.clone(),
            work: Mutex::new(Some(Box::pin(work))),
        }
    }

    fn take(&self) -> PyResult<Work> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = || PyRuntimeError::new_err("the operation is over, or somebody waits for it");
        work.take().ok_or_else(is_over)
    }

    fn put_back(&self, work: Work) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }
}

/// An object of Python, or the exception that is raised in its place.
pub(crate) type Converted = PyResult<Py<PyAny>>;

#[pymethods]
impl Operation {
    /// Waits for the outcome on this thread; for so many seconds if that is given.
    #[pyo3(signature = (timeout=None, /))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> Converted {
        let mut work = self.take()?;
        let deadline = deadline(timeout)?;
        match wait(py, &self.node, deadline, work.as_mut())? {
            Some(outcome) => outcome(py),
            None => Err(timed_out("the time is over")),
        }
    }

    /// Gives the outcome in a tuple if it is there. Otherwise the number is among the wakeups when
    /// this is to be called again.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        wakeups: &Wakeups,
        number: u64,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut work = self.take()?;
        let waker: Waker = wakeups.waker(number);
        let polled = away(py, || work.as_mut().poll(&mut Context::from_waker(&waker)));
        match polled {
            Poll::Ready(outcome) => Ok(Some(PyTuple::new(py, [outcome(py)?])?)),
            Poll::Pending => {
                self.put_back(work);
                Ok(None)
            }
        }
    }

    /// Gives it up.
    fn close(&self, py: Python<'_>) {
        let work = self.take().ok();
        away(py, || drop(work));
    }
}

/// Waits for a future on this thread; `None` if the time is over. A signal whose handler raises
/// ends waiting within 50 ms.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    node: &zre::Node,
    deadline: Option<Instant>,
    mut work: Pin<&mut (impl Future<Output = T> + Send + ?Sized)>,
) -> PyResult<Option<T>> {
    let looks_for_signals = is_main_thread(py)?;
    loop {
        let slice = Instant::now() + SIGNAL_INTERVAL;
        let until = match deadline {
            Some(deadline) if !looks_for_signals || deadline <= slice => Some(deadline),
            _ => looks_for_signals.then_some(slice),
        };
        let done = away(py, || node.wait_until(until, |cx| work.as_mut().poll(cx)));
        if done.is_some() {
            return Ok(done);
        }
        py.check_signals()?;
        if until == deadline {
            return Ok(None);
        }
    }
}

/// When so many seconds are over; `None` for never.
pub(crate) fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout else {
        return Ok(None);
    };
    Ok(Instant::now().checked_add(duration(seconds)?))
}

/// So many seconds. What is too long for a clock is for ever.
pub(crate) fn duration(seconds: f64) -> PyResult<Duration> {
    match seconds >= 0.0 {
        true => Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        false => Err(invalid(&format!(
            "{seconds} is no time: it is a number of seconds, 0 or more"
        ))),
    }
}

/// Python handles signals on its main thread alone.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    thread_local!(static IS_MAIN: Cell<Option<bool>> = const { Cell::new(None) });
    if let Some(known) = IS_MAIN.get() {
        return Ok(known);
    }
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    let is_main = main.eq(threading.call_method0("get_ident")?)?;
    IS_MAIN.set(Some(is_main));
    Ok(is_main)
}

/// `None`.
pub(crate) fn nothing(py: Python<'_>, done: Result<(), zre::Error>) -> Converted {
    done.map_err(|error| crate::errors::raised(&error))?;
    py.None().into_py_any(py)
}
