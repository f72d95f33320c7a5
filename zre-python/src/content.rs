//! Messages as Python has them: one frame is text or bytes, several are a sequence of these.

use pyo3::{
    prelude::*,
    types::{PyByteArray, PyBytes, PyString, PyTuple},
};
use zre_blocking::{Bytes, Content};

/// Content from Python.
pub(crate) struct Given(pub(crate) Content);

impl<'py> FromPyObject<'py> for Given {
    fn extract_bound(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(frame) = frame(value)? {
            return Ok(Self(frame.into()));
        }
        let frames = value.try_iter().map_err(|_| wrong(value))?;
        let frames = frames.map(|each| {
            let each = each?;
            frame(&each)?.ok_or_else(|| wrong(&each))
        });
        Ok(Self(frames.collect::<PyResult<Vec<Bytes>>>()?.into()))
    }
}

/// One frame; `None` if it is none.
fn frame(value: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(Bytes::copy_from_slice(bytes.as_bytes())));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(Bytes::copy_from_slice(text.to_cow()?.as_bytes())));
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(Some(bytes.to_vec().into()));
    }
    // A `memoryview`, an array: whatever has the buffer protocol, which is in no stable interface
    // before Python 3.11.
    let module = value.get_type().module()?;
    if value.get_type().name()? == "memoryview" || module == "array" || module == "numpy" {
        let bytes = value.call_method0("tobytes")?;
        return Ok(Some(Bytes::copy_from_slice(
            bytes.cast::<PyBytes>()?.as_bytes(),
        )));
    }
    Ok(None)
}

fn wrong(value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type().name().map(|name| name.to_string());
    pyo3::exceptions::PyTypeError::new_err(format!(
        "a message is str, bytes, or a sequence of these, not {}",
        kind.unwrap_or_default()
    ))
}

/// The frames as a tuple of bytes.
pub(crate) fn frames<'py>(py: Python<'py>, content: &Content) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, content.iter().map(|frame| PyBytes::new(py, frame)))
}

/// The frames as text, one line each. What is no UTF-8 is replaced.
pub(crate) fn text(content: &Content) -> String {
    let lines = content.iter().map(|frame| String::from_utf8_lossy(frame));
    lines.collect::<Vec<_>>().join("\n")
}

/// All frames as one.
pub(crate) fn joined<'py>(py: Python<'py>, content: &Content) -> PyResult<Bound<'py, PyBytes>> {
    let len = content.byte_len();
    PyBytes::new_with(py, len, |mut rest| {
        for frame in content.iter() {
            let (place, behind) = rest.split_at_mut(frame.len());
            place.copy_from_slice(frame);
            rest = behind;
        }
        Ok(())
    })
}
