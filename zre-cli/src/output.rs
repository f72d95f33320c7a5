//! Standard output, without the panic of `println!` when nobody reads it.

use std::io::{self, Write};

/// Writes whole lines now.
pub(crate) fn write(lines: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(lines)?;
    output.flush()
}

/// Prints one line now.
pub(crate) fn print(line: &str) -> io::Result<()> {
    write(format!("{line}\n").as_bytes())
}
