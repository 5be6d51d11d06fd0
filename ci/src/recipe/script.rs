// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The steps of a recipe as the guest's `/init`: a script for busybox's shell.
//!
//! What the script says goes through `/dev/kmsg` at the highest level: the kernel then prints it as one line with a
//! time stamp, in order with its own lines, and even when the console is quiet.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use guest_images::machine::layout::{self, Layout};
use guest_images::system::initramfs::ExtraFile;
use guest_images::system::modules::normal_name;

use super::registers::{self, RELAXED};
use crate::recipe::{Action, FindingKind, Recipe, Start, Step};

/// Kernel arguments of every boot, before those of the recipe. The self-tests of the crypto API take a tenth of a boot
/// and have nothing to do with IOMMUs.
const CMDLINE: &str = "console=ttyAMA0 earlycon panic=-1 printk.devkmsg=on cryptomgr.notests";
/// Room for the kernel log of a quiet recipe, which is printed at the end: floods must not overwrite it.
const QUIET_CMDLINE: &str = "log_buf_len=8M";
/// Longest time from a reset to the first step, in seconds.
const REBOOT_S: u32 = 90;
/// Directory of the scripts of the steps in the guest, and of what they share.
const STEPS: &str = "/steps";
/// Program that sets the board up again, of boots that start from a snapshot.
pub const RENEW: &str = "/steps/renew";
/// Time limit of background steps after the last other step, in seconds.
const JOIN_S: u32 = 60;

/// The kernel's command line. Parameters of a module that is built in stand there, as `MODULE.PARAMETER=VALUE`.
pub fn cmdline(recipe: &Recipe, builtin: &BTreeSet<String>) -> String {
    let mut line = CMDLINE.to_owned();
    if recipe.quiet {
        line.push(' ');
        line.push_str(QUIET_CMDLINE);
    }
    for argument in &recipe.cmdline {
        line.push(' ');
        line.push_str(argument);
    }
    if registers::are_touched(recipe) && !recipe.cmdline.iter().any(|argument| argument == RELAXED) {
        line.push(' ');
        line.push_str(RELAXED);
    }
    for step in &recipe.steps {
        if let Action::Load { module, args } = &step.action
            && builtin.contains(module)
        {
            for argument in args.split_whitespace() {
                let _ = write!(line, " {}.{argument}", normal_name(module));
            }
        }
    }
    line
}

/// Longest time that the script itself may take, in seconds: what a boot's time limit has to allow for.
pub fn time_limit_s(recipe: &Recipe) -> u64 {
    let steps = recipe
        .steps
        .iter()
        .filter(|step| !step.background)
        .map(|step| match &step.action {
            Action::WaitMark { timeout_s, .. }
            | Action::WaitPath { timeout_s, .. }
            | Action::WaitLog { timeout_s, .. }
            | Action::Run { timeout_s, .. } => u64::from(*timeout_s),
            Action::Reboot { .. } => u64::from(REBOOT_S),
            Action::Sleep { ms } => u64::from(*ms).div_ceil(1000),
            _ => 0,
        });
    let background = recipe.steps.iter().filter(|step| step.background);
    let join = background.map(|step| step.abandon_s.unwrap_or(JOIN_S)).max();
    let once = steps.sum::<u64>() + u64::from(join.unwrap_or(0)) + u64::from(recipe.settle_ms).div_ceil(1000);
    let again = [
        FindingKind::Panic,
        FindingKind::Reset,
        FindingKind::Kexec,
        FindingKind::CrashKernel,
    ];
    if again.into_iter().any(|kind| recipe.expect.wants(kind)) {
        // Another kernel boots, and begins the steps anew.
        2 * once + u64::from(REBOOT_S)
    } else {
        once
    }
}

/// Functions that scripts of steps have, and the others too.
const SHARED: &str = include_str!("../../assets/shared.sh");
/// Runs the script of a step, so that its line numbers are those of the recipe's text.
const SCRIPT: &str = ". /steps/shared\n. \"$1\"\n";
/// Functions that the steps use.
const PRELUDE: &str = include_str!("../../assets/prelude.sh");
/// Functions of a guest that traces its kernel.
const TIMELINE: &str = include_str!("../../assets/timeline.sh");
/// Longest time for which a trace leaves the guest, in seconds.
pub const TRACE_S: u64 = 60;

/// End of the script, after the steps; `finish` is also what a failed step jumps to.
const POSTLUDE: &str = r#"
  say done
  trap - EXIT
  poweroff -f
  # Nothing may follow the death of the first process but the end.
  while :; do sleep 1; done
}
"#;

/// Actions of the guest before and after the steps of its recipe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around {
    /// Start of the boot.
    pub start: Start,
    /// The seed of the run decides how long the guest computes before its first step.
    pub jitter: bool,
    /// The guest traces its kernel, and sends the trace through its second serial port at the end.
    pub traced: bool,
}

/// The script for a recipe whose devices lie as `layout` says.
pub fn init(recipe: &Recipe, layout: &Layout, around: Around) -> String {
    let mut script = PRELUDE.to_owned();
    let first = layout.smmus.first().map_or(0, |smmu| smmu.marks);
    let clock = first + layout::CLOCK;
    if around.traced {
        script.push_str(TIMELINE);
    }
    script.push_str("finish() {\n  look_at_smmus");
    for smmu in &layout.smmus {
        let _ = write!(script, " {}:{}", smmu.name, smmu.sysfs_name());
    }
    script.push('\n');
    if around.traced {
        let _ = writeln!(script, "  trace_end {clock:#x}");
    }
    if recipe.quiet {
        script.push_str(&dump(&recipe.dmesg_drop));
    }
    script.push_str(POSTLUDE);
    for (number, step) in (1..).zip(&recipe.steps) {
        if let Some(note) = &step.note {
            for line in note.lines() {
                let _ = writeln!(script, "# {line}");
            }
        }
        let _ = writeln!(
            script,
            "step_{number}() {{\n{}\n}}",
            step_body(step, recipe, layout)
        );
    }
    if around.start == Start::Warm {
        script.push_str(&wait_for_snapshot(recipe, layout));
    }
    if around.jitter {
        let _ = writeln!(script, "\njitter {:#x}", first + layout::SEED);
    }
    if around.traced {
        let _ = writeln!(script, "\ntrace_begin {clock:#x}");
    }
    script.push_str("\nsay begin\n");
    if recipe.quiet {
        script.push_str("dmesg -n 1\n");
    }
    let scripts = (1..)
        .zip(&recipe.steps)
        .filter(|(_, step)| commands_of(step).is_some());
    let numbers: Vec<String> = scripts.map(|(number, _): (u32, _)| number.to_string()).collect();
    if !numbers.is_empty() {
        let _ = writeln!(script, "check_scripts {} || finish", numbers.join(" "));
    }
    for (number, step) in (1..).zip(&recipe.steps) {
        let text = quote(&resolve(&step.action.describe(), layout));
        let _ = writeln!(script, "step={number}; say \"step {number}\" {text}");
        let _ = if step.background {
            writeln!(
                script,
                "{{ step_{number}; : >/run/step.{number}; }} &\nbackground=\"$background {number}:{}\"",
                match step.abandon_s {
                    None => JOIN_S.to_string(),
                    Some(seconds) => format!("{seconds}:abandon"),
                }
            )
        } else {
            writeln!(
                script,
                "step_{number} || {{ say \"failed step {number}\"; finish; }}"
            )
        };
    }
    let _ = writeln!(
        script,
        "join || finish\nsleep {}\nfinish",
        decimal_seconds(recipe.settle_ms)
    );
    script
}

/// Has the guest wait where its snapshot is taken. A guest that goes on from it finds the SMMUs as they are at
/// power-on: those that the kernel has tried to probe while it booted are probed now, and the others when their
/// suppliers are there.
fn wait_for_snapshot(recipe: &Recipe, layout: &Layout) -> String {
    let failed = "say \"failed step 0: the board could not be set up again\"; finish";
    let mut text = format!("\nstep=0\nsay ready\n{RENEW} || {{ {failed}; }}\n");
    let boards = recipe.board.smmus.iter().zip(&layout.smmus);
    for (_, smmu) in boards.filter(|(board, _)| board.clock.is_none()) {
        let _ = writeln!(text, "put /sys/bus/platform/drivers_probe {}", smmu.sysfs_name());
    }
    text
}

/// Files that the script reads: what is shared, and the scripts of the steps that run one.
pub fn files(recipe: &Recipe, layout: &Layout) -> Vec<ExtraFile> {
    let file = |name: &str, text: String| ExtraFile {
        path: format!("{STEPS}/{name}"),
        mode: 0o644,
        contents: text.into_bytes(),
    };
    let scripts = (1..).zip(&recipe.steps).filter_map(|(number, step): (u32, _)| {
        let commands = resolve(commands_of(step)?, layout);
        Some(file(&number.to_string(), format!("{}\n", commands.trim_end())))
    });
    let table = registers::table(recipe, layout).map(|table| file("registers", table));
    [
        file("shared", SHARED.to_owned()),
        file("script", SCRIPT.to_owned()),
    ]
    .into_iter()
    .chain(table)
    .chain(scripts)
    .collect()
}

/// The commands of a step that is a script.
fn commands_of(step: &Step) -> Option<&str> {
    match &step.action {
        Action::Run { commands, .. } | Action::Shell { commands } => Some(commands),
        _ => None,
    }
}

/// Prints the kernel log since the script began, without the floods, and waits until it has left the serial port.
fn dump(drop: &[String]) -> String {
    let mut filter = String::new();
    if !drop.is_empty() {
        filter.push_str(" | grep -vF");
        for text in drop {
            let _ = write!(filter, " -e {}", quote(text));
        }
    }
    format!(
        r#"  dmesg | grep -qF '@@boot-stress begin' || say "failed kernel log: it was overwritten; raise log_buf_len"
  echo; echo '@@boot-stress dmesg begin'
  dmesg | sed -n '/@@boot-stress begin/,$p'{filter}
  echo '@@boot-stress dmesg end'
  stty -echo"#
    )
}

/// The action; then the mark that it raises, whose writing must not hide that the action failed.
fn step_body(step: &Step, recipe: &Recipe, layout: &Layout) -> String {
    let commands = commands(&step.action, recipe, layout);
    match &step.raises {
        None => commands,
        Some(mark) => {
            let address = mark_address(mark, recipe, layout);
            format!("{{\n{commands}\n}}\nset -- $?\nraise_mark {address}\nreturn $1")
        }
    }
}

/// Address of the word of a mark in the guest.
fn mark_address(name: &str, recipe: &Recipe, layout: &Layout) -> String {
    let number = recipe.marks.iter().position(|mark| mark.name == name);
    let page = layout.smmus.first().map_or(0, |smmu| smmu.marks);
    format!("{:#x}", page + 4 * number.unwrap_or(0) as u64)
}

fn commands(action: &Action, recipe: &Recipe, layout: &Layout) -> String {
    let text = |text: &str| quote(&resolve(text, layout));
    let mark = |name: &str| mark_address(name, recipe, layout);
    match action {
        // Parameters are words of their own.
        Action::Load { module, args } => resolve(args, layout)
            .split_whitespace()
            .fold(format!("load {module}"), |line, word| line + " " + &quote(word)),
        Action::Unload { module } => format!("unload {module}"),
        Action::Write { path, value } => format!("put {} {}", text(path), text(value)),
        Action::WaitMark {
            mark: name,
            timeout_s,
        } => {
            format!("wait_mark {} {} {timeout_s}", quote(name), mark(name))
        }
        Action::RaiseMark { mark: name } => format!("raise_mark {}", mark(name)),
        Action::WaitPath { path, timeout_s } => format!("wait_path {} {timeout_s}", text(path)),
        Action::WaitLog {
            text: wanted,
            timeout_s,
        } => format!("wait_log {} {timeout_s}", text(wanted)),
        Action::Sleep { ms } => format!("sleep {}", decimal_seconds(*ms)),
        Action::Run {
            status, timeout_s, ..
        } => format!("run {status} {timeout_s}"),
        Action::Reboot { mark: name } => format!("reboot_once {}", mark(name)),
        // In the first process itself. Its last command may well fail, in a race.
        Action::Shell { .. } => format!(". {STEPS}/$step\n:"),
    }
}

/// Puts in device names for `${client}` and `${smmu}`; other `${…}` are the shell's.
fn resolve(text: &str, layout: &Layout) -> String {
    let names = layout
        .clients
        .iter()
        .map(|c| &c.name)
        .chain(layout.smmus.iter().map(|s| &s.name));
    let mut text = registers::resolve(text, layout);
    for name in names {
        if let Some(device) = layout.sysfs_name(name) {
            text = text.replace(&format!("${{{name}}}"), &device);
        }
    }
    text
}

/// Quotes a text as one word of a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn decimal_seconds(ms: u32) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
