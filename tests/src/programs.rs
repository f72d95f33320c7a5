//! The programs that peers run: Python with the real implementations, and our own `zre`.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the programs that drive zyre and pyre are.
pub const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// The Python that has zyre and pyre, or the reason why there is none.
///
/// The first call on a machine makes a virtual environment under the target directory.
///
/// # Errors
///
/// Says what failed when there is no Python or the packages cannot be installed.
pub fn python() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| VirtualEnvironment::under(&target_directory()).ready());
    python.as_deref().map_err(Clone::clone)
}

/// The `zre` command: the one that `ZRE_BIN` names, else built from this workspace.
///
/// # Errors
///
/// Says what failed when it cannot be built.
pub fn zre() -> Result<&'static Path, String> {
    static ZRE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let zre = ZRE.get_or_init(|| match env::var_os("ZRE_BIN") {
        Some(path) => Ok(path.into()),
        None => build_zre(),
    });
    zre.as_deref().map_err(Clone::clone)
}

struct VirtualEnvironment {
    directory: PathBuf,
}

impl VirtualEnvironment {
    fn under(target: &Path) -> Self {
        Self {
            directory: target.join("peers-venv"),
        }
    }

    fn ready(&self) -> Result<PathBuf, String> {
        self.make_once()
            .map_err(|error| format!("no Python environment: {error}"))?;
        Ok(self.python())
    }

    /// Makes it, unless it is there already; other test processes wait meanwhile.
    fn make_once(&self) -> io::Result<()> {
        let lock_path = self.directory.with_extension("lock");
        fs::create_dir_all(target_directory())?;
        let lock = File::create(lock_path)?;
        lock.lock()?;
        let wanted = fs::read(Path::new(PEERS).join("requirements.txt"))?;
        if fs::read(self.stamp()).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        self.make()?;
        fs::write(self.stamp(), wanted)
    }

    fn make(&self) -> io::Result<()> {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&self.directory))?;
        run(Command::new(self.python())
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--requirement"])
            .arg(Path::new(PEERS).join("requirements.txt")))?;
        Ok(())
    }

    fn python(&self) -> PathBuf {
        self.directory.join("bin/python")
    }

    /// Written last, so it stands only in a complete environment.
    fn stamp(&self) -> PathBuf {
        self.directory.join("installed.txt")
    }
}

/// An example program of this workspace, built first.
///
/// # Errors
///
/// Says what failed when it cannot be built.
pub fn example(package: &str, name: &str) -> Result<PathBuf, String> {
    build(&["--package", package, "--example", name])
}

/// The example that is a node of any adapter, built from this workspace.
///
/// # Errors
///
/// Says what failed when it cannot be built.
pub fn pipe_node() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| example("zre-tests", "pipe_node"));
    built.as_deref().map_err(Clone::clone)
}

fn build_zre() -> Result<PathBuf, String> {
    build(&["--package", "zre-cli", "--bin", "zre"])
}

/// Builds one program and says where it is.
fn build(what: &[&str]) -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let messages = run(Command::new(cargo)
        .arg("build")
        .args(what)
        .args(["--message-format", "json"])
        .current_dir(workspace()))
    .map_err(|error| format!("cannot build {what:?}: {error}"))?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo built no program of {what:?}"))
}

/// Runs to the end and returns what was printed.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaints = [output.stdout, output.stderr].concat();
    let complaints = String::from_utf8_lossy(&complaints);
    let last = complaints.trim().lines().last().unwrap_or_default();
    Err(io::Error::other(format!("{program}: {last}")))
}

fn target_directory() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace().join(directory),
        None => workspace().join("target"),
    }
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
