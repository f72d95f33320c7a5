//! The thread that runs a node while no thread of the application does.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::helm::Helm;

/// Starts the thread.
pub(crate) fn spawn(helm: &Arc<Helm>) -> io::Result<JoinHandle<()>> {
    let helm = Arc::clone(helm);
    thread::Builder::new()
        .name("zre".into())
        .spawn(move || helm.serve())
}
