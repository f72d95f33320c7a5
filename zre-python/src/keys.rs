//! Keys in files.

use std::path::PathBuf;

use pyo3::prelude::*;
use zre_blocking::{Certificate, keys};

use crate::{errors::invalid, gil::away};

/// Makes a new key, in the files PATH and PATH_secret. Gives the public key.
///
/// Only the owner can read the second. Files that are there already are not overwritten.
#[pyfunction]
pub(crate) fn new_key(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    away(py, || {
        let keypair = keys::generate()?;
        let certificate = Certificate::from(keypair);
        let written = keys::write_keypair(path, &certificate);
        written.map_err(|error| invalid(&error.to_string()))?;
        Ok(certificate.public.to_string())
    })
}
