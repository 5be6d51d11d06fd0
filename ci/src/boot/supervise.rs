// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Child processes that cannot outlive the run.
//!
//! A child is started through the hidden `exec` subcommand of this program, which asks the kernel to kill it when its
//! parent dies and then becomes the program wanted; so that even a parent killed hard leaves nothing behind. A child
//! has a process group of its own: Ctrl-C is for the launcher, which ends its children in order.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use host_guard::program::Program;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// This very program, for its helpers: its file may be replaced while a run goes on, and a run is of one version.
pub const SELF: &str = "/proc/self/exe";

/// Name of the hidden subcommand.
pub const EXEC: &str = "exec";

/// Lines of a child's standard error kept.
const STDERR_LINES: usize = 40;
/// Bytes of one such line kept.
const STDERR_WIDTH: usize = 500;
/// Time for the threads that read what a child has printed, once it has ended.
const GRACE: Duration = Duration::from_millis(1000);

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct Supervised {
    name: &'static str,
    process: Child,
    stderr: Arc<Mutex<VecDeque<String>>>,
    /// Reads standard error; waited for once.
    reader: Option<thread::JoinHandle<()>>,
}

impl Supervised {
    /// Starts `program` through `helper`, the `boot-stress` executable.
    ///
    /// Standard input is a pipe if `stdin` says so and empty otherwise; standard output is a pipe; standard error is
    /// read by a thread, and `on_stderr` sees each line.
    ///
    /// The kernel ties the child to the calling *thread*: call it from one that lives as long as the run.
    ///
    /// # Errors
    /// The helper cannot be started.
    pub fn spawn(
        name: &'static str,
        helper: &Path,
        program: &Program,
        stdin: bool,
        on_stderr: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let mut command = Command::new(helper);
        command
            .arg(EXEC)
            .arg(std::process::id().to_string())
            .arg(&program.path)
            .args(&program.args);
        program.set_environment(&mut command);
        command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut process = command.spawn()?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let reader = process.stderr.take().map(|pipe| {
            let lines = Arc::clone(&stderr);
            thread::spawn(move || read_stderr(pipe, &lines, on_stderr))
        });
        Ok(Self {
            name,
            process,
            stderr,
            reader,
        })
    }

    /// Name for messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Its standard input, once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Exit status, if it has ended; then its standard error is all there.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.try_wait().ok().flatten()?;
        self.finish_stderr();
        Some(status)
    }

    /// Waits for the end of its standard error, which comes with its own end; not for a process that it left behind.
    fn finish_stderr(&mut self) {
        self.reader.take().and_then(within_grace);
    }

    /// The last lines of its standard error.
    pub fn stderr_tail(&self) -> Vec<String> {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Kills it, at once and whatever it is doing.
    pub fn kill(&mut self) {
        // Only fails for a process that is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.finish_stderr();
    }

    /// Waits for it to end by itself, for a time; then kills it. Returns how it ended if it did by itself.
    pub fn finish(&mut self, grace: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        None
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_stderr(pipe: impl Read, lines: &Mutex<VecDeque<String>>, on_stderr: impl Fn(&str)) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A limit per read: a line without end comes in pieces and does not grow.
        match pipe.by_ref().take(64 * 1024).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        line.truncate(STDERR_WIDTH);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.is_empty() {
            continue;
        }
        on_stderr(&text);
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

/// Result of a thread that reads a pipe of a child that has ended; `None` if a process that the child left behind keeps
/// the pipe open, or it panicked.
pub fn within_grace<T>(reader: thread::JoinHandle<T>) -> Option<T> {
    let deadline = Instant::now() + GRACE;
    while !reader.is_finished() {
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    reader.join().ok()
}

/// Exit status of a process in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "killed (signal 9)".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

/// The `exec` subcommand: dies with the process `parent`, and becomes `program`. Returns only on failure.
pub fn exec(parent: u32, program: &OsStr, args: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the call above.
    let expected = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if expected.is_none() || getppid() != expected {
        return io::Error::other("the process that started this one is gone");
    }
    Command::new(program).args(args).exec()
}
