// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! External programs: how one is started, and runs for its output, up to a time and a size.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use subprocess::unix::{ExitStatusExt as _, JobExt};
use subprocess::{Exec, ExecExt, Job, Redirection};
use thiserror::Error;

use crate::signals::{self, Orderly};

#[cfg(test)]
mod tests;

/// Interval at which signals are checked.
const TICK: Duration = Duration::from_millis(50);
const SIGKILL: i32 = 9;

/// Program to start, with its arguments and environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments; those that come first, if it is to get more.
    pub args: Vec<OsString>,
    /// Variables to add to its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Variables to take away.
    pub env_remove: Vec<OsString>,
}

impl Program {
    /// A command that starts it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args);
        self.set_environment(&mut command);
        command
    }

    /// Gives another command the environment of this program.
    pub fn set_environment(&self, command: &mut Command) {
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        for key in &self.env_remove {
            command.env_remove(key);
        }
    }
}

/// Limits of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From its start to its end.
    pub time: Duration,
    /// Bytes of standard output and standard error together.
    pub bytes: usize,
}

/// Limits for programs that only say something about themselves.
pub const SHORT: Limits = Limits {
    time: Duration::from_secs(10),
    bytes: 1 << 20,
};

/// The end of a program within its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A program that did not run to its end.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It cannot be started, or its output cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It takes too long, and was killed.
    #[error("it did not end within {} s", .0.as_secs_f32())]
    Time(Duration),
    /// It prints too much, and was killed.
    #[error("it printed more than {0} bytes")]
    Size(usize),
    /// A signal asks this process to end; the program was killed.
    #[error("interrupted")]
    Interrupted,
}

/// Runs a program with empty standard input until it ends. If it does not end within `limits`, or a signal asks this
/// process to end, the program and all that it has started in its process group are killed.
///
/// # Errors
/// [`ProgramError`].
pub fn run(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl Into<OsString>>,
    limits: Limits,
) -> Result<Output, ProgramError> {
    let _orderly = Orderly::begin();
    let deadline = Instant::now() + limits.time;
    let exec = Exec::cmd(program.as_ref()).args(args);
    let mut running = Running::start(exec.stdout(Redirection::Pipe).stderr(Redirection::Pipe))?;
    let mut pipes = running
        .job
        .communicate()?
        .limit_size(limits.bytes.saturating_add(1));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        pipes = pipes.limit_time(next_wait(deadline, limits)?);
        let read = pipes.read_to(&mut stdout, &mut stderr);
        if stdout.len().saturating_add(stderr.len()) > limits.bytes {
            return Err(ProgramError::Size(limits.bytes));
        }
        match read {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error.into()),
        }
    }
    let status = running.wait(|| next_wait(deadline, limits))?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Runs a program with empty standard input until it ends, however long that takes; its output goes to standard error.
/// If a signal asks this process to end, the program and all that it has started in its process group are killed.
///
/// # Errors
/// It cannot be started, or a signal asks for the end.
pub fn run_shown(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<ExitStatus, ProgramError> {
    let _orderly = Orderly::begin();
    let stderr = || io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let exec = Exec::cmd(program.as_ref()).args(args);
    let exec = exec
        .stdout(Redirection::File(stderr()?))
        .stderr(Redirection::File(stderr()?));
    Running::start(exec)?.wait(|| match signals::asked() {
        Some(_) => Err(ProgramError::Interrupted),
        None => Ok(TICK),
    })
}

/// Wait until the next check of signals and the deadline.
fn next_wait(deadline: Instant, limits: Limits) -> Result<Duration, ProgramError> {
    if signals::asked().is_some() {
        return Err(ProgramError::Interrupted);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ProgramError::Time(limits.time));
    }
    Ok(left.min(TICK))
}

/// A program under way. Dropping it kills its group, unless it has ended.
struct Running {
    job: Job,
    ended: bool,
}

impl Running {
    fn start(exec: Exec) -> io::Result<Self> {
        // A group of its own, which is killed as a whole.
        let job = exec.stdin(Redirection::Null).setpgid().start()?;
        Ok(Self { job, ended: false })
    }

    /// Waits for its end, as long as `next_wait` gives a time to wait.
    fn wait(
        &mut self,
        next_wait: impl Fn() -> Result<Duration, ProgramError>,
    ) -> Result<ExitStatus, ProgramError> {
        let status = loop {
            if let Some(status) = self.job.wait_timeout(next_wait()?)? {
                break status;
            }
        };
        self.ended = true;
        let status = status.into_raw();
        let status = status.ok_or_else(|| io::Error::other("its exit status is lost"))?;
        Ok(ExitStatus::from_raw(status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // Only fails for a group that is gone.
            let _ = self.job.send_signal_group(SIGKILL);
            let _ = self.job.kill();
            // Reaps it; it cannot refuse the signal.
            let _ = self.job.wait();
        }
    }
}
