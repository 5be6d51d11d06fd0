// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Steps: what the guest does, one action each.

use serde::Deserialize;

/// Time that a wait may take if the step states none, in seconds.
pub const DEFAULT_WAIT_S: u32 = 30;
/// Longest wait that a step may state, in seconds.
const MAX_WAIT_S: u32 = 600;

/// A step as written: one of the action keys, and modifiers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    note: Option<String>,
    #[serde(default)]
    background: bool,
    abandon_s: Option<u32>,
    raises: Option<String>,
    timeout_s: Option<u32>,
    load: Option<String>,
    args: Option<String>,
    unload: Option<String>,
    bind: Option<DriverDevice>,
    unbind: Option<DriverDevice>,
    write: Option<PathValue>,
    wait_mark: Option<String>,
    raise_mark: Option<String>,
    wait_path: Option<String>,
    wait_log: Option<String>,
    sleep_ms: Option<u32>,
    shell: Option<String>,
    run: Option<String>,
    status: Option<u8>,
    reboot: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DriverDevice {
    driver: String,
    device: String,
    #[serde(default = "platform")]
    bus: String,
}

fn platform() -> String {
    "platform".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathValue {
    path: String,
    value: String,
}

/// One step of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Purpose of the step.
    pub note: Option<String>,
    /// The next step starts without waiting for this one.
    pub background: bool,
    /// Time for which the script waits for it after the last step, in seconds, before it goes on without it; absent, a
    /// step that does not end makes the boot inconclusive.
    pub abandon_s: Option<u32>,
    /// The mark that is raised when it is over, whether it succeeded or not.
    pub raises: Option<String>,
    /// Action of the step.
    pub action: Action,
}

/// Action of a step. Names of clients stand in it as `${name}` until the script is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Load a module and what it depends on.
    Load {
        /// Name of the module.
        module: String,
        /// Its parameters.
        args: String,
    },
    /// Unload a module.
    Unload {
        /// Name of the module.
        module: String,
    },
    /// Write a value to a file; binding and unbinding are such writes. That the write fails is part of many races.
    Write {
        /// The file.
        path: String,
        /// Value to write.
        value: String,
    },
    /// Wait until a mark is raised.
    WaitMark {
        /// Name of the mark.
        mark: String,
        /// Time limit, in seconds.
        timeout_s: u32,
    },
    /// Raise a mark.
    RaiseMark {
        /// Name of the mark.
        mark: String,
    },
    /// Wait until a path exists; it may hold shell wildcards.
    WaitPath {
        /// The path.
        path: String,
        /// Time limit, in seconds.
        timeout_s: u32,
    },
    /// Wait until the kernel log holds a text.
    WaitLog {
        /// The text.
        text: String,
        /// Time limit, in seconds.
        timeout_s: u32,
    },
    /// Sleep.
    Sleep {
        /// Duration, in milliseconds.
        ms: u32,
    },
    /// Run shell commands, which may fail.
    Shell {
        /// The commands.
        commands: String,
    },
    /// Run a shell script, which has to succeed; it ends at the first command that fails.
    Run {
        /// The script.
        commands: String,
        /// Its exit status.
        status: u8,
        /// Time limit, in seconds.
        timeout_s: u32,
    },
    /// Reset the machine, unless the mark is raised, which is done first. The steps begin anew then, and go on here.
    Reboot {
        /// Name of the mark.
        mark: String,
    },
}

impl Written {
    /// The step, or what is wrong with it.
    pub(super) fn step(self) -> Result<Step, String> {
        let Self {
            note,
            background,
            abandon_s,
            raises,
            timeout_s,
            load,
            args,
            unload,
            bind,
            unbind,
            write,
            wait_mark,
            raise_mark,
            wait_path,
            wait_log,
            sleep_ms,
            shell,
            run,
            status,
            reboot,
        } = self;
        let wait = timeout_s.unwrap_or(DEFAULT_WAIT_S);
        if !(1..=MAX_WAIT_S).contains(&wait) {
            return Err(format!("`timeout_s` = {wait}: allowed are 1 to {MAX_WAIT_S}"));
        }
        if abandon_s.is_some() && !background {
            return Err("`abandon_s` goes with `background = true`".to_owned());
        }
        if abandon_s.is_some_and(|seconds| seconds > MAX_WAIT_S) {
            return Err(format!("`abandon_s`: at most {MAX_WAIT_S}"));
        }
        let (has_args, has_status) = (args.is_some(), status.is_some());
        let bound = |file: &str, to: DriverDevice| Action::Write {
            path: format!("/sys/bus/{}/drivers/{}/{file}", to.bus, to.driver),
            value: to.device,
        };
        let mut actions: Vec<Action> = [
            load.map(|module| Action::Load {
                module,
                args: args.unwrap_or_default(),
            }),
            unload.map(|module| Action::Unload { module }),
            bind.map(|to| bound("bind", to)),
            unbind.map(|to| bound("unbind", to)),
            write.map(|to| Action::Write {
                path: to.path,
                value: to.value,
            }),
            wait_mark.map(|mark| Action::WaitMark {
                mark,
                timeout_s: wait,
            }),
            raise_mark.map(|mark| Action::RaiseMark { mark }),
            wait_path.map(|path| Action::WaitPath {
                path,
                timeout_s: wait,
            }),
            wait_log.map(|text| Action::WaitLog {
                text,
                timeout_s: wait,
            }),
            sleep_ms.map(|ms| Action::Sleep { ms }),
            shell.map(|commands| Action::Shell { commands }),
            run.map(|commands| Action::Run {
                commands,
                status: status.unwrap_or(0),
                timeout_s: wait,
            }),
            reboot.map(|mark| Action::Reboot { mark }),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (Some(action), true) = (actions.pop(), actions.is_empty()) else {
            return Err(
                "a step has exactly one of `load`, `unload`, `bind`, `unbind`, `write`, `wait_mark`, \
                        `raise_mark`, `wait_path`, `wait_log`, `sleep_ms`, `shell`, `run`, `reboot`"
                    .to_owned(),
            );
        };
        if has_args && !matches!(action, Action::Load { .. }) {
            return Err("`args` goes with `load`".to_owned());
        }
        let waits = matches!(
            action,
            Action::WaitMark { .. } | Action::WaitPath { .. } | Action::WaitLog { .. } | Action::Run { .. }
        );
        if timeout_s.is_some() && !waits {
            return Err("`timeout_s` goes with `wait_mark`, `wait_path`, `wait_log` and `run`".to_owned());
        }
        if has_status && !matches!(action, Action::Run { .. }) {
            return Err("`status` goes with `run`".to_owned());
        }
        Ok(Step {
            note,
            background,
            abandon_s,
            raises,
            action,
        })
    }
}

impl Action {
    /// One line that says what happens.
    pub fn describe(&self) -> String {
        match self {
            Self::Load { module, args } => format!("load {module} {args}").trim_end().to_owned(),
            Self::Unload { module } => format!("unload {module}"),
            Self::Write { path, value } => format!("write {value} to {path}"),
            Self::WaitMark { mark, .. } => format!("wait for mark {mark}"),
            Self::RaiseMark { mark } => format!("raise mark {mark}"),
            Self::WaitPath { path, .. } => format!("wait for {path}"),
            Self::WaitLog { text, .. } => format!("wait for \"{text}\" in the kernel log"),
            Self::Sleep { ms } => format!("sleep {ms} ms"),
            Self::Shell { .. } => "shell".to_owned(),
            Self::Run { .. } => "run".to_owned(),
            Self::Reboot { mark } => format!("reboot if mark {mark} is not raised"),
        }
    }

    /// The texts in which `${client}` may stand.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Write { path, value } => vec![path, value],
            Self::WaitPath { path, .. } => vec![path],
            Self::Load { args, .. } => vec![args],
            Self::WaitLog { text, .. } => vec![text],
            // A shell has variables of its own.
            Self::Shell { .. }
            | Self::Run { .. }
            | Self::Reboot { .. }
            | Self::Unload { .. }
            | Self::WaitMark { .. }
            | Self::RaiseMark { .. }
            | Self::Sleep { .. } => vec![],
        }
    }
}
